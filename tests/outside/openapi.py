#!/usr/bin/env python3
"""The description of the API, judged by openapi-spec-validator, and the server by schemathesis, which
asks it what the description allows, and what it does not.

No answer may be a 5xx, have an undescribed status, type or shape, or be given without a login where
one is needed. First come values on the borders of what is described, some thousand requests in all; then
OUTSIDE_EXAMPLES (3) that are made up for every operation. Arguments go to schemathesis.
"""

import json
import os
import subprocess
import sys

from common import LOGIN, OUTSIDE, environment, serving

SEED = "20200727"
# Judged otherwise: the API takes more than it describes, on purpose, and refuses what the state of things forbids.
UNASKED = ["negative_data_rejection", "positive_data_acceptance", "missing_required_header"]
# What is there when the runs begin, so that requests find something as often as not.
KNOWN = {
    "project": "demo",
    "repo": "files",
    "path": "folder/file",
    "user": "someone",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
# Paths of these are also those of a route with names in its pattern, and `Allow` has its methods, too.
SHARED = ["/generic/{project}/{repo}/search", "/auth/api/user/create", "/auth/api/user/list"]
# They are slow by their nature, and asked once by hand: `rate` may be a byte in a second, `wait` a minute.
SLOW = ["rate", "wait"]


def prepare(server):
    """Makes what is known."""
    server.ask("PUT", "/generic/demo/files/folder/file", b"123456789")
    user = {"userId": "someone", "pwd": "a password of someone"}
    server.ask("POST", "/auth/api/user/create", json.dumps(user).encode())


def described(server):
    """The description without what is slow."""
    document = json.loads(server.ask("GET", "/packhold/openapi.json"))
    for item in document["paths"].values():
        for operation in item.values():
            kept = [known for known in operation["parameters"] if known["name"] not in SLOW]
            operation["parameters"] = kept
    path = server.folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def configuration(server):
    """How schemathesis is told what is known: half of the time."""
    lines = []
    for name, value in KNOWN.items():
        lines.append(f"[dictionaries.{name}]\nvalues = [{json.dumps(value)}]\n")
    lines.append("[checks]\n")
    lines += [f"{check}.enabled = false\n" for check in UNASKED]
    lines.append("[parameters]\n")
    for name in KNOWN:
        lines.append(f'"path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}\n')
    lines.append(f"[[operations]]\ninclude-path = {json.dumps(SHARED)}\n")
    lines.append("checks.allow_header_conformance.enabled = false\n")
    path = server.folder / "schemathesis.toml"
    path.write_text("".join(lines))
    return path


def main():
    programs = environment()
    if programs is None:
        print("SKIPPED: neither the description nor the server was judged by it")
        return 0
    examples = os.environ.get("OUTSIDE_EXAMPLES", "3")
    # Nobody is slowed down: whoever asks without a login must be refused for that.
    open_wide = ["--max-requests-per-second", "1000000"]
    for limit in ["--max-failed-logins-per-address", "--max-failed-logins-per-user"]:
        open_wide += [limit, "1000000"]
    with serving(*open_wide) as server:
        prepare(server)
        document = described(server)
        judged = subprocess.run([programs / "openapi-spec-validator", document], check=False)
        if judged.returncode != 0:
            return 1
        command = [programs / "schemathesis", "--config-file", configuration(server), "run", document]
        command += ["--url", server.url, "--auth", LOGIN]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", examples, "--seed", SEED]
        command += ["--continue-on-failure", "--no-shrink", "--request-timeout", "20", "--no-color"]
        command += ["--suppress-health-check", "all", "--warnings", "off"]
        command += ["--generation-database", "none", "--workers", "1", *sys.argv[1:]]
        judged = subprocess.run(command, check=False, cwd=OUTSIDE)
        if server.process.poll() is not None or "panicked" in server.log():
            print(server.log())
            return 1
        return judged.returncode


if __name__ == "__main__":
    sys.exit(main())
