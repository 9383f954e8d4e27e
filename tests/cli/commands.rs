//! `packhold stats` and `packhold reindex`.

use serde_json::Value;

use crate::noise::noise;
use crate::process::{Folder, call};

const FIELDS: [&str; 11] = [
    "files",
    "packages",
    "logical_bytes",
    "blobs",
    "chunks",
    "stored_bytes",
    "pack_bytes",
    "pack_allocated_bytes",
    "index_bytes",
    "dedup_ratio",
    "reclaimable_bytes",
];

/// A folder with a closed store: 3 files, 2 contents, one content deleted.
fn filled() -> Folder {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("a", &noise(1, 300_000));
    server.put("b", &noise(1, 300_000));
    server.put("c", b"small");
    server.put("gone", &noise(2, 100_000));
    assert_eq!(server.send(&call("DELETE", "gone")).status, 200);
    server.stop();
    folder
}

fn without(mut stats: Value, fields: &[&str]) -> Value {
    let object = stats.as_object_mut().expect("an object");
    object.retain(|name, _| !fields.contains(&name.as_str()));
    stats
}

#[test]
fn stats_are_the_same_from_a_closed_store_and_from_a_server() {
    let folder = filled();
    let closed = folder.run(&["stats", "--json"]).assert_code(0).json();
    for field in FIELDS {
        assert!(closed[field].is_number(), "{field}: {closed}");
    }
    assert_eq!(closed["files"], 3);
    assert_eq!(closed["blobs"], 2);
    assert_eq!(closed["logical_bytes"], 600_005);
    assert_eq!(closed["stored_bytes"], 300_005);
    assert_eq!(closed["reclaimable_bytes"], 100_000);
    let length = std::fs::metadata(folder.pack()).expect("the pack").len();
    assert_eq!(closed["pack_bytes"], length);
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    for url in [url.clone(), url + "/"] {
        let asked = folder.run(&["stats", "--json", "--server", &url]);
        let asked = asked.assert_code(0).json();
        // Both files may grow or be cut when a store is opened; only a server scrubs.
        let varies = ["pack_allocated_bytes", "index_bytes", "scrub"];
        let (asked, closed) = (without(asked, &varies), without(closed.clone(), &varies));
        assert_eq!(asked, closed);
    }
    server.stop();
}

#[test]
fn stats_for_people() {
    let folder = filled();
    let ran = folder.run(&["stats"]);
    let text = ran.assert_code(0).out();
    for word in ["600005 bytes", "dedup ratio", "2.00"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn commands_on_a_closed_store_change_nothing() {
    let folder = filled();
    let before = std::fs::read(folder.pack()).expect("the pack");
    folder.run(&["stats"]).assert_code(0);
    folder.run(&["verify"]).assert_code(0);
    folder.run(&["verify", "--json"]).assert_code(0);
    assert!(std::fs::read(folder.pack()).expect("the pack") == before);
    let names = |folder: &Folder| {
        let parent = folder.pack();
        let entries = std::fs::read_dir(parent.parent().expect("a folder"));
        entries.expect("it is readable").count()
    };
    let files = names(&folder);
    folder.run(&["verify"]).assert_code(0);
    assert_eq!(names(&folder), files, "nothing is left behind");
}

#[test]
fn space_is_given_back_on_a_closed_store_and_through_a_server() {
    let folder = filled();
    let before = std::fs::read(folder.pack()).expect("the pack");
    let told = folder.run(&["gc", "--dry-run", "--json"]);
    let told = told.assert_code(0).json();
    assert_eq!(told["freed_bytes"], 100_000, "{told}");
    assert_eq!(told["live_bytes"], 300_005, "{told}");
    assert!(std::fs::read(folder.pack()).expect("the pack") == before);
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let asked = folder.run(&["gc", "--dry-run", "--json", "--server", &url]);
    assert_eq!(asked.assert_code(0).json(), told);
    let freed = folder.run(&["gc", "--json", "--server", &url]);
    let freed = freed.assert_code(0).json();
    assert_eq!(freed["freed_bytes"], 100_000, "{freed}");
    assert_eq!(freed["complete"], true);
    assert!(server.get("a").expect("it is there") == noise(1, 300_000));
    server.put("more", &noise(3, 200_000));
    assert_eq!(server.send(&call("DELETE", "more")).status, 200);
    server.stop();
    let text = folder.run(&["gc"]).assert_code(0).out();
    assert!(text.contains("200000 bytes"), "{text}");
    let nothing = folder.run(&["gc", "--json"]).assert_code(0).json();
    assert_eq!(nothing["freed_bytes"], 0);
    folder.run(&["verify"]).assert_code(0);
    let stats = folder.run(&["stats", "--json"]).assert_code(0).json();
    assert_eq!(stats["reclaimable_bytes"], 0);
    assert_eq!(stats["freed_bytes"], 300_000);
    for bad in ["", "101%", "lots"] {
        folder.run(&["serve", "--gc-at", bad]).assert_code(2);
    }
}

#[test]
fn a_missing_store_is_not_made() {
    let folder = Folder::new();
    for command in ["stats", "verify", "gc", "reindex"] {
        let ran = folder.run(&[command]);
        ran.assert_code(1);
        assert!(ran.err().contains("packhold.pack"), "{}", ran.err());
    }
    assert!(!folder.pack().exists() && !folder.index().exists());
}

#[test]
fn a_server_that_does_not_answer_is_a_failure() {
    let folder = Folder::new();
    let server = folder.serve_with(&[]);
    let url = format!("http://{}", server.address);
    let ran = folder.run(&["stats", "--server", &url]);
    ran.assert_code(1);
    assert!(ran.err().contains("401"), "{}", ran.err());
    let password = folder.file("packhold.pack.admin-password");
    let password = password.to_str().expect("a path");
    let args = ["--server", &url, "--password-file", password];
    folder.run(&[&["stats"][..], &args].concat()).assert_code(0);
    folder
        .run(&[&["verify"][..], &args].concat())
        .assert_code(0);
    server.stop();
    let ran = folder.run(&["stats", "--server", &url]);
    ran.assert_code(1);
    assert!(ran.err().contains(&url), "{}", ran.err());
}

#[test]
fn the_index_can_be_made_anew() {
    let folder = filled();
    let before = folder.run(&["stats", "--json"]).json();
    for spoil in [
        |folder: &Folder| std::fs::remove_file(folder.index()),
        |folder: &Folder| std::fs::write(folder.index(), "this is no index"),
        |_: &Folder| Ok(()),
    ] {
        spoil(&folder).expect("the index is there");
        let ran = folder.run(&["reindex"]);
        assert!(
            ran.assert_code(0).out().contains("replayed 6 commits"),
            "{}",
            ran.out()
        );
        let after = folder.run(&["stats", "--json"]).json();
        let varies = ["index_bytes"];
        assert_eq!(without(after, &varies), without(before.clone(), &varies));
        folder.run(&["verify"]).assert_code(0);
    }
    std::fs::remove_file(folder.index()).expect("it is there");
    let server = folder.serve();
    assert!(server.get("a") == Some(noise(1, 300_000)));
    assert_eq!(server.get("gone"), None);
    server.stop();
}

/// A pack is put back from an older copy, beside an index that knows of more.
/// Going on silently would be to lose acknowledged files without a word.
/// It is refused with the status of damage until somebody accepts it.
#[test]
fn a_pack_from_yesterday_is_refused_until_that_is_accepted() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("old", b"old");
    server.stop();
    let copy = std::fs::read(folder.pack()).expect("the pack");
    let server = folder.serve();
    server.put("new", b"new");
    server.stop();
    std::fs::write(folder.pack(), copy).expect("the pack can be written");
    for args in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["stats"],
        &["verify"],
        &["reindex"],
    ] {
        let ran = folder.run(args);
        ran.assert_code(3);
        assert!(
            ran.err().contains("--accept-rollback"),
            "{args:?}: {}",
            ran.err()
        );
    }
    folder.run(&["reindex", "--accept-rollback"]).assert_code(0);
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    assert_eq!(server.get("old").as_deref(), Some(&b"old"[..]));
    assert_eq!(server.get("new"), None);
    server.put("new", b"newer");
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

// Two copies of a store were both written to; then the index of one came to lie beside the pack of the
// other. What was acknowledged there is missing here, and nobody is to learn of that by accident.
#[test]
fn the_index_of_another_history_is_noticed() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("both", b"both");
    server.stop();
    let both = std::fs::read(folder.pack()).expect("the pack");
    let server = folder.serve();
    server.put("theirs", b"theirs");
    server.stop();
    let their_index = std::fs::read(folder.index()).expect("the index");
    std::fs::write(folder.pack(), both).expect("the pack can be written");
    std::fs::remove_file(folder.index()).expect("the index can be deleted");
    let server = folder.serve();
    server.put("ours", &noise(1, 50_000));
    server.stop();
    std::fs::write(folder.index(), their_index).expect("the index can be written");
    for args in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["stats"],
        &["verify"],
        &["reindex"],
    ] {
        let ran = folder.run(args);
        ran.assert_code(3);
        let told = ran.err();
        assert!(told.contains("another history"), "{args:?}: {told}");
        assert!(told.contains("--accept-rollback"), "{args:?}: {told}");
    }
    folder.run(&["reindex", "--accept-rollback"]).assert_code(0);
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    assert_eq!(server.get("ours"), Some(noise(1, 50_000)));
    assert_eq!(server.get("theirs"), None);
    server.stop();
}

// The index of another pack says nothing about this one: it is built anew, and that is said.
#[test]
fn the_index_of_another_pack_is_replaced() {
    let other = filled();
    let folder = Folder::new();
    let server = folder.serve();
    server.put("ours", b"ours");
    server.stop();
    std::fs::copy(other.index(), folder.index()).expect("the index can be written");
    // Who only looks leaves it as it is.
    let looked = folder.run(&["verify"]);
    looked.assert_code(0);
    assert!(looked.err().contains("of another pack"), "{}", looked.err());
    let server = folder.serve();
    assert!(folder.complaints().contains("of another pack"));
    assert_eq!(server.get("ours").as_deref(), Some(&b"ours"[..]));
    assert_eq!(server.get("a"), None);
    server.stop();
    let again = folder.run(&["verify"]);
    assert!(!again.err().contains("of another pack"), "{}", again.err());
}
