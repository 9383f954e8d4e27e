//! What an upload mends: damage × place × what is uploaded, and how.
//!
//! A chunk is mended by whatever carries it. A manifest is mended by the same content, however it
//! comes: nothing else knows which chunks the file has. A segment's table and frame are needed by
//! nobody who reads: manifests lead to payloads. A pack that was cut is none of these: it is not
//! opened, since acknowledged commits are missing.

use packhold::store::StoreError;

use crate::damage_matrix::{Damage, FILES, Spot, content, damaged, open, whole};
use crate::support::client::{Client, fields};
use crate::support::noise::noise;
use crate::support::platter::Disk;
use crate::support::sim::Paged;
use crate::support::work::Scene;

#[derive(Debug, Clone, Copy)]
enum Way {
    /// The bytes of the damaged file, under another name.
    Same,
    /// Another file, which begins with the same chunks.
    Other,
    /// The bytes of the damaged file, in blocks.
    Blocks,
    /// The bytes of the damaged file, as a software package.
    Package,
}

const WAYS: [Way; 4] = [Way::Same, Way::Other, Way::Blocks, Way::Package];

impl Way {
    fn upload(self, client: &Client, what: &str) {
        let victim = content(1);
        match self {
            Self::Same => drop(client.put("/again", &victim)),
            Self::Other => {
                let other = [&victim[..50_000], &noise(99, 5_000)].concat();
                client.put("/again", &other);
                assert!(client.get("/again") == Some(other), "{what}");
            }
            Self::Blocks => {
                client
                    .put_in_blocks("/again", &victim, 30_000)
                    .expect("blocks");
                assert!(client.get("/again") == Some(victim), "{what}");
            }
            Self::Package => drop(client.add(fields("again", "1"), &victim)),
        }
    }
}

/// Which of the files can be read before and after, and that none gives wrong bytes.
fn readable(client: &Client, what: &str) -> String {
    let state = |(i, path): (usize, &&str)| match client.try_get(path) {
        Ok(found) => {
            assert!(found == Some(content(i)), "{what}: {path}");
            '+'
        }
        Err(_) => '-',
    };
    FILES.iter().enumerate().map(state).collect()
}

fn outcome(disk: &Disk, way: Way, what: &str) -> String {
    let scene = Scene::on(disk);
    let client = match open(&scene, false) {
        Ok(client) => client,
        Err(StoreError::Rollback { .. } | StoreError::Damaged { .. } | StoreError::Pack(_)) => {
            return "refused".to_owned();
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let before = readable(&client, what);
    way.upload(&client, what);
    let after = readable(&client, what);
    client.store.close();
    drop(client);
    let client = open(&scene, false).expect("it opens again");
    assert_eq!(readable(&client, what), after, "{what}: after a restart");
    format!("{before} {after}")
}

/// Place; what comes of uploads of the same content in any way; what of another file.
const MATRIX: [(Spot, &str, &str); 5] = [
    (Spot::Payload, "+-+ +++", "+-+ +++"),
    (Spot::Table, "+++ +++", "+++ +++"),
    (Spot::Manifest, "+-+ +++", "+-+ +-+"),
    (Spot::Root, "+-+ +++", "+-+ +-+"),
    (Spot::Frame, "+++ +++", "+++ +++"),
];

#[test]
fn what_uploads_mend() {
    let disk = whole();
    let image = disk.pack.bytes();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (spot, same, other) in MATRIX {
        for damage in [Damage::Flip, Damage::Zero, Damage::Truncate] {
            for way in WAYS {
                let disk = Disk {
                    pack: Paged::of(&damaged(&image, damage, spot)),
                    index: disk.index.clone(),
                };
                let what = format!("{damage:?} {spot:?} {way:?}");
                let expected = match (damage, way) {
                    (Damage::Truncate, _) => "refused",
                    (_, Way::Other) => other,
                    _ => same,
                };
                let found = outcome(&disk, way, &what);
                tried += 1;
                if found != expected {
                    wrong.push(format!("{what}: {found}, not {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("damages tried: {tried}, wrong bytes: 0");
}
