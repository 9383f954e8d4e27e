//! `packhold verify`, and serving a damaged store.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::noise::noise;
use crate::process::{Folder, get};
use crate::wire::Call;

/// Flips one bit of the closed pack where it holds `bytes`.
pub fn damage(folder: &Folder, bytes: &[u8]) {
    let pack = std::fs::read(folder.pack()).expect("the pack");
    let at = pack.windows(bytes.len()).position(|window| window == bytes);
    let at = at.expect("the pack holds these bytes") as u64;
    let file = OpenOptions::new().write(true).open(folder.pack());
    file.and_then(|file| file.write_all_at(&[bytes[0] ^ 1], at))
        .expect("the pack can be written");
}

fn filled() -> Folder {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("dir/good", &noise(1, 50_000));
    server.put("dir/bad", &noise(2, 50_000));
    server.put("dir/bad-too", &noise(2, 50_000));
    server.stop();
    folder
}

#[test]
fn a_sound_store_is_called_so() {
    let folder = filled();
    let ran = folder.run(&["verify"]);
    assert!(ran.assert_code(0).out().contains("sound"), "{}", ran.out());
    let report = folder.run(&["verify", "--json"]).assert_code(0).json();
    assert_eq!(report["clean"], true);
    assert_eq!(report["files"], 3);
}

#[test]
fn damage_is_found_and_its_files_are_named() {
    let folder = filled();
    damage(&folder, &noise(2, 50_000)[20_000..20_032]);
    let ran = folder.run(&["verify"]);
    let text = ran.assert_code(3).out();
    for name in ["project/repo/dir/bad:", "project/repo/dir/bad-too:"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(!text.contains("dir/good"), "{text}");
    let report = folder.run(&["verify", "--json"]).assert_code(3).json();
    assert_eq!(report["clean"], false);
    assert_eq!(report["damaged_files"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["damages"].as_array().map(Vec::len), Some(1));
    // There is no other copy.
    folder.run(&["verify", "--repair"]).assert_code(3);
}

#[test]
fn a_damaged_store_is_served_and_mended_by_an_upload() {
    let folder = filled();
    let bad = noise(2, 50_000);
    damage(&folder, &bad[20_000..20_032]);
    let server = folder.serve();
    assert!(server.get("dir/good") == Some(noise(1, 50_000)));
    assert_eq!(server.send(&get("dir/bad")).verdict(), (500, 251_102));
    let url = format!("http://{}", server.address);
    folder.run(&["verify", "--server", &url]).assert_code(3);
    server.put("again", &bad);
    for name in ["again", "dir/bad", "dir/bad-too"] {
        assert!(server.get(name).as_ref() == Some(&bad), "{name}");
    }
    server.stop();
    let server = folder.serve();
    assert!(server.get("dir/bad") == Some(bad));
    server.stop();
}

/// A bit of a commit in the middle of the log flips.
/// Cutting the log there, as after a crash, would lose everything behind it.
/// The store is served for reading only, and verification has its own exit status.
#[test]
fn a_damaged_commit_is_not_taken_for_a_torn_tail() {
    let folder = filled();
    damage(&folder, b"dir");
    let before = std::fs::read(folder.pack()).expect("the pack");
    folder.run(&["verify"]).assert_code(3);
    std::fs::remove_file(folder.index()).expect("the index");
    let server = folder.serve();
    assert!(folder.complaints().contains("damaged"));
    assert_eq!(server.send(&Call::new("GET", "/healthz")).status, 200);
    assert_eq!(server.send(&Call::new("GET", "/readyz")).status, 503);
    let refused = server.send(&crate::process::put("new").body("x"));
    assert_eq!(refused.status, 503);
    server.stop();
    let after = std::fs::read(folder.pack()).expect("the pack");
    assert!(after == before, "nothing was cut or written");
}
