//! What the servers are asked for.

use std::sync::Arc;

use bytes::Bytes;

use super::Sizes;
use super::content::Content;
use super::driver::{Exchange, Until};
use super::servers::{Kind, Server, get_head, put_head};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Different small files that are asked for in turn.
const SMALL_FILES: usize = 1000;
/// Connections of clients that come in small, larger and large numbers.
const CONNECTIONS: [usize; 3] = [1, 32, 256];
/// Ranges have so many.
const RANGE_BYTES: u64 = 64 * KIB;

/// The n-th request of a run.
pub type Make = Box<dyn Fn(usize) -> Exchange + Send + Sync>;

/// Makes the requests of a run.
type MakeFor = Box<dyn Fn(&Server, u64) -> Make>;

/// Work that every server is given.
pub struct Scenario {
    pub name: String,
    /// Whether bytes are counted, or requests.
    pub counts_bytes: bool,
    pub connections: usize,
    pub until: Until,
    /// Makes the requests of a run, each run with content of its own.
    pub requests: MakeFor,
    /// What is checked when a run is over.
    pub uploads: Option<Uploaded>,
}

/// Files `0..count` that a run made, as [`upload_name`] calls them.
#[derive(Clone, Copy)]
pub struct Uploaded {
    pub count: usize,
    pub len: u64,
}

/// Puts what is downloaded there, and checks that it is what it should be.
pub fn prepare(server: &Server, content: &Content, sizes: &Sizes) {
    for &len in sizes.large {
        let name = format!("large-{len}");
        server.put(&name, &content.with_seed(len), len);
        server.check(&name, &content.with_seed(len), len);
    }
    server.put("ranges", &content.with_seed(1), sizes.ranges);
    server.check("ranges", &content.with_seed(1), sizes.ranges);
    for len in [4 * KIB, 64 * KIB] {
        for n in 0..SMALL_FILES {
            let content = content.with_seed(len + n as u64);
            server.put(&format!("small/{len}-{n}"), &content, len);
        }
        server.check(&format!("small/{len}-7"), &content.with_seed(len + 7), len);
    }
}

/// All of them.
pub fn all(content: &Arc<Content>, sizes: &Sizes) -> Vec<Scenario> {
    let mut all: Vec<Scenario> = sizes.large.iter().map(|len| large(*len, sizes)).collect();
    for len in [4 * KIB, 64 * KIB] {
        all.extend(CONNECTIONS.map(|connections| small(len, connections, sizes)));
    }
    all.extend([1, 32].map(|connections| ranges(content, connections, sizes)));
    all.extend([1, 32].map(|connections| unchanged(connections, sizes)));
    let upload =
        |name: &str, len, connections, count| uploads(content, name, len, connections, count);
    all.push(upload("a new file", sizes.upload, 1, 1));
    all.push(upload("4 new files at once", sizes.upload / 4, 4, 4));
    for (connections, count) in CONNECTIONS.into_iter().zip(sizes.small_uploads) {
        all.push(upload("new files", 4 * KIB, connections, count));
    }
    all
}

fn scenario(name: String, connections: usize, until: Until, make: MakeFor) -> Scenario {
    Scenario {
        name,
        counts_bytes: false,
        connections,
        until,
        requests: make,
        uploads: None,
    }
}

fn large(len: u64, sizes: &Sizes) -> Scenario {
    let make: MakeFor = Box::new(move |server, _| {
        let head = get_head(&server.kind.path(&format!("large-{len}")), "");
        Box::new(move |_| get(head.clone(), &[200], Some(len)))
    });
    Scenario {
        counts_bytes: true,
        ..scenario(
            format!("download of {}", size(len)),
            1,
            Until::Time(sizes.time),
            make,
        )
    }
}

fn small(len: u64, connections: usize, sizes: &Sizes) -> Scenario {
    let make: MakeFor = Box::new(move |server, _| {
        let kind = server.kind;
        Box::new(move |n| {
            let name = format!("small/{len}-{}", n % SMALL_FILES);
            get(get_head(&kind.path(&name), ""), &[200], Some(len))
        })
    });
    let name = format!("download of {}", size(len));
    scenario(name, connections, Until::Time(sizes.time), make)
}

/// Ranges anywhere in a long file; every hundredth is held against what it should be.
fn ranges(content: &Arc<Content>, connections: usize, sizes: &Sizes) -> Scenario {
    let (content, whole) = (Arc::clone(content), sizes.ranges);
    let make: MakeFor = Box::new(move |server, run| {
        let (path, content) = (server.kind.path("ranges"), content.with_seed(1));
        Box::new(move |n| {
            let first = scattered(n as u64 + (run << 32)) % (whole - RANGE_BYTES);
            // Content can be made from the beginning of a page on.
            let is_checked = n % 100 == 0;
            let first = if is_checked {
                first / 4096 * 4096
            } else {
                first
            };
            let last = first + RANGE_BYTES - 1;
            let head = get_head(&path, &format!("Range: bytes={first}-{last}\r\n"));
            let crc = || crc32fast::hash(&content.bytes(first, to_usize(RANGE_BYTES)));
            Exchange {
                crc: is_checked.then(crc),
                ..get(head, &[206], Some(RANGE_BYTES))
            }
        })
    });
    let name = format!("64 KiB anywhere in {}", size(whole));
    scenario(name, connections, Until::Time(sizes.time), make)
}

fn unchanged(connections: usize, sizes: &Sizes) -> Scenario {
    let make: MakeFor = Box::new(|server, _| {
        let name = format!("small/{}-7", 4 * KIB);
        let (header, condition) = match server.kind {
            // Its `If-None-Match` is for a weak tag of its own form.
            Kind::Dufs => ("last-modified", "If-Modified-Since"),
            Kind::Packhold | Kind::Nginx => ("etag", "If-None-Match"),
        };
        let value = server.header(&name, header);
        let head = get_head(
            &server.kind.path(&name),
            &format!("{condition}: {value}\r\n"),
        );
        Box::new(move |_| get(head.clone(), &[304], Some(0)))
    });
    let name = "ask whether a file has changed".to_owned();
    scenario(name, connections, Until::Time(sizes.time), make)
}

fn uploads(
    content: &Arc<Content>,
    name: &str,
    len: u64,
    connections: usize,
    count: usize,
) -> Scenario {
    let content = Arc::clone(content);
    let make: MakeFor = Box::new(move |server, run| {
        let kind = server.kind;
        let part = len.min(MIB);
        // Made before the time is taken.
        let bodies: Vec<Vec<Bytes>> = (0..count)
            .map(|n| {
                let content = content.with_seed(upload_seed(run, n));
                let parts = (0..len / part).map(|i| content.bytes(i * part, to_usize(part)).into());
                parts.collect()
            })
            .collect();
        Box::new(move |n| Exchange {
            head: put_head(&kind.path(&upload_name(len, run, n)), len, ""),
            body: bodies[n].clone(),
            statuses: &[200, 201, 204],
            len: None,
            crc: None,
        })
    });
    Scenario {
        counts_bytes: len >= MIB,
        uploads: Some(Uploaded { count, len }),
        ..scenario(
            format!("upload of {name}, {}", size(len)),
            connections,
            Until::Count(count),
            make,
        )
    }
}

/// What the n-th upload of a run is called.
pub fn upload_name(len: u64, run: u64, n: usize) -> String {
    format!("new-{len}/{run}-{n}")
}

/// What its content is made of.
pub fn upload_seed(run: u64, n: usize) -> u64 {
    (run + 1) * 100_003 + n as u64
}

/// A download.
pub fn get(head: String, statuses: &'static [u16], len: Option<u64>) -> Exchange {
    Exchange {
        head,
        body: Vec::new(),
        statuses,
        len,
        crc: None,
    }
}

/// Numbers that follow no order: splitmix64.
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).expect("a length in memory")
}

fn size(len: u64) -> String {
    match len {
        len if len % (KIB * MIB) == 0 => format!("{} GiB", len / (KIB * MIB)),
        len if len % MIB == 0 => format!("{} MiB", len / MIB),
        len => format!("{} KiB", len / KIB),
    }
}
