//! What may be between a client and a server: a network that breaks, stands still or changes bytes,
//! and a server that says whatever it likes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One direction.
#[derive(Default)]
pub struct Way {
    passed: AtomicU64,
    limit: AtomicU64,
    flip_at: AtomicU64,
    stands_still: AtomicBool,
    /// Both ends of what stands still; they are open until all passes again.
    still: Mutex<Vec<TcpStream>>,
}

impl Way {
    fn open() -> Self {
        let way = Self::default();
        way.free();
        way
    }

    /// All passes from now on, as it is; the count begins anew. What stood still breaks.
    pub fn free(&self) {
        for socket in self.still.lock().expect("nobody panics").drain(..) {
            // Gone already, if its other end was killed.
            let _shut = socket.shutdown(Shutdown::Both);
        }
        self.passed.store(0, Ordering::SeqCst);
        self.limit.store(u64::MAX, Ordering::SeqCst);
        self.flip_at.store(u64::MAX, Ordering::SeqCst);
        self.stands_still.store(false, Ordering::SeqCst);
    }

    /// Behind so many bytes the connection breaks, and so does every later one.
    pub fn cut_behind(&self, bytes: u64) {
        self.free();
        self.limit.store(bytes, Ordering::SeqCst);
    }

    /// Behind so many bytes nothing comes any more, and nothing breaks.
    pub fn stop_behind(&self, bytes: u64) {
        self.cut_behind(bytes);
        self.stands_still.store(true, Ordering::SeqCst);
    }

    /// The byte behind so many is changed.
    pub fn flip_behind(&self, bytes: u64) {
        self.free();
        self.flip_at.store(bytes, Ordering::SeqCst);
    }

    /// Bytes that passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Whether all has passed that may.
    pub fn is_at_limit(&self) -> bool {
        self.passed() >= self.limit.load(Ordering::SeqCst)
    }

    /// Passes bytes on until it breaks. Says whether it only stands still.
    fn carry(&self, from: &mut TcpStream, to: &mut TcpStream) -> bool {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let Ok(read @ 1..) = from.read(&mut buffer) else {
                return false;
            };
            let before = self.passed();
            let left = self.limit.load(Ordering::SeqCst).saturating_sub(before);
            let len = read.min(usize::try_from(left).unwrap_or(usize::MAX));
            let flip_at = self.flip_at.load(Ordering::SeqCst);
            if (before..before + len as u64).contains(&flip_at) {
                buffer[usize::try_from(flip_at - before).expect("it is in the buffer")] ^= 1;
            }
            if to.write_all(&buffer[..len]).is_err() {
                return false;
            }
            self.passed.fetch_add(len as u64, Ordering::SeqCst);
            if len < read {
                return self.stands_still.load(Ordering::SeqCst);
            }
        }
    }
}

/// A network in front of a server.
pub struct Proxy {
    pub address: SocketAddr,
    /// To the server.
    pub up: Arc<Way>,
    /// From the server.
    pub down: Arc<Way>,
}

impl Proxy {
    /// In front of this one.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let (up, down) = (Arc::new(Way::open()), Arc::new(Way::open()));
        let ways = [Arc::clone(&up), Arc::clone(&down)];
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else {
                    continue;
                };
                let pairs = [(&client, &server), (&server, &client)];
                for ((from, to), way) in pairs.into_iter().zip(&ways) {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let (mut from, mut to) = (from.expect("a socket"), to.expect("a socket"));
                    let way = Arc::clone(way);
                    std::thread::spawn(move || {
                        if way.carry(&mut from, &mut to) {
                            way.still.lock().expect("nobody panics").extend([from, to]);
                            return;
                        }
                        // Gone already, mostly.
                        let _shut = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        Self { address, up, down }
    }

    /// What a client is told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A request as a made-up server hears it.
pub struct Heard {
    /// Method and target.
    pub line: String,
}

/// A server that answers what the test wants.
pub struct Fake {
    pub address: SocketAddr,
    /// First lines of what it was asked.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Answers each request with status line, headers and body.
    pub fn new(answer: impl Fn(&Heard) -> (String, Vec<u8>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // A client that goes away is none of its business.
                    let _ended = one(client, &heard, &*answer);
                });
            }
        });
        Self { address, asked }
    }

    /// What a client is told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often it was asked so.
    pub fn count(&self, beginning: &str) -> usize {
        let asked = self.asked.lock().expect("nobody panics");
        asked
            .iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    }
}

fn one(
    client: TcpStream,
    asked: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&Heard) -> (String, Vec<u8>) + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let head = head.to_lowercase();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    asked.lock().expect("nobody panics").push(line.clone());
    let mut client = client;
    if head.contains("expect:") {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let len: u64 = len.and_then(|len| len.parse().ok()).unwrap_or(0);
    std::io::copy(&mut (&mut reader).take(len), &mut std::io::sink())?;
    let is_head = line.starts_with("HEAD");
    let (top, body) = answer(&Heard { line });
    let len = body.len();
    let top = format!("HTTP/1.1 {top}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
    client.write_all(top.as_bytes())?;
    if !is_head {
        client.write_all(&body)?;
    }
    client.shutdown(Shutdown::Write)
}
