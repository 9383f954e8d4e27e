//! Listing, renaming, copying and deleting in a repository of a million files.
//!
//! `cargo bench --bench tree` (with `-- --quick`: 20,000 files, to check that it works). Every
//! answer is checked. While a folder of a tenth of the files is renamed, moved, copied and deleted,
//! a reader downloads a small file again and again: its slowest answer is in the table, too.

#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use packhold::domain::DomainError;
use packhold::format::meta::{Blob, Mutation, Node, NodeId, NodeKind, NodePut};
use packhold::index::Rows;
use packhold::store::Store;
use support::{Server, median};

/// Nodes put in one commit.
const BATCH: usize = 10_000;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (files, runs) = if quick { (20_000, 3) } else { (1_000_000, 15) };
    let server = Server::start();
    server.put("small", b"a small file", None);
    fill(&server.store, "many", files);
    fill(&server.store, "some", files / 10);
    println!(
        "# A repository with a folder of {files} files, and one of {}\n",
        files / 10
    );
    println!("{}\n", support::machine());
    println!("| what | ms (median of {runs}) |\n|---|---:|");
    listings(&server, files, runs);
    println!(
        "\n| what, once | ms | slowest download meanwhile, ms | downloads |\n|---|---:|---:|---:|"
    );
    changes(&server, files / 10);
}

/// Puts files of one content into a folder, `{folder}/000000.bin` and so on.
fn fill(store: &Store, folder: &str, files: usize) {
    let (root, blob) = {
        let rows = store.rows().expect("rows");
        let root = rows
            .repo("bench", "files")
            .expect("a row")
            .expect("it is")
            .root;
        let small = rows.node(root, "small").expect("a row").expect("it is");
        let NodeKind::File { sha256, .. } = small.kind else {
            panic!("a file");
        };
        (root, rows.blob(&sha256).expect("a row").expect("it is"))
    };
    let name = folder.to_owned();
    let made = store.commit(move |_, ids| {
        let id = ids.fresh();
        let folder = put(root, name.clone(), node(id, NodeKind::Folder));
        Ok::<_, DomainError>((vec![folder], id))
    });
    let folder = made.expect("a commit").expect("a folder");
    for first in (0..files).step_by(BATCH) {
        let blob = blob.clone();
        let made = store.commit(move |_, ids| {
            let names = first..files.min(first + BATCH);
            let nodes = names.map(|n| {
                let node = node(ids.fresh(), kind(&blob));
                put(folder, format!("{n:06}.bin"), node)
            });
            Ok::<_, DomainError>((nodes.collect(), ()))
        });
        made.expect("a commit").expect("files");
    }
}

fn kind(blob: &Blob) -> NodeKind {
    NodeKind::File {
        sha256: blob.sha256,
        size: blob.size,
    }
}

fn put(parent: NodeId, name: String, node: Node) -> Mutation {
    Mutation::NodePut(NodePut { parent, name, node })
}

fn node(id: NodeId, kind: NodeKind) -> Node {
    Node {
        id,
        kind,
        created_by: "bench".to_owned(),
        created_ms: 1,
        modified_by: "bench".to_owned(),
        modified_ms: 1,
        expires_ms: None,
        metadata: Vec::new(),
    }
}

/// Asks `runs` times, checks each answer, and prints the median.
fn listings(server: &Server, files: usize, runs: usize) {
    let page = |size: usize, number: usize| {
        format!(
            "GET /repository/api/node/page/bench/files/many?pageSize={size}&pageNumber={number}"
        )
    };
    let search = r#"{"page":{"pageNumber":1,"pageSize":20},"rule":{"relation":"AND","rules":[
        {"field":"projectId","value":"bench","operation":"EQ"},
        {"field":"repoName","value":"files","operation":"EQ"},
        {"field":"path","value":"/many/","operation":"EQ"}]}}"#;
    let middle = files / 2 / 20;
    for (what, line, body, first) in [
        ("first page of 20", page(20, 1), "", 0),
        ("first page of 1,000", page(1000, 1), "", 0),
        (
            "a page of 20 in the middle",
            page(20, middle + 1),
            "",
            middle * 20,
        ),
        (
            "search of a folder, first page",
            "POST /repository/api/node/search".to_owned(),
            search,
            0,
        ),
    ] {
        let times: Vec<Duration> = (0..runs)
            .map(|_| {
                let start = Instant::now();
                let answer = server.call(&line, "", body.as_bytes());
                let time = start.elapsed();
                assert!(
                    answer.contains(&format!("\"totalRecords\":{files}")),
                    "{answer:.300}"
                );
                assert!(
                    answer.contains(&format!("\"name\":\"{first:06}.bin\"")),
                    "{answer:.300}"
                );
                time
            })
            .collect();
        println!("| {what} | {:.2} |", milliseconds(median(&times)));
    }
}

/// Renames, moves, copies and deletes a large folder, while somebody downloads.
fn changes(server: &Server, files: usize) {
    let api = "/repository/api/node";
    let transfer = |from: &str, to: &str| {
        format!(
            r#"{{"srcProjectId":"bench","srcRepoName":"files","srcFullPath":"{from}","destFullPath":"{to}"}}"#
        )
    };
    let total = |folder: &str| {
        let line = format!("GET {api}/page/bench/files{folder}?pageSize=1");
        let answer = server.call(&line, "", &[]);
        assert!(
            answer.contains(&format!("\"totalRecords\":{files}")),
            "{answer:.300}"
        );
    };
    let rename = format!("POST {api}/rename/bench/files/some?newFullPath=/renamed");
    beside(server, "rename the folder", &rename, "");
    total("/renamed");
    let body = transfer("/renamed", "/deep/er");
    beside(server, "move it", &format!("POST {api}/move"), &body);
    total("/deep/er");
    let body = transfer("/deep/er", "/copy");
    beside(server, "copy it", &format!("POST {api}/copy"), &body);
    total("/copy");
    total("/deep/er");
    let delete = format!("DELETE {api}/delete/bench/files/copy");
    let answer = beside(server, "delete it", &delete, "");
    assert!(
        answer.contains(&format!("\"deletedNumber\":{files}")),
        "{answer}"
    );
}

fn beside(server: &Server, what: &str, line: &str, body: &str) -> String {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut slowest, mut count) = (Duration::ZERO, 0);
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                server.get("small", b"a small file".len());
                slowest = slowest.max(start.elapsed());
                count += 1;
            }
            (slowest, count)
        });
        let start = Instant::now();
        let answer = server.call(line, "", body.as_bytes());
        let time = start.elapsed();
        done.store(true, Ordering::Relaxed);
        let (slowest, count) = reader.join().expect("downloads work");
        println!(
            "| {what} | {:.2} | {:.2} | {count} |",
            milliseconds(time),
            milliseconds(slowest)
        );
        answer
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
