//! Small stretches of real work, the same for the same seed: uploads, overwrites, uploads in blocks,
//! packages, deletes, reclaiming, restarts; on a disk that fails now and then, if that is wanted.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::blocks::{self, BlockUpload, Digesting, UploadId};
use packhold::domain::quota::Usage;
use packhold::domain::{Declared, DomainError};
use packhold::format::meta::Dialect;
use packhold::index::Place;
use packhold::store::{GcOptions, Options, Store, StoreError};

use super::client::{Client, Clock, address, new_sim, options, upload};
use super::history::{Allowed, Content, History};
use super::noise::Noise;
use super::platter::Disk;
use super::sim::{Call, Failure, File, Journal, Op, Sim};

/// A store on two simulated files, and what was done to it.
pub struct Scene {
    /// The pack.
    pub pack: Sim,
    /// The index.
    pub index: Sim,
    /// What was done.
    pub history: History,
    /// Its time.
    pub clock: Clock,
}

impl Scene {
    /// A store on a disk.
    pub fn on(disk: &Disk) -> Self {
        let pack = Sim::of_pages(disk.pack.clone());
        Self {
            index: pack.beside(File::Index, disk.index.clone()),
            pack,
            history: History::default(),
            clock: Clock::at(5_000_000),
        }
    }

    /// A new store.
    pub fn new() -> Self {
        Self::on(&Self::empty())
    }

    /// The disk with a new store.
    pub fn empty() -> Disk {
        Disk {
            pack: new_sim().pages(),
            ..Disk::default()
        }
    }

    /// Opens it. Between changes it seals and makes checkpoints after `idle`.
    ///
    /// # Errors
    /// What opening says.
    pub fn try_open(&self, idle: Duration) -> Result<Client, StoreError> {
        let options = Options {
            idle,
            ..options(&self.clock)
        };
        let place = Place::Shelf(Arc::new(self.index.clone()));
        let store = Store::open_on(self.pack.reopened().medium(), place, options)?;
        Ok(Client { store })
    }

    /// Opens it.
    ///
    /// # Errors
    /// What opening says.
    pub fn open(&self) -> Result<Client, StoreError> {
        self.try_open(Duration::from_hours(1))
    }

    /// All that was done.
    pub fn journal(&self) -> Journal {
        self.pack.journal()
    }

    /// What must be there after these operations, if `before` was there before them.
    pub fn promised(&self, before: &Allowed, journal: &[(File, Op)]) -> Allowed {
        let mut allowed = self.history.nothing();
        for (name, contents) in before {
            allowed.insert(name.clone(), contents.clone());
        }
        for (_, op) in journal {
            self.history.promise(&mut allowed, op);
        }
        allowed
    }

    /// Some changes.
    pub fn work(&self, client: &Client, changes: usize, noise: &mut Noise) {
        for _ in 0..changes {
            self.step(client, noise);
        }
    }

    fn step(&self, client: &Client, noise: &mut Noise) {
        let (pack, history) = (&self.pack, &self.history);
        let path = format!("/d{}/f{}", noise.below(2), noise.below(4));
        let package = format!("package{}", noise.below(2));
        let len = [0, 60, 900, 2_500, 6_000][noise.below(5)];
        match noise.below(12) {
            0 | 1 => history.delete(client, pack, &path),
            2 => history.remove(client, pack, &package),
            3 => history.add(client, pack, &package, noise.bytes(len)),
            4 => self.blocks(client, &path, noise),
            5 => {
                // An upload that is cut off leaves records that no commit needs.
                let mut ingest = client.store.ingest(Wanted::Md5);
                ingest.push(&Bytes::from(noise.bytes(9_000))).is_ok()
            }
            6 => client.store.gc(&GcOptions::default()).is_ok(),
            _ => history.put(client, pack, &path, noise.bytes(len)),
        };
    }

    /// An upload in blocks, which is completed in the end, or given up, or left.
    fn blocks(&self, client: &Client, path: &str, noise: &mut Noise) -> bool {
        let Ok(id) = begin(&client.store, path) else {
            return false;
        };
        let (mut file, mut done) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let len = 200 + noise.below(1_500);
            let bytes = noise.bytes(len);
            let key = file.len();
            let name = format!("#{key} {id} {path}");
            let content: Content = Some(Arc::new(bytes.clone()));
            let put = || put_block(&client.store, path, &id, key, &bytes).is_ok();
            if !self
                .history
                .change(&self.pack, vec![(name.clone(), content)], put)
            {
                return false;
            }
            file.extend(bytes);
            done.push((name, None));
        }
        let size = file.len() as u64;
        match noise.below(4) {
            0 => true,
            1 => self
                .history
                .change(&self.pack, done, || abort(&client.store, path, &id)),
            _ => {
                done.push((path.to_owned(), Some(Arc::new(file))));
                self.history.change(&self.pack, done, || {
                    let digesting = Digesting::default();
                    let upload = upload(path);
                    let made = blocks::complete(
                        &client.store,
                        (&digesting, &Usage::default()),
                        &upload,
                        &id,
                        Some(size),
                    );
                    matches!(made, Ok(Some(_)))
                })
            }
        }
    }

    /// Work with restarts, at the end of which the store is open or closed.
    pub fn story(&self, noise: &mut Noise) {
        for session in 0..2 {
            let idle = match noise.below(3) {
                0 => Duration::from_millis(1),
                _ => Duration::from_hours(1),
            };
            let client = self.try_open(idle).expect("it opens");
            let changes = 2 + noise.below(4);
            self.work(&client, changes, noise);
            if session == 0 && noise.below(2) == 0 {
                self.fail_once(&client, noise);
            }
            client.store.close();
        }
    }

    /// One call fails; after some of these nothing more is taken, and the store must be opened again.
    fn fail_once(&self, client: &Client, noise: &mut Noise) {
        let (sim, call, failure) = match noise.below(6) {
            0 => (&self.pack, Call::Sync, Failure::Io),
            1 => (&self.pack, Call::Write, Failure::Io),
            2 => (&self.pack, Call::Write, Failure::Short(noise.below(900))),
            3 => (&self.pack, Call::Write, Failure::Full),
            4 => (&self.index, Call::Sync, Failure::Io),
            _ => (&self.index, Call::Write, Failure::Short(noise.below(900))),
        };
        sim.fail(call, noise.next() % 2, failure);
        self.work(client, 2, noise);
        sim.mend();
        self.work(client, 1, noise);
    }
}

/// Puts a file in blocks of so many bytes.
///
/// # Errors
/// What became of it.
pub fn put_blocks(
    store: &Store,
    path: &str,
    bytes: &[u8],
    block_bytes: usize,
) -> Result<(), DomainError> {
    let id = begin(store, path)?;
    for (i, block) in bytes.chunks(block_bytes).enumerate() {
        put_block(store, path, &id, i * block_bytes, block)?;
    }
    let (digesting, usage) = (Digesting::default(), Usage::default());
    let size = Some(bytes.len() as u64);
    let made = blocks::complete(store, (&digesting, &usage), &upload(path), &id, size)?;
    assert!(made.is_some(), "nobody else digests");
    Ok(())
}

fn begin(store: &Store, path: &str) -> Result<UploadId, DomainError> {
    let (sender, receiver) = mpsc::channel();
    blocks::start(store, upload(path), Dialect::Offset, move |result| {
        sender.send(result).expect("somebody waits");
    });
    receiver.recv().expect("an answer comes")
}

fn put_block(
    store: &Store,
    path: &str,
    id: &UploadId,
    key: usize,
    bytes: &[u8],
) -> Result<(), DomainError> {
    let wanted = BlockUpload {
        address: address(path),
        id: id.clone(),
        key: key as u64,
        declared: Declared::default(),
    };
    let (begun, mut ingest) = blocks::begin_block(store, wanted, Some(bytes.len() as u64))?;
    ingest.push(&Bytes::copy_from_slice(bytes))?;
    let ingested = ingest.finish_block()?;
    let (sender, receiver) = mpsc::channel();
    blocks::finish_block(store, begun, ingested, move |result| {
        sender.send(result.map(|_| ())).expect("somebody waits");
    });
    receiver.recv().expect("an answer comes")
}

fn abort(store: &Store, path: &str, id: &UploadId) -> bool {
    let (sender, receiver) = mpsc::channel();
    blocks::abort(store, address(path), id.clone(), move |result| {
        sender.send(result.is_ok()).expect("somebody waits");
    });
    receiver.recv().expect("an answer comes")
}

/// The bytes of a block, by what its change is called; `None` when it is not there.
///
/// # Errors
/// What stands in the way of reading it.
pub fn read_block(client: &Client, name: &str) -> Result<Option<Vec<u8>>, DomainError> {
    let mut words = name[1..].splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let (key, id, path) = (word().parse::<u64>().expect("a number"), word(), word());
    let id = UploadId::parse(id, Dialect::Offset)?;
    let now_ms = client.store.now_ms();
    let found = blocks::blocks(&client.store.rows()?, &address(path), &id, now_ms, 0, 100);
    let found = match found {
        Ok(blocks) => blocks.into_iter().find(|block| block.key == key),
        Err(DomainError::NoSession(_) | DomainError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let Some(block) = found else { return Ok(None) };
    let mut reader = client.store.read_block(&block);
    let mut bytes = Vec::new();
    while reader.remaining() > 0 {
        let window = reader.next_window()?;
        window.iter().for_each(|part| bytes.extend_from_slice(part));
    }
    Ok(Some(bytes))
}
