"""What the outside judges share: their tools, and a server to judge.

Tools lie below target/outside and are installed once. Where they cannot be had, that is said and
counts as skipped.
"""

import base64
import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTSIDE = ROOT / "target" / "outside"
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
PASSWORD = "an administrator's"
LOGIN = f"admin:{PASSWORD}"


def environment():
    """The folder with the programs of a virtual environment that has the pinned tools; None without."""
    folder = OUTSIDE / "venv"
    stamp, wanted = folder / "complete", REQUIREMENTS.read_text() + sys.version
    if stamp.exists() and stamp.read_text() == wanted:
        return folder / "bin"
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input"]
        pip += ["--disable-pip-version-check", "--requirement", REQUIREMENTS]
        subprocess.run(pip, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the tools cannot be installed: {error}")
        return None
    # The last step: what an interrupted run leaves is not taken for complete.
    stamp.write_text(wanted)
    return folder / "bin"


def apt(*command, cwd=None):
    """Has apt-get do something with what the archives have now. One at a time: judges run side by side."""
    OUTSIDE.mkdir(parents=True, exist_ok=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with open(OUTSIDE / "apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["update"], command):
            subprocess.run(["apt-get", "-qq", *words], check=False, cwd=cwd, **quiet)


def program(name):
    """The path of a program, which is installed where that is possible; None without."""
    if not shutil.which(name) and shutil.which("apt-get"):
        apt("install", "-y", {"aria2c": "aria2"}.get(name, name))
    return shutil.which(name)


def unpacked(package, path):
    """A file of a Debian package that is unpacked and not installed; None without."""
    folder = OUTSIDE / package
    if not (folder / path).exists() and shutil.which("apt-get"):
        # Renamed at the end: what an interrupted run leaves is not taken for complete.
        begun = OUTSIDE / f"{package}.begun"
        for old in (folder, begun):
            shutil.rmtree(old, ignore_errors=True)
        begun.mkdir(parents=True)
        apt("download", package, cwd=begun)
        for archive in begun.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", archive, begun], check=False)
        begun.rename(folder)
    return folder / path if (folder / path).exists() else None


class Server:
    """A server on a free port, with a store of its own."""

    def __init__(self, folder, process, url):
        self.folder, self.process, self.url = pathlib.Path(folder), process, url
        self.address = url.removeprefix("http://")
        self.host, port = self.address.split(":")
        self.port = int(port)

    def ask(self, method, path, body=None, **headers):
        """Says something as the administrator, and gives the bytes of the answer."""
        secret = base64.b64encode(LOGIN.encode()).decode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Basic {secret}"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def log(self):
        """What the server said."""
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def serving(*flags):
    """A server as it was built for debugging; it is stopped at the end."""
    binary = ROOT / "target" / "debug" / "packhold"
    if not binary.exists():
        sys.exit(f"{binary} is missing: cargo build makes it")
    with tempfile.TemporaryDirectory(prefix="packhold-outside-") as folder:
        command = [binary, "serve", "--store", f"{folder}/store.pack", "--listen", "127.0.0.1:0", *flags]
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PACKHOLD_ADMIN_PASSWORD": PASSWORD},
            )
        try:
            line = process.stdout.readline().decode().split()
            if not line:
                sys.exit(pathlib.Path(folder, "log").read_text())
            yield Server(folder, process, line[-1])
        finally:
            process.terminate()
            process.wait(60)
