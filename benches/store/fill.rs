//! Filling a store as clients do, but for the network: one upload behind the other, their commits in
//! groups.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, Declared, DomainError, MayCreate, Stored, Upload};
use packhold::format::header::Chunking;
use packhold::store::{Options, Store};

use crate::support::noise;

/// Uploads whose commits may be awaited at once.
const IN_FLIGHT: usize = 512;
/// Files in one folder.
const FOLDER_FILES: usize = 1000;
/// Chunks of a file, about, and their length: a file of 1 MiB with chunks of 16 KiB, but for the
/// length of the payloads, which nothing here depends on but the time to make them.
pub const FILE_CHUNKS: usize = 64;
const CHUNK_BYTES: usize = 300;
/// Length of a small file, which is one chunk.
const SMALL_BYTES: usize = 60;

/// What is in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Some 64 chunks each.
    Chunks,
    /// One chunk each.
    Small,
}

impl Content {
    /// The bytes of file `n`.
    pub fn of(self, n: usize) -> Vec<u8> {
        let len = match self {
            Self::Chunks => FILE_CHUNKS * CHUNK_BYTES,
            Self::Small => SMALL_BYTES,
        };
        noise(len, (n as u64 + 1) << 20)
    }
}

/// Options under which nothing happens by itself, and chunks are small.
pub fn options() -> Options {
    Options {
        chunking: Chunking {
            min_bytes: 64,
            avg_bytes: 256,
            max_bytes: 1024,
            ..Chunking::default()
        },
        idle: Duration::from_hours(1),
        ..Options::default()
    }
}

/// A store that is being filled.
pub struct Filler {
    pub store: Store,
    content: Content,
    usage: Usage,
    told: Sender<Result<Stored, DomainError>>,
    done: Receiver<Result<Stored, DomainError>>,
    waiting: usize,
}

impl Filler {
    pub fn open(pack: &Path, content: Content) -> Self {
        let (told, done) = channel();
        Self {
            store: Store::open(pack, options()).expect("a store"),
            content,
            usage: Usage::default(),
            told,
            done,
            waiting: 0,
        }
    }

    /// Uploads files, and waits until all are durable; gives the time, without that of making them.
    pub fn put(&mut self, files: std::ops::Range<usize>) -> Duration {
        let mut making = Duration::ZERO;
        let start = Instant::now();
        for n in files {
            let made = Instant::now();
            let bytes = Bytes::from(self.content.of(n));
            making += made.elapsed();
            self.begin(n, &bytes);
            if self.waiting == IN_FLIGHT {
                self.hear();
            }
        }
        while self.waiting > 0 {
            self.hear();
        }
        start.elapsed().saturating_sub(making)
    }

    fn begin(&mut self, n: usize, bytes: &Bytes) {
        let upload = Upload {
            address: address(self.content, n),
            overwrite: false,
            expires_days: 0,
            metadata: Vec::new(),
            declared: Declared::default(),
            precondition: Arc::new(|_| true),
            by: "bench".to_owned(),
            may_create: MayCreate::Project,
            permit: None,
            max_bytes: None,
        };
        let size = Some(bytes.len() as u64);
        let mut ingest = domain::begin(&self.store, &upload, size).expect("an upload");
        ingest.push(bytes).expect("bytes are taken in");
        let ingested = ingest.finish().expect("the end");
        let told = self.told.clone();
        domain::finish(&self.store, &self.usage, upload, ingested, move |result| {
            told.send(result).expect("a listener");
        });
        self.waiting += 1;
    }

    fn hear(&mut self) {
        let stored = self.done.recv().expect("an outcome").expect("a file");
        // The last chunk of a file may be a few bytes that another has, too.
        let shared = stored.file.blob.size - stored.new_bytes;
        assert!(shared < 64, "all of it is new");
        self.waiting -= 1;
    }
}

/// Whether file `n` is there, and is what it was.
pub fn is_there(store: &Store, content: Content, n: usize) -> bool {
    let rows = store.rows().expect("rows");
    let Ok(file) = domain::file(&rows, &address(content, n), store.now_ms()) else {
        return false;
    };
    let blob = file.expect("no folder").blob;
    let mut reader = store.read(&blob, 0..blob.size);
    let mut found = Vec::new();
    while reader.remaining() > 0 {
        let window = reader.next_window().expect("sound bytes");
        window
            .iter()
            .for_each(|bytes| found.extend_from_slice(bytes));
    }
    found == content.of(n)
}

/// Where file `n` is.
pub fn address(content: Content, n: usize) -> Address {
    let (folder, file) = (n / FOLDER_FILES, n % FOLDER_FILES);
    let path = format!("{content:?}/d{folder:04}/f{file:03}");
    Address::new("bench", "files", &path).expect("an address")
}
