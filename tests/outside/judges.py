#!/usr/bin/env python3
"""Programs that nobody here wrote, against the server: each downloads or uploads in its own way, and
the bytes are compared with those that were stored. Prints a table; fails when one judge does.

Words on the command line choose judges by their names. OUTSIDE_BYTES is the size of the large file, 16 MiB
or more.
"""

import hashlib
import importlib
import os
import pathlib
import random
import sys
import tempfile
import time
import traceback

from common import serving
from judging import JUDGES, Missing

# Each brings its judges.
for kind in ("clients", "protocol", "watching"):
    importlib.import_module(kind)

SEED = 20200727


class Case:
    """What a judge judges: a server, files on it, and a folder of its own."""

    def __init__(self, server, folder, large):
        self.server, self.folder, self.large = server, pathlib.Path(folder), large

    def url(self, name="large.bin"):
        """Where a file is."""
        return f"{self.server.url}/generic/demo/files/{name}"

    def put(self, name, content):
        """Stores a file, replacing what is there."""
        self.server.ask("PUT", f"/generic/demo/files/{name}", content, X_BKREPO_OVERWRITE="true")

    def stored(self, name):
        """The bytes of a file on the server."""
        return self.server.ask("GET", f"/generic/demo/files/{name}")

    def path(self, name):
        """A file in the folder of the judge."""
        return self.folder / name

    def written(self, name, content):
        """Writes a file for the judge."""
        self.path(name).write_bytes(content)
        return self.path(name)

    def same(self, path, content):
        """The file has exactly these bytes."""
        found = pathlib.Path(path).read_bytes()
        assert len(found) == len(content), f"{len(found)} bytes, not {len(content)}"
        assert found == content, "other bytes"

    def large_sha256(self):
        """Digest of the large file, in hex."""
        return hashlib.sha256(self.large).hexdigest()


def run(judge, server, large):
    """The result of one judge, and what it says."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packhold-judge-") as folder:
        try:
            said, result = judge(Case(server, folder, large)), "ok"
        except Missing as missing:
            said, result = str(missing), "SKIPPED"
        except Exception as error:  # Whatever a judge dies of is its verdict.
            said, result = f"{type(error).__name__}: {error}", "FAILED"
            traceback.print_exc()
    return result, f"{said or ''}", time.monotonic() - began


def main():
    size = int(os.environ.get("OUTSIDE_BYTES", str(24 << 20)))
    large = random.Random(SEED).randbytes(size)
    judges = [judge for judge in JUDGES if all(word in judge.says for word in sys.argv[1:])]
    rows = []
    with serving("--no-auth") as server:
        server.ask("PUT", "/generic/demo/files/large.bin", large)
        for judge in judges:
            result, said, seconds = run(judge, server, large)
            rows.append(result)
            print(f"{result:8} {judge.says:72} {seconds:5.1f} s  {said}", flush=True)
        if server.process.poll() is not None or "panicked" in server.log():
            print(server.log())
            return 1
    counts = ", ".join(f"{rows.count(result)} {result}" for result in ("ok", "SKIPPED", "FAILED"))
    print(f"{len(rows)} judges: {counts}")
    return 0 if rows and "FAILED" not in rows else 1


if __name__ == "__main__":
    sys.exit(main())
