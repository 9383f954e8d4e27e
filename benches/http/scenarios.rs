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

/// What a server is sent in a run.
pub struct Requests {
    pub make: Make,
    pub until: Until,
    /// Files that are then there.
    pub made: Vec<Made>,
}

/// A file that a run made.
pub struct Made {
    pub name: String,
    pub seed: u64,
    pub len: u64,
}

/// Makes the requests of a run, each run with content of its own.
type RequestsFor = Box<dyn Fn(&Server, u64) -> Requests>;

/// Work that every server is given.
pub struct Scenario {
    pub name: String,
    /// Whether bytes are counted, or requests.
    pub counts_bytes: bool,
    pub connections: usize,
    pub requests: RequestsFor,
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
    all.push(in_blocks(content, sizes.in_blocks, sizes.block));
    all
}

/// Downloads, which go on for a time.
fn downloads(
    name: String,
    connections: usize,
    sizes: &Sizes,
    make: impl Fn(&Server, u64) -> Make + 'static,
) -> Scenario {
    let until = Until::Time(sizes.time);
    Scenario {
        name,
        counts_bytes: false,
        connections,
        requests: Box::new(move |server, run| Requests {
            make: make(server, run),
            until,
            made: Vec::new(),
        }),
    }
}

fn large(len: u64, sizes: &Sizes) -> Scenario {
    let name = format!("download of {}", size(len));
    let downloads = downloads(name, 1, sizes, move |server, _| {
        let head = get_head(&server.kind.path(&format!("large-{len}")), "");
        Box::new(move |_| get(head.clone(), &[200], Some(len)))
    });
    Scenario {
        counts_bytes: true,
        ..downloads
    }
}

fn small(len: u64, connections: usize, sizes: &Sizes) -> Scenario {
    let name = format!("download of {}", size(len));
    downloads(name, connections, sizes, move |server, _| {
        let kind = server.kind;
        Box::new(move |n| {
            let name = format!("small/{len}-{}", n % SMALL_FILES);
            get(get_head(&kind.path(&name), ""), &[200], Some(len))
        })
    })
}

/// Ranges anywhere in a long file; every hundredth is held against what it should be.
fn ranges(content: &Arc<Content>, connections: usize, sizes: &Sizes) -> Scenario {
    let (content, whole) = (Arc::clone(content), sizes.ranges);
    let name = format!("64 KiB anywhere in {}", size(whole));
    downloads(name, connections, sizes, move |server, run| {
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
    })
}

fn unchanged(connections: usize, sizes: &Sizes) -> Scenario {
    let name = "ask whether a file has changed".to_owned();
    downloads(name, connections, sizes, |server, _| {
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
    })
}

fn uploads(
    content: &Arc<Content>,
    name: &str,
    len: u64,
    connections: usize,
    count: usize,
) -> Scenario {
    let content = Arc::clone(content);
    let requests: RequestsFor = Box::new(move |server, run| {
        let kind = server.kind;
        let made = made(&format!("new-{len}"), len, run, count);
        // Made before the time is taken.
        let exchanges = made.iter().map(|file| {
            let body = parts(&content.with_seed(file.seed), 0, len);
            put(put_head(&kind.path(&file.name), len, ""), body)
        });
        let exchanges: Vec<Exchange> = exchanges.collect();
        Requests {
            make: Box::new(move |n| exchanges[n].clone()),
            until: Until::Count(count),
            made,
        }
    });
    Scenario {
        name: format!("upload of {name}, {}", size(len)),
        counts_bytes: len >= MIB,
        connections,
        requests,
    }
}

/// One file in blocks, one behind the other. nginx knows none: there each is a file of its own. dufs appends
/// them.
fn in_blocks(content: &Arc<Content>, len: u64, block: u64) -> Scenario {
    let content = Arc::clone(content);
    let requests: RequestsFor = Box::new(move |server, run| {
        let (kind, blocks) = (server.kind, len / block);
        let made = match kind {
            Kind::Nginx => made("blocks", block, run, to_usize(blocks)),
            Kind::Packhold | Kind::Dufs => made("blocks", len, run, 1),
        };
        let path = kind.path(&made[0].name);
        let id = match kind {
            Kind::Packhold => server.begin_blocks(&made[0].name),
            Kind::Nginx | Kind::Dufs => String::new(),
        };
        let of_upload = format!("X-BKREPO-UPLOAD-ID: {id}\r\n");
        let mut exchanges = Vec::new();
        for n in 0..blocks {
            let (file, from) = match kind {
                Kind::Nginx => (&made[to_usize(n)], 0),
                Kind::Packhold | Kind::Dufs => (&made[0], n * block),
            };
            let head = match kind {
                Kind::Packhold => {
                    let headers = format!(
                        "UPLOAD-TYPE: SEPARATE-UPLOAD\r\n{of_upload}X-BKREPO-OFFSET: {from}\r\n"
                    );
                    put_head(&path, block, &headers)
                }
                Kind::Dufs if n > 0 => {
                    put_head(&path, block, "X-Update-Range: append\r\n").replacen("PUT", "PATCH", 1)
                }
                Kind::Nginx | Kind::Dufs => put_head(&kind.path(&file.name), block, ""),
            };
            exchanges.push(put(head, parts(&content.with_seed(file.seed), from, block)));
        }
        if kind == Kind::Packhold {
            let path = path.replacen("/generic/", "/generic/separate/", 1);
            let headers = format!("{of_upload}X-BKREPO-SIZE: {len}\r\n");
            exchanges.push(put(put_head(&path, 0, &headers), Vec::new()));
        }
        Requests {
            until: Until::Count(exchanges.len()),
            make: Box::new(move |n| exchanges[n].clone()),
            made,
        }
    });
    Scenario {
        name: format!("upload of {} in blocks of {}", size(len), size(block)),
        counts_bytes: true,
        connections: 1,
        requests,
    }
}

/// The files of a run of uploads, in a folder of the scenario.
fn made(folder: &str, len: u64, run: u64, count: usize) -> Vec<Made> {
    // No content comes twice.
    let folders = u64::from(crc32fast::hash(folder.as_bytes())) << 20;
    let file = |n| Made {
        name: format!("{folder}/{run}-{n}"),
        seed: folders + (run + 1) * 100_003 + n as u64,
        len,
    };
    (0..count).map(file).collect()
}

/// So many bytes of a content from `from` on, as they are sent.
fn parts(content: &Content, from: u64, len: u64) -> Vec<Bytes> {
    let part = len.min(MIB);
    let parts = (0..len / part).map(|i| content.bytes(from + i * part, to_usize(part)).into());
    parts.collect()
}

fn put(head: String, body: Vec<Bytes>) -> Exchange {
    Exchange {
        head,
        body,
        statuses: &[200, 201, 204],
        len: None,
        crc: None,
    }
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
