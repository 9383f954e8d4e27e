//! Moves, copies, deletes and sweeps against a model, and the index that replaying them gives.

use std::collections::BTreeMap;
use std::sync::mpsc;

use packhold::domain::nodes::{self, Transfer, Walk, Way};
use packhold::domain::path::NodePath;
use packhold::domain::quota::Usage;
use packhold::domain::{DomainError, MayCreate, folder};
use packhold::format::meta::{FolderSweep, Mutation, NodeKind};
use packhold::index::Rows;
use packhold::store::{Store, StoreError};

use crate::support::client::{Client, Clock, address, options};
use crate::support::noise::Noise;

/// A path as its names, from the root down.
type Path = Vec<String>;
/// What is where: the bytes of a file, or a folder.
type Tree = BTreeMap<Path, Option<Vec<u8>>>;

fn text(path: &[String]) -> String {
    format!("/{}", path.join("/"))
}

fn transfer(from: &str, to: &str, overwrite: bool, way: Way) -> Transfer {
    Transfer {
        from: address(from),
        to: address(to),
        overwrite,
        way,
        by: "tester".to_owned(),
        may_create: MayCreate::Project,
    }
}

/// Waits for a change.
fn wait<T: Send + 'static>(
    change: impl FnOnce(Box<dyn FnOnce(Result<T, DomainError>) + Send>),
) -> Result<T, DomainError> {
    let (sender, receiver) = mpsc::channel();
    change(Box::new(move |result| {
        sender.send(result).expect("somebody waits");
    }));
    receiver.recv().expect("an answer comes")
}

/// All nodes of the store.
fn all(client: &Client) -> Tree {
    let rows = client.store.rows().expect("rows");
    let now_ms = client.store.now_ms();
    let root = folder(&rows, &address("/"), now_ms).expect("the root");
    let mut walk = Walk::below(root, "/");
    let mut tree = Tree::new();
    let mut ids = Vec::new();
    while let Some(found) = walk.next(&rows, now_ms, |_| true).expect("a walk") {
        let path: Path = found.path.split('/').skip(1).map(str::to_owned).collect();
        let bytes = match found.node.kind {
            NodeKind::Folder => None,
            NodeKind::File { .. } => client.get(&found.path),
        };
        ids.push(found.node.id);
        assert!(tree.insert(path, bytes).is_none(), "{} twice", found.path);
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "every node has an id of its own");
    let next = rows.next_node().expect("an id");
    assert!(ids.last().is_none_or(|last| last.0 < next));
    tree
}

/// Forgets some nodes of deleted folders; whether there are more.
fn sweep(client: &Client, count: u32) -> bool {
    let dropped = client.store.rows().expect("rows").dropped();
    let Some(folder) = dropped.expect("a row") else {
        return false;
    };
    let swept = client.store.commit::<(), StoreError>(move |_, _| {
        let sweep = FolderSweep { folder, count };
        Ok((vec![Mutation::FolderSweep(sweep)], ()))
    });
    swept.expect("a commit").expect("a sweep");
    true
}

/// What a move or copy makes of a tree; `None` when it is refused.
fn model(tree: &Tree, from: &Path, to: &Path, overwrite: bool, way: Way) -> Option<Tree> {
    tree.get(from)?;
    let mut target = to.clone();
    if to.is_empty() || tree.get(to) == Some(&None) {
        target.extend(from.last().cloned());
    }
    if target == *from {
        return Some(tree.clone());
    }
    if target.starts_with(from) {
        return None;
    }
    let mut after = tree.clone();
    for depth in 1..target.len() {
        let above = &target[..depth];
        match tree.get(above) {
            Some(Some(_)) => return None,
            Some(None) => {}
            None => drop(after.insert(above.to_vec(), None)),
        }
    }
    let below = tree.iter().filter(|(path, _)| path.starts_with(from));
    if way == Way::Move {
        after.retain(|path, _| !path.starts_with(from));
    }
    for (path, bytes) in below {
        let place = [&target[..], &path[from.len()..]].concat();
        match (bytes, tree.get(&place)) {
            (None, Some(None)) if place == *from => return None,
            (_, None) | (None, Some(None)) => {}
            (Some(_), Some(Some(_))) if overwrite => {}
            _ => return None,
        }
        if !(bytes.is_none() && after.contains_key(&place)) {
            after.insert(place, bytes.clone());
        }
    }
    Some(after)
}

fn random_path(noise: &mut Noise) -> Path {
    let depth = 1 + noise.below(4);
    let name = |noise: &mut Noise| ["a", "b", "c"][noise.below(3)].to_owned();
    (0..depth).map(|_| name(noise)).collect()
}

/// A path of the tree, mostly.
fn known_path(noise: &mut Noise, tree: &Tree) -> Path {
    if tree.is_empty() || noise.below(8) == 0 {
        return random_path(noise);
    }
    let at = noise.below(tree.len());
    tree.keys().nth(at).expect("a path").clone()
}

fn step(client: &Client, tree: &mut Tree, noise: &mut Noise) {
    let path = known_path(noise, tree);
    match noise.below(10) {
        0..=2 => {
            let path = random_path(noise);
            let bytes = text(&path).into_bytes();
            if client.try_put(&text(&path), &bytes).is_ok() {
                for depth in 1..path.len() {
                    tree.insert(path[..depth].to_vec(), None);
                }
                tree.insert(path, Some(bytes));
            }
        }
        3..=7 => {
            let to = match noise.below(4) {
                0 => Vec::new(),
                1 => random_path(noise),
                _ => known_path(noise, tree),
            };
            let overwrite = noise.below(2) == 0;
            let way = [Way::Move, Way::Copy][noise.below(2)];
            let (from_text, to_text) = (text(&path), text(&to));
            let change = transfer(&from_text, &to_text, overwrite, way);
            let done = wait(|done| nodes::transfer(&client.store, &Usage::default(), change, done));
            let after = model(tree, &path, &to, overwrite, way);
            let what = format!("{way:?} {from_text} {to_text} {overwrite}: {done:?}");
            assert_eq!(done.is_ok(), after.is_some(), "{what}");
            *tree = after.unwrap_or_else(|| tree.clone());
            assert_eq!(all(client), *tree, "{what}");
        }
        8 if tree.len() > 12 => {
            let node = NodePath::parse(&text(&path)).expect("a path");
            let root = address("/");
            let removed = wait(|done| nodes::remove(&client.store, &root, vec![node], done));
            let gone = tree
                .iter()
                .filter(|(p, b)| p.starts_with(&path) && b.is_some());
            assert_eq!(removed.expect("it succeeds").files, gone.count() as u64);
            tree.retain(|other, _| !other.starts_with(&path));
        }
        _ => drop(sweep(client, 3)),
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
        let (mut tree, mut noise) = (Tree::new(), Noise::new(500 + seed));
        client.put("/a", b"/a");
        tree.insert(vec!["a".to_owned()], Some(b"/a".to_vec()));
        for round in 0..4 {
            for _ in 0..60 {
                step(&client, &mut tree, &mut noise);
            }
            assert_eq!(all(&client), tree);
            client.assert_clean();
            if round == 2 {
                while sweep(&client, 5) {}
                client.assert_clean();
                let files = tree.values().filter(|bytes| bytes.is_some()).count();
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
    let files = tree.values().filter(|bytes| bytes.is_some()).count();
    assert_eq!(files, 20 + 20 * 10 * 20);
    client.assert_clean();
}
