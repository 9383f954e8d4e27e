//! Networks that break, clients that are killed, bytes that change on their way.

use std::process::Stdio;

use super::{client, run, tree, write};
use crate::noise::noise;
use crate::process::{Folder, Server};
use crate::proxy::Proxy;
use crate::wire::Call;

const MIB: u64 = 1 << 20;
const LARGE: u64 = 8 * MIB + 77;

fn large() -> (Folder, Server, Proxy) {
    let folder = Folder::new();
    write(&folder, "large", &noise(1, 8 * (1 << 20) + 77));
    let server = folder.serve();
    let proxy = Proxy::before(server.address);
    (folder, server, proxy)
}

const PUSH: [&str; 8] = [
    "push",
    "large",
    "p/r/f",
    "-j1",
    "--block-size",
    "1M",
    "--json",
    "--retries=0",
];
const PULL: [&str; 6] = ["pull", "p/r/f", "copy", "-j1", "--json", "--retries=0"];

fn number(ran: &crate::process::Ran, name: &str) -> u64 {
    ran.json()[name].as_u64().expect("a number")
}

/// Killed while the fourth of nine blocks is on its way: three were acknowledged, and only the others
/// go when it is tried again.
#[test]
fn a_push_that_is_killed_goes_on_where_it_ended() {
    let (folder, server, proxy) = large();
    proxy.up.stop_behind(3 * MIB + MIB / 2);
    let mut command = client(&folder, &proxy.url(), &PUSH);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    while !proxy.up.is_at_limit() {
        std::thread::yield_now();
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    let get = || server.send(&Call::new("GET", "/generic/p/r/f"));
    assert_eq!(get().status, 404, "nothing is there before all is");
    proxy.up.free();
    let ran = run(&folder, &proxy.url(), &PUSH);
    ran.assert_code(0);
    assert_eq!(number(&ran, "kept_bytes"), 3 * MIB);
    assert_eq!(number(&ran, "moved_bytes"), LARGE - 3 * MIB);
    let passed = proxy.up.passed();
    assert!(
        (LARGE - 3 * MIB..LARGE - 2 * MIB).contains(&passed),
        "{passed}"
    );
    assert!(get().body == noise(1, 8 * (1 << 20) + 77), "other bytes");
    let notes = tree(&folder.file(".local/state/packhold/uploads"));
    assert!(notes.is_empty(), "{:?}", notes.keys());
    server.stop();
}

#[test]
fn a_push_whose_connection_breaks_goes_on_with_the_next() {
    let (folder, server, proxy) = large();
    proxy.up.cut_behind(5 * MIB);
    run(&folder, &proxy.url(), &PUSH).assert_code(1);
    proxy.up.free();
    // A block that the server has, and is not the file's any more, goes again.
    let mut bytes = noise(1, 8 * (1 << 20) + 77);
    let ran = run(&folder, &proxy.url(), &PUSH);
    assert_eq!(number(ran.assert_code(0), "kept_bytes"), 4 * MIB);
    bytes[0] ^= 1;
    write(&folder, "large", &bytes);
    proxy.up.cut_behind(2 * MIB + 1000);
    let overwrite = [&PUSH[..], &["--overwrite"]].concat();
    run(&folder, &proxy.url(), &overwrite).assert_code(1);
    proxy.up.free();
    // The server forgets all that it was told and not asked to complete.
    let ran = run(&folder, &proxy.url(), &overwrite);
    ran.assert_code(0);
    assert!(number(&ran, "kept_bytes") >= MIB);
    let got = server.send(&Call::new("GET", "/generic/p/r/f"));
    assert!(got.body == bytes, "other bytes");
    server.stop();
}

#[test]
fn an_upload_that_the_server_has_forgotten_begins_anew() {
    let (folder, server, proxy) = large();
    proxy.up.cut_behind(5 * MIB);
    run(&folder, &proxy.url(), &PUSH).assert_code(1);
    proxy.up.free();
    let notes = folder.file(".local/state/packhold/uploads");
    let mut changed = 0;
    for (name, bytes) in tree(&notes) {
        let text = String::from_utf8(bytes).expect("text");
        let mut note: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let id = note["upload_id"].as_str().expect("an id");
        note["upload_id"] = id.chars().rev().collect::<String>().into();
        std::fs::write(notes.join(name), note.to_string()).expect("a file");
        changed += 1;
    }
    assert_eq!(changed, 1, "there is a note of it");
    let ran = run(&folder, &proxy.url(), &PUSH);
    assert_eq!(number(ran.assert_code(0), "kept_bytes"), 0);
    server.stop();
}

#[test]
fn blocks_go_side_by_side() {
    let (folder, server, _) = large();
    let url = format!("http://{}", server.address);
    let push = ["push", "large", "p/r/f", "-j8", "--block-size", "64K"];
    run(&folder, &url, &push).assert_code(0);
    let got = server.send(&Call::new("GET", "/generic/p/r/f"));
    assert!(got.body == noise(1, 8 * (1 << 20) + 77), "other bytes");
    server.stop();
}

/// Where a file grows that is not whole yet.
fn partial(folder: &Folder) -> Option<std::path::PathBuf> {
    let names = std::fs::read_dir(folder.file("")).expect("a folder");
    let paths = names.map(|entry| entry.expect("an entry").path());
    let is_partial = |path: &std::path::PathBuf| path.extension() == Some("part".as_ref());
    paths.into_iter().find(is_partial)
}

fn kill_pull_midway(folder: &Folder, proxy: &Proxy) -> u64 {
    proxy.down.stop_behind(3 * MIB);
    let mut command = client(folder, &proxy.url(), &PULL);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    let len = || Some(std::fs::metadata(partial(folder)?).ok()?.len());
    while len().is_none_or(|len| len < MIB) {
        std::thread::yield_now();
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    proxy.down.free();
    assert!(
        !folder.file("copy").exists(),
        "it is not there before it is whole"
    );
    len().expect("it was kept")
}

#[test]
fn a_pull_that_is_killed_goes_on_where_it_ended() {
    let (folder, server, proxy) = large();
    run(&folder, &proxy.url(), &PUSH).assert_code(0);
    let kept_bytes = kill_pull_midway(&folder, &proxy);
    let ran = run(&folder, &proxy.url(), &PULL);
    ran.assert_code(0);
    assert_eq!(number(&ran, "kept_bytes"), kept_bytes);
    assert_eq!(number(&ran, "moved_bytes"), LARGE - kept_bytes);
    let copy = std::fs::read(folder.file("copy")).expect("it is there");
    assert!(copy == noise(1, 8 * (1 << 20) + 77), "other bytes");
    assert_eq!(partial(&folder), None);
    server.stop();
}

#[test]
fn what_was_kept_is_proven_like_all_else() {
    let (folder, server, proxy) = large();
    run(&folder, &proxy.url(), &PUSH).assert_code(0);
    let kept_bytes = kill_pull_midway(&folder, &proxy);
    let path = partial(&folder).expect("it was kept");
    // As a machine leaves it that lost its power: as long as it was, with nothing in it.
    let zeros = vec![0; usize::try_from(kept_bytes).expect("it is short")];
    std::fs::write(path, zeros).expect("a file");
    let ran = run(&folder, &proxy.url(), &PULL);
    ran.assert_code(0);
    assert_eq!(number(&ran, "moved_bytes"), LARGE - kept_bytes + LARGE);
    let copy = std::fs::read(folder.file("copy")).expect("it is there");
    assert!(copy == noise(1, 8 * (1 << 20) + 77), "other bytes");
    server.stop();
}

#[test]
fn a_pull_whose_connection_breaks_goes_on_by_itself() {
    let (folder, server, proxy) = large();
    run(&folder, &proxy.url(), &PUSH).assert_code(0);
    proxy.down.cut_behind(3 * MIB);
    let mut command = client(&folder, &proxy.url(), &["pull", "p/r/f", "copy", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    while !proxy.down.is_at_limit() {
        std::thread::yield_now();
    }
    proxy.down.free();
    let ran = crate::process::Ran::of(child.wait_with_output().expect("it ends"));
    assert_eq!(number(ran.assert_code(0), "moved_bytes"), LARGE);
    let copy = std::fs::read(folder.file("copy")).expect("it is there");
    assert!(copy == noise(1, 8 * (1 << 20) + 77), "other bytes");
    server.stop();
}

#[test]
fn bytes_that_change_on_their_way_get_nowhere() {
    let (folder, server, proxy) = large();
    proxy.up.flip_behind(MIB / 2);
    let ran = run(&folder, &proxy.url(), &PUSH);
    ran.assert_code(1);
    let get = || server.send(&Call::new("GET", "/generic/p/r/f"));
    assert_eq!(get().status, 404);
    proxy.up.free();
    run(&folder, &proxy.url(), &PUSH).assert_code(0);
    proxy.down.flip_behind(2 * MIB);
    let ran = run(&folder, &proxy.url(), &PULL);
    assert!(ran.assert_code(1).err().contains("sha256"), "{}", ran.err());
    assert!(!folder.file("copy").exists());
    assert_eq!(partial(&folder), None, "bad bytes are not kept");
    proxy.down.free();
    run(&folder, &proxy.url(), &PULL).assert_code(0);
    server.stop();
}
