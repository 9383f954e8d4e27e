//! Checking a part, checking beside others, checking on a disk that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use packhold::format::record::Kind;
use packhold::store::{Rate, Sample, SampleSize, StoreError, VerifyOptions, VerifyReport};

use crate::live::Live;
use crate::support::client::{Client, Clock, new_sim, open};
use crate::support::log::frames_of;
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure};

fn sample(client: &Client, size: SampleSize, seed: u64) -> VerifyReport {
    let options = VerifyOptions {
        sample: Some(Sample { size, seed }),
        ..VerifyOptions::default()
    };
    let report = client.store.verify_with(&options);
    report.expect("it can be verified")
}

fn share(percent: u32) -> SampleSize {
    SampleSize::Share(percent * 10_000)
}

/// A store with twenty files of a segment each.
fn twenty() -> Live {
    let live = Live::new();
    for i in 0..20 {
        live.client.put(&format!("/f{i}"), &noise(100 + i, 20_000));
    }
    live
}

#[test]
fn a_sample_checks_as_much_as_it_says() {
    let live = twenty();
    let whole = live.client.store.verify(false).expect("verified");
    assert!(whole.clean && whole.checked_bytes == whole.of_bytes);
    assert!(whole.of_bytes > 400_000 && whole.seed.is_none());
    for (size, least) in [
        (share(1), whole.of_bytes / 100),
        (share(50), whole.of_bytes / 2),
        (SampleSize::Bytes(30_000), 30_000),
        (share(100), whole.of_bytes),
        (SampleSize::Bytes(u64::MAX), whole.of_bytes),
    ] {
        let report = sample(&live.client, size, 7);
        assert!(report.clean, "{report:?}");
        assert_eq!(report.of_bytes, whole.of_bytes, "{size:?}");
        let most = least + 21_000;
        assert!((least..=most).contains(&report.checked_bytes), "{report:?}");
        assert_eq!(report.seed, Some(7));
        assert_eq!(report, sample(&live.client, size, 7));
    }
    assert_eq!(sample(&live.client, share(100), 3).chunks, whole.chunks);
}

// Damage is found by those samples that draw it, with the files that it hits, and by no others.
#[test]
fn a_sample_finds_what_is_in_it() {
    let live = twenty();
    live.flip(&noise(103, 20_000)[5_000..5_032]);
    let (mut found, mut missed) = (0, 0);
    for seed in 0..40 {
        let report = sample(&live.client, share(30), seed);
        match report.clean {
            true => missed += 1,
            false => {
                found += 1;
                let paths: Vec<&str> = report.damaged_files.iter().map(|f| &*f.path).collect();
                assert_eq!(paths, ["/f3"], "{report:?}");
                assert_eq!((report.damaged_chunks, report.lacking_chunks.len()), (1, 1));
            }
        }
    }
    assert!(found > 0 && missed > 0, "{found} of 40");
}

// A chunk was shared, so it was read and remembered to be sound. Then it rots, and a verification finds
// that. Who believes what is remembered would share it again: the upload of the same bytes, which should
// mend the file, would mend nothing.
#[test]
fn what_a_verification_finds_is_no_longer_believed_to_be_sound() {
    let live = Live::new();
    let bytes = noise(5, 30_000);
    live.client.put("/f", &bytes);
    live.client.put("/same", &bytes);
    live.flip(&bytes[10_000..10_032]);
    assert!(!live.client.store.verify(false).expect("verified").clean);
    live.client.put("/again", &bytes);
    for path in ["/f", "/same", "/again"] {
        assert!(live.client.get(path).as_ref() == Some(&bytes), "{path}");
    }
}

// A sector cannot be read. That is damage like any other: it must be named, not end the verification.
#[test]
fn what_cannot_be_read_is_damage() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/a", &noise(1, 30_000));
    client.put("/b", &noise(2, 30_000));
    let options = VerifyOptions {
        sample: Some(Sample {
            size: share(100),
            seed: 1,
        }),
        ..VerifyOptions::default()
    };
    let mut named = 0;
    for after in 0..200 {
        sim.fail(Call::Read, after, Failure::Io);
        let failed = client.store.verify_with(&options);
        sim.mend();
        if let Ok(report) = failed {
            named += usize::from(!report.clean);
            assert!(report.clean || !report.damages.is_empty(), "{report:?}");
        }
    }
    assert!(named > 40, "{named}");
    client.assert_clean();
}

#[test]
fn a_verification_can_be_stopped() {
    let live = twenty();
    let looks = Arc::new(AtomicU64::new(0));
    for most in 0..5 {
        let counted = Arc::clone(&looks);
        looks.store(0, Ordering::Relaxed);
        let options = VerifyOptions {
            stop: Arc::new(move || counted.fetch_add(1, Ordering::Relaxed) >= most),
            ..VerifyOptions::default()
        };
        let stopped = live.client.store.verify_with(&options);
        assert!(matches!(stopped, Err(StoreError::Closed)), "{stopped:?}");
        assert_eq!(looks.load(Ordering::Relaxed), most + 1);
    }
    // Nothing is held that others need.
    live.client.delete("/f1");
    assert!(live.client.gc().freed_bytes > 0);
    live.client.assert_clean();
}

// Reclaiming gets its turn between any two slices, and what it frees then is not taken for damage.
#[test]
fn reclaiming_comes_in_between() {
    let live = Live::new();
    for i in 0..20 {
        live.client.put(&format!("/f{i}"), &noise(100 + i, 200_000));
    }
    let store = live.client.store.clone();
    let client = live.client.clone();
    let turn = AtomicU64::new(0);
    let options = VerifyOptions {
        stop: Arc::new(move || {
            let i = turn.fetch_add(1, Ordering::Relaxed);
            if i < 20 {
                client.delete(&format!("/f{i}"));
                client.gc();
            }
            false
        }),
        // Slices of a mebibyte.
        rate: Rate::new(4 << 20),
        ..VerifyOptions::default()
    };
    let report = store.verify_with(&options).expect("verified");
    assert!(report.clean, "{report:?}");
}

#[test]
fn a_frame_that_is_gone_is_found_by_a_sample_of_nothing_much() {
    let live = twenty();
    let image = std::fs::read(live.pack()).expect("the pack");
    let frame = frames_of(&image, Kind::Segment)[7];
    live.flip_at(frame.offset + 20);
    let report = sample(&live.client, SampleSize::Bytes(1), 1);
    assert!(!report.clean && report.damaged_places > 0, "{report:?}");
}
