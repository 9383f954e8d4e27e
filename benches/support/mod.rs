//! What benchmarks share: content, an engine, a server, a client, a table.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, Declared, MayCreate, Upload};
use packhold::http::{App, Config, serve};
use packhold::store::{Options, Store};

/// Length of the batches that an upload comes in, as over HTTP.
const BATCH_BYTES: usize = 1 << 20;

/// Bytes that do not compress or repeat, the same for the same seed: xorshift64*. Touching them is
/// not part of any measurement.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Times by name, in the order of their first appearance.
pub struct Bench {
    bytes: usize,
    rows: Vec<(String, Vec<Duration>)>,
}

impl Bench {
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes,
            rows: Vec::new(),
        }
    }

    pub fn time(&mut self, name: &str, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        self.add(name, start.elapsed());
    }

    pub fn add(&mut self, name: &str, time: Duration) {
        match self.rows.iter_mut().find(|(row, _)| row == name) {
            Some((_, times)) => times.push(time),
            None => self.rows.push((name.to_owned(), vec![time])),
        }
    }

    /// Prints a Markdown table, with each row relative to `base`.
    pub fn print(&self, base: &str) {
        println!("{}\n", machine());
        println!("| what | MB/s | × {base} | slowest … fastest run |");
        println!("|---|---:|---:|---|");
        let speed = |time: Duration| megabytes(self.bytes) / time.as_secs_f64();
        let base = self.rows.iter().find(|(name, _)| name == base);
        let base = base.map_or(1.0, |(_, times)| speed(median(times)));
        for (name, times) in &self.rows {
            let slowest = times.iter().max().copied().unwrap_or_default();
            let fastest = times.iter().min().copied().unwrap_or_default();
            let middle = speed(median(times));
            println!(
                "| {name} | {middle:.0} | {:.2} | {:.0} … {:.0} |",
                middle / base,
                speed(slowest),
                speed(fastest),
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

pub fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Commit, processor, cores, file system.
pub fn machine() -> String {
    let run = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let commit = run("git", &["rev-parse", "--short", "HEAD"]);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let temporary = std::env::temp_dir();
    let file_system = run("stat", &["-f", "-c", "%T", &temporary.to_string_lossy()]);
    format!("Commit {commit}, {model}, {cores} cores, {file_system}.")
}

/// A store in a folder of its own, without a façade.
pub struct Engine {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Engine {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&dir.path().join("b.pack"), Options::default()).expect("a store");
        Self { store, _dir: dir }
    }

    /// Uploads durably, and checks how many bytes of it were new.
    pub fn put(
        &self,
        name: &str,
        bytes: &[u8],
        declared: Option<[u8; 32]>,
        new: impl RangeBounds<u64>,
    ) {
        let upload = Upload {
            address: address(name),
            overwrite: false,
            expires_days: 0,
            metadata: Vec::new(),
            declared: Declared {
                sha256: declared.map(hex::encode),
                ..Declared::default()
            },
            precondition: Arc::new(|_| true),
            by: "bench".to_owned(),
            may_create: MayCreate::Project,
            permit: None,
            max_bytes: None,
        };
        let size = Some(bytes.len() as u64);
        let mut ingest = domain::begin(&self.store, &upload, size).expect("an upload");
        for batch in bytes.chunks(BATCH_BYTES) {
            ingest
                .push(&Bytes::copy_from_slice(batch))
                .expect("a batch");
        }
        let ingested = ingest.finish().expect("the end");
        let (sender, receiver) = std::sync::mpsc::channel();
        domain::finish(
            &self.store,
            &Usage::default(),
            upload,
            ingested,
            move |result| {
                sender.send(result).expect("a listener");
            },
        );
        let stored = receiver.recv().expect("an outcome").expect("a file");
        assert_eq!(stored.file.blob.size, bytes.len() as u64);
        assert!(new.contains(&stored.new_bytes), "{} new", stored.new_bytes);
    }

    /// Reads a file and checks its length.
    pub fn get(&self, name: &str, len: usize) {
        let mut sum = 0;
        self.windows(name, |bytes| sum += bytes.len());
        assert_eq!(sum, len);
    }

    pub fn digest_of(&self, name: &str) -> [u8; 32] {
        let mut hasher = packhold::digest::Hasher::new(Wanted::Sha256Only);
        self.windows(name, |bytes| hasher.update(bytes));
        hasher.finish().sha256
    }

    fn windows(&self, name: &str, mut visit: impl FnMut(&[u8])) {
        let rows = self.store.rows().expect("rows");
        let file = domain::file(&rows, &address(name), self.store.now_ms()).expect("a file");
        let blob = file.expect("no folder").blob;
        let mut reader = self.store.read(&blob, 0..blob.size);
        while reader.remaining() > 0 {
            let window = reader.next_window().expect("sound bytes");
            window.iter().for_each(|bytes| visit(bytes));
        }
    }
}

fn address(name: &str) -> Address {
    Address::new("bench", "files", name).expect("an address")
}

/// A server on a free port of the loopback.
pub struct Server {
    pub store: Store,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: Option<tempfile::TempDir>,
}

impl Server {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&dir.path().join("b.pack"), Options::default()).expect("a store");
        Self::on(store, Some(dir))
    }

    /// A server of a store; it keeps the folder that the store is in, if it is given one.
    pub fn on(store: Store, dir: Option<tempfile::TempDir>) -> Self {
        let config = Config {
            no_auth: true,
            ..Config::default()
        };
        let app = Arc::new(App::new(store.clone(), config).expect("a service"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a port");
                tell.send(listener.local_addr().expect("an address"))
                    .expect("a listener");
                serve(app, listener, async {
                    // Ends when the server is dropped.
                    let _dropped = stopped.await;
                })
                .await;
            });
        });
        Self {
            store,
            address: told.recv().expect("an address"),
            stop: Some(stop),
            thread: Some(thread),
            _dir: dir,
        }
    }

    /// Uploads and gives the sha256 that the server answers.
    pub fn put(&self, name: &str, bytes: &[u8], declared: Option<&str>) -> String {
        let declared = declared.map_or(String::new(), |d| format!("X-BKREPO-SHA256: {d}\r\n"));
        let text = self.call(
            &format!("PUT /generic/bench/files/{name}"),
            &declared,
            bytes,
        );
        let (_, rest) = text.split_once("\"sha256\":\"").expect("a digest");
        rest[..64].to_owned()
    }

    /// Downloads a file of a known length; gives the CRC-32 of its bytes, computed as they come.
    pub fn get(&self, name: &str, len: usize) -> u32 {
        let head = format!(
            "GET /generic/bench/files/{name} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
        );
        let mut stream = self.send(&head, &[]);
        let mut buffer = vec![0; 1 << 18];
        let mut filled = 0;
        let body = loop {
            filled += stream.read(&mut buffer[filled..]).expect("an answer");
            let end = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
        };
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        let mut crc = crc32fast::Hasher::new();
        crc.update(&buffer[body..filled]);
        let mut received = filled - body;
        loop {
            match stream.read(&mut buffer).expect("a body") {
                0 => break,
                n => {
                    crc.update(&buffer[..n]);
                    received += n;
                }
            }
        }
        assert_eq!(received, len);
        crc.finalize()
    }

    /// Begins an upload in blocks.
    pub fn start_blocks(&self, name: &str) -> String {
        let text = self.call(
            &format!("POST /generic/separate/bench/files/{name}"),
            "",
            &[],
        );
        let (_, rest) = text.split_once("\"uploadId\":\"").expect("an id");
        rest[..57].to_owned()
    }

    /// Sends a block.
    pub fn put_block(&self, name: &str, id: &str, offset: usize, block: &[u8]) {
        let headers = format!(
            "X-BKREPO-UPLOAD-ID: {id}\r\nUPLOAD-TYPE: SEPARATE-UPLOAD\r\nX-BKREPO-OFFSET: {offset}\r\n"
        );
        self.call(&format!("PUT /generic/bench/files/{name}"), &headers, block);
    }

    /// Makes the file of its blocks.
    pub fn complete_blocks(&self, name: &str, id: &str, len: usize) {
        let headers = format!("X-BKREPO-UPLOAD-ID: {id}\r\nX-BKREPO-SIZE: {len}\r\n");
        self.call(
            &format!("PUT /generic/separate/bench/files/{name}"),
            &headers,
            &[],
        );
    }

    /// A request that must succeed; gives the whole answer.
    pub fn call(&self, line: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = Vec::new();
        let mut stream = self.send(&head, body);
        stream.read_to_end(&mut answer).expect("an answer");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        text
    }

    fn send(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.write_all(head.as_bytes()).expect("a request");
        stream.write_all(body).expect("a body");
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}
