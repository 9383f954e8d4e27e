#!/usr/bin/env python3
"""The web page in a real Chromium: what people do with it, and axe on every view, light and dark.

The browser comes from the system's packages, playwright-core and axe-core from the npm registry; without
one of them, or where the browser does not start, nothing is judged, and that is said. Words on the command line choose judges by their names;
OUTSIDE_SHOTS is a folder for screenshots.
"""

import json
import os
import shutil
import subprocess
import sys

from common import OUTSIDE, PASSWORD, ROOT, program, serving

PACKAGES = ["playwright-core@1.65.1", "axe-core@4.14.1"]


def packages():
    """The folder with the pinned packages; None without."""
    folder = OUTSIDE / "web"
    stamp, wanted = folder / "complete", " ".join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    if not shutil.which("node") or not shutil.which("npm"):
        print("there is no Node.js")
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}')
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", *PACKAGES]
    if subprocess.run(install, check=False, cwd=folder).returncode != 0:
        print("the packages cannot be installed")
        return None
    # The last step: what an interrupted run leaves is not taken for complete.
    stamp.write_text(wanted)
    return folder


def main():
    folder, chromium = packages(), program("chromium")
    if folder is None or chromium is None:
        print("SKIPPED: the web page was judged in no browser")
        return 0
    # Judges log in wrongly, and many times, from one address.
    with serving("--max-requests-per-second", "100000") as server, serving("--no-auth") as open_server:
        told = {
            "url": server.url,
            "openUrl": open_server.url,
            "password": PASSWORD,
            "chromium": chromium,
            "packages": str(folder),
            "folder": str(server.folder),
            "shots": os.environ.get("OUTSIDE_SHOTS"),
        }
        script = ROOT / "tests" / "outside" / "web" / "main.mjs"
        environment = {**os.environ, "WEB": json.dumps(told)}
        judged = subprocess.run(["node", script, *sys.argv[1:]], check=False, env=environment)
        for one in (server, open_server):
            if one.process.poll() is not None or "panicked" in one.log():
                print(one.log())
                return 1
        return judged.returncode


if __name__ == "__main__":
    sys.exit(main())
