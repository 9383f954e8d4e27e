//! A store as a patient client uses it: every call waits, and what is read is checked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use packhold::domain::nodes::{self, Found, Removed, Transfer, Walk, Way};
use packhold::domain::packages::{self, Fields, PackageError, RpmHeader};
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, Declared, DomainError, MayCreate, Stored, Upload};
use packhold::format::header::{Chunking, PackHeader};
use packhold::format::meta::{FolderSweep, Mutation, NodeKind, Package};
use packhold::format::{PackId, Sha256};
use packhold::index::{Field, Filter, PackageQuery, Place, Rows};
use packhold::store::{BlobReader, CompactReport, GcOptions, GcReport, Options, Store, StoreError};

use super::sim::Sim;
use super::tree::{self, Tree};

/// The pack id of all simulated packs.
pub const PACK_ID: PackId = *b"packhold-testing";
/// Cuts chunks small, so that a few kilobytes make a manifest of several pages.
pub const SMALL: Chunking = Chunking {
    algorithm: 1,
    normalization: 1,
    seed: 0,
    min_bytes: 256,
    avg_bytes: 1024,
    max_bytes: 4096,
};

/// A clock that moves one millisecond at each look, and otherwise when it is told to.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ms)))
    }

    /// Moves it forward.
    pub fn advance(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// What it shows.
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Options under which a run is the same every time: nothing happens by itself.
pub fn options(clock: &Clock) -> Options {
    let clock = clock.clone();
    Options {
        chunking: SMALL,
        idle: Duration::from_hours(1),
        clock: Arc::new(move || clock.tick()),
        index_cache_bytes: 4 << 20,
        pack_id: Some(PACK_ID),
        ..Options::default()
    }
}

/// A new simulated pack with small chunks.
pub fn new_sim() -> Sim {
    Sim::create(&PackHeader::new(PACK_ID, 1_700_000_000_000, SMALL))
}

/// An empty simulated pack of another id at each call.
pub fn another_sim() -> Sim {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut pack_id = PACK_ID;
    let number = COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    pack_id[8..].copy_from_slice(&number);
    Sim::create(&PackHeader::new(pack_id, 1_700_000_000_000, SMALL))
}

/// Rewrites the pack of a store onto another medium, with its index at `place`.
pub fn rewritten(client: &Client, place: Place) -> (Sim, CompactReport) {
    let sim = another_sim();
    let made = client.store.rewrite(sim.medium(), place);
    let (store, report) = made.expect("it can be rewritten");
    drop(store);
    (sim, report)
}

/// Opens a simulated pack with an index in memory.
///
/// # Errors
/// What opening says.
pub fn try_open(sim: &Sim, clock: &Clock) -> Result<Client, StoreError> {
    let store = Store::open_on(sim.reopened().medium(), Place::Memory, options(clock))?;
    Ok(Client { store })
}

/// Opens a simulated pack so that it seals and makes checkpoints between any two changes.
pub fn open_busy(sim: &Sim, clock: &Clock) -> Client {
    let busy = Options {
        idle: Duration::from_millis(1),
        rest: 8,
        ..options(clock)
    };
    let medium = sim.reopened().medium();
    let store = Store::open_on(medium, Place::Memory, busy).expect("the pack opens");
    Client { store }
}

/// Opens a simulated pack with an index in memory.
pub fn open(sim: &Sim, clock: &Clock) -> Client {
    try_open(sim, clock).expect("the pack opens")
}

/// A store and the calls on it.
#[derive(Clone)]
pub struct Client {
    /// The store.
    pub store: Store,
}

/// An address in the one repository that tests use.
pub fn address(path: &str) -> Address {
    Address::new("project", "repo", path).expect("a valid address")
}

/// An upload that overwrites.
pub fn upload(path: &str) -> Upload {
    Upload {
        address: address(path),
        overwrite: true,
        expires_days: 0,
        metadata: Vec::new(),
        declared: Declared::default(),
        precondition: Arc::new(|_| true),
        by: "tester".to_owned(),
        may_create: MayCreate::Project,
        permit: None,
        max_bytes: None,
    }
}

/// The fields of a package; there is no RPM.
pub fn fields(name: &str, version: &str) -> Fields {
    let header = RpmHeader {
        name: name.to_owned(),
        version: version.to_owned(),
        release: "1.el7".to_owned(),
        arch: "x86_64".to_owned(),
        source: false,
    };
    Fields::of(&header, "x.rpm").expect("good fields")
}

/// A move or copy.
pub fn transfer(from: &str, to: &str, overwrite: bool, way: Way) -> Transfer {
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
///
/// # Errors
/// What became of it.
pub fn wait<T: Send + 'static>(
    change: impl FnOnce(Box<dyn FnOnce(Result<T, DomainError>) + Send>),
) -> Result<T, DomainError> {
    let (sender, receiver) = mpsc::channel();
    change(Box::new(move |result| {
        sender.send(result).expect("somebody waits");
    }));
    receiver.recv().expect("an answer comes")
}

impl Client {
    /// Makes these changes, in one commit.
    pub fn commit(&self, mutations: Vec<Mutation>) {
        let made = self
            .store
            .commit::<(), DomainError>(move |_, _| Ok((mutations.clone(), ())));
        made.expect("the store takes it").expect("nobody objects");
    }

    /// Uploads in pieces of `step` bytes.
    ///
    /// # Errors
    /// What became of it.
    pub fn send(&self, upload: Upload, bytes: &[u8], step: usize) -> Result<Stored, DomainError> {
        domain::check(&self.store.rows()?, &upload, self.store.now_ms())?;
        let mut ingest = domain::begin(&self.store, &upload, Some(bytes.len() as u64))?;
        for piece in bytes.chunks(step) {
            ingest.push(&Bytes::copy_from_slice(piece))?;
        }
        let ingested = ingest.finish()?;
        wait(|done| domain::finish(&self.store, &Usage::default(), upload, ingested, done))
    }

    /// Puts a file, replacing what is there.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_put(&self, path: &str, bytes: &[u8]) -> Result<Stored, DomainError> {
        self.send(upload(path), bytes, 1 << 20)
    }

    /// Puts a file, replacing what is there.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Stored {
        self.try_put(path, bytes).expect("the upload succeeds")
    }

    /// Deletes.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_delete(&self, path: &str) -> Result<(), DomainError> {
        wait(|done| domain::delete(&self.store, address(path), done))
    }

    /// Deletes what is there, with all below.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_remove_all(&self, path: &str) -> Result<Removed, DomainError> {
        let paths = vec![address(path).path];
        wait(|done| nodes::remove(&self.store, &address("/"), paths, done))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_make_folder(&self, path: &str) -> Result<(), DomainError> {
        let (by, may) = ("tester".to_owned(), MayCreate::Project);
        wait(|done| nodes::make_folder(&self.store, address(path), by, may, done))
    }

    /// Gives a node another path.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_rename(&self, from: &str, to: &str) -> Result<(), DomainError> {
        let (to, by) = (address(to).path, "tester".to_owned());
        wait(|done| nodes::rename(&self.store, address(from), to, by, done))
    }

    /// Moves or copies.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_transfer(
        &self,
        from: &str,
        to: &str,
        overwrite: bool,
        way: Way,
    ) -> Result<(), DomainError> {
        let transfer = transfer(from, to, overwrite, way);
        wait(|done| nodes::transfer(&self.store, &Usage::default(), transfer, done))
    }

    /// Forgets some nodes of deleted folders; whether there may be more.
    pub fn sweep(&self, count: u32) -> bool {
        let dropped = self.store.rows().expect("rows").dropped();
        let Some(folder) = dropped.expect("a row") else {
            return false;
        };
        self.commit(vec![Mutation::FolderSweep(FolderSweep { folder, count })]);
        true
    }

    /// All nodes of the repository, and what `file` makes of each file.
    pub fn tree<F: Clone>(&self, file: impl Fn(&Found) -> F) -> Tree<F> {
        let mut tree = Tree::default();
        let rows = self.store.rows().expect("rows");
        let now_ms = self.store.now_ms();
        let root = match domain::folder(&rows, &address("/"), now_ms) {
            Err(DomainError::NoRepository { .. }) => return tree,
            root => root.expect("the root"),
        };
        let mut walk = Walk::below(root, "/");
        let mut ids = Vec::new();
        while let Some(found) = walk.next(&rows, now_ms, |_| true).expect("a walk") {
            ids.push(found.node.id);
            let is_folder = found.node.kind == NodeKind::Folder;
            let file = (!is_folder).then(|| file(&found));
            tree.note(tree::parse(&found.path), file);
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every node has an id of its own");
        let next = rows.next_node().expect("an id");
        assert!(ids.last().is_none_or(|last| last.0 < next));
        tree
    }

    /// Deletes.
    pub fn delete(&self, path: &str) {
        self.try_delete(path).expect("the delete succeeds");
    }

    /// The bytes of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// What stands in the way of reading it.
    pub fn try_get(&self, path: &str) -> Result<Option<Vec<u8>>, DomainError> {
        self.try_range(path, 0..u64::MAX)
    }

    /// Some bytes of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// What stands in the way of reading it.
    pub fn try_range(
        &self,
        path: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Vec<u8>>, DomainError> {
        // It holds what is found until somebody reads it.
        let rows = self.store.rows()?;
        let found = domain::file(&rows, &address(path), self.store.now_ms());
        let file = match found {
            Ok(Some(file)) => file,
            Ok(None) | Err(DomainError::NotFound(_) | DomainError::NoRepository { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let reader = self.store.read(&file.blob, range);
        drop(rows);
        Self::read(reader).map(Some)
    }

    pub(super) fn read(mut reader: BlobReader) -> Result<Vec<u8>, DomainError> {
        let mut bytes = Vec::new();
        while reader.remaining() > 0 {
            let before = reader.remaining();
            let window = reader.next_window()?;
            let len: usize = window.iter().map(Bytes::len).sum();
            assert_eq!(len as u64, before - reader.remaining());
            window.iter().for_each(|part| bytes.extend_from_slice(part));
        }
        Ok(bytes)
    }

    /// Takes in a package that has these bytes; there need be no RPM in them.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_add(&self, fields: Fields, bytes: &[u8]) -> Result<Package, DomainError> {
        let mut ingest = packages::begin(&self.store, Some(bytes.len() as u64))?;
        ingest.push(&Bytes::copy_from_slice(bytes))?;
        let ingested = ingest.finish()?;
        let by = "tester".to_owned();
        wait(|done| packages::finish(&self.store, fields, by, ingested, done))
    }

    /// Takes in a package that is not there yet.
    pub fn add(&self, fields: Fields, bytes: &[u8]) -> Package {
        self.try_add(fields, bytes).expect("the package comes in")
    }

    /// Deletes a package.
    ///
    /// # Errors
    /// What became of it.
    pub fn try_remove(&self, id: u64) -> Result<(), DomainError> {
        let outcome = self
            .store
            .commit(move |rows, _| Ok((packages::delete(rows, id)?, ())));
        outcome.map_err(DomainError::from).and_then(|inner| inner)
    }

    /// The ids of the packages that are asked for.
    pub fn package_ids(
        &self,
        keyword: Option<&str>,
        filters: Vec<Filter>,
        order: Field,
    ) -> Vec<u64> {
        let rows = self.store.rows().expect("there is an index");
        let found = rows.packages(&PackageQuery {
            keyword: keyword.map(str::to_owned),
            filters,
            order,
            descending: false,
            skip: 0,
            limit: 100,
        });
        let found = found.expect("the rows are readable");
        assert_eq!(found.total, found.packages.len() as u64);
        found.packages.iter().map(|package| package.id).collect()
    }

    /// A package and its bytes; `None` when there is none of this file name.
    ///
    /// # Errors
    /// What stands in the way of reading it.
    pub fn try_package(&self, file_name: &str) -> Result<Option<(Package, Vec<u8>)>, DomainError> {
        let rows = self.store.rows()?;
        let (package, blob) = match packages::file(&rows, file_name) {
            Err(DomainError::Package(PackageError::NoFile(_))) => return Ok(None),
            found => found?,
        };
        let reader = self.store.read(&blob, 0..u64::MAX);
        drop(rows);
        Ok(Some((package, Self::read(reader)?)))
    }

    /// The bytes of a file; `None` when there is no such file.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.try_get(path).expect("the file is readable")
    }

    /// sha256 of a file.
    pub fn sha256(&self, path: &str) -> Option<Sha256> {
        self.get(path).map(|bytes| packhold::digest::sha256(&bytes))
    }

    /// Asserts that a verification finds nothing wrong.
    pub fn assert_clean(&self) {
        let report = self.store.verify(false).expect("it can be verified");
        assert!(report.clean, "{report:?}");
    }

    /// Gives space back, in small windows and commits.
    ///
    /// # Errors
    /// What the store says.
    pub fn try_gc(&self) -> Result<GcReport, StoreError> {
        self.store.gc(&GcOptions {
            window_bytes: 60_000,
            batch_chunks: 10,
            ..GcOptions::default()
        })
    }

    /// Gives space back; everything is looked at.
    pub fn gc(&self) -> GcReport {
        let report = self.try_gc().expect("space is given back");
        assert!(report.complete, "{report:?}");
        report
    }

    /// Length of the pack in bytes.
    pub fn pack_bytes(&self) -> u64 {
        self.store.stats().expect("stats").pack_bytes
    }
}
