//! `packhold compact`.

use crate::noise::noise;
use crate::process::{Folder, Server, call};

fn compact(folder: &Folder) -> serde_json::Value {
    folder.run(&["compact", "--json"]).assert_code(0).json()
}

fn number(report: &serde_json::Value, name: &str) -> u64 {
    report[name].as_u64().expect("a number")
}

fn fill(server: &Server) {
    server.put("kept", &noise(1, 2_000_000));
    server.put("gone", &noise(2, 5_000_000));
    let deleted = server.send(&call("DELETE", "gone"));
    assert_eq!(deleted.verdict(), (200, 0), "{deleted:?}");
}

#[test]
fn a_closed_store_is_compacted_and_copies_are_made_anew() {
    let folder = Folder::new();
    let server = folder.serve();
    fill(&server);
    let busy = folder.run(&["compact"]);
    assert!(busy.assert_code(1).err().contains("is in use by"));
    server.stop();
    folder.run(&["backup", "copy.pack"]).assert_code(0);
    let seqs = folder.run(&["stats", "--json"]).assert_code(0).json();
    let before = number(&seqs, "pack_bytes");
    let report = compact(&folder);
    assert_eq!(number(&report, "contents"), 1);
    assert!(number(&report, "before_bytes") >= before);
    assert!(number(&report, "after_bytes") < 2_100_000, "{report}");
    folder.run(&["verify"]).assert_code(0);
    // The copy is one of another pack now, and stays a store of its own.
    let refused = folder.run(&["backup", "copy.pack"]);
    let said = refused.assert_code(2).err();
    assert!(
        said.contains("compacted") && said.contains("new file"),
        "{said}"
    );
    let verify = ["verify", "--store", "copy.pack"];
    folder.run(&verify).assert_code(0);
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let follow = folder.run(&["follow", "copy.pack", "--server", &url]);
    let said = follow.assert_code(1).err();
    assert!(said.contains("409") && said.contains("compacted"), "{said}");
    let anew = ["backup", "new.pack", "--server", &url];
    folder.run(&anew).assert_code(0);
    assert!(server.get("kept") == Some(noise(1, 2_000_000)));
    assert_eq!(server.get("gone"), None);
    server.put("late", b"late");
    server.stop();
    // History begins with the compaction.
    let never = folder.run(&["serve", "--no-auth", "--as-of", "2020-01-01T00:00:00Z"]);
    assert!(never.assert_code(1).err().contains("no commit"));
    let again = compact(&folder);
    assert_eq!(number(&again, "contents"), 2);
    let text = folder.run(&["compact"]);
    let said = text.assert_code(0).out();
    assert!(said.contains("pack now"), "{said}");
}

#[test]
fn a_served_store_is_compacted() {
    let folder = Folder::new();
    let server = folder.serve();
    fill(&server);
    let url = format!("http://{}", server.address);
    folder
        .run(&["backup", "copy.pack", "--server", &url])
        .assert_code(0);
    let ran = folder.run(&["compact", "--server", &url, "--json"]);
    let report = ran.assert_code(0).json();
    assert!(number(&report, "after_bytes") < 2_100_000, "{report}");
    assert!(server.get("kept") == Some(noise(1, 2_000_000)));
    server.put("late", b"late");
    let refused = folder.run(&["backup", "copy.pack", "--server", &url]);
    assert!(refused.assert_code(1).err().contains("409"));
    server.stop();
    // What the server closed was the new pack.
    let stats = folder.run(&["stats", "--json"]).assert_code(0).json();
    assert_eq!(number(&stats, "files"), 2);
    folder.run(&["verify"]).assert_code(0);
}

#[test]
fn a_link_to_a_store_stays_one() {
    let folder = Folder::new();
    let server = folder.serve();
    fill(&server);
    server.stop();
    let real = folder.file("real.pack");
    std::fs::rename(folder.pack(), &real).expect("it is there");
    std::os::unix::fs::symlink(&real, folder.pack()).expect("a link");
    compact(&folder);
    let link = std::fs::symlink_metadata(folder.pack()).expect("it is there");
    assert!(link.is_symlink());
    assert!(std::fs::metadata(&real).expect("it is there").len() < 2_100_000);
    let server = folder.serve();
    assert!(server.get("kept") == Some(noise(1, 2_000_000)));
    server.stop();
}

#[test]
fn a_damaged_file_is_carried_over_and_told_of() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("sound", &noise(1, 500_000));
    server.put("victim", &noise(2, 500_000));
    server.stop();
    let mut pack = std::fs::read(folder.pack()).expect("it is there");
    let needle = &noise(2, 500_000)[250_000..250_032];
    let at = pack.windows(32).position(|bytes| bytes == needle);
    pack[at.expect("it is stored as it is")] ^= 1;
    std::fs::write(folder.pack(), pack).expect("it can be written");
    let ran = folder.run(&["compact"]);
    let said = ran.assert_code(3).out();
    assert!(said.contains("1 chunks, as they were"), "{said}");
    let verify = folder.run(&["verify"]);
    assert!(verify.assert_code(3).out().contains("victim"));
    let server = folder.serve();
    assert!(server.get("sound") == Some(noise(1, 500_000)));
    server.put("again", &noise(2, 500_000));
    assert!(server.get("victim") == Some(noise(2, 500_000)));
    server.stop();
    let healed = folder.run(&["compact"]);
    assert!(!healed.assert_code(0).out().contains("as they were"));
    folder.run(&["verify"]).assert_code(0);
}
