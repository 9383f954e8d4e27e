#!/usr/bin/env python3
"""Mutants of whole parts of the program, in the time of one build.

cargo-mutants says what to change; but a build and the tests for each change would take days for all of
`store`. Here all changes go into one copy of the source, each behind a switch that the environment turns:
that is built once. Each test is run once by itself, to know which changes it reaches; then each change is
turned on and the tests that reach it are run, the quickest first, until one fails.

    python3 tests/outside/mutants.py src/format src/pack
    python3 tests/outside/mutants.py --seconds 120 --names target/mutants/missed.txt src/format src/pack

What cannot be compiled behind a switch (in a `const fn`, of another type) is counted, and left to cargo-mutants.
Outcomes go to target/mutants/outcomes.tsv, and the names of those that no test finds to missed.txt there.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import typing

from common import ROOT, environment

PLACE = ROOT / "target" / "mutants"
TREE = PLACE / "tree"
SWITCH = "crate::switch::on"
SUITES = ["lib", "fuzz", "schedules", "store"]
# Crates that are compiled from files with switches.
CRATES = ["src/lib.rs", "tests/schedules/main.rs"]
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
# Where a call is not allowed.
CONSTANT = {"const_item", "static_item", "const_block", "enum_variant", "array_type", "type_arguments"}
MODULE = """
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod switch {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    static CHOSEN: LazyLock<usize> = LazyLock::new(|| match std::env::var("MUTANT") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => usize::MAX,
    });
    static REACHED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MUTANTS_REACHED").ok());
    static SEEN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    pub fn on(number: usize) -> bool {
        if let Some(path) = &*REACHED && !SEEN[number].swap(true, Ordering::Relaxed) {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(format!("{number}\\n").as_bytes()).unwrap();
        }
        *CHOSEN == number
    }
}
"""


def listed(folders):
    """What cargo-mutants would change."""
    command = ["cargo", "mutants", "--no-config", "--list", "--json"]
    for folder in folders:
        command += ["--file", folder if folder.endswith(".rs") else f"{folder}/**"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


class Source:
    """A file of which parts are put behind switches."""

    def __init__(self, path, parser):
        self.path, self.text = path, (ROOT / path).read_bytes()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.by_start = collections.defaultdict(list)
        self.alternatives = collections.defaultdict(list)
        self.inside = set()
        self.root = parser.parse(self.text).root_node
        pending = [self.root]
        while pending:
            node = pending.pop()
            self.by_start[node.start_byte].append(node)
            pending += node.children

    def offset(self, place):
        """The byte at a line and a column, both from 1."""
        start, end = self.starts[place["line"] - 1], self.starts[place["line"]]
        return start + len(self.text[start:end].decode()[: place["column"] - 1].encode())

    def add(self, number, mutant):
        """Takes a change in; false if it cannot be behind a switch."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        node = self.node(mutant["genre"], start, end)
        if node is None or constant(node):
            return False
        self.alternatives[node.id].append((number, mutant["replacement"]))
        while node and node.id not in self.inside:
            self.inside.add(node.id)
            node = node.parent
        return True

    def node(self, genre, start, end):
        """What has to be written otherwise for a change."""
        for node in self.by_start[start]:
            parent = node.parent
            if genre == "BinaryOperator" and node.end_byte == end and parent:
                if parent.type in ("binary_expression", "compound_assignment_expr"):
                    return parent
            elif genre == "UnaryOperator" and node.type == "unary_expression":
                return node
            elif genre == "MatchArm" and node.type == "match_arm":
                return node
            elif genre == "MatchArmGuard" and parent and parent.type == "match_pattern":
                if parent.child_by_field_name("condition") == node:
                    return node
            elif genre == "StructField" and node.type.endswith("field_initializer"):
                return node
            elif genre == "FnValue":
                while node and node.type != "function_item":
                    node = node.parent
                body = node and node.child_by_field_name("body")
                if body and body.start_byte < start and end < body.end_byte:
                    return body
        return None

    def rendered(self, node):
        """The text of a node, with its switches."""
        if node.id not in self.inside:
            return self.text[node.start_byte : node.end_byte].decode()
        found = self.alternatives.get(node.id)
        return self.switched(node, found) if found else self.plain(node)

    def plain(self, node, first=0):
        """The text of a node from a child of it on, with the switches inside only."""
        text, at = "", node.children[first].start_byte if node.children else node.start_byte
        for child in node.children[first:]:
            text += self.text[at : child.start_byte].decode() + self.rendered(child)
            at = child.end_byte
        return text + self.text[at : node.end_byte].decode()

    def switched(self, node, found):
        """The text of a node that is changed itself. What a switch adds has a line of its own, where it is found again
        when it does not compile."""
        numbers = [number for number, _ in found]
        on = " || ".join(f"{SWITCH}({number})" for number in numbers)
        if node.type == "block":
            returns = "".join(f"\nif {SWITCH}({number}) {{ return {text}; }}" for number, text in found)
            return "{" + returns + "\n" + self.plain(node, 1)
        if node.type == "match_arm":
            return self.arm(node, on)
        parent = node.parent
        if parent.type == "match_pattern" and parent.child_by_field_name("condition") == node:
            text = self.plain(node)
            for number, value in found:
                text = f"\n({SWITCH}({number}) || {text})" if value == "true" else f"\n(!{SWITCH}({number}) && {text})"
            return text
        if node.type == "unary_expression":
            operator, operand = node.children
            mark = operator.type
            return f"({{ let __a = {self.rendered(operand)};\nif {on} {{ __a }}\nelse {{ {mark}__a }} }})"
        if node.type.endswith("field_initializer"):
            return self.field(node, on)
        left, operator, right = (node.child_by_field_name(name) for name in ("left", "operator", "right"))
        mark = operator.type
        if mark in ("&&", "||"):
            short, long = ("!__a", "__a") if mark == "&&" else ("__a", "!__a")
            return (
                f"({{ let __a: bool = {self.rendered(left)};\nif (if {on} {{ {short} }} else {{ {long} }})"
                f" {{ {self.rendered(right)} }} else {{ __a }} }})"
            )
        if node.type == "compound_assignment_expr":
            target = self.text[left.start_byte : left.end_byte].decode()
            lines = "".join(f"\nif {SWITCH}({number}) {{ {target} {text} __r }} else" for number, text in found)
            return f"{{ let __r = {self.rendered(right)};{lines}\n{{ {target} {mark} __r }} }}"
        by, of = ("&", "*") if mark in COMPARISONS else ("", "")
        lines = "".join(f"\nif {SWITCH}({number}) {{ {of}__a {text} {of}__b }} else" for number, text in found)
        return (
            f"(match ({by}({self.rendered(left)}), {by}({self.rendered(right)})) {{ (__a, __b) => {lines}"
            f"\n{{ {of}__a {mark} {of}__b }} }})"
        )

    def arm(self, node, on):
        """A match arm that can be left out."""
        pattern = node.child_by_field_name("pattern")
        condition = pattern.child_by_field_name("condition")
        end = condition.start_byte if condition else pattern.end_byte
        head = self.text[node.start_byte : end].decode()
        guard = f" && ({self.rendered(condition)})" if condition else ""
        rest = self.text[pattern.end_byte : node.children[node.children.index(pattern) + 1].start_byte].decode()
        tail = "".join(self.text[a.end_byte : b.start_byte].decode() + self.rendered(b)
                       for a, b in zip(node.children[1:], node.children[2:]))
        opening = "" if condition else " if "
        arrow = node.children[node.children.index(pattern) + 1]
        return f"{head}{opening}\n!({on}){guard}\n{rest}{self.rendered(arrow)}{tail}"

    def field(self, node, on):
        """A field of a struct expression that can be left to the base of it."""
        base = next(child for child in node.parent.children if child.type == "base_field_initializer")
        whole = node.parent.parent.child_by_field_name("name")
        kind, name = (self.text[n.start_byte : n.end_byte].decode() for n in (whole, node.children[0]))
        value = node.child_by_field_name("value")
        rest = self.text[base.children[1].start_byte : base.end_byte].decode()
        other = f"{rest}.{name}" if rest.isidentifier() else f"{{ let __base: {kind} = {rest}; __base.{name} }}"
        return f"{name}:\nif {on} {{ {other} }}\nelse {{ {self.rendered(value) if value else name} }}"


def constant(node):
    """Whether a node is where no function may be called."""
    while node:
        if node.type in CONSTANT:
            return True
        if node.type == "function_item":
            return any(child.type == "function_modifiers" and b"const" in child.text for child in node.children)
        node = node.parent
    return False


def written(mutants, dropped):
    """Writes the copy of the source with all changes but those dropped; which of them are in it."""
    import tree_sitter
    import tree_sitter_rust

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
    sources, kept = {}, set()
    for number, mutant in enumerate(mutants):
        path = mutant["file"]
        if path not in sources:
            sources[path] = Source(path, parser)
        if number not in dropped and sources[path].add(number, mutant):
            kept.add(number)
    for path, source in sources.items():
        start = source.text[: source.root.start_byte].decode()
        (TREE / path).write_text(start + source.rendered(source.root))
    return kept


def copied(count):
    """Makes the copy of the source, with the switch in it."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    shutil.rmtree(TREE, ignore_errors=True)
    for name in files.decode().rstrip("\0").split("\0"):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)
    manifest = TREE / "Cargo.toml"
    # What is switched has no lints to keep.
    manifest.write_text(re.sub(r"(?ms)^\[lints\..*?(?=^\[(?!lints)|\Z)", "", manifest.read_text()))
    for crate in CRATES:
        path = TREE / crate
        path.write_text(path.read_text() + MODULE.replace("COUNT", str(count)))


def cargo(*arguments):
    """Runs cargo in the copy, and gives what it says of errors and programs."""
    command = ["cargo", *arguments, "--locked", "--message-format=json"]
    run = subprocess.run(command, cwd=TREE, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]
    return run.returncode, lines, run.stderr.decode()


def surroundings(**more):
    """The environment of what runs in the copy."""
    return {**os.environ, "CARGO_TARGET_DIR": str(PLACE / "build"), "CARGO_MANIFEST_DIR": str(TREE), **more}


def at_fault(message, kept):
    """The changes on the lines of an error, or next to them."""
    found = set()
    for span in message["spans"]:
        path = TREE / span["file_name"]
        if not path.is_file():
            continue
        lines = path.read_text().splitlines()
        for around in range(0, 12):
            text = "\n".join(lines[max(0, span["line_start"] - 1 - around) : span["line_end"] + around])
            near = {int(number) for number in re.findall(re.escape(SWITCH) + r"\((\d+)\)", text)} & kept
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
        errors = [line["message"] for line in lines if line["reason"] == "compiler-message"]
        errors = [message for message in errors if message["level"] == "error" and message["spans"]]
        if code == 0:
            return kept
        bad = set().union(*(at_fault(message, kept) for message in errors)) if errors else set()
        print(f"{len(errors)} errors: {len(bad)} changes are left out", flush=True)
        if not bad:
            sys.exit(told + "\n".join(message["rendered"] for message in errors))
        dropped |= bad


class Program(typing.NamedTuple):
    """Tests, and where they have their files."""

    binary: str
    files: str


def limited():
    """Before a program with a change in it starts: it may ask for all there is."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 30, 16 << 30))


def ran(program, tests, seconds, **more):
    """Runs tests of a program: "" if they pass, else the first that fails or "time"."""
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=program.files, ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program.binary, "--exact", "--test-threads=1", *tests],
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
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait()
    if process.returncode == 0:
        return ""
    failed = re.search(r"^test (\S+) (?:- should panic )?\.\.\. FAILED", told, re.M)
    return failed.group(1) if failed else f"ends with {process.returncode}"


def reaches(binary, test):
    """Which changes a test reaches, how many seconds it takes, and where it passes: in memory, where syncs take no
    time, or else on the disk."""
    for program in (Program(binary, "/dev/shm"), Program(binary, "/tmp")):
        with tempfile.NamedTemporaryFile(prefix="mutants-") as reached:
            begun = time.monotonic()
            if not ran(program, [test], 600, MUTANTS_REACHED=reached.name):
                took = time.monotonic() - begun
                numbers = pathlib.Path(reached.name).read_text().split()
                return took, program, test, {int(number) for number in numbers}
    sys.exit(f"fails without a change: {test}")


def tests(pool, suites):
    """All tests, with what they reach, the quickest first."""
    which = [part for suite in suites for part in (["--lib"] if suite == "lib" else ["--test", suite])]
    code, lines, told = cargo("test", "--no-run", *which)
    if code:
        sys.exit(told)
    found = []
    for line in lines:
        if line["reason"] != "compiler-artifact" or not line["executable"] or not line["profile"]["test"]:
            continue
        binary = line["executable"]
        list_of = [binary, "--list", "--format", "terse"]
        names = subprocess.run(list_of, cwd=TREE, env=surroundings(), check=True, stdout=subprocess.PIPE).stdout.decode()
        left_out = subprocess.run([*list_of, "--ignored"], cwd=TREE, env=surroundings(), check=True, stdout=subprocess.PIPE).stdout.decode()
        left_out = set(left_out.split())
        for name in re.findall(r"^(\S+): test$", names, re.M):
            if f"{name}:" not in left_out:
                found.append(pool.submit(reaches, binary, name))
    return sorted(test for test in (future.result() for future in found) if test[-1])


def tried(number, known, seconds):
    """Turns a change on: how many tests were run, and which found it."""
    left, runs = seconds, 0
    reaching = [(took, program, test) for took, program, test, reached in known if number in reached]
    groups, limit, spent = [[]], 0.3, 0.0
    for took, program, test in reaching:
        if left < took and runs:
            break
        left, runs, spent = left - took, runs + 1, spent + took
        if spent > limit:
            groups, limit, spent = [*groups, []], limit * 4, took
        groups[-1].append((took, program, test))
    for group in groups:
        for program in sorted({program for _, program, _ in group}):
            chosen = [(took, test) for took, of, test in group if of == program]
            allowed = 10 + 5 * sum(took for took, _ in chosen)
            failed = ran(program, [test for _, test in chosen], allowed, MUTANT=str(number))
            if failed:
                return runs, len(reaching), failed
    return runs, len(reaching), ""


def main():
    """Tries what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folders", nargs="+", help="files and folders of src")
    asked.add_argument("--seconds", type=float, default=15, help="of tests a change, at most; the quickest are run (15)")
    asked.add_argument("--jobs", type=int, default=os.cpu_count(), help="changes tried at once (one a core)")
    asked.add_argument("--shard", default="0/1", help="K/N: each N-th change from the K-th on")
    asked.add_argument("--suites", nargs="+", default=SUITES, help="the tests (lib fuzz schedules store; there are http and cli)")
    asked.add_argument("--names", help="a file with the names of changes; only those are tried")
    asked = asked.parse_args()
    tools = environment()
    if tools is None or not shutil.which("cargo-mutants"):
        sys.exit("SKIPPED: it takes cargo-mutants, and tree-sitter for Python")
    if pathlib.Path(sys.prefix) != tools.parent:
        os.execv(tools / "python", [tools / "python", *sys.argv])
    mutants = listed(asked.folders)
    kept = compiled(mutants)
    print(f"{len(mutants)} changes, of which {len(kept)} are behind switches", flush=True)
    nth, of = map(int, asked.shard.split("/"))
    names = set(pathlib.Path(asked.names).read_text().splitlines()) if asked.names else None
    chosen = [n for n in sorted(kept) if n % of == nth and (names is None or mutants[n]["name"] in names)]
    outcomes, lock = {}, threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        known = tests(pool, asked.suites)
        print(f"{len(known)} tests reach {len(set().union(*(reached for *_, reached in known)))} of them", flush=True)
        with open(PLACE / "outcomes.tsv", "w", encoding="utf-8") as table:

            def one(number):
                runs, reaching, found = tried(number, known, asked.seconds)
                with lock:
                    outcomes[number] = "time" if found == "time" else "found" if found else "missed" if reaching else "unreached"
                    print(outcomes[number], mutants[number]["name"], runs, reaching, found, sep="\t", file=table, flush=True)

            list(pool.map(one, chosen))
    missed = [mutants[n]["name"] for n in chosen if outcomes[n] in ("missed", "unreached")]
    (PLACE / "missed.txt").write_text("".join(f"{name}\n" for name in missed))
    total = collections.Counter()
    for number, outcome in outcomes.items():
        total["/".join(mutants[number]["file"].split("/")[:2]), outcome] += 1
    for (folder, outcome), count in sorted(total.items()):
        print(f"{folder:16} {outcome:10} {count}")


if __name__ == "__main__":
    main()
