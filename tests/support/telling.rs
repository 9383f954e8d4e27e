//! All that a store says, as text: two stores that say the same are the same to everybody who asks.

use std::fmt::Write;

use packhold::digest::sha256;
use packhold::format::meta::{NodeId, NodeKind};
use packhold::index::{Field, PackageQuery, Rank, Rows};
use packhold::store::BlobReader;

use super::client::Client;

/// Rows listed at once.
const MANY: usize = 100_000;

fn bytes(reader: BlobReader) -> String {
    let mut reader = reader;
    let mut bytes = Vec::new();
    while reader.remaining() > 0 {
        match reader.next_window() {
            Ok(window) => window.iter().for_each(|part| bytes.extend_from_slice(part)),
            Err(_) => return "damaged".to_owned(),
        }
    }
    hex::encode(sha256(&bytes))
}

/// Everything: metadata of everything, and what is read of every file, package and block.
pub fn all(client: &Client) -> String {
    let mut text = String::new();
    let rows = client.store.rows().expect("rows");
    settings(&rows, &mut text);
    for project in rows.projects(None, MANY).expect("projects") {
        for repo in rows.repos(&project.name, None, MANY).expect("repos") {
            let place = format!("/{}/{}", repo.project, repo.name);
            folder(client, &rows, repo.root, &place, &mut text);
        }
    }
    let packages = rows.packages(&PackageQuery {
        keyword: None,
        filters: Vec::new(),
        order: Field::Kind,
        descending: false,
        skip: 0,
        limit: MANY,
    });
    for package in packages.expect("packages").packages {
        let blob = rows.blob(&package.sha256).expect("rows");
        let found = blob.map(|blob| bytes(client.store.read(&blob, 0..u64::MAX)));
        writeln!(text, "{package:?} {found:?}").expect("text");
    }
    for session in rows.sessions(None, MANY).expect("sessions") {
        writeln!(text, "{session:?}").expect("text");
        for block in rows.blocks(&session.id, 0, MANY).expect("blocks") {
            let found = bytes(client.store.read_block(&block));
            let digest = hex::encode(block.sha256);
            writeln!(text, "{} {} {digest} {found}", block.key, block.size).expect("text");
        }
    }
    text
}

fn settings(rows: &impl Rows, text: &mut String) {
    let ids = (rows.next_node(), rows.next_package());
    writeln!(text, "{ids:?} {:?}", rows.dropped()).expect("text");
    writeln!(text, "{:#?}", rows.expired(u64::MAX, MANY)).expect("text");
    for user in rows.users(None, MANY).expect("users") {
        writeln!(text, "{user:?}").expect("text");
        let mut tokens = rows.access_tokens(&user.name).expect("tokens");
        tokens.sort_by_key(|token| token.secret_sha256);
        writeln!(text, "{tokens:?}").expect("text");
        for pair in rows.access_keys(&user.name).expect("keys") {
            writeln!(text, "{pair:?} {}", pair.secret).expect("text");
        }
    }
    writeln!(text, "{:?}", rows.grants("")).expect("text");
    writeln!(text, "{:?}", rows.tokens(None, MANY)).expect("text");
    for project in rows.projects(None, MANY).expect("projects") {
        writeln!(text, "{project:?} {:?}", rows.grants(&project.name)).expect("text");
        for repo in rows.repos(&project.name, None, MANY).expect("repos") {
            let quota = rows.quota(&repo.project, &repo.name);
            writeln!(text, "{repo:?} {quota:?}").expect("text");
        }
    }
}

fn folder(client: &Client, rows: &impl Rows, id: NodeId, place: &str, text: &mut String) {
    writeln!(text, "{place} {:?}", rows.counts(id)).expect("text");
    let mut after: Option<(Rank, String)> = None;
    loop {
        let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
        let children = rows.children(id, behind, 100).expect("children");
        let Some((last, node)) = children.last() else {
            return;
        };
        after = Some((Rank::of(node), last.clone()));
        for (name, node) in children {
            writeln!(text, "{place}/{name} {node:?}").expect("text");
            match node.kind {
                NodeKind::Folder => {
                    folder(client, rows, node.id, &format!("{place}/{name}"), text);
                }
                NodeKind::File { sha256, .. } => {
                    let blob = rows.blob(&sha256).expect("rows").expect("it is known");
                    let found = bytes(client.store.read(&blob, 0..u64::MAX));
                    let digests = (blob.size, blob.md5, blob.crc64, blob.sha1);
                    writeln!(text, "  {digests:?} {found}").expect("text");
                }
            }
        }
    }
}
