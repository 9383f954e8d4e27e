//! Proves the import floors of the design (§7): imports go down only, and each package has one home.
//!
//! Every file below `src/` is cut into tokens (`floors/tokens.rs`; comments and literals left out), its
//! references to the crate's own modules are found (`floors/references.rs`), and both are judged by
//! the tables here. Test modules are judged like the rest: a test must not reach over its
//! floor either. The judges are plain functions of (path, source), so that the tests at the end can
//! show each rule failing.

#[path = "floors/references.rs"]
mod references;
#[path = "floors/tokens.rs"]
mod tokens;

use references::{module_path, references};
use std::path::Path;
use std::{fs, io};
use tokens::{Token, tokens};

/// The floor of every top-level module. A module may refer to itself and to lower floors, and so never
/// to a sibling on its own floor: `pack` and `index` do not see each other.
const FLOORS: [(&str, u8); 12] = [
    ("digest", 0),
    ("doc", 0),
    ("metrics", 0),
    ("sync", 0),
    ("format", 1),
    ("pack", 2),
    ("index", 2),
    ("store", 3),
    ("domain", 4),
    ("http", 5),
    ("client", 5),
    ("cli", 6),
];

/// These may refer to everything, and nothing may refer to what they define.
const ABOVE_ALL: [&str; 2] = ["lib.rs", "main.rs"];

const MAX_LINES: usize = 500;

/// Where a run of tokens may stand. Places are beginnings of paths below `src/`.
enum Place {
    Only(&'static [&'static str]),
    Never(&'static [&'static str]),
}
use Place::{Never, Only};

const HTTP_AND_ABOVE: Place = Only(&["http/", "cli/", "lib.rs", "main.rs"]);

const HOMES: [(&[&str], Place); 37] = [
    (&["redb"], Only(&["index/"])),
    (&["memmap2"], Only(&["pack/map.rs"])),
    (&["unsafe"], Only(&["pack/map.rs"])),
    (&["libc"], Only(&["pack/map.rs"])),
    (&["bincode"], Only(&["format/meta/"])),
    (&["warp"], Only(&["http/"])),
    (&["clap"], Only(&["cli/", "main.rs"])),
    (&["tikv_jemallocator"], Only(&["main.rs"])),
    (
        &["indicatif"],
        Only(&["cli/report.rs", "cli/transfer/", "cli/dedup/"]),
    ),
    (&["toml", "::"], Only(&["cli/config/file.rs"])),
    (&["listenfd"], Only(&["cli/systemd.rs"])),
    (&["sd_notify"], Only(&["cli/systemd.rs"])),
    (
        &["clap_complete"],
        Only(&["cli/config/generate.rs", "cli/args.rs"]),
    ),
    (&["clap_mangen"], Only(&["cli/config/generate.rs"])),
    (&["console", "::"], Only(&["cli/accounts/password.rs"])),
    (&["fastcdc"], Only(&["store/chunker.rs"])),
    (&["zip", "::"], Only(&["http/archive.rs"])),
    (&["multer"], Only(&["http/multipart.rs"])),
    (&["argon2"], Only(&["domain/auth/passwords.rs"])),
    (&["hmac"], Only(&["domain/auth/compare.rs"])),
    (&["subtle"], Only(&["domain/auth/compare.rs"])),
    // Its parser believes what it reads: only checked bytes may get to it. Tests build RPMs.
    (
        &["rpm", "::"],
        Only(&[
            "domain/packages/header/reduced.rs",
            "domain/packages/tests/",
        ]),
    ),
    // Files belong to the pack and the index, what the system grants the process to the command line;
    // where a server chooses the names, every step goes by descriptor.
    (
        &["rustix"],
        Only(&[
            "pack/",
            "index/file.rs",
            "client/dest.rs",
            "cli/descriptors.rs",
        ]),
    ),
    (&["tokio_rustls"], Only(&["http/tls.rs"])),
    (&["socket2"], Only(&["http/connections/watched.rs"])),
    (&["StatusCode"], Only(&["http/", "client/server.rs"])),
    // What is sent to a collector goes its own way: the feature may be off.
    (&["ureq"], Only(&["client/server.rs", "cli/otel.rs"])),
    (
        &["opentelemetry", "::"],
        Only(&["http/timing/span.rs", "cli/otel.rs"]),
    ),
    (
        &["tracing_opentelemetry"],
        Only(&["http/timing/span.rs", "cli/otel.rs"]),
    ),
    (&["procfs"], Only(&["http/measure/process.rs"])),
    (&["async"], HTTP_AND_ABOVE),
    (&["tokio"], HTTP_AND_ABOVE),
    // Every clock: `SystemTime::now`, `Instant::now`, and those of other packages.
    (&["::", "now"], Never(&["format/", "domain/"])),
    (&["serde_json"], Never(&["domain/"])),
    (&["#", "[", "allow", "("], Only(&[])),
    (&["#", "!", "[", "allow", "("], Only(&[])),
    // A second name for the crate would hide references from this test.
    (&["crate", "as"], Only(&[])),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|&(_, floor)| floor)
}

/// Everything that is wrong with one file, each as `src/PATH:LINE: what`.
fn judge(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut faults = judge_floor(path, &tokens);
    faults.extend(judge_homes(path, &tokens));
    let lines = source.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("src/{path}:{lines}: longer than {MAX_LINES} lines"));
    }
    faults
}

fn judge_floor(path: &str, tokens: &[Token<'_>]) -> Vec<String> {
    if ABOVE_ALL.contains(&path) {
        return Vec::new();
    }
    let own = module_path(path).first().copied().unwrap_or_default();
    let Some(own_floor) = floor(own) else {
        return vec![format!(
            "src/{path}:1: `{own}` has no floor in tests/floors.rs"
        )];
    };
    let mut faults = Vec::new();
    for Token { text, line } in references(path, tokens) {
        let why = match floor(text) {
            Some(other) if text == own || other < own_floor => continue,
            Some(other) => format!("must not see `{text}` (floor {other})"),
            None => format!("must not take `{text}` from the top of the crate"),
        };
        faults.push(format!(
            "src/{path}:{line}: `{own}` (floor {own_floor}) {why}"
        ));
    }
    faults
}

fn judge_homes(path: &str, tokens: &[Token<'_>]) -> Vec<String> {
    let lies_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    let mut faults = Vec::new();
    for (words, place) in &HOMES {
        let rule = match place {
            Only(homes) if !lies_in(homes) => format!("may stand only in {homes:?}"),
            Never(bans) if lies_in(bans) => format!("may never stand in {bans:?}"),
            Only(_) | Never(_) => continue,
        };
        for run in tokens.windows(words.len()) {
            if run.iter().map(|token| token.text).eq(words.iter().copied()) {
                faults.push(format!(
                    "src/{path}:{}: `{}` {rule}",
                    run[0].line,
                    words.concat()
                ));
            }
        }
    }
    faults
}

/// All `.rs` files below `dir`, as (path below `src/`, source).
fn sources(dir: &Path, below: &str) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(sources(&entry.path(), &format!("{path}/"))?);
        } else if entry.path().extension() == Some("rs".as_ref()) {
            found.push((path, fs::read_to_string(entry.path())?));
        }
    }
    Ok(found)
}

#[test]
fn imports_go_down_only_and_packages_stay_at_home() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&src, "").expect("src/ can be read");
    assert!(
        files.iter().any(|(path, _)| path == "lib.rs"),
        "no lib.rs in src/"
    );
    let mut faults: Vec<_> = files
        .iter()
        .flat_map(|(path, source)| judge(path, source))
        .collect();
    faults.sort();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A path, the beginning of its source, and what the one fault found there says.
const FAULTY: &str = "
    pack/map.rs    | use crate::index::Row;             | `pack` (floor 2) must not see `index`
    index/mod.rs   | fn f() { crate::pack::open() }     | `index` (floor 2) must not see `pack`
    digest.rs      | use super::metrics;                | `digest` (floor 0) must not see `metrics`
    format/scan.rs | use crate::{digest, store::{gc}};  | must not see `store` (floor 3)
    store/gc.rs    | use super::super::http::view;      | must not see `http`
    store/mod.rs   | use self::super::{index, cli::x};  | must not see `cli`
    store/gc.rs    | mod tests { use crate::domain; }   | must not see `domain`
    http/view.rs   | use crate::VERSION;                | must not take `VERSION` from the top
    http/view.rs   | use crate::*;                      | must not take `*` from the top
    util/mod.rs    | fn f() {}                          | `util` has no floor";

const FINE: &str = "
    store/gc.rs    | use crate::{pack::open, index::{self, tables as t}, store::x, digest};
    store/gc.rs    | use super::index; mod tests { use super::*; use super::super::http; }
    store/gc.rs    | const A: &str = \"crate::http\"; use other::http; // crate::http
    digest.rs      | mod tests { use super::*; use crate::digest::x; }
    lib.rs         | pub use crate::cli::run; use crate::X;
    main.rs        | use packhold::cli;";

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split('|').map(str::trim).collect())
}

#[test]
fn references_upwards_and_sideways_are_found() {
    for row in rows(FAULTY) {
        let faults = judge(row[0], row[1]);
        let place = format!("src/{}:1: ", row[0]);
        assert_eq!(faults.len(), 1, "{row:?}: {faults:?}");
        assert!(
            faults[0].starts_with(&place) && faults[0].contains(row[2]),
            "{row:?}: {faults:?}"
        );
    }
}

#[test]
fn references_downwards_and_within_a_module_are_fine() {
    for row in rows(FINE) {
        assert_eq!(judge(row[0], row[1]), [""; 0], "{row:?}");
    }
}

#[test]
fn every_home_is_guarded() {
    let file_in = |place: &str| {
        place
            .strip_suffix('/')
            .map_or(place.to_owned(), |dir| format!("{dir}/x.rs"))
    };
    for (words, place) in &HOMES {
        let source = format!("\n{}", words.join(" "));
        let (wrong_place, fine) = match place {
            Only(homes) => ("digest.rs", *homes),
            Never(bans) => (bans[0], &["store/"][..]),
        };
        let expected = format!("src/{}:2: `{}` may ", file_in(wrong_place), words.concat());
        let faults = judge(&file_in(wrong_place), &source);
        assert!(
            faults.iter().any(|fault| fault.starts_with(&expected)),
            "{expected}: {faults:?}"
        );
        for home in fine.iter().copied() {
            assert_eq!(judge(&file_in(home), &source), [""; 0], "{words:?}");
        }
    }
}

#[test]
fn long_files_are_found() {
    assert!(judge("digest.rs", &"\n".repeat(MAX_LINES)).is_empty());
    let faults = judge("digest.rs", &"\n".repeat(MAX_LINES + 1));
    assert_eq!(faults, ["src/digest.rs:501: longer than 500 lines"]);
}
