//! Every kind of damage at every kind of place, and what follows of it: for opening, for writing, for
//! each file, for a verification; with the index, and when it is rebuilt.
//!
//! Whatever the row says, a wrong byte is never read, and what is not at the place stays readable
//! wherever the store opens.

use std::sync::Arc;

use packhold::format::header::PackHeader;
use packhold::format::record::{Frame, Kind};
use packhold::index::Place;
use packhold::store::{Options, Store};

use crate::support::client::{Client, SMALL, options};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::platter::Disk;
use crate::support::sim::Paged;
use crate::support::work::Scene;

pub const FILES: [&str; 3] = ["/first", "/victim", "/third"];

pub fn content(i: usize) -> Vec<u8> {
    noise(70 + i as u64, [30_000, 200_000, 45_000][i])
}

/// A closed store with three files.
pub fn whole() -> Disk {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    for (i, path) in FILES.iter().enumerate() {
        client.put(path, &content(i));
    }
    client.store.close();
    drop(client);
    Disk {
        pack: scene.pack.pages(),
        index: scene.index.pages(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit.
    Flip,
    /// Sixteen bytes become zeros.
    Zero,
    /// The pack ends in the middle of it.
    Truncate,
    /// It becomes a copy of another of its kind.
    Duplicate,
    /// It and another of its kind change places.
    Swap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    Header,
    Frame,
    Table,
    Payload,
    Manifest,
    /// The list of the file's leaves.
    Root,
    Commit,
    /// The last record: the seal.
    Tail,
}

/// Where it is in the pack, and where another of its kind is; and how long they are.
fn place(image: &[u8], spot: Spot) -> (usize, usize, usize) {
    let of = |kind: Kind, i: usize| -> Frame { frames_of(image, kind)[i] };
    let body = |frame: Frame| at(frame.body_offset());
    // The victim's is the second of each kind.
    let (victim, other) = (of(Kind::Segment, 1), of(Kind::Segment, 0));
    match spot {
        Spot::Header => (0, 4096, 4096),
        Spot::Frame => (at(victim.offset), at(other.offset), 72),
        Spot::Table => (body(victim), body(other), 48),
        Spot::Payload => {
            let payload = |frame: Frame| body(frame) + frame.head_bytes as usize;
            (payload(victim), payload(other), 256)
        }
        Spot::Manifest => (body(of(Kind::Leaf, 1)), body(of(Kind::Leaf, 0)), 128),
        Spot::Root => (body(of(Kind::Root, 1)), body(of(Kind::Root, 0)), 64),
        Spot::Commit => (body(of(Kind::Commit, 1)), body(of(Kind::Commit, 0)), 96),
        Spot::Tail => {
            let commits = frames_of(image, Kind::Commit);
            let (last, before) = (commits[commits.len() - 1], commits[commits.len() - 2]);
            (at(last.offset), at(before.offset), 72 + 64)
        }
    }
}

pub fn damaged(image: &[u8], damage: Damage, spot: Spot) -> Vec<u8> {
    let (victim, other, len) = place(image, spot);
    let mut bad = image.to_vec();
    let (ours, theirs) = (victim..victim + len, other..other + len);
    match damage {
        Damage::Flip => bad[victim + 9] ^= 0x10,
        Damage::Zero => bad[victim + 8..victim + 24].fill(0),
        Damage::Truncate => bad.truncate(victim + len / 2),
        Damage::Duplicate => bad[ours].copy_from_slice(&image[theirs]),
        Damage::Swap => {
            bad[ours.clone()].copy_from_slice(&image[theirs.clone()]);
            bad[theirs].copy_from_slice(&image[ours]);
        }
    }
    bad
}

pub fn open(scene: &Scene, rebuild: bool) -> Result<Client, packhold::store::StoreError> {
    let options = Options {
        rebuild,
        ..options(&scene.clock)
    };
    let place = Place::Shelf(Arc::new(scene.index.clone()));
    let store = Store::open_on(scene.pack.reopened().medium(), place, options)?;
    Ok(Client { store })
}

/// What each file is: `+` whole, `-` an error, `0` not there.
fn files(client: &Client, what: &str) -> String {
    let state = |(i, path): (usize, &&str)| match client.try_get(path) {
        Ok(Some(bytes)) => {
            assert!(bytes == content(i), "{what}: {path} has wrong bytes");
            '+'
        }
        Ok(None) => '0',
        Err(_) => '-',
    };
    FILES.iter().enumerate().map(state).collect()
}

/// What becomes of a disk: how it opens, its files, whether a verification finds it sound, whether
/// a new file is taken and there after a restart, and the old ones as before.
fn outcome(disk: &Disk, rebuild: bool, what: &str) -> String {
    let scene = Scene::on(disk);
    let client = match open(&scene, rebuild) {
        Ok(client) => client,
        Err(error) => {
            let code = if error.is_damage() { "damage" } else { "error" };
            let pack = scene.pack.image();
            assert!(pack == disk.pack.bytes(), "{what}: refused, but changed");
            return format!("refused: {code}");
        }
    };
    let found = files(&client, what);
    let report = client.store.verify(false);
    let sound = report.is_ok_and(|report| report.clean);
    let taken = client.try_put("/new", b"new").is_ok();
    assert_eq!(taken, client.store.writable().is_ok(), "{what}");
    client.store.close();
    drop(client);
    if taken {
        let client = open(&scene, false).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(client.get("/new").as_deref(), Some(&b"new"[..]), "{what}");
        assert_eq!(files(&client, what), found, "{what}: after a restart");
    }
    let mode = if taken { "writable" } else { "read-only" };
    let sound = if sound { "sound" } else { "damaged" };
    format!("{mode} {found} {sound}")
}

/// Damage, place, what follows with the index, what follows when it is rebuilt.
const MATRIX: &[(Damage, Spot, &str, &str)] = &[
    (
        Damage::Flip,
        Spot::Header,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Flip,
        Spot::Frame,
        "writable +++ damaged",
        "read-only +++ damaged",
    ),
    (
        Damage::Flip,
        Spot::Table,
        "writable +++ damaged",
        "writable +++ damaged",
    ),
    (
        Damage::Flip,
        Spot::Payload,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Flip,
        Spot::Manifest,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Flip,
        Spot::Commit,
        "writable +++ damaged",
        "read-only +0+ damaged",
    ),
    (
        Damage::Flip,
        Spot::Tail,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Zero,
        Spot::Header,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Zero,
        Spot::Frame,
        "writable +++ damaged",
        "read-only +++ damaged",
    ),
    (
        Damage::Zero,
        Spot::Table,
        "writable +++ damaged",
        "writable +++ damaged",
    ),
    (
        Damage::Zero,
        Spot::Payload,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Zero,
        Spot::Manifest,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Zero,
        Spot::Commit,
        "writable +++ damaged",
        "read-only +0+ damaged",
    ),
    (
        Damage::Zero,
        Spot::Tail,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Header,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Frame,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Table,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Payload,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Manifest,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Commit,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Truncate,
        Spot::Tail,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Duplicate,
        Spot::Header,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Duplicate,
        Spot::Frame,
        "writable +++ damaged",
        "read-only +++ damaged",
    ),
    (
        Damage::Duplicate,
        Spot::Table,
        "writable +++ damaged",
        "writable +++ damaged",
    ),
    (
        Damage::Duplicate,
        Spot::Payload,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Duplicate,
        Spot::Manifest,
        "writable +-+ damaged",
        "writable +-+ damaged",
    ),
    (
        Damage::Duplicate,
        Spot::Commit,
        "writable +++ damaged",
        "read-only +0+ damaged",
    ),
    (
        Damage::Duplicate,
        Spot::Tail,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Swap,
        Spot::Header,
        "refused: damage",
        "refused: damage",
    ),
    (
        Damage::Swap,
        Spot::Frame,
        "writable +++ damaged",
        "read-only +++ damaged",
    ),
    (
        Damage::Swap,
        Spot::Table,
        "writable +++ damaged",
        "writable +++ damaged",
    ),
    (
        Damage::Swap,
        Spot::Payload,
        "writable --+ damaged",
        "writable --+ damaged",
    ),
    (
        Damage::Swap,
        Spot::Manifest,
        "writable --+ damaged",
        "writable --+ damaged",
    ),
    (
        Damage::Swap,
        Spot::Commit,
        "writable +++ damaged",
        "read-only 000 damaged",
    ),
    (
        Damage::Swap,
        Spot::Tail,
        "refused: damage",
        "refused: damage",
    ),
];

// A table of all damages at all places. A row that changes is a change of what the store promises.
#[test]
fn every_damage_at_every_place() {
    let disk = whole();
    let image = disk.pack.bytes();
    let mut wrong = Vec::new();
    for &(damage, spot, with_index, rebuilt) in MATRIX {
        let disk = Disk {
            pack: Paged::of(&damaged(&image, damage, spot)),
            index: disk.index.clone(),
        };
        let what = format!("{damage:?} {spot:?}");
        let found = [false, true].map(|rebuild| outcome(&disk, rebuild, &what));
        if found != [with_index, rebuilt] {
            wrong.push(format!(
                "({damage:?}, {spot:?}, {:?}, {:?}),",
                found[0], found[1]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("damages tried: {}, wrong bytes: 0", 2 * MATRIX.len());
}

// The header of another pack comes over that of this one. No record fits it, so all of the log looks
// like a torn tail, and a torn tail is cut: everything would be gone.
// The index beside it knows that there were commits: opening is refused, and nothing is changed.
#[test]
fn under_a_header_of_another_pack_nothing_is_cut() {
    let disk = whole();
    let mut image = disk.pack.bytes();
    let header = PackHeader::new(*b"some other packs", 1_700_000_000_000, SMALL);
    image[..4096].copy_from_slice(&header.encode());
    let disk = Disk {
        pack: Paged::of(&image),
        index: disk.index,
    };
    for rebuild in [false, true] {
        assert_eq!(outcome(&disk, rebuild, "header"), "refused: damage");
    }
}

// The index is older than the pack, or damaged, or no index at all: nothing of that may be noticed but
// the time that it takes. Only one that names a commit which this pack never had tells of a loss.
#[test]
fn any_index_beside_a_whole_pack_does_no_harm() {
    let scene = Scene::new();
    let mut older = Paged::default();
    for (i, path) in FILES.iter().enumerate() {
        let client = scene.open().expect("it opens");
        client.put(path, &content(i));
        client.store.close();
        drop(client);
        if i == 0 {
            older = scene.index.pages();
        }
    }
    let disk = Disk {
        pack: scene.pack.pages(),
        index: scene.index.pages(),
    };
    let other = Scene::new();
    let client = other.open().expect("it opens");
    client.put("/other", b"other");
    client.store.close();
    drop(client);
    let mut flipped = disk.index.bytes();
    for byte in flipped.iter_mut().skip(9).step_by(4096) {
        *byte ^= 0x10;
    }
    let half = disk.index.bytes()[..disk.index.len() / 2].to_vec();
    let (sound, loss) = ("writable +++ sound", "refused: damage");
    let indexes = [
        ("older", older, sound),
        ("of another history", other.index.pages(), loss),
        ("flipped everywhere", Paged::of(&flipped), sound),
        ("half", Paged::of(&half), sound),
        ("no database", Paged::of(&noise(1, 10_000)), sound),
        ("none", Paged::default(), sound),
    ];
    for (what, index, expected) in indexes {
        let disk = Disk {
            pack: disk.pack.clone(),
            index,
        };
        assert_eq!(outcome(&disk, false, what), expected, "{what}");
    }
}
