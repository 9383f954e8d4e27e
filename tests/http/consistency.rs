//! Many clients on the same few paths and packages. Every download is one whole version that somebody uploaded,
//! and what was acknowledged is exactly what the pack says happened, in the pack's order.
//!
//! The order of the commits is read from the pack, where every node tells who made or moved it. So
//! what one client was acknowledged must be there once and in its own order, in places where it
//! makes sense (a file that is not to be replaced is uploaded where none is), and replaying all of
//! it must give what the service shows in the end.
//! `PACKHOLD_CONSISTENCY_OPERATIONS=20000` lets each client do more.

mod packages;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Mutex;

use packhold::format::Sha256;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::meta::{Mutation, NodeId, NodeKind};
use packhold::format::scan::{self, Record, ScanError};

use crate::auth::{admin, login, service, turn};
use crate::noise::Noise;
use crate::service::{Service, call, get, put, sha256};
use crate::sim::Sim;
use crate::wire::{Answer, Call, Wire};
use packages::Shelf;

const CLIENTS: u64 = 16;
const FOLDERS: [&str; 2] = ["x", "y"];
const NAMES: usize = 4;

/// A change that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// A package.
    Add {
        id: u64,
        file_name: String,
        content: Sha256,
    },
    Remove {
        id: u64,
    },
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

/// Everything that was ever sent, before it was sent: lengths by sha256.
type Sent = Mutex<HashMap<Sha256, usize>>;

/// How often each client does something.
fn operations() -> usize {
    let asked = std::env::var("PACKHOLD_CONSISTENCY_OPERATIONS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(300)
}

fn digest(bytes: &[u8]) -> Sha256 {
    packhold::digest::sha256(bytes)
}

/// One of the clients: random operations, one behind the other, on one connection.
struct Client<'a> {
    name: String,
    sent: &'a Sent,
    noise: Noise,
    address: SocketAddr,
    wire: Wire,
    /// Changes that were acknowledged.
    done: Vec<Change>,
    refused: usize,
    read: usize,
}

impl<'a> Client<'a> {
    fn new(service: &Service, sent: &'a Sent, seed: u64) -> Self {
        Self {
            name: format!("client{seed}"),
            sent,
            noise: Noise::new(seed),
            address: service.address,
            wire: service.connect(),
            done: Vec::new(),
            refused: 0,
            read: 0,
        }
    }

    fn work(mut self) -> Self {
        for _ in 0..operations() {
            match self.noise.below(14) {
                0..=3 => self.upload(),
                4 => {
                    let path = self.path();
                    self.change("DELETE", call("DELETE", &path), Change::Delete { path });
                }
                5 => self.rename(),
                6 => self.copy(),
                7 => self.list(),
                8 | 9 => self.download(),
                10 => self.add_package(),
                11 => self.remove_package(),
                12 => drop(self.list_packages()),
                _ => self.download_package(),
            }
        }
        self
    }

    fn path(&mut self) -> String {
        let folder = FOLDERS[self.noise.below(FOLDERS.len())];
        format!("/{folder}/{}", self.noise.below(NAMES))
    }

    fn say(&mut self, method: &str, call: Call) -> Answer {
        let call = login(call, &self.name, &self.name);
        let written = self.wire.write(&call.bytes());
        written.expect("the connection is open");
        self.wire.answer(method).expect("an answer comes")
    }

    /// Asks for a change; a refusal must be one that the state of the tree can be the reason of.
    fn change(&mut self, method: &str, call: Call, change: Change) {
        let answer = self.say(method, call);
        match answer.verdict() {
            (200, 0) => self.done.push(change),
            (400, 251_010 | 251_012 | 251_013) | (404, 251_010) => self.refused += 1,
            other => panic!("{change:?}: {other:?} {answer:?}"),
        }
    }

    fn upload(&mut self) {
        let path = self.path();
        let len = 1 + self.noise.below(120_000);
        let bytes = self.noise.bytes(len);
        let content = digest(&bytes);
        self.sent.lock().expect("no panic").insert(content, len);
        let overwrite = self.noise.below(3) > 0;
        let call = put(&path)
            .header("X-BKREPO-OVERWRITE", overwrite.to_string())
            .body(&bytes);
        let asked = Change::Put {
            path,
            content,
            overwrite,
        };
        self.change("PUT", call, asked);
    }

    fn rename(&mut self) {
        let (from, to) = (self.path(), self.path());
        let target = format!("/repository/api/node/rename/project/repo{from}?newFullPath={to}");
        let call = Call::new("POST", target).body("");
        self.change("POST", call, Change::Rename { from, to });
    }

    fn copy(&mut self) {
        let (from, to) = (self.path(), self.path());
        if from == to {
            return;
        }
        let overwrite = self.noise.below(2) > 0;
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
        self.change("POST", call, asked);
    }

    fn list(&mut self) {
        let folder = FOLDERS[self.noise.below(FOLDERS.len())];
        let target = format!("/repository/api/node/page/project/repo/{folder}?pageSize=100");
        let answer = self.say("GET", Call::new("GET", target));
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

    fn download(&mut self) {
        let path = self.path();
        let answer = self.say("GET", get(&path));
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
        let sent = self.sent.lock().expect("no panic").get(&content).copied();
        assert_eq!(sent, Some(answer.body.len()), "somebody sent exactly this");
        self.read += 1;
    }
}

/// All mutations, in the order of the log.
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

/// The tree as the log says, beside what each client was acknowledged and did not meet there yet.
#[derive(Default)]
struct Replay {
    folders: HashMap<NodeId, String>,
    files: BTreeMap<String, Sha256>,
    open: HashMap<String, VecDeque<Change>>,
    /// Deletes: a log does not tell whose they are, and it does not matter.
    deletes: HashMap<String, usize>,
    packages: Shelf,
}

impl Replay {
    /// What a client was acknowledged, in its order.
    fn expect(&mut self, name: &str, done: Vec<Change>) {
        for change in done {
            match change {
                Change::Delete { path } => *self.deletes.entry(path).or_default() += 1,
                Change::Remove { id } => self.packages.expect_removal(id),
                change => {
                    let open = self.open.entry(name.to_owned()).or_default();
                    open.push_back(change);
                }
            }
        }
    }

    fn place(&self, parent: NodeId, name: &str) -> String {
        format!("{}/{name}", self.folders[&parent])
    }

    /// The next change of somebody; what the log has was acknowledged, since all have their answers.
    fn next(&mut self, by: &str) -> Change {
        let open = self.open.get_mut(by).expect("one of the clients");
        open.pop_front()
            .expect("the log has only what was acknowledged")
    }

    fn apply(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::RepoPut(repo) => {
                self.folders.insert(repo.root, String::new());
            }
            Mutation::NodePut(put) => {
                let path = self.place(put.parent, &put.name);
                match put.node.kind {
                    NodeKind::Folder => {
                        self.folders.insert(put.node.id, path);
                    }
                    NodeKind::File { sha256, .. } => self.put(&put.node.created_by, &path, sha256),
                }
            }
            Mutation::NodeDelete(delete) => {
                let path = self.place(delete.parent, &delete.name);
                let open = self.deletes.get_mut(&path);
                let open = open.unwrap_or_else(|| panic!("nobody deleted {path}"));
                *open = open
                    .checked_sub(1)
                    .expect("so many deletes were acknowledged");
                let gone = self.files.remove(&path);
                assert!(gone.is_some(), "only what is there is deleted: {path}");
            }
            Mutation::NodeMove(moved) => {
                let from = self.place(moved.from_parent, &moved.from_name);
                let to = self.place(moved.to.parent, &moved.to.name);
                let done = self.next(&moved.to.node.modified_by);
                let content = self.files.remove(&from);
                let content = content.expect("only what is there is renamed");
                let before = self.files.insert(to.clone(), content);
                assert!(before.is_none(), "nothing is renamed over a file");
                assert_eq!(done, Change::Rename { from, to });
            }
            Mutation::PackagePut(package) => {
                let told = self.next(&package.created_by);
                self.packages.add(package, &told);
            }
            Mutation::PackageDelete(delete) => self.packages.remove(delete.id),
            _ => {}
        }
    }

    /// Somebody's upload or copy.
    fn put(&mut self, by: &str, path: &str, content: Sha256) {
        let overwrites = match self.next(by) {
            Change::Put {
                path: asked,
                content: sent,
                overwrite,
            } => {
                assert_eq!((asked.as_str(), sent), (path, content), "{by}");
                overwrite
            }
            Change::Copy {
                from,
                to,
                overwrite,
            } => {
                assert_eq!(to, path, "{by}");
                assert_eq!(
                    self.files.get(&from),
                    Some(&content),
                    "{by}: a copy of {from}"
                );
                overwrite
            }
            other => panic!("{by} did {other:?}, not a file at {path}"),
        };
        let before = self.files.insert(path.to_owned(), content);
        assert!(
            overwrites || before.is_none(),
            "{by} was not to replace {path}"
        );
    }
}

/// A service with the clients as users, and a file in each folder that nobody touches.
fn prepared() -> Service {
    let service = service();
    for folder in FOLDERS {
        let answer = service.send(&admin(put(&format!("/{folder}/kept")).body(folder)));
        assert_eq!(answer.verdict(), (200, 0));
    }
    for seed in 1..=CLIENTS {
        let name = format!("client{seed}");
        let user = serde_json::json!({
            "userId": name, "name": name, "pwd": name, "projectId": "project", "repoName": "repo",
        });
        let call = Call::new("POST", "/auth/api/user/create/repo").body(user.to_string());
        assert_eq!(service.send(&admin(call)).verdict(), (200, 0));
        packages::permit(&service, &name);
    }
    service
}

#[test]
fn what_many_clients_do_at_once_is_what_they_do_one_after_the_other() {
    let _turn = turn();
    let service = prepared();
    let sent = Sent::default();
    let clients: Vec<Client<'_>> = std::thread::scope(|scope| {
        let run = |seed| {
            let client = Client::new(&service, &sent, seed);
            scope.spawn(move || client.work())
        };
        let threads: Vec<_> = (1..=CLIENTS).map(run).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|client| client.expect("no panic")).collect()
    });
    let mut replay = Replay::default();
    let kept = FOLDERS.map(|folder| Change::Put {
        path: format!("/{folder}/kept"),
        content: digest(folder.as_bytes()),
        overwrite: false,
    });
    replay.expect("admin", kept.to_vec());
    let (mut changes, mut refused, mut read) = (0, 0, 0);
    for client in clients {
        changes += client.done.len();
        refused += client.refused;
        read += client.read;
        replay.expect(&client.name, client.done);
    }
    println!("{changes} changes acknowledged, {refused} refused, {read} files read");
    assert!(changes > 100 && refused > 10 && read > 100);
    for mutation in logged(&service) {
        replay.apply(mutation);
    }
    assert!(
        replay.open.values().all(VecDeque::is_empty) && replay.deletes.values().all(|n| *n == 0),
        "acknowledged and not in the log: {:?} {:?}",
        replay.open,
        replay.deletes
    );
    for folder in FOLDERS {
        for name in (0..NAMES).map(|n| n.to_string()).chain(["kept".to_owned()]) {
            let path = format!("/{folder}/{name}");
            let answer = service.send(&admin(get(&path)));
            let shown = (answer.status == 200).then(|| sha256(&answer.body));
            let expected = replay.files.get(&path).map(hex::encode);
            assert_eq!(shown, expected, "{path}");
        }
    }
    replay.packages.assert_shown(&service);
    let report = service.store.verify(false).expect("it runs");
    assert!(report.clean, "{report:?}");
}
