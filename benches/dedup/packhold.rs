//! packhold, as a process for each release, and as a server.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, Declared, MayCreate, Upload};
use packhold::format::header::Chunking;
use packhold::store::{Access, Options, Store};

use crate::process::{self, Cost};

/// Makes this program a process that does a job.
const FLAG: &str = "--job";
const BATCH_BYTES: usize = 1 << 20;

/// If this is a process that does a job, does it and ends.
pub fn do_if_told() {
    let args: Vec<String> = std::env::args().collect();
    let Some(place) = args.iter().position(|arg| arg == FLAG) else {
        return;
    };
    let words: Vec<&str> = args[place + 1..].iter().map(String::as_str).collect();
    match words.as_slice() {
        ["put", pack, file, name, sizes @ ..] => {
            put(Path::new(pack), Path::new(file), name, chunking(sizes));
        }
        ["get", pack, name, out] => get(Path::new(pack), name, Path::new(out)),
        other => panic!("no job {other:?}"),
    }
    std::process::exit(0);
}

fn chunking(sizes: &[&str]) -> Chunking {
    let mut sizes = sizes.iter().map(|size| size.parse().expect("a number"));
    let default = Chunking::default();
    Chunking {
        min_bytes: sizes.next().unwrap_or(default.min_bytes),
        avg_bytes: sizes.next().unwrap_or(default.avg_bytes),
        max_bytes: sizes.next().unwrap_or(default.max_bytes),
        ..default
    }
}

/// A process that opens the store, uploads a file durably, and closes the store.
pub fn put_command(pack: &Path, file: &Path, name: &str, chunking: &Chunking) -> Command {
    let sizes = [chunking.min_bytes, chunking.avg_bytes, chunking.max_bytes];
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([FLAG, "put"]).args([pack, file]).arg(name);
    command.args(sizes.map(|size| size.to_string()));
    command
}

/// A process that writes a stored file to `out`.
pub fn get_command(pack: &Path, name: &str, out: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([FLAG, "get"]).arg(pack).arg(name).arg(out);
    command
}

fn put(pack: &Path, file: &Path, name: &str, chunking: Chunking) {
    let options = Options {
        chunking,
        ..Options::default()
    };
    let store = Store::open(pack, options).expect("a store");
    let mut file = File::open(file).expect("a release");
    let size = file.metadata().expect("a size").len();
    let upload = Upload {
        address: address(name),
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
    let mut ingest = domain::begin(&store, &upload, Some(size)).expect("an upload");
    loop {
        let mut batch = Vec::with_capacity(BATCH_BYTES);
        let mut part = Read::by_ref(&mut file).take(BATCH_BYTES as u64);
        part.read_to_end(&mut batch).expect("bytes");
        if batch.is_empty() {
            break;
        }
        ingest.push(&Bytes::from(batch)).expect("a batch");
    }
    let ingested = ingest.finish().expect("the end");
    let (told, heard) = std::sync::mpsc::channel();
    domain::finish(&store, &Usage::default(), upload, ingested, move |result| {
        told.send(result).expect("a listener");
    });
    let stored = heard.recv().expect("an outcome").expect("a file");
    assert_eq!(stored.file.blob.size, size);
    store.close();
}

fn get(pack: &Path, name: &str, out: &Path) {
    let store = open(pack);
    let rows = store.rows().expect("rows");
    let file = domain::file(&rows, &address(name), store.now_ms()).expect("a file");
    let blob = file.expect("no folder").blob;
    let mut reader = store.read(&blob, 0..blob.size);
    let mut out = File::create(out).expect("a file");
    while reader.remaining() > 0 {
        for bytes in reader.next_window().expect("sound bytes") {
            out.write_all(&bytes).expect("room");
        }
    }
}

fn open(pack: &Path) -> Store {
    let options = Options {
        access: Access::ReadOnly,
        ..Options::default()
    };
    Store::open(pack, options).expect("a store")
}

fn address(name: &str) -> Address {
    Address::new("bench", "files", name).expect("an address")
}

/// Bytes of the distinct chunks of a closed store.
pub fn chunk_bytes(pack: &Path) -> u64 {
    open(pack).stats().expect("figures").stored_bytes
}

/// `packhold serve` of a store.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub fn start(pack: &Path, log: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packhold"));
        let command = command.args(["serve", "--no-auth", "--listen", "127.0.0.1:0", "--store"]);
        let log = File::create(log).expect("a log");
        let command = command.arg(pack).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("a server");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let (_, address) = line.trim().rsplit_once("http://").expect("an address");
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// Uploads a file; the processor time is the server's alone.
    pub fn put(&self, file: &Path, name: &str, declared: Option<&str>) -> Cost {
        let before = process::look(self.child.id()).expect("it runs");
        let begun = Instant::now();
        let mut file = File::open(file).expect("a release");
        let size = file.metadata().expect("a size").len();
        let declared = declared.map_or(String::new(), |d| format!("X-BKREPO-SHA256: {d}\r\n"));
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "PUT /generic/bench/files/{name} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n{declared}Content-Length: {size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let (mut buffer, mut anon) = (vec![0; BATCH_BYTES], before.anon);
        loop {
            match file.read(&mut buffer).expect("bytes") {
                0 => break,
                n => stream.write_all(&buffer[..n]).expect("a body"),
            }
            anon = process::look(self.child.id()).map_or(anon, |seen| anon.max(seen.anon));
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let wall = begun.elapsed().as_secs_f64();
        let after = process::look(self.child.id()).expect("it runs");
        Cost {
            wall,
            cpu: after.cpu - before.cpu,
            anon: anon.max(after.anon),
        }
    }

    /// Downloads a file.
    pub fn get(&self, name: &str, out: &Path) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "GET /generic/bench/files/{name} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            answer.read_line(&mut line).expect("a header");
        }
        let mut out = File::create(out).expect("a file");
        std::io::copy(&mut answer, &mut out).expect("a body");
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        assert!(kill.status().expect("kill").success());
        assert!(self.child.wait().expect("an end").success());
    }
}

/// The pack of a work folder.
pub fn pack(repo: &Path) -> PathBuf {
    repo.join("b.pack")
}
