#!/usr/bin/env python3
"""Mutants of whole parts of the program, in the time of one build.

cargo-mutants says what to change; but a build and the tests for each change would take days for all of `store`. Here
all changes go into one copy of the source, each behind a switch that the environment turns: that is built once. Each
test is run once by itself, to know which changes it reaches; then each change is turned on and the tests that reach
it are run, quick and special ones and those that found others in the same file first, until one fails.

    python3 tests/outside/mutants.py src/format src/pack
    python3 tests/outside/mutants.py --seconds 120 --names target/mutants/missed.txt src/format src/pack
    git diff main > target/change.diff; python3 tests/outside/mutants.py --in-diff target/change.diff

Fails if a change is found by no test, and is not in survivors.txt beside this file with the reason why none can. What
cannot be compiled behind a switch (in a `const fn`, of another type) is counted, and left to cargo-mutants. Outcomes
go to target/mutants/outcomes.tsv, and the names of those that no test finds to missed.txt there.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing

from common import ROOT, environment
from switches import ON, Source, module

PLACE = ROOT / "target" / "mutants"
TREE = PLACE / "tree"
SURVIVORS = pathlib.Path(__file__).with_name("survivors.txt")
SUITES = ["lib", "fuzz", "schedules", "store", "http"]
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
# Crates that are compiled from files with switches.
CRATES = ["src/lib.rs", "tests/schedules/main.rs"]
# One that has none: it only calls the library.
OUTSIDE = "src/main.rs"


def listed(asked):
    """What cargo-mutants would change."""
    command = ["cargo", "mutants", "--list", "--json"]
    for folder in asked.folders:
        command += ["--file", folder if folder.endswith(".rs") else f"{folder}/**"]
    if asked.in_diff:
        command += ["--in-diff", asked.in_diff]
    run = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout or b"[]")


def surroundings(**more):
    """The environment of what runs in the copy."""
    return {**os.environ, "CARGO_TARGET_DIR": str(PLACE / "build"), "CARGO_MANIFEST_DIR": str(TREE), **more}


def output(command):
    """What a command says that runs in the copy."""
    return subprocess.run(command, cwd=TREE, env=surroundings(), check=True, stdout=subprocess.PIPE).stdout.decode()


def cargo(*arguments):
    """Runs cargo in the copy, and gives what it says of errors and programs."""
    command = ["cargo", *arguments, "--locked", "--message-format=json"]
    run = subprocess.run(command, cwd=TREE, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]
    return run.returncode, lines, run.stderr.decode()


def copied(count):
    """Makes the copy of the source, with as many switches in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    shutil.rmtree(TREE, ignore_errors=True)
    for name in files.decode().rstrip("\0").split("\0"):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)
    manifest = TREE / "Cargo.toml"
    # What is switched has no lints to keep.
    manifest.write_text(re.sub(r"(?ms)^\[lints\..*?(?=^\[(?!lints)|\Z)", "", manifest.read_text()))
    for crate in CRATES:
        path = TREE / crate
        path.write_text(path.read_text() + module(count))


def written(mutants, dropped):
    """Writes the files with all changes but those dropped; which of them are in it."""
    import tree_sitter
    import tree_sitter_rust

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
    sources, kept = {}, set()
    for number, mutant in enumerate(mutants):
        path = mutant["file"]
        if path not in sources:
            sources[path] = Source((ROOT / path).read_bytes(), parser)
        if path != OUTSIDE and number not in dropped and sources[path].add(number, mutant):
            kept.add(number)
    for path, source in sources.items():
        (TREE / path).write_text(source.written() + (module(len(mutants)) if path in CRATES else ""))
    return kept


def at_fault(message, kept):
    """The changes on the lines of an error, or next to them."""
    found = set()
    for span in message["spans"]:
        path = TREE / span["file_name"]
        if not path.is_file():
            continue
        lines = path.read_text().splitlines()
        for around in range(12):
            text = "\n".join(lines[max(0, span["line_start"] - 1 - around) : span["line_end"] + around])
            near = {int(number) for number in re.findall(re.escape(ON) + r"\((\d+)\)", text)} & kept
            if near:
                found |= near
                break
    return found


def compiled(mutants):
    """Makes the copy compile by leaving changes out; those that are in it."""
    copied(len(mutants))
    dropped = set()
    while True:
        kept = written(mutants, dropped)
        code, lines, told = cargo("check", "--lib")
        if code == 0:
            return kept
        errors = [line["message"] for line in lines if line["reason"] == "compiler-message"]
        errors = [message for message in errors if message["level"] == "error" and message["spans"]]
        bad = set().union(*(at_fault(message, kept) for message in errors))
        print(f"{len(errors)} errors: {len(bad)} changes are left out", flush=True)
        if not bad:
            sys.exit(told + "\n".join(message["rendered"] for message in errors))
        dropped |= bad


class Program(typing.NamedTuple):
    """Tests, and where they have their files."""

    binary: str
    files: str


class Test(typing.NamedTuple):
    """One of them: the quickest is the first of all."""

    seconds: float
    program: Program
    name: str
    reached: frozenset


def limited():
    """Before a program with a change in it starts: it may ask for all there is, and never end."""
    os.setsid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 30, 16 << 30))


def ran(program, names, seconds, **more):
    """Runs tests of a program: "" if they pass, else the first that fails or "time"."""
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=program.files, ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program.binary, "--exact", "--test-threads=1", *names],
            cwd=TREE,
            env=surroundings(TMPDIR=folder, RUST_BACKTRACE="0", **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=limited,
        )
        try:
            told = process.communicate(timeout=seconds)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            return "time"
        finally:
            # With all that a test has started.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    if process.returncode == 0:
        return ""
    failed = re.search(r"^test (\S+) (?:- should panic )?\.\.\. FAILED", told, re.M)
    return failed.group(1) if failed else f"ends with {process.returncode}"


def measured(binary, name):
    """A test, with what it reaches and where it passes: in memory, where syncs take no time, or else on the disk."""
    for program in (Program(binary, "/dev/shm"), Program(binary, tempfile.gettempdir())):
        with tempfile.NamedTemporaryFile(prefix="mutants-") as reached:
            begun = time.monotonic()
            if not ran(program, [name], 600, MUTANTS_REACHED=reached.name):
                numbers = map(int, pathlib.Path(reached.name).read_text().split())
                return Test(time.monotonic() - begun, program, name, frozenset(numbers))
    sys.exit(f"fails without a change: {name}")


def known(pool, suites):
    """All tests that reach a change, the quickest first."""
    which = [part for suite in suites for part in (["--lib"] if suite == "lib" else ["--test", suite])]
    code, lines, told = cargo("test", "--no-run", *which)
    if code:
        sys.exit(told)
    found = []
    for line in lines:
        if line["reason"] == "compiler-artifact" and line["executable"] and line["profile"]["test"]:
            names = [line["executable"], "--list", "--format", "terse"]
            ignored = set(output([*names, "--ignored"]).splitlines())
            for test in output(names).splitlines():
                if test.endswith(": test") and test not in ignored:
                    found.append(pool.submit(measured, line["executable"], test.removesuffix(": test")))
    return sorted(test for test in (future.result() for future in found) if test.reached)


def neighbours(name):
    """What the tests of one place have in common."""
    return name.rpartition("::")[0] + "::"


def tested(number, tests, finders, seconds):
    """Turns a change on, and runs tests that reach it for so long, the likeliest to fail in a second first (those that
    reach little else, and those that found others, or have neighbours that did): how many were run, of how many, and
    what failed."""
    reaching = [test for test in tests if number in test.reached]

    def worth(test):
        found = finders[test.name] + finders[neighbours(test.name)] / 10 + 0.05
        return test.seconds * len(test.reached) ** 2 / found

    likely = sorted(reaching, key=worth)
    # Each process runs more of them than the one before.
    groups, limit, spent, left, runs = [[]], 0.3, 0.0, seconds, 0
    for test in [test for test in likely if test.seconds <= seconds] or reaching[:1]:
        if left < test.seconds and runs:
            continue
        left, runs, spent = left - test.seconds, runs + 1, spent + test.seconds
        if spent > limit:
            groups, limit, spent = [*groups, []], limit * 4, test.seconds
        groups[-1].append(test)
    for group in groups:
        for program in sorted({test.program for test in group}):
            chosen = [test for test in group if test.program == program]
            allowed = 10 + 5 * sum(test.seconds for test in chosen)
            for longer in (1, 2):
                # The machine may have been busy.
                failed = ran(program, [test.name for test in chosen], longer * allowed, MUTANT=str(number))
                if failed != "time":
                    break
            if failed:
                return runs, len(reaching), failed
    return runs, len(reaching), ""


def without_place(name):
    """A change by the name that it keeps when lines move."""
    path, change = name.split(": ", 1)
    return f"{path.split(':')[0]}: {change}"


def named():
    """How often each change may be found by no test."""
    lines = SURVIVORS.read_text().splitlines()
    return collections.Counter(line for line in lines if line and not line.startswith("#"))


def told(mutants, outcomes):
    """Prints totals and what survives without a reason; whether nothing does."""
    total, missed = collections.Counter(), []
    for number, outcome in sorted(outcomes.items()):
        total["/".join(mutants[number]["file"].split("/")[:2]), outcome] += 1
        if outcome in ("missed", "unreached"):
            missed.append(mutants[number]["name"])
    (PLACE / "missed.txt").write_text("".join(f"{name}\n" for name in missed))
    for (folder, outcome), count in sorted(total.items()):
        print(f"{folder:16} {outcome:10} {count}")
    left, unnamed = named(), []
    for name in missed:
        left[without_place(name)] -= 1
        if left[without_place(name)] < 0:
            unnamed.append(name)
    print(f"{len(missed)} survive, of which survivors.txt names {len(missed) - len(unnamed)}")
    tried = collections.Counter(without_place(mutants[number]["name"]) for number in outcomes)
    for name, count in sorted(left.items()):
        if 0 < count <= tried[name]:
            print(f"found after all, though survivors.txt names it: {name} ({count})")
    for name in unnamed:
        print(f"FAILED: no test finds {name}")
    return not unnamed


def main():
    """Tries what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folders", nargs="*", help="files and folders of src (all that .cargo/mutants.toml leaves)")
    asked.add_argument("--in-diff", help="a file of differences; only changes in their lines are tried")
    asked.add_argument("--names", help="a file with the names of changes; only those are tried")
    asked.add_argument("--shard", default="0/1", help="K/N: each N-th change from the K-th on")
    asked.add_argument("--seconds", type=float, default=15, help="of tests a change, at most (15)")
    asked.add_argument("--jobs", type=int, default=os.cpu_count(), help="changes tried at once (one a core)")
    asked.add_argument("--suites", nargs="+", default=SUITES, help=f"the tests ({' '.join(SUITES)}; there is cli)")
    asked = asked.parse_args()
    tools = environment()
    if tools is None or not shutil.which("cargo-mutants"):
        return print("SKIPPED: it takes cargo-mutants, and tree-sitter for Python")
    if pathlib.Path(sys.prefix) != tools.parent:
        os.execv(tools / "python", [tools / "python", *sys.argv])
    mutants = listed(asked)
    if not mutants:
        return print("0 changes")
    kept = compiled(mutants)
    print(f"{len(mutants)} changes, of which {len(kept)} are behind switches", flush=True)
    nth, of = map(int, asked.shard.split("/"))
    names = set(pathlib.Path(asked.names).read_text().splitlines()) if asked.names else None
    chosen = [n for n in sorted(kept) if n % of == nth and (names is None or mutants[n]["name"] in names)]
    outcomes, lock = {}, threading.Lock()
    # By file: how many changes a test has found.
    finders = collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        tests = known(pool, asked.suites)
        reached = frozenset().union(*(test.reached for test in tests))
        print(f"{len(tests)} tests reach {len(reached)} of them", flush=True)
        with open(PLACE / "outcomes.tsv", "w", encoding="utf-8") as table:

            def one(number):
                of_file = finders[mutants[number]["file"]]
                runs, reaching, found = tested(number, tests, of_file, asked.seconds)
                outcome = "time" if found == "time" else "found" if found else "missed" if reaching else "unreached"
                with lock:
                    outcomes[number] = outcome
                    of_file[found] += 1
                    of_file[neighbours(found)] += 1
                    print(outcome, mutants[number]["name"], runs, reaching, found, sep="\t", file=table, flush=True)

            list(pool.map(one, chosen))
    sys.exit(not told(mutants, outcomes))


if __name__ == "__main__":
    main()
