//! The whole pack is checked once a period, a little at a time, over restarts.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use packhold::store::{Scrub, ScrubStats};

use crate::live::Live;
use crate::support::noise::noise;

const DAY: Duration = Duration::from_hours(24);
const DAY_MS: u64 = 86_400_000;

fn scrub(live: &Live) -> Scrub {
    let stop = Arc::new(|| false);
    Scrub::new(&live.client.store, DAY, Some(live.file("pack.scrub")), stop).expect("a scrub")
}

fn stats(live: &Live) -> ScrubStats {
    let stats = live.client.store.stats().expect("stats");
    stats.scrub.expect("it is scrubbed")
}

/// Chunks that have no intact copy.
fn lacking(live: &Live) -> usize {
    let damage = live.client.store.damage();
    damage.expect("it is told").lacking_chunks.len()
}

/// Goes on until a pass is finished; gives how many slices that took.
fn pass(live: &Live, scrub: &mut Scrub) -> usize {
    let before = stats(live).passes;
    for step in 1..1000 {
        scrub.step().expect("a slice");
        if stats(live).passes > before {
            return step;
        }
    }
    panic!("it never ends");
}

/// Some mebibytes, so that a pass takes several slices.
fn large() -> Live {
    let live = Live::new();
    for i in 0..6 {
        live.client.put(&format!("/f{i}"), &noise(i, 900_000));
    }
    live
}

#[test]
fn one_pass_a_period() {
    let live = large();
    let mut scrub = scrub(&live);
    assert_eq!((stats(&live).passes, stats(&live).next_offset), (0, 0));
    assert!(pass(&live, &mut scrub) > 3, "several slices");
    let first = stats(&live);
    assert!(first.checked_bytes > 5_400_000 && first.finished_ms.is_some());
    assert_eq!((first.next_offset, first.damaged_chunks), (0, 0));
    // Nothing is to be done until the period is over.
    let wait = scrub.step().expect("nothing");
    assert!(!wait.is_zero() && stats(&live) == first);
    live.clock.advance(DAY_MS);
    pass(&live, &mut scrub);
    assert_eq!(stats(&live).passes, 2);
    assert_eq!(stats(&live).checked_bytes, first.checked_bytes);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let live = large();
    let mut scrubbing = scrub(&live);
    for _ in 0..2 {
        scrubbing.step().expect("a slice");
    }
    let before = stats(&live);
    assert!(before.next_offset > 1 << 20);
    drop(scrubbing);
    let live = live.reopened();
    let mut scrubbing = scrub(&live);
    assert_eq!(stats(&live), before);
    pass(&live, &mut scrubbing);
    let whole = stats(&live).checked_bytes;
    // A file that is none, of another pack or gone: from the start.
    let memory = std::fs::read_to_string(live.file("pack.scrub")).expect("a memory");
    for other in [
        "",
        "{",
        "null",
        "[]",
        "{\"pack\":\"00\",\"stats\":{\"passes\":7}}",
        "{\"stats\":3}",
    ] {
        std::fs::write(live.file("pack.scrub"), other).expect("written");
        let mut scrubbing = scrub(&live);
        assert_eq!(stats(&live), ScrubStats::default(), "{other}");
        pass(&live, &mut scrubbing);
        assert_eq!(stats(&live).checked_bytes, whole, "{other}");
    }
    // One that claims more than there is: the pass ends, and the next one checks all.
    let ahead = memory.replace("\"next_offset\":0", "\"next_offset\":18446744073709551615");
    std::fs::write(live.file("pack.scrub"), ahead).expect("written");
    let mut scrubbing = scrub(&live);
    pass(&live, &mut scrubbing);
    live.clock.advance(DAY_MS);
    pass(&live, &mut scrubbing);
    assert_eq!(stats(&live).checked_bytes, whole);
}

// A chunk rots that lies in the pack once, and another one that lies there twice. The second is mended,
// the first is named, over a restart too; the upload of its bytes mends it.
#[test]
fn damage_is_found_told_and_mended_where_it_can_be() {
    let live = large();
    let lost = noise(3, 900_000);
    live.flip(&lost[100_000..100_032]);
    let mut scrubbing = scrub(&live);
    pass(&live, &mut scrubbing);
    let found = stats(&live);
    assert_eq!((found.damaged_chunks, found.repaired_chunks), (1, 0));
    let paths: Vec<&str> = found.damaged_files.iter().map(|f| &*f.path).collect();
    assert_eq!(paths, ["/f3"]);
    drop(scrubbing);
    let remembered = std::fs::metadata(live.file("pack.scrub")).expect("a file");
    let others = remembered.permissions().mode() & 0o077;
    assert_eq!(others, 0, "it has names of files");
    let live = live.reopened();
    let mut scrubbing = scrub(&live);
    assert_eq!(lacking(&live), 1);
    live.client.put("/again", &lost);
    assert!(live.client.get("/f3") == Some(lost));
    assert_eq!(lacking(&live), 0);
    live.clock.advance(DAY_MS);
    pass(&live, &mut scrubbing);
    let mended = stats(&live);
    assert_eq!((mended.damaged_chunks, mended.repaired_chunks), (1, 1));
    assert!(mended.damaged_files.is_empty(), "{mended:?}");
}

// Deleting and reclaiming between slices: what is given back is not damage.
#[test]
fn reclaiming_comes_in_between() {
    let live = large();
    let mut scrubbing = scrub(&live);
    for i in 0..6 {
        scrubbing.step().expect("a slice");
        live.client.delete(&format!("/f{i}"));
        assert!(live.client.gc().freed_bytes > 0);
    }
    pass(&live, &mut scrubbing);
    let stats = stats(&live);
    assert_eq!((stats.damaged_chunks, stats.damaged_places), (0, 0));
}

#[test]
fn a_frame_that_is_gone_is_found() {
    let live = large();
    let image = std::fs::read(live.pack()).expect("the pack");
    let frames = crate::support::log::frames_of(&image, packhold::format::record::Kind::Segment);
    live.flip_at(frames[2].offset + 20);
    let mut scrubbing = scrub(&live);
    pass(&live, &mut scrubbing);
    assert!(stats(&live).damaged_places > 0);
}
