//! A real disk that is really full: small file systems, mounted for the test. Where mounting is not
//! allowed that is said, and the simulated medium covers it (`tests/store`, `tests/http/full.rs`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::noise::noise;
use crate::process::{Folder, Server, call, put};

/// A file system of its own; it is gone when this is dropped.
struct Small {
    at: PathBuf,
}

impl Small {
    /// Mounts one of 64 MiB in a folder; `None` where that is not allowed.
    fn mount(folder: &Folder, kind: &str) -> Option<Self> {
        let at = folder.file("mounted");
        std::fs::create_dir(&at).expect("a folder");
        let mount = |args: &[&str]| {
            let mut command = Command::new("mount");
            let ran = command.args(args).arg(&at).output();
            ran.is_ok_and(|ran| ran.status.success())
        };
        let mounted = match kind {
            "tmpfs" => mount(&["-t", "tmpfs", "-o", "size=64m", "tmpfs"]),
            _ => {
                let image = folder.file("image");
                let file = std::fs::File::create(&image).expect("a file");
                file.set_len(64 << 20).expect("a length");
                let made = Command::new("mkfs.ext4").arg("-qF").arg(&image).output();
                let image = image.to_str().expect("a plain name");
                made.is_ok_and(|ran| ran.status.success()) && mount(&["-o", "loop", image])
            }
        };
        mounted.then_some(Self { at })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.file("filler"))
            .expect("a file");
        for step in [1 << 20, 4096, 1] {
            let zeros = vec![1; step];
            while file.write_all(&zeros).is_ok() {}
        }
        // What is written late takes room late.
        let _full = file.sync_all();
        while file.write_all(&[1; 4096]).is_ok() && file.sync_all().is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.file("filler")).expect("it is there");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn serve(folder: &Folder, pack: &Path) -> Server {
    let pack = pack.to_str().expect("a plain name");
    folder.serve_with(&["--no-auth", "--store", pack])
}

fn small(i: u64) -> (String, Vec<u8>) {
    (format!("small/{i}"), noise(i, 20_000))
}

fn assert_there(server: &Server, files: impl Iterator<Item = u64>) {
    for i in files {
        let (name, bytes) = small(i);
        assert!(server.get(&name) == Some(bytes), "{name} is not there");
    }
}

fn assert_deleted(server: &Server, files: impl Iterator<Item = u64>) {
    for i in files {
        let (name, _) = small(i);
        let answer = server.send(&call("DELETE", &name));
        assert_eq!(answer.verdict(), (200, 0), "{name}");
        assert_eq!(server.get(&name), None, "{name}");
    }
}

/// An upload of known length is refused before its body.
fn assert_refused_early(server: &Server) {
    let head = put("large")
        .header("Expect", "100-continue")
        .header("Content-Length", "30000000")
        .head();
    let mut wire = server.connect();
    wire.write(&head).expect("a request");
    let answer = wire.answer("PUT").expect("an answer without a body");
    assert_eq!(answer.verdict(), (507, 251_101));
}

/// Uploads until there is no room; gives how many were taken.
fn fill_by_uploads(server: &Server, small: &Small) -> u64 {
    for i in 0.. {
        let upload = put(&format!("fill/{i}")).body(noise(1_000 + i, 700_000));
        let answer = server.send(&upload);
        match answer.verdict() {
            (200, 0) => {}
            (507, 251_101) => return i,
            other => panic!("{other:?}: {answer:?}"),
        }
        if i == 8 {
            small.fill();
        }
    }
    unreachable!("the disk is small")
}

fn a_full_disk(kind: &str) {
    let folder = Folder::new();
    let Some(disk) = Small::mount(&folder, kind) else {
        println!("SKIPPED: {kind} cannot be mounted here; the simulated medium covers a full disk");
        return;
    };
    let pack = disk.file("packhold.pack");
    let server = serve(&folder, &pack);
    for i in 0..400 {
        let (name, bytes) = small(i);
        server.put(&name, &bytes);
    }
    let taken = fill_by_uploads(&server, &disk);
    assert!(taken > 5, "{kind}: only {taken} uploads");
    disk.fill();
    assert_refused_early(&server);
    assert_there(&server, 0..400);
    assert_deleted(&server, 0..100);
    // The index gets its checkpoint, or not, while nobody asks for anything.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_deleted(&server, 100..120);
    assert_there(&server, 120..400);
    server.stop();
    // A start with no room, and one without an index.
    let server = serve(&folder, &pack);
    assert_there(&server, 120..400);
    assert_deleted(&server, 120..130);
    server.stop();
    std::fs::remove_file(disk.file("packhold.pack.index")).expect("it is there");
    disk.fill();
    let server = serve(&folder, &pack);
    assert_there(&server, 130..400);
    assert_deleted(&server, 130..140);
    let late = put("late").body(noise(5, 3_000_000));
    assert_eq!(server.send(&late).verdict(), (507, 251_101));
    disk.make_room();
    assert_eq!(server.send(&late).verdict(), (200, 0));
    assert_eq!(server.get("late"), Some(noise(5, 3_000_000)));
    server.stop();
    let server = serve(&folder, &pack);
    assert_there(&server, 140..400);
    assert_eq!(server.get("late"), Some(noise(5, 3_000_000)));
    assert_eq!(server.get("small/139"), None);
    server.stop();
    let pack = pack.to_str().expect("a plain name");
    folder.run(&["verify", "--store", pack]).assert_code(0);
    println!("{kind}: {taken} uploads until it was full, losses: 0");
}

/// A compaction that the disk has no room for says so before or when it is full, and leaves nothing.
fn no_room_to_compact(kind: &str) {
    let folder = Folder::new();
    let Some(disk) = Small::mount(&folder, kind) else {
        println!("SKIPPED: {kind} cannot be mounted here; the simulated medium covers a full disk");
        return;
    };
    let pack = disk.file("packhold.pack");
    let server = serve(&folder, &pack);
    for i in 0..8 {
        server.put(&format!("kept/{i}"), &noise(i, 1_000_000));
    }
    server.stop();
    let path = pack.to_str().expect("a plain name");
    let compact = ["compact", "--store", path];
    disk.fill();
    let refused = folder.run(&compact);
    let said = refused.assert_code(1).err();
    assert!(said.contains("compacting needs about"), "{said}");
    disk.make_room();
    let list = std::fs::read_dir(&disk.at).expect("a folder");
    let names = list.map(|entry| entry.expect("an entry").file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().contains("compacting"))
    );
    folder.run(&compact).assert_code(0);
    folder.run(&["verify", "--store", path]).assert_code(0);
    let server = serve(&folder, &pack);
    for i in 0..8 {
        assert_eq!(server.get(&format!("kept/{i}")), Some(noise(i, 1_000_000)));
    }
    server.stop();
}

#[test]
fn compacting_on_a_full_tmpfs_is_refused() {
    no_room_to_compact("tmpfs");
}

#[test]
fn compacting_on_a_full_ext4_is_refused() {
    no_room_to_compact("ext4");
}

#[test]
fn a_full_tmpfs_is_an_ordinary_day() {
    a_full_disk("tmpfs");
}

#[test]
fn a_full_ext4_is_an_ordinary_day() {
    a_full_disk("ext4");
}
