//! Seed 004: blocks go by their offsets.

use serde_json::json;

use super::{SEPARATE, Upload};
use crate::noise::noise;
use crate::service::{Service, get, put, sha256};

#[test]
fn start_gives_an_id_of_the_documented_shape() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/dir/f.bin");
    let (left, right) = upload.id.split_once('/').expect("two parts");
    assert_eq!((left.len(), right.len()), (32, 24));
    assert!(
        left.bytes()
            .chain(right.bytes())
            .all(|b| b.is_ascii_hexdigit())
    );
    assert_eq!(upload.list(), json!([]), "nothing came yet");
    service.assert_none("/dir/f.bin");
}

#[test]
fn a_file_comes_in_order() {
    let service = Service::open();
    let bytes = noise(1, 300_000);
    let upload = Upload::start(&service, SEPARATE, "/dir/f.bin");
    upload.put(0, &bytes[..100_000]);
    upload.put(100_000, &bytes[100_000..]);
    assert_eq!(
        upload.list(),
        json!([
            {"size": 100_000, "sha256": sha256(&bytes[..100_000]), "startPos": 0, "uploadId": upload.id},
            {"size": 200_000, "sha256": sha256(&bytes[100_000..]), "startPos": 100_000, "uploadId": upload.id},
        ])
    );
    service.assert_none("/dir/f.bin");
    upload.finish(300_000);
    service.assert_file("/dir/f.bin", &bytes);
    let answer = service.get("/dir/f.bin");
    let digest = sha256(&bytes);
    assert_eq!(answer.header("X-Checksum-Sha256"), Some(digest.as_str()));
    assert_eq!(
        answer.header("Etag"),
        Some(format!("\"{digest}\"").as_str())
    );
    upload.assert_gone();
}

#[test]
fn blocks_come_in_any_order_and_several_at_once() {
    let service = Service::open();
    let bytes = noise(2, 1_000_000);
    let upload = Upload::start(&service, SEPARATE, "/f");
    let mut starts: Vec<usize> = (0..bytes.len()).step_by(70_001).collect();
    starts.reverse();
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (upload, bytes, starts) = (&upload, &bytes, &starts);
            scope.spawn(move || {
                for start in starts.iter().skip(lane).step_by(4) {
                    let end = bytes.len().min(start + 70_001);
                    upload.put(start, &bytes[*start..end]);
                }
            });
        }
    });
    let starts: Vec<u64> = upload
        .list()
        .as_array()
        .expect("a list")
        .iter()
        .map(|block| block["startPos"].as_u64().expect("a number"))
        .collect();
    assert!(starts.is_sorted() && starts.len() == 15, "{starts:?}");
    upload.finish(1_000_000);
    service.assert_file("/f", &bytes);
    let range = service.send(&get("/f").header("Range", "bytes=69990-70010"));
    assert!(range.status == 206 && range.body == bytes[69_990..=70_010]);
}

#[test]
fn a_block_that_comes_again_changes_nothing_and_another_one_replaces_it() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    for _ in 0..2 {
        upload.put(0, "hello ");
    }
    upload.put(6, "wrong");
    upload.put(6, "world");
    assert_eq!(upload.list().as_array().expect("a list").len(), 2);
    upload.finish(11);
    service.assert_file("/f", b"hello world");

    let upload = Upload::start(&service, SEPARATE, "/g");
    upload.put(0, "aaaa");
    upload.put(4, "bbbb");
    upload.put(0, "cccc");
    upload.finish(8);
    service.assert_file("/g", b"ccccbbbb");
    let digest = sha256(b"ccccbbbb");
    let answer = service.get("/g");
    assert_eq!(answer.header("X-Checksum-Sha256"), Some(digest.as_str()));
}

#[test]
fn a_session_survives_a_restart() {
    let service = Service::open();
    let bytes = noise(3, 200_000);
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, &bytes[..60_000]);
    upload.put(120_000, &bytes[120_000..]);
    let (id, path) = (upload.id.clone(), upload.path.clone());
    let service = service.restart();
    let upload = Upload {
        service: &service,
        dialect: SEPARATE,
        path,
        id,
    };
    assert_eq!(upload.list().as_array().expect("a list").len(), 2);
    upload.put(60_000, &bytes[60_000..120_000]);
    upload.finish(200_000);
    let service = service.restart();
    service.assert_file("/f", &bytes);
    assert!(service.store.verify(false).expect("it runs").clean);
}

#[test]
fn a_session_ends_half_a_day_after_it_was_used_last() {
    const HALF_DAY_MS: u64 = 43_200_000;
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    service.pass_ms(HALF_DAY_MS - 1);
    upload.put(0, "x");
    service.pass_ms(HALF_DAY_MS - 1);
    upload.list();
    service.pass_ms(HALF_DAY_MS - 1);
    assert_eq!(upload.complete(99).verdict(), (400, 251_204));
    // A refused completion is use of the session, too; noted just behind its answer.
    upload.list();
    service.pass_ms(HALF_DAY_MS);
    upload.assert_gone();
    service.assert_none("/f");
}

#[test]
fn what_is_over_is_swept_in_the_background() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.sweep_every = std::time::Duration::from_millis(20);
    });
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, "x");
    service.send(&put("/expires").header("X-BKREPO-EXPIRES", "1").body("x"));
    service.store("/stays", "x");
    let rows = || {
        use packhold::index::Rows;
        let rows = service.store.rows().expect("rows");
        let repo = rows.repo("project", "repo").expect("a row").expect("it is");
        let files = rows.counts(repo.root).expect("counts").files;
        (rows.sessions(None, 10).expect("rows").len(), files)
    };
    assert_eq!(rows(), (1, 2));
    service.pass_ms(3 * 24 * 3600 * 1000);
    service.assert_none("/expires");
    while rows() != (0, 1) {
        std::thread::yield_now();
    }
    service.assert_file("/stays", b"x");
}

#[test]
fn aborting_ends_it() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, "x");
    let answer = service.send(&upload.call("DELETE"));
    assert_eq!(answer.verdict(), (200, 0));
    assert_eq!(answer.json()["data"], json!(null));
    upload.assert_gone();
    service.assert_none("/f");
}

#[test]
fn an_empty_file_can_be_completed() {
    let service = Service::open();
    for (path, blocks) in [("/none", 0), ("/one", 1)] {
        let upload = Upload::start(&service, SEPARATE, path);
        for _ in 0..blocks {
            upload.put(0, "");
        }
        upload.finish(0);
        service.assert_file(path, b"");
    }
    // An empty block is no part of a file that has bytes.
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, "ab");
    upload.put(2, "");
    upload.put(1, "");
    upload.finish(2);
    service.assert_file("/f", b"ab");
}

#[test]
fn overwrite_is_judged_at_the_start_and_at_the_end() {
    let service = Service::open();
    service.store("/f", "old");
    let refused = service.send(&super::session("POST", SEPARATE, "/f"));
    assert_eq!(refused.verdict(), (400, 251_012));
    let started = super::session("POST", SEPARATE, "/f").header("X-BKREPO-OVERWRITE", "True");
    let started = service.send(&started).json();
    let upload = Upload {
        service: &service,
        dialect: SEPARATE,
        path: "/f".to_owned(),
        id: started["data"]["uploadId"]
            .as_str()
            .expect("an id")
            .to_owned(),
    };
    upload.put(0, "new");
    assert_eq!(upload.complete(3).verdict(), (400, 251_012));
    service.assert_file("/f", b"old");
    let call = upload
        .call("PUT")
        .header("X-BKREPO-SIZE", "3")
        .header("X-BKREPO-OVERWRITE", "true");
    assert_eq!(
        service.send(&call).verdict(),
        (200, 0),
        "the block was kept"
    );
    service.assert_file("/f", b"new");
}

#[test]
fn metadata_and_expiry_are_those_of_the_completion() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, "x");
    let call = upload
        .call("PUT")
        .header("X-BKREPO-SIZE", "1")
        .header("X-BKREPO-EXPIRES", "1")
        .header("X-BKREPO-META-Cache-Control", "max-age=60");
    assert_eq!(service.send(&call).verdict(), (200, 0));
    let answer = service.get("/f");
    assert_eq!(answer.header("Cache-Control"), Some("max-age=60"));
    service.pass_ms(24 * 3600 * 1000);
    service.assert_none("/f");
}

#[test]
fn blocks_dedup_like_any_chunk() {
    let service = Service::open();
    let bytes = noise(4, 3_000_000);
    service.store("/whole", &bytes);
    let before = std::fs::metadata(service.pack()).expect("a pack").len();
    let upload = Upload::start(&service, SEPARATE, "/blocks");
    upload.put(0, &bytes[..1_500_000]);
    upload.put(1_500_000, &bytes[1_500_000..]);
    upload.finish(3_000_000);
    service.assert_file("/blocks", &bytes);
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.files, stats.blobs), (2, 1), "one content");
    let after = std::fs::metadata(service.pack()).expect("a pack").len();
    assert!(
        after - before < 300_000,
        "only what was cut at the seam is new"
    );
}

// A client that hears nothing for a while asks again, and a file whose blocks came backwards takes a
// while. If each request waited on a thread of its own, a few of them would stop the whole service.
// One wins, the others hear that it is over, and everything else is served meanwhile.
#[test]
fn of_many_completions_exactly_one_wins() {
    let service = Service::open();
    service.store("/other", "served");
    let bytes = noise(6, 8_000_000);
    let upload = Upload::start(&service, SEPARATE, "/f");
    for start in (0..bytes.len()).step_by(1_000_000).rev() {
        upload.put(start, &bytes[start..start + 1_000_000]);
    }
    let verdicts: Vec<(u16, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| upload.complete(8_000_000).verdict()))
            .collect();
        service.assert_file("/other", b"served");
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|verdict| verdict.expect("no panic")).collect()
    });
    let won = verdicts.iter().filter(|v| **v == (200, 0)).count();
    let over = |v: &&(u16, u64)| [(400, 251_201), (400, 251_012)].contains(*v);
    assert_eq!(
        (won, verdicts.iter().filter(over).count()),
        (1, 99),
        "{verdicts:?}"
    );
    service.assert_file("/f", &bytes);
}
