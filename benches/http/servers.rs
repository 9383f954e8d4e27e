//! The servers that are compared, each a process of its own on a free port of the loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::content::Content;
use super::driver::{self, Exchange, Until};

/// A server has so long to start.
const START: Duration = Duration::from_secs(20);
/// Clock ticks a second of `/proc/PID/stat`, on every Linux there is.
const TICKS: f64 = 100.0;
/// Long files are sent in so large parts.
const PART_BYTES: usize = 1 << 20;

/// Who serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Packhold,
    Nginx,
    Dufs,
}

pub const ALL: [Kind; 3] = [Kind::Packhold, Kind::Nginx, Kind::Dufs];

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packhold => "packhold",
            Self::Nginx => "nginx",
            Self::Dufs => "dufs",
        }
    }

    /// The program, if the machine has it.
    fn program(self) -> Option<PathBuf> {
        if self == Self::Packhold {
            return Some(env!("CARGO_BIN_EXE_packhold").into());
        }
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), built]);
        folders
            .map(|folder| folder.join(self.name()))
            .find(|program| program.is_file())
    }

    /// Where a file of this name is.
    pub fn path(self, name: &str) -> String {
        match self {
            Self::Packhold => format!("/generic/bench/files/{name}"),
            Self::Nginx | Self::Dufs => format!("/{name}"),
        }
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts it on a folder; `None` when the machine does not have it.
    pub fn start(kind: Kind, dir: &Path) -> Option<Self> {
        let program = kind.program()?;
        let dir = dir.join(kind.name());
        fs::create_dir_all(dir.join("files")).expect("a folder");
        let log = File::create(dir.join("log")).expect("a log");
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stderr(log);
        let (child, address) = match kind {
            Kind::Packhold => packhold(command, &dir),
            Kind::Nginx => nginx(command, &dir),
            Kind::Dufs => dufs(command, &dir),
        };
        wait_for(address, &dir);
        Some(Self {
            kind,
            address,
            child,
        })
    }

    /// Has a file of this content there, durable or not.
    pub fn put(&self, name: &str, content: &Content, len: u64) {
        let part = PART_BYTES as u64;
        let body = (0..len.div_ceil(part)).map(|i| {
            let len = usize::try_from(part.min(len - i * part)).expect("a part");
            Bytes::from(content.bytes(i * part, len))
        });
        self.put_parts(name, body, len);
    }

    fn put_parts(&self, name: &str, parts: impl Iterator<Item = Bytes>, len: u64) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let head = put_head(&self.kind.path(name), len, "Connection: close\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        for part in parts {
            stream.write_all(&part).expect("a body");
        }
        let mut line = String::new();
        BufReader::new(stream)
            .read_line(&mut line)
            .expect("an answer");
        assert!(
            ["200", "201", "204"].iter().any(|s| line.contains(s)),
            "{line}"
        );
    }

    /// Checks that a file is what it should be, once.
    pub fn check(&self, name: &str, content: &Content, len: u64) {
        let mut crc = crc32fast::Hasher::new();
        let mut at = 0;
        while at < len {
            let part = usize::try_from((len - at).min(PART_BYTES as u64)).expect("a part");
            crc.update(&content.bytes(at, part));
            at += part as u64;
        }
        let (head, crc) = (get_head(&self.kind.path(name), ""), crc.finalize());
        driver::run(self.address, 1, Until::Count(1), move |_| Exchange {
            head: head.clone(),
            body: Vec::new(),
            statuses: &[200],
            len: Some(len),
            crc: Some(crc),
        });
    }

    /// Begins an upload in blocks, and gives its id.
    pub fn begin_blocks(&self, name: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let path = self.kind.path(name);
        let path = path.replacen("/generic/", "/generic/separate/", 1);
        let head = put_head(&path, 0, "Connection: close\r\n").replacen("PUT", "POST", 1);
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let id = answer.split("\"uploadId\":\"").nth(1);
        let id = id.and_then(|rest| rest.split('"').next());
        id.unwrap_or_else(|| panic!("an id: {answer}")).to_owned()
    }

    /// A value of a header of a file.
    pub fn header(&self, name: &str, header: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let path = self.kind.path(name);
        write!(
            stream,
            "HEAD {path} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
        )
        .expect("a request");
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let found = lines.find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(header).then(|| value.to_owned())
        });
        found.unwrap_or_else(|| panic!("{} sends {header}", self.kind.name()))
    }

    /// Processor time so far, of all its processes.
    pub fn cpu(&self) -> Duration {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        let ticks: f64 = pids.chain([own]).map(ticks).sum();
        Duration::from_secs_f64(ticks / TICKS)
    }

    /// Its anonymous memory now, in MiB.
    pub fn anonymous_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.expect("memory") / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // Without it, nginx would leave its workers behind.
        let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.child.wait().expect("an end");
    }
}

/// User and system time of a process, in ticks.
fn ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let times = fields.split(' ').skip(11).take(2);
    times.filter_map(|field| field.parse::<f64>().ok()).sum()
}

fn packhold(mut command: Command, dir: &Path) -> (Child, SocketAddr) {
    // The others write no line for each request, and count none, either.
    command.args(["serve", "--no-auth", "--audit", "off"]);
    command.args(["--max-requests-per-second", "0"]);
    command.args(["--listen", "127.0.0.1:0", "--store"]);
    command.arg(dir.join("b.pack")).env("PACKHOLD_LOG", "warn");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("packhold");
    let out = child.stdout.take().expect("its output");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).expect("a line");
    let address = line.trim().rsplit("http://").next().unwrap_or_default();
    (child, address.parse().expect("where it listens"))
}

fn nginx(mut command: Command, dir: &Path) -> (Child, SocketAddr) {
    let address = free_address();
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    let dir_text = dir.display();
    let config = format!(
        "{user} worker_processes auto; daemon off; pid {dir_text}/pid; error_log {dir_text}/log;
events {{ worker_connections 4096; }}
http {{
    sendfile on; access_log off;
    keepalive_requests 1000000000; client_max_body_size 0;
    client_body_temp_path {dir_text}/body; proxy_temp_path {dir_text}/proxy;
    fastcgi_temp_path {dir_text}/fastcgi; uwsgi_temp_path {dir_text}/uwsgi; scgi_temp_path {dir_text}/scgi;
    server {{
        listen {address};
        root {dir_text}/files;
        location / {{ dav_methods PUT DELETE; create_full_put_path on; }}
    }}
}}
"
    );
    let path = dir.join("nginx.conf");
    fs::write(&path, config).expect("its configuration");
    command.arg("-c").arg(path).arg("-p").arg(dir);
    (
        command.stdout(Stdio::null()).spawn().expect("nginx"),
        address,
    )
}

fn dufs(mut command: Command, dir: &Path) -> (Child, SocketAddr) {
    let address = free_address();
    let port = address.port().to_string();
    command.args(["--bind", "127.0.0.1", "--port", &port]);
    command.args(["--allow-all", "--log-format", ""]);
    command.arg(dir.join("files"));
    (
        command.stdout(Stdio::null()).spawn().expect("dufs"),
        address,
    )
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn wait_for(address: SocketAddr, dir: &Path) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(begun.elapsed() < START, "it starts: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The head of a download.
pub fn get_head(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: b\r\n{headers}\r\n")
}

/// The head of an upload.
pub fn put_head(path: &str, len: u64, headers: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: b\r\nContent-Length: {len}\r\n{headers}\r\n")
}
