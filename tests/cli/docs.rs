//! The commands in the documentation do what they say: each page's are run by a shell, in order, in a
//! folder of their own, against real servers.
//!
//! Two programs are stood in for. `packhold serve` does not come back, so it begins in the background and is
//! waited for; and `cargo run --release --` is the binary that was built. `curl` fails where the server
//! refuses, and ports are replaced by free ones. A block that cannot run here says so, and why, in a comment
//! in front of it: `<!-- not run: … -->`. Before others the server ends: `<!-- the server is stopped -->`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use packhold::doc;

use crate::noise::noise;
use crate::process::Folder;
use crate::rpms::rpm_with;

const NOT_RUN: &str = "<!-- not run: ";
const STOPPED: &str = "<!-- the server is stopped -->";
/// Ports that the documentation names.
const PORTS: [u16; 3] = [8080, 8081, 8443];

/// A block of commands.
#[derive(Debug, PartialEq)]
struct Block {
    /// Where it begins in its page.
    line: usize,
    commands: String,
    /// Why it is not run.
    not_run: Option<String>,
    /// The server is to end before.
    stopped: bool,
}

/// All blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    let mut before = "";
    for (at, line) in page.lines().enumerate() {
        match (open, line) {
            (false, "```sh") => {
                open = true;
                let not_run = before.strip_prefix(NOT_RUN);
                found.push(Block {
                    line: at + 1,
                    commands: String::new(),
                    not_run: not_run.map(|why| why.trim_end_matches(" -->").to_owned()),
                    stopped: before == STOPPED,
                });
            }
            (true, "```") => open = false,
            (true, line) => {
                if let Some(block) = found.last_mut() {
                    block.commands += line;
                    block.commands.push('\n');
                }
            }
            _ => {}
        }
        before = line;
    }
    assert!(!open, "a block does not end");
    found
}

/// What stands in for `packhold`. The server that was begun last ends before another one does begin.
const PACKHOLD: &str = r#"#!/bin/bash
case "$1" in
serve)
    stop-server
    # Here, not when the background gets to it: what the last one said must not be taken for this one's.
    : >serve.out
    "$BINARY" "$@" >serve.out &
    echo $! >serve.pid
    for _ in $(seq 600); do
        grep -q '^listening on' serve.out && exit 0
        kill -0 "$(cat serve.pid)" || exit 1
        sleep 0.1
    done
    exit 1
    ;;
follow)
    # Until it has what is there.
    timeout --signal=TERM 5 "$BINARY" "$@"
    code=$?
    [ $code = 124 ] && exit 0
    exit $code
    ;;
esac
exec "$BINARY" "$@"
"#;

const STOP_SERVER: &str = r#"#!/bin/bash
[ -e serve.pid ] || exit 0
pid=$(cat serve.pid)
rm serve.pid
kill -TERM "$pid" || exit 0
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
"#;

const CARGO: &str = r#"#!/bin/bash
[ "$1 $2 $3" = "run --release --" ] && shift 3 && exec packhold "$@"
[ "$1" = install ] && exit 0
echo "cargo $*: not here" >&2
exit 1
"#;

const CURL: &str = r#"#!/bin/bash
exec "$CURL" --silent --show-error --fail-with-body --max-time 60 "$@"
"#;

/// The files that the pages speak of.
fn furnish(folder: &Folder) {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.file(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    let mut release = noise(1, 300_000);
    write("some.deb", &release);
    for name in ["app-1.0.tar", "app-1.1.tar", "app-1.2.tar", "nightly.tar"] {
        release.splice(1_000..1_010, noise(2, 100));
        write(name, &release);
        write(&format!("releases/{name}"), &release);
    }
    write("build/one.deb", b"one");
    write("build/two.deb", b"two");
    write(
        "some.rpm",
        &rpm_with("some", "1.0", "1", "x86_64", b"content"),
    );
    write(
        "other.rpm",
        &rpm_with("other", "1.0", "1", "x86_64", b"content"),
    );
    for (name, text) in [
        ("packhold", PACKHOLD),
        ("stop-server", STOP_SERVER),
        ("cargo", CARGO),
        ("curl", CURL),
    ] {
        write(&format!("bin/{name}"), text.as_bytes());
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.file(&format!("bin/{name}")), mode).expect("a mode");
    }
}

/// A program of the system, by the `PATH` of the tests.
fn program(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&path).map(|dir| dir.join(name));
    Some(all.find(|path| path.exists())?.to_str()?.to_owned())
}

/// One script of all that a page says.
fn script(page: &str) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    for block in blocks(page) {
        if block.not_run.is_some() {
            continue;
        }
        if block.stopped {
            script += "stop-server\n";
        }
        let line = block.line;
        writeln!(
            script,
            "echo '== the block in line {line}' >&2\n{}",
            block.commands
        )
        .expect("a text");
    }
    // Different ports at once: one that was free is then another's.
    let free = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    for (port, listener) in PORTS.iter().zip(&free) {
        let own = listener.local_addr().expect("an address").port();
        script = script.replace(&format!(":{port}"), &format!(":{own}"));
    }
    // Nobody else is to reach it.
    script = script.replace("0.0.0.0:", "127.0.0.1:");
    script
}

fn run(page: &str) {
    let Some(curl) = program("curl") else {
        println!("skipped: there is no curl");
        return;
    };
    let folder = Folder::new();
    furnish(&folder);
    let script = script(page);
    let listen = script.split("http://").nth(1).map_or("", |rest| {
        rest.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')))
            .next()
            .unwrap_or("")
    });
    fs::write(folder.file("script"), &script).expect("a file");
    let mut path = vec![folder.file("bin")];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").expect("a path"),
    ));
    let log = fs::File::create(folder.file("log")).expect("a file");
    let mut command = Command::new("bash");
    command.arg("script").current_dir(folder.file(""));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PACKHOLD_") {
            command.env_remove(name);
        }
    }
    command
        .env("PATH", std::env::join_paths(path).expect("a path"))
        .env("HOME", folder.file(""))
        .env("BINARY", env!("CARGO_BIN_EXE_packhold"))
        .env("CURL", curl)
        .env("NEW", "a password that is new")
        .env("PACKHOLD_NEW_PASSWORD", "a password that is new")
        .env("PACKHOLD_LISTEN", listen)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log);
    let status = command.status().expect("bash runs");
    let stop = Command::new(folder.file("bin/stop-server"))
        .current_dir(folder.file(""))
        .status();
    let log = fs::read(folder.file("log")).expect("the log");
    let log = String::from_utf8_lossy(&log);
    assert!(status.success(), "{status}\n{log}");
    assert!(stop.expect("bash runs").success());
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("it is there")
}

#[test]
fn the_commands_of_the_readme_run() {
    run(&readme());
}

#[test]
fn the_commands_of_the_guide_run() {
    run(doc::GUIDE);
}

#[test]
fn the_commands_of_the_api_run() {
    run(doc::API);
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let pages = [readme(), doc::GUIDE.to_owned(), doc::API.to_owned()];
    let (mut run, mut not_run) = (0, 0);
    for block in pages.iter().flat_map(|page| blocks(page)) {
        match block.not_run {
            None => run += 1,
            Some(why) => {
                assert!(why.len() > 10, "{why}");
                not_run += 1;
            }
        }
    }
    assert!(
        run >= 20 && not_run <= 7,
        "{run} are run, {not_run} are not"
    );
    assert_eq!(blocks(doc::COMPARISON), []);
}

/// The method and the path of a line of curl.
fn asked(line: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for call in line.split("curl ").skip(1) {
        let Some((_, target)) = call.split_once("$S/") else {
            continue;
        };
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '?' | ';' | ')');
        let target = target.split(ends).next().unwrap_or_default();
        let has = |option: &str| call.split_whitespace().any(|word| word == option);
        let named = call
            .split_once("-X ")
            .and_then(|(_, rest)| rest.split_whitespace().next());
        let method = match named {
            Some(method) => method,
            None if has("-T") => "PUT",
            None if has("-I") => "HEAD",
            None if has("-d") || has("-F") => "POST",
            None => "GET",
        };
        all.push((method.to_owned(), format!("/{target}")));
    }
    all
}

#[test]
fn every_call_of_the_api_has_its_line() {
    let mut shown = BTreeSet::new();
    for block in blocks(doc::API) {
        for (method, path) in block.commands.lines().flat_map(asked) {
            let pattern = packhold::http::endpoint(&method, &path);
            let pattern = pattern.unwrap_or_else(|| panic!("{method} {path} is no call"));
            shown.insert((method, pattern));
        }
    }
    let missing: Vec<_> = packhold::http::endpoints()
        // Whatever answers GET answers HEAD, too, if at all.
        .filter(|(method, _)| *method != "HEAD")
        .filter(|(method, pattern)| !shown.contains(&((*method).to_owned(), *pattern)))
        // Both do the same, and one is shown.
        .filter(|(method, pattern)| (*method, *pattern) != ("POST", "/generic/separate/{path..}"))
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn the_pages_are_in_the_binary() {
    let folder = Folder::new();
    for (page, text) in [
        ("guide", doc::GUIDE),
        ("api", doc::API),
        ("comparison", doc::COMPARISON),
    ] {
        assert_eq!(folder.run(&["doc", page]).assert_code(0).out(), text);
    }
    assert_eq!(folder.run(&["doc"]).out(), doc::GUIDE);
}
