//! Many clients on the same few paths. Every download is one whole version that somebody uploaded,
//! and what was acknowledged is exactly what the pack says happened, in the pack's order.
//!
//! The order of the commits is read from the pack. Each acknowledged change must be there once, in
//! a place where it makes sense (a file that is not to be replaced is uploaded where none is), and
//! replaying all of them must give what the service shows in the end.
//! `PACKHOLD_CONSISTENCY_OPERATIONS=20000` lets each client do more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use packhold::format::Sha256;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::meta::{Mutation, NodeId, NodeKind};
use packhold::format::scan::{self, Record, ScanError};

use crate::noise::Noise;
use crate::service::{Service, call, get, put, sha256};
use crate::sim::Sim;
use crate::wire::{Answer, Call, Wire};

const CLIENTS: u64 = 16;
const FOLDERS: [&str; 2] = ["x", "y"];
const NAMES: usize = 4;

/// A change that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Put {
        path: String,
        content: Sha256,
        overwrite: bool,
    },
    Delete {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Copy {
        from: String,
        to: String,
        overwrite: bool,
    },
}

/// What clients did.
#[derive(Default)]
struct History {
    /// Changes that were acknowledged.
    done: Mutex<Vec<Change>>,
    /// Everything that was ever sent, before it was sent: whole contents by their sha256.
    sent: Mutex<HashMap<Sha256, usize>>,
    refused: AtomicU64,
    read: AtomicU64,
}

fn operations() -> usize {
    let asked = std::env::var("PACKHOLD_CONSISTENCY_OPERATIONS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(150)
}

fn path(noise: &mut Noise) -> String {
    let folder = FOLDERS[noise.below(FOLDERS.len())];
    format!("/{folder}/{}", noise.below(NAMES))
}

fn digest(bytes: &[u8]) -> Sha256 {
    packhold::digest::sha256(bytes)
}

/// One of the clients: random operations, one behind the other, on one connection.
fn client(service: &Service, history: &History, seed: u64) {
    let mut noise = Noise::new(seed);
    let mut wire = service.connect();
    for _ in 0..operations() {
        match noise.below(10) {
            0..=3 => upload(&mut wire, history, &mut noise),
            4 => {
                let path = path(&mut noise);
                let call = call("DELETE", &path);
                change(&mut wire, history, "DELETE", &call, Change::Delete { path });
            }
            5 => {
                let (from, to) = (path(&mut noise), path(&mut noise));
                let target =
                    format!("/repository/api/node/rename/project/repo{from}?newFullPath={to}");
                let call = Call::new("POST", target).body("");
                change(
                    &mut wire,
                    history,
                    "POST",
                    &call,
                    Change::Rename { from, to },
                );
            }
            6 => copy(&mut wire, history, &mut noise),
            7 => list(&mut wire, &mut noise),
            _ => download(&mut wire, history, &mut noise),
        }
    }
}

fn say(wire: &mut Wire, method: &str, call: &Call) -> Answer {
    wire.write(&call.bytes()).expect("the connection is open");
    wire.answer(method).expect("an answer comes")
}

/// Asks for a change; a refusal must be one of those that the state of the tree can be the reason of.
fn change(wire: &mut Wire, history: &History, method: &str, call: &Call, change: Change) {
    let answer = say(wire, method, call);
    match answer.verdict() {
        (200, 0) => history.done.lock().expect("no panic").push(change),
        (400, 251_010 | 251_012 | 251_013) | (404, 251_010) => {
            history.refused.fetch_add(1, Ordering::Relaxed);
        }
        other => panic!("{change:?}: {other:?} {answer:?}"),
    }
}

fn upload(wire: &mut Wire, history: &History, noise: &mut Noise) {
    let path = path(noise);
    let len = 1 + noise.below(120_000);
    let bytes = noise.bytes(len);
    let content = digest(&bytes);
    history.sent.lock().expect("no panic").insert(content, len);
    let overwrite = noise.below(3) > 0;
    let call = put(&path)
        .header("X-BKREPO-OVERWRITE", overwrite.to_string())
        .body(&bytes);
    let asked = Change::Put {
        path,
        content,
        overwrite,
    };
    change(wire, history, "PUT", &call, asked);
}

fn copy(wire: &mut Wire, history: &History, noise: &mut Noise) {
    let (from, to) = (path(noise), path(noise));
    if from == to {
        return;
    }
    let overwrite = noise.below(2) > 0;
    let body = serde_json::json!({
        "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": from,
        "destProjectId": "project", "destRepoName": "repo", "destFullPath": to,
        "overwrite": overwrite,
    });
    let call = Call::new("POST", "/repository/api/node/copy").body(body.to_string());
    let asked = Change::Copy {
        from,
        to,
        overwrite,
    };
    change(wire, history, "POST", &call, asked);
}

fn list(wire: &mut Wire, noise: &mut Noise) {
    let folder = FOLDERS[noise.below(FOLDERS.len())];
    let target = format!("/repository/api/node/page/project/repo/{folder}?pageSize=100");
    let answer = say(wire, "GET", &Call::new("GET", target));
    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    let data = &answer.json()["data"];
    let names: Vec<&str> = data["records"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| record["name"].as_str().expect("a name"))
        .collect();
    assert!(names.is_sorted() && names.len() <= NAMES + 1, "{names:?}");
    assert_eq!(data["totalRecords"], names.len(), "one view of the folder");
}

fn download(wire: &mut Wire, history: &History, noise: &mut Noise) {
    let answer = say(wire, "GET", &get(&path(noise)));
    if answer.status == 404 {
        return;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    let content = digest(&answer.body);
    let header = answer.header("X-Checksum-Sha256").expect("a digest");
    assert_eq!(
        header,
        hex::encode(content),
        "bytes and headers are of one version"
    );
    let sent = history
        .sent
        .lock()
        .expect("no panic")
        .get(&content)
        .copied();
    assert_eq!(sent, Some(answer.body.len()), "somebody sent exactly this");
    history.read.fetch_add(1, Ordering::Relaxed);
}

/// The mutations of the tree, in the order of the log.
fn logged(service: &Service) -> Vec<Mutation> {
    let image = std::fs::read(service.pack()).expect("the pack");
    let pack_id = PackHeader::decode(&image).expect("a header").pack_id;
    let end = image.len() as u64;
    let view = Sim::of_image(image);
    let mut list = Vec::new();
    let damages =
        scan::replay::<_, ScanError>(&view, &pack_id, HEADER_BYTES as u64, end, |record| {
            if let Record::Commit(_, _, mutations) = record {
                list.extend(mutations);
            }
            Ok(())
        });
    assert!(damages.expect("it reads").is_empty());
    list
}

/// The tree as the log and the acknowledged changes say, side by side.
#[derive(Default)]
struct Replay {
    folders: HashMap<NodeId, String>,
    files: BTreeMap<String, Sha256>,
    /// Acknowledged changes that were not met in the log yet.
    open: Vec<Change>,
}

impl Replay {
    fn place(&self, parent: NodeId, name: &str) -> Option<String> {
        self.folders
            .get(&parent)
            .map(|folder| format!("{folder}/{name}"))
    }

    fn apply(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::RepoPut(repo) => {
                self.folders.insert(repo.root, String::new());
            }
            Mutation::NodePut(put) => {
                let path = self.place(put.parent, &put.name).expect("a known folder");
                match put.node.kind {
                    NodeKind::Folder => {
                        self.folders.insert(put.node.id, path);
                    }
                    NodeKind::File { sha256, .. } => self.put(path, sha256),
                }
            }
            Mutation::NodeDelete(delete) => {
                let path = self
                    .place(delete.parent, &delete.name)
                    .expect("a known folder");
                let done = take(&mut self.open, |change| {
                    *change == Change::Delete { path: path.clone() }
                });
                assert!(done.is_some(), "nobody deleted {path}");
                self.files
                    .remove(&path)
                    .expect("only what is there is deleted");
            }
            Mutation::NodeMove(moved) => {
                let from = self.place(moved.from_parent, &moved.from_name);
                let from = from.expect("a known folder");
                let to = self
                    .place(moved.to.parent, &moved.to.name)
                    .expect("a known folder");
                let (f, t) = (from.clone(), to.clone());
                let done = take(&mut self.open, |change| {
                    *change
                        == Change::Rename {
                            from: f.clone(),
                            to: t.clone(),
                        }
                });
                assert!(done.is_some(), "nobody renamed {f} to {t}");
                let content = self
                    .files
                    .remove(&from)
                    .expect("only what is there is renamed");
                let before = self.files.insert(to, content);
                assert!(before.is_none(), "nothing is renamed over a file");
            }
            _ => {}
        }
    }

    fn put(&mut self, path: String, content: Sha256) {
        let there = self.files.get(&path).copied();
        let files = &self.files;
        let done = take(&mut self.open, |change| match change {
            Change::Put {
                path: p,
                content: c,
                overwrite,
            } => (p, *c) == (&path, content) && (*overwrite || there.is_none()),
            // Some copies look the same: one that did not replace is none of those that did.
            Change::Copy {
                from,
                to,
                overwrite,
            } => {
                let fits = *to == path && files.get(from) == Some(&content);
                fits && (*overwrite || there.is_none())
            }
            _ => false,
        });
        assert!(done.is_some(), "nobody was to put this at {path}");
        self.files.insert(path, content);
    }
}

/// Takes the change that is this out of those that are open; of several, the one that was
/// acknowledged first.
fn take(open: &mut Vec<Change>, fits: impl Fn(&Change) -> bool) -> Option<Change> {
    let at = open.iter().position(fits)?;
    Some(open.remove(at))
}

#[test]
fn what_many_clients_do_at_once_is_what_they_do_one_after_the_other() {
    let service = Service::open();
    let mut first = Vec::new();
    for folder in FOLDERS {
        // A file that nobody touches keeps the folder.
        let path = format!("/{folder}/kept");
        service.store(&path, folder);
        first.push(Change::Put {
            path,
            content: digest(folder.as_bytes()),
            overwrite: false,
        });
    }
    let history = History::default();
    history.done.lock().expect("no panic").extend(first);
    std::thread::scope(|scope| {
        for seed in 1..=CLIENTS {
            let (service, history) = (&service, &history);
            scope.spawn(move || client(service, history, seed));
        }
    });
    let open = history.done.into_inner().expect("no panic");
    let (changes, refused) = (open.len(), history.refused.into_inner());
    let read = history.read.into_inner();
    assert!(
        changes > 100 && refused > 10 && read > 100,
        "{changes} {refused} {read}"
    );
    println!("{changes} changes acknowledged, {refused} refused, {read} files read");
    let mut replay = Replay {
        open,
        ..Replay::default()
    };
    for mutation in logged(&service) {
        replay.apply(mutation);
    }
    assert_eq!(replay.open, [], "acknowledged and not in the log");
    for folder in FOLDERS {
        for name in (0..NAMES).map(|n| n.to_string()).chain(["kept".to_owned()]) {
            let path = format!("/{folder}/{name}");
            let answer = service.get(&path);
            let shown = (answer.status == 200).then(|| sha256(&answer.body));
            let expected = replay.files.get(&path).map(hex::encode);
            assert_eq!(shown, expected, "{path}");
        }
    }
    let report = service.store.verify(false).expect("it runs");
    assert!(report.clean, "{report:?}");
}
