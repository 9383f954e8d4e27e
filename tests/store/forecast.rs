//! What repositories hold and share, against plain sums over the chunks of their files.

use std::collections::{BTreeMap, BTreeSet};

use packhold::digest::sha256;
use packhold::domain::{Address, Upload};
use packhold::format::Sha256;
use packhold::format::meta::{Mutation, Node, NodeId, NodeKind, NodePut};
use packhold::index::Rows;
use packhold::store::{Chunker, ReleaseForecast, Shares};

use crate::support::client::{Client, Clock, SMALL, fields, new_sim, open, upload};
use crate::support::noise::noise;

/// What is told as one: a name, and the bytes of its files.
type Group<'a> = (&'a str, Vec<&'a [u8]>);

fn store() -> Client {
    open(&new_sim(), &Clock::at(1_000))
}

fn shares(client: &Client) -> Shares {
    client.store.shares().expect("it can be walked")
}

/// Puts a file into some repository.
fn put(client: &Client, project: &str, repo: &str, path: &str, bytes: &[u8]) {
    let elsewhere = Upload {
        address: Address::new(project, repo, path).expect("a valid address"),
        ..upload("/file")
    };
    let stored = client.send(elsewhere, bytes, 1 << 20);
    stored.expect("it is taken");
}

/// Digests and lengths of the chunks of a file.
fn cut(mut file: &[u8]) -> Vec<(Sha256, u64)> {
    let chunker = Chunker::new(&SMALL);
    let mut chunks = Vec::new();
    while !file.is_empty() {
        let (chunk, rest) = file.split_at(chunker.cut(file));
        chunks.push((sha256(chunk), chunk.len() as u64));
        file = rest;
    }
    chunks
}

/// Asserts that these groups are told of, in this order.
fn assert_told(told: &Shares, groups: &[Group<'_>]) {
    let mut pieces = 0;
    let mut seen = BTreeSet::new();
    let mut new_bytes = Vec::new();
    let mut sets: Vec<BTreeMap<Sha256, u64>> = Vec::new();
    for (_, files) in groups {
        let (mut set, mut new) = (BTreeMap::new(), 0);
        // The chunks of a content are counted once.
        let contents: BTreeSet<&[u8]> = files.iter().copied().collect();
        for (digest, len) in contents.into_iter().flat_map(cut) {
            pieces += 1;
            set.insert(digest, len);
            if seen.insert(digest) {
                new += len;
            }
        }
        new_bytes.push(new);
        sets.push(set);
    }
    let common = |a: &BTreeMap<Sha256, u64>, b: &BTreeMap<Sha256, u64>| -> u64 {
        let both = a.iter().filter(|(digest, _)| b.contains_key(*digest));
        both.map(|(_, len)| len).sum()
    };
    let shared: Vec<Vec<u64>> = sets
        .iter()
        .map(|a| sets.iter().map(|b| common(a, b)).collect())
        .collect();
    let alone = |set: &BTreeMap<Sha256, u64>| -> u64 {
        let own = set.iter().filter(|(digest, _)| {
            let having = sets.iter().filter(|other| other.contains_key(*digest));
            having.count() == 1
        });
        own.map(|(_, len)| len).sum()
    };
    let releases: Vec<_> = groups
        .iter()
        .map(|(name, files)| ReleaseForecast {
            name: (*name).to_owned(),
            others: 0,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.len() as u64).sum(),
        })
        .collect();
    let forecast = &told.forecast;
    assert_eq!(forecast.releases, releases);
    let files: u64 = releases.iter().map(|release| release.files).sum();
    let bytes: u64 = releases.iter().map(|release| release.bytes).sum();
    assert_eq!((forecast.files, forecast.bytes), (files, bytes));
    let [setting] = forecast.settings.as_slice() else {
        panic!("{forecast:?}");
    };
    assert_eq!(
        (setting.chunks, setting.pieces),
        (seen.len() as u64, pieces)
    );
    assert_eq!(setting.stored_bytes, new_bytes.iter().sum::<u64>());
    assert_eq!(setting.new_bytes, new_bytes);
    assert_eq!(setting.shared_bytes, shared);
    let own: Vec<u64> = sets.iter().map(alone).collect();
    assert_eq!(told.own_bytes, own);
}

#[test]
fn repositories_and_packages_are_told_of_with_what_they_share() {
    let client = store();
    assert_told(&shares(&client), &[]);
    let (one, two, three) = (noise(1, 90_000), noise(2, 40_000), noise(3, 30_000));
    let empty = Vec::new();
    // Begins as `one`, and goes on as another.
    let begun = [&one[..50_000], &noise(4, 9_000)].concat();
    for (project, repo, path, bytes) in [
        ("p", "small", "/dir/deep/file", &two),
        ("p", "large", "/one", &one),
        ("p", "large", "/dir/again", &one),
        ("p", "large", "/dir/two", &two),
        ("p", "large", "/empty", &empty),
        ("q", "middle", "/begun", &begun),
        ("q", "middle", "/three", &three),
    ] {
        put(&client, project, repo, path, bytes);
    }
    client.add(fields("package", "1"), &three);
    client.add(fields("package", "2"), &noise(5, 20_000));
    // A file that has expired is none, and a repository without files is not told of.
    put(&client, "q", "empty", "/gone", &noise(6, 95_000));
    let parent = {
        let rows = client.store.rows().expect("rows");
        let repo = rows.repo("q", "empty").expect("a row");
        repo.expect("a repository").root
    };
    let gone = Node {
        expires_ms: Some(1_001),
        ..node(&client, &noise(6, 95_000))
    };
    client.commit(vec![Mutation::NodePut(NodePut {
        parent,
        name: "gone".to_owned(),
        node: gone,
    })]);
    let packages = noise(5, 20_000);
    let groups: [Group<'_>; 4] = [
        ("p/large", vec![one.as_slice(), &one, &two, &empty]),
        ("q/middle", vec![begun.as_slice(), &three]),
        ("software packages", vec![three.as_slice(), &packages]),
        ("p/small", vec![two.as_slice()]),
    ];
    assert_told(&shares(&client), &groups);
}

/// A file of a content that is there, which can be put under any name.
fn node(client: &Client, bytes: &[u8]) -> Node {
    let rows = client.store.rows().expect("rows");
    let id = NodeId(rows.next_node().expect("a row"));
    let kind = NodeKind::File {
        sha256: sha256(bytes),
        size: bytes.len() as u64,
    };
    Node::bare(id, kind)
}

// A folder has more files than are read at once.
#[test]
fn every_file_of_a_large_folder_is_counted() {
    let client = store();
    let bytes = noise(1, 700);
    client.put("/first", &bytes);
    let parent = {
        let rows = client.store.rows().expect("rows");
        let repo = rows.repo("project", "repo").expect("a row");
        repo.expect("a repository").root
    };
    let first = node(&client, &bytes);
    let puts = (0..1_000).map(|number| {
        let node = Node {
            id: NodeId(first.id.0 + number),
            ..first.clone()
        };
        let name = format!("more{number}");
        Mutation::NodePut(NodePut { parent, name, node })
    });
    client.commit(puts.collect());
    let files = vec![bytes.as_slice(); 1_001];
    assert_told(&shares(&client), &[("project/repo", files)]);
}

// Only 64 repositories are compared with each other: the largest ones. The last of them stands for the rest.
#[test]
fn beyond_64_repositories_the_last_stands_for_the_rest() {
    let client = store();
    let bytes = |number: u64| {
        let len = usize::try_from(200 - number).expect("a few");
        noise(number + 1, len)
    };
    for number in 0..67 {
        put(&client, "p", &format!("r{number}"), "/file", &bytes(number));
    }
    // One of the rest has two files.
    put(&client, "p", "r66", "/more", b"x");
    let told = shares(&client);
    let len = |number: u64| 200 - number;
    let mut releases: Vec<ReleaseForecast> = (0..64)
        .map(|number| ReleaseForecast {
            name: format!("p/r{number}"),
            others: 0,
            files: 1,
            bytes: len(number),
        })
        .collect();
    let rest: u64 = (63..67).map(len).sum();
    let last = releases.last_mut().expect("64");
    (last.others, last.files, last.bytes) = (3, 5, rest + 1);
    let mut own: Vec<u64> = (0..64).map(len).collect();
    own[63] = rest + 1;
    let all = (0..67).map(len).sum::<u64>() + 1;
    let forecast = &told.forecast;
    assert_eq!(forecast.releases, releases);
    assert_eq!((forecast.files, forecast.bytes), (68, all));
    assert_eq!(told.own_bytes, own);
    let setting = &forecast.settings[0];
    assert_eq!((setting.chunks, setting.stored_bytes), (68, all));
    assert_eq!(setting.new_bytes, own);
    assert_eq!(setting.shared_bytes.len(), 64);
    assert_eq!(setting.shared_bytes[63][63], rest + 1);
}
