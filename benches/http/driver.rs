//! A driver of HTTP/1.1 connections: each sends a request, reads the answer to its end, checks it, and
//! sends the next. One thread drives all of them, so that the servers have the rest of the machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head of an answer.
const HEAD_BYTES: usize = 16 << 10;
/// What is read at once.
const READ_BYTES: usize = 256 << 10;

/// A request, and the answer that it must get.
#[derive(Clone)]
pub struct Exchange {
    /// Request line and headers, with the empty line.
    pub head: String,
    /// What is sent behind them.
    pub body: Vec<Bytes>,
    /// One of these must be the status.
    pub statuses: &'static [u16],
    /// So long must the body be, where that is known.
    pub len: Option<u64>,
    /// This must be the CRC-32 of the body, where it is to be computed.
    pub crc: Option<u32>,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub enum Until {
    Time(Duration),
    Count(usize),
}

/// What a run came to.
pub struct Run {
    pub elapsed: Duration,
    pub requests: usize,
    /// Bytes of bodies, both ways.
    pub bytes: u64,
    /// Of each request, sorted.
    pub latencies: Vec<Duration>,
}

impl Run {
    pub fn percentile(&self, percent: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let at = (self.latencies.len() as f64 * percent / 100.0) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(at.min(last))
            .copied()
            .unwrap_or_default()
    }
}

/// Drives so many connections; `make` gives the n-th request.
pub fn run(
    server: SocketAddr,
    connections: usize,
    until: Until,
    make: impl Fn(usize) -> Exchange + Send + Sync + 'static,
) -> Run {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(drive(server, connections, until, Arc::new(make)))
}

async fn drive(
    server: SocketAddr,
    connections: usize,
    until: Until,
    make: Arc<impl Fn(usize) -> Exchange + Send + Sync + 'static>,
) -> Run {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(server).await);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = opened
        .into_iter()
        .map(|mut connection| {
            let (next, make) = (Arc::clone(&next), Arc::clone(&make));
            tokio::spawn(async move {
                let (mut latencies, mut bytes) = (Vec::new(), 0);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = match until {
                        Until::Time(time) => n >= connections && begun.elapsed() >= time,
                        Until::Count(count) => n >= count,
                    };
                    if is_over {
                        return (latencies, bytes);
                    }
                    let exchange = make(n);
                    let asked = Instant::now();
                    bytes += connection.exchange(&exchange).await;
                    latencies.push(asked.elapsed());
                }
            })
        })
        .collect();
    let (mut latencies, mut bytes) = (Vec::new(), 0);
    for task in tasks {
        let (times, moved) = task.await.expect("a connection that works");
        latencies.extend(times);
        bytes += moved;
    }
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    Run {
        elapsed,
        requests: latencies.len(),
        bytes,
        latencies,
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Gives the bytes of both bodies.
    async fn exchange(&mut self, exchange: &Exchange) -> u64 {
        let mut sent = 0;
        match exchange.body.as_slice() {
            [] => self.send(exchange.head.as_bytes()).await,
            [one] if one.len() <= READ_BYTES => {
                let whole = [exchange.head.as_bytes(), one].concat();
                self.send(&whole).await;
                sent += one.len() as u64;
            }
            parts => {
                self.send(exchange.head.as_bytes()).await;
                for part in parts {
                    self.send(part).await;
                    sent += part.len() as u64;
                }
            }
        }
        sent + self.answer(exchange).await
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("a request");
    }

    /// Reads the answer to its end, and checks it.
    async fn answer(&mut self, exchange: &Exchange) -> u64 {
        let mut filled = 0;
        let end = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await;
            let read = read.expect("an answer");
            assert!(read > 0, "the connection ended: {}", exchange.head);
            filled += read;
            if let Some(end) = memchr::memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
            assert!(filled < HEAD_BYTES, "a short head");
        };
        let (status, len) = parse(&self.buffer[..end]);
        assert!(
            exchange.statuses.contains(&status),
            "{}\n{}",
            exchange.head,
            String::from_utf8_lossy(&self.buffer[..filled])
        );
        assert_eq!(exchange.len.unwrap_or(len), len, "{}", exchange.head);
        let mut crc = exchange.crc.map(|_| crc32fast::Hasher::new());
        let mut add = |bytes: &[u8]| {
            if let Some(crc) = &mut crc {
                crc.update(bytes);
            }
        };
        add(&self.buffer[end..filled]);
        let mut received = (filled - end) as u64;
        while received < len {
            let read = self.stream.read(&mut self.buffer).await.expect("a body");
            assert!(read > 0, "the whole body of {}", exchange.head);
            add(&self.buffer[..read]);
            received += read as u64;
        }
        assert_eq!(received, len, "nothing behind the body");
        assert_eq!(crc.map(crc32fast::Hasher::finalize), exchange.crc);
        len
    }
}

/// Status and length of the body. A 304 may name a length that it does not send.
fn parse(head: &[u8]) -> (u16, u64) {
    let text = std::str::from_utf8(head).expect("a head of text");
    let status = text.get(9..12).and_then(|digits| digits.parse().ok());
    let status = status.expect("a status");
    let len = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().expect("a length"))
    });
    match status {
        204 | 304 => (status, 0),
        _ => (status, len.expect("a body of known length")),
    }
}
