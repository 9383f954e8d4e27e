//! Moves, copies, deletes and sweeps against a model, and the index that replaying them gives.

use std::sync::mpsc;

use packhold::domain::nodes::{self, Transfer, Way};
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, DomainError};
use packhold::store::Store;

use crate::support::client::{Client, Clock, new_sim, open, options, transfer, wait};
use crate::support::noise::Noise;
use crate::support::tree::{Path, Tree, parse, text};

/// All nodes of the store, and what the files hold.
fn all(client: &Client) -> Tree<Vec<u8>> {
    client.tree(|found| client.get(&found.path).expect("the file"))
}

fn random_path(noise: &mut Noise) -> Path {
    let depth = 1 + noise.below(4);
    let name = |noise: &mut Noise| ["a", "b", "c"][noise.below(3)].to_owned();
    (0..depth).map(|_| name(noise)).collect()
}

/// A path of the tree, mostly.
fn known_path(noise: &mut Noise, tree: &Tree<Vec<u8>>) -> Path {
    let is_known = tree.len() > 0 && noise.below(8) > 0;
    let known = is_known.then(|| tree.path(noise.below(tree.len())));
    known
        .flatten()
        .cloned()
        .unwrap_or_else(|| random_path(noise))
}

fn step(client: &Client, tree: &mut Tree<Vec<u8>>, noise: &mut Noise) {
    let path = known_path(noise, tree);
    match noise.below(11) {
        0..=2 => {
            let path = random_path(noise);
            let bytes = text(&path).into_bytes();
            let put = client.try_put(&text(&path), &bytes);
            assert_eq!(put.is_ok(), tree.put(&path, bytes), "{put:?}");
        }
        3..=8 => {
            let to = match noise.below(4) {
                0 => Vec::new(),
                1 => random_path(noise),
                _ => known_path(noise, tree),
            };
            let overwrite = noise.below(2) == 0;
            let way = [None, Some(Way::Move), Some(Way::Copy)][noise.below(3)];
            let (from_text, to_text) = (text(&path), text(&to));
            let (done, after) = match way {
                None => (
                    client.try_rename(&from_text, &to_text),
                    tree.renamed(&path, &to),
                ),
                Some(way) => (
                    client.try_transfer(&from_text, &to_text, overwrite, way),
                    tree.transferred(&path, &to, overwrite, way),
                ),
            };
            let what = format!("{way:?} {from_text} {to_text} {overwrite}: {done:?}");
            assert_eq!(done.is_ok(), after.is_some(), "{what}");
            *tree = after.unwrap_or_else(|| tree.clone());
            assert_eq!(all(client), *tree, "{what}");
        }
        9 if tree.len() > 12 => {
            let removed = client.try_remove_all(&text(&path)).expect("it succeeds");
            assert_eq!(removed.files, tree.remove(&path));
        }
        _ => drop(client.sweep(3)),
    }
}

#[test]
fn trees_are_what_the_model_says_and_replaying_gives_the_same_index() {
    for seed in 0..6 {
        let dir = tempfile::tempdir().expect("a folder");
        let pack = dir.path().join("s.pack");
        let open = || Client {
            store: Store::open(&pack, options(&Clock::at(1_000))).expect("it opens"),
        };
        let mut client = open();
        let (mut tree, mut noise) = (Tree::default(), Noise::new(500 + seed));
        client.put("/a", b"/a");
        assert!(tree.put(&parse("/a"), b"/a".to_vec()));
        for round in 0..4 {
            for _ in 0..60 {
                step(&client, &mut tree, &mut noise);
            }
            assert_eq!(all(&client), tree);
            client.assert_clean();
            if round == 2 {
                while client.sweep(5) {}
                client.assert_clean();
                let files = tree.iter().filter(|(_, file)| file.is_some()).count();
                assert_eq!(client.store.stats().expect("stats").files, files as u64);
            }
            client.store.close();
            drop(client);
            let mut index = pack.as_os_str().to_owned();
            index.push(".index");
            std::fs::remove_file(index).expect("the index is there");
            client = open();
            assert!(client.store.open_report().rebuilt);
            assert_eq!(all(&client), tree, "after a rebuild");
        }
    }
}

// Two copies of trees reach the committer at the same time and become one commit. Each numbers its
// copies when it is applied: were their ids not reserved, both would use the same ones, and a folder
// of one copy would show what is in the other.
#[test]
fn copies_in_one_commit_do_not_share_ids() {
    let clock = Clock::at(1_000);
    let client = crate::support::client::open(&crate::support::client::new_sim(), &clock);
    for i in 0..20 {
        client.put(&format!("/t/{}/{i}", i % 4), b"x");
    }
    for round in 0..20 {
        let (sender, receiver) = mpsc::channel();
        for i in 0..10 {
            let sender = sender.clone();
            let change = transfer("/t", &format!("/copies/{round}-{i}"), false, Way::Copy);
            nodes::transfer(&client.store, &Usage::default(), change, move |result| {
                sender.send(result).expect("somebody waits");
            });
        }
        for _ in 0..10 {
            receiver.recv().expect("an answer comes").expect("a copy");
        }
    }
    let tree = all(&client);
    let files = tree.iter().filter(|(_, file)| file.is_some()).count();
    assert_eq!(files, 20 + 20 * 10 * 20);
    client.assert_clean();
}

#[test]
fn a_whole_repository_is_copied_into_a_folder_of_another_and_over_no_file() {
    let client = open(&new_sim(), &Clock::at(1_000));
    client.put("/a/x", b"x");
    client.put("/y", b"y");
    let elsewhere = |path| Address::new("project", "other", path).expect("an address");
    let copy = |to, overwrite| {
        let transfer = Transfer {
            to: elsewhere(to),
            ..transfer("/", to, overwrite, Way::Copy)
        };
        wait(|done| nodes::transfer(&client.store, &Usage::default(), transfer, done))
    };
    copy("/folder", false).expect("nothing is there");
    let rows = client.store.rows().expect("rows");
    for path in ["/folder/a/x", "/folder/y"] {
        let found = domain::file(&rows, &elsewhere(path), client.store.now_ms());
        assert!(found.expect("rows").is_some(), "{path}");
    }
    let exists = copy("/folder", false);
    assert!(matches!(exists, Err(DomainError::Exists(_))), "{exists:?}");
    copy("/folder", true).expect("it is merged");
    let conflict = copy("/folder/y", true);
    assert!(
        matches!(conflict, Err(DomainError::Conflict(_))),
        "{conflict:?}"
    );
}
