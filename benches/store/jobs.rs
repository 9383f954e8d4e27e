//! The jobs that are measured.

use std::path::Path;
use std::time::Duration;

use packhold::domain;
use packhold::index::{Index, Place};
use packhold::store::{GcOptions, Options, Store, index_path};

use crate::fill::{self, Content, FILE_CHUNKS, Filler, options};
use crate::process::{self, Meter, say};

/// Of all files so many are the last ones, whose cost is told: at this size, not from the start.
const LAST_SHARE: usize = 10;
/// Parts of these, of which the median is taken.
const PARTS: usize = 10;

/// If this is a process that does a job, does it and ends.
pub fn do_if_told() {
    let args: Vec<String> = std::env::args().collect();
    let Some(place) = args.iter().position(|arg| arg == process::FLAG) else {
        return;
    };
    let (job, pack) = (args[place + 1].as_str(), Path::new(&args[place + 2]));
    let number: usize = args[place + 3].parse().expect("a number");
    match job {
        "fill-chunks" => fill(pack, Content::Chunks, number / FILE_CHUNKS),
        "fill-files" => fill(pack, Content::Small, number),
        "size" => size(pack),
        "open" => open(pack, number),
        "rebuild" => rebuild(pack, number),
        "verify" => verify(pack),
        "reclaim" => reclaim(pack, number),
        "crash" => crash(pack, number),
        other => panic!("no job {other}"),
    }
    std::process::exit(0);
}

fn fill(pack: &Path, content: Content, files: usize) {
    let mut filler = Filler::open(pack, content);
    let meter = Meter::start();
    let last = (files / LAST_SHARE).max(PARTS);
    let mut time = filler.put(0..files - last);
    let part = last / PARTS;
    let mut parts: Vec<Duration> = Vec::new();
    for n in 0..PARTS {
        let from = files - last + n * part;
        let upto = if n + 1 == PARTS { files } else { from + part };
        let took = filler.put(from..upto);
        parts.push(took / u32::try_from(upto - from).expect("a small number"));
        time += took;
    }
    meter.say();
    say("fill", time.as_secs_f64());
    say("each", crate::support::median(&parts).as_secs_f64());
    say("files", files as f64);
    assert!(fill::is_there(&filler.store, content, files - 1));
    filler.store.close();
}

fn size(pack: &Path) {
    let file = index_path(pack);
    say(
        "file",
        std::fs::metadata(&file).expect("an index").len() as f64,
    );
    say(
        "pack",
        std::fs::metadata(pack).expect("a pack").len() as f64,
    );
    let index = Index::open(&Place::File(file), 16 << 20).expect("an index");
    let reader = index.reader().expect("a snapshot");
    say("pages", reader.page_bytes().expect("sizes") as f64);
    say("rows", reader.chunk_count().expect("a number") as f64);
}

/// Opens the store; `behind` changes are not in its index yet.
fn open(pack: &Path, behind: usize) {
    let meter = Meter::start();
    let store = Store::open(pack, options()).expect("it opens");
    meter.say();
    let report = store.open_report();
    assert!(!report.rebuilt, "{report:?}");
    assert_eq!(report.replayed_commits > 0, behind > 0, "{report:?}");
    say("commits", report.replayed_commits as f64);
    if behind > 0 {
        assert!(fill::is_there(&store, Content::Small, behind - 1));
    }
}

fn rebuild(pack: &Path, chunks: usize) {
    let meter = Meter::start();
    let all = Options {
        rebuild: true,
        ..options()
    };
    let store = Store::open(pack, all).expect("it opens");
    meter.say();
    let report = store.open_report();
    assert!(report.rebuilt && report.corrupt.is_empty(), "{report:?}");
    store.close();
    drop(store);
    let index = Index::open(&Place::File(index_path(pack)), 16 << 20).expect("an index");
    let found = index.reader().expect("a snapshot").chunk_count();
    assert_eq!(found.expect("a number"), chunks as u64, "all are there");
}

fn verify(pack: &Path) {
    let store = Store::open(pack, options()).expect("it opens");
    let meter = Meter::start();
    let report = store.verify(false).expect("a verification");
    meter.say();
    assert!(report.clean, "{report:?}");
    say("chunks", report.chunks as f64);
}

/// Deletes every second file, and gives its space back.
fn reclaim(pack: &Path, files: usize) {
    let store = Store::open(pack, options()).expect("it opens");
    let (told, done) = std::sync::mpsc::channel();
    let mut waiting = 0;
    for n in (0..files).step_by(2) {
        let told = told.clone();
        let address = fill::address(Content::Chunks, n);
        domain::delete(&store, address, move |result| {
            told.send(result).expect("a listener");
        });
        waiting += 1;
        if waiting == 512 {
            done.recv().expect("an outcome").expect("it is deleted");
            waiting -= 1;
        }
    }
    for _ in 0..waiting {
        done.recv().expect("an outcome").expect("it is deleted");
    }
    let meter = Meter::start();
    let report = store.gc(&GcOptions::default()).expect("it is given back");
    meter.say();
    assert!(
        report.complete && report.blobs == files.div_ceil(2) as u64,
        "{report:?}"
    );
    say("chunks", report.chunks as f64);
    store.close();
}

/// Uploads small files and dies, without a checkpoint.
fn crash(pack: &Path, files: usize) {
    let mut filler = Filler::open(pack, Content::Small);
    filler.put(0..files);
    std::process::abort();
}
