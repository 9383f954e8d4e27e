//! Package families: releases that are uploaded one behind the other.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::support::noise;

/// Consecutive releases of a package.
pub struct Family {
    pub name: String,
    pub releases: Vec<Release>,
}

/// One file.
pub struct Release {
    /// Its name, without the folder.
    pub name: String,
    pub path: PathBuf,
    /// The same file under another path, as if it were built again.
    pub again: PathBuf,
    pub bytes: u64,
}

impl Family {
    /// Bytes of all releases.
    pub fn bytes(&self) -> u64 {
        self.releases.iter().map(|release| release.bytes).sum()
    }
}

/// The families below a folder: each folder in it with at least two files. Reads all of them, so that nobody
/// waits for the disk.
pub fn all(dir: &Path) -> Vec<Family> {
    let again = dir.join(".again");
    // Links of an earlier run.
    let _nothing = fs::remove_dir_all(&again);
    let mut families: Vec<Family> = list(dir)
        .iter()
        .filter(|folder| folder.is_dir())
        .map(|folder| family(folder, &again))
        .collect();
    families.retain(|family| family.releases.len() > 1);
    for family in &families {
        let empty = family.releases.iter().find(|r| r.bytes == 0);
        assert!(empty.is_none(), "an empty release in {}", family.name);
    }
    families
}

fn family(folder: &Path, again: &Path) -> Family {
    let name = name(folder);
    let linked = again.join(&name);
    fs::create_dir_all(&linked).expect("a folder");
    let releases = list(folder).into_iter().filter(|path| path.is_file());
    let releases = releases.map(|path| {
        let name = self::name(&path);
        let again = linked.join(&name);
        fs::hard_link(&path, &again).expect("a link");
        Release {
            bytes: read(&again),
            name,
            path,
            again,
        }
    });
    Family {
        releases: releases.collect(),
        name,
    }
}

/// What is in a folder, sorted, but for what begins with a dot.
fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn read(path: &Path) -> u64 {
    let mut file = fs::File::open(path).expect("a release");
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer).expect("bytes") {
            0 => return bytes,
            n => bytes += n as u64,
        }
    }
}

/// Names of the families that should be there.
pub fn listed() -> Vec<&'static str> {
    let lines = include_str!("families").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let mut names: Vec<&str> = lines.filter_map(|l| l.split(' ').next()).collect();
    names.dedup();
    names
}

/// Makes small families up: one whose releases share most of what they have, at other places; one that shares nothing.
pub fn make(dir: &Path) {
    let mut shared = noise(3 << 20, 7);
    for n in 0..3_u64 {
        let place = 200_000 + 700_000 * usize::try_from(n).expect("a small number");
        shared.splice(place..place + 5_000, noise(9_999, 2 * n + 9));
        put(dir, "shared", n, &shared);
        put(dir, "nothing-shared", n, &noise(1 << 20, 2 * n + 101));
    }
}

fn put(dir: &Path, family: &str, number: u64, bytes: &[u8]) {
    let folder = dir.join(family);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("{number:02}-release.tar")), bytes).expect("a file");
}
