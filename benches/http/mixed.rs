//! Small downloads while others upload large files and space is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::Sizes;
use super::content::Content;
use super::driver::{self, Exchange, Run, Until};
use super::scenarios::get;
use super::servers::{Kind, Server, get_head, put_head};

/// Who uploads meanwhile.
const UPLOADS: usize = 4;
/// Who downloads.
const DOWNLOADS: usize = 8;
/// Parts of an upload.
const PART_BYTES: usize = 1 << 20;

/// Prints the table.
pub fn run(servers: &[Server], content: &Arc<Content>, sizes: &Sizes) {
    println!("\n## Small downloads beside other work\n");
    println!(
        "4 KiB over {DOWNLOADS} connections; the busy half beside {UPLOADS} uploads of {} MB each, one file \
         behind the other, and packhold reclaiming all the time.\n",
        sizes.upload / 4 / 1_000_000
    );
    println!(
        "| server | alone: 1/s | p50, p99, p99.9 ms | busy: 1/s | p50, p99, p99.9 ms | uploaded meanwhile, MB/s |"
    );
    println!("|---|---:|---|---:|---|---:|");
    let time = sizes.time * u32::try_from(sizes.rounds).unwrap_or(1);
    for server in servers {
        let alone = downloads(server, time);
        let (busy, uploaded) = beside_work(server, content, sizes.upload / 4, time);
        let uploaded = uploaded / busy.elapsed.as_secs_f64() / 1e6;
        println!(
            "| {} | {} | {} | {uploaded:.0} |",
            server.kind.name(),
            columns(&alone),
            columns(&busy)
        );
    }
}

fn columns(run: &Run) -> String {
    let ms = |percent| run.percentile(percent).as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = run.requests as f64 / run.elapsed.as_secs_f64();
    format!(
        "{rate:.0} | {:.2}, {:.2}, {:.2}",
        ms(50.0),
        ms(99.0),
        ms(99.9)
    )
}

fn downloads(server: &Server, time: Duration) -> Run {
    let kind = server.kind;
    driver::run(server.address, DOWNLOADS, Until::Time(time), move |n| {
        let path = kind.path(&format!("small/4096-{}", n % 1000));
        get(get_head(&path, ""), &[200], Some(4096))
    })
}

/// Gives the bytes that were uploaded meanwhile, too.
fn beside_work(server: &Server, content: &Arc<Content>, len: u64, time: Duration) -> (Run, f64) {
    let (is_over, uploaded) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for uploader in 0..UPLOADS as u64 {
            let (is_over, uploaded) = (&is_over, &uploaded);
            scope.spawn(move || {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let content = content.with_seed(1 << 21 | uploader << 16 | n);
                    upload(
                        server,
                        &content,
                        &format!("mixed/{uploader}-{n}"),
                        len,
                        uploaded,
                    );
                    n += 1;
                }
            });
        }
        if server.kind == Kind::Packhold {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    reclaim(server);
                }
            });
        }
        let run = downloads(server, time);
        let bytes = uploaded.load(Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        (run, bytes as f64)
    })
}

fn upload(server: &Server, content: &Content, name: &str, len: u64, uploaded: &AtomicU64) {
    let parts = usize::try_from(len).expect("a length") / PART_BYTES;
    let body: Vec<Bytes> = (0..parts)
        .map(|i| Bytes::from(content.bytes((i * PART_BYTES) as u64, PART_BYTES)))
        .collect();
    let head = put_head(&server.kind.path(name), (parts * PART_BYTES) as u64, "");
    driver::run(server.address, 1, Until::Count(1), move |_| Exchange {
        head: head.clone(),
        body: body.clone(),
        statuses: &[200, 201, 204],
        len: None,
        crc: None,
    });
    uploaded.fetch_add(len, Ordering::Relaxed);
}

/// Has it look for what can be given back.
fn reclaim(server: &Server) {
    driver::run(server.address, 1, Until::Count(1), |_| Exchange {
        head: "POST /packhold/gc HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n".to_owned(),
        body: Vec::new(),
        statuses: &[200],
        len: None,
        crc: None,
    });
}
