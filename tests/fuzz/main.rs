//! What the fuzz targets check (`fuzz/fuzz_targets`, one for each module here), as far as it goes
//! without a fuzzer: every input in `fuzz/seeds`, which has those that once found something, and
//! some that are made up.

mod held;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the store's tests use more of it")]
mod support;

mod blocks;
mod commit;
mod headers;
mod multipart;
mod ops;
mod range;
mod read;
mod rpm;
mod scan;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Bytes of an input that is made up.
const INPUT_BYTES: usize = 700;

/// Checks every input of a target, then so many that are made up. What fails is made small and shown;
/// as a file in the target's folder it is checked ever after.
fn replay(target: &str, check: fn(&[u8]), cases: u32) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let seeds = fs::read_dir(folder.join(target)).expect("a folder of inputs");
    let mut replayed = 0;
    for seed in seeds {
        let path = seed.expect("an entry").path();
        let input = fs::read(&path).expect("an input");
        let checked = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(checked.is_ok(), "{target} fails on {}", path.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{target} has no inputs");
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let inputs = proptest::collection::vec(any::<u8>(), 0..=INPUT_BYTES);
    let checked = runner.run(&inputs, |input| {
        check(&input);
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{target}: {failure}"));
}

#[test]
fn blocks_replay() {
    replay("blocks", blocks::check, 30);
}

#[test]
fn commit_replays() {
    replay("commit", commit::check, 2_000);
}

#[test]
fn headers_replay() {
    replay("headers", headers::check, 2_000);
}

#[test]
fn multipart_replays() {
    replay("multipart", multipart::check, 500);
}

#[test]
fn ops_replay() {
    replay("ops", ops::check, 10);
}

#[test]
fn range_replays() {
    replay("range", range::check, 2_000);
}

#[test]
fn read_replays() {
    replay("read", read::check, 30);
}

#[test]
fn rpm_replays() {
    replay("rpm", rpm::check, 500);
}

#[test]
fn scan_replays() {
    replay("scan", scan::check, 500);
}
