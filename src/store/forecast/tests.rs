use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::digest::Wanted;
use crate::store::Options;

/// Bytes that look random and are the same everywhere: xorshift64*.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Cuts a few kilobytes into many chunks, and their sizes into bars that are not all equally wide.
fn small() -> Chunking {
    Chunking {
        min_bytes: 64,
        avg_bytes: 256,
        max_bytes: 1030,
        ..Chunking::default()
    }
}

/// The chunks of a whole file.
fn cut<'a>(chunking: &Chunking, mut file: &'a [u8]) -> Vec<&'a [u8]> {
    let chunker = Chunker::new(chunking);
    let mut chunks = Vec::new();
    while !file.is_empty() {
        let (chunk, rest) = file.split_at(chunker.cut(file));
        chunks.push(chunk);
        file = rest;
    }
    chunks
}

/// The report of releases of some files each, which come in pieces of `step` bytes.
fn report(forecast: &mut Forecast, releases: &[&[&[u8]]], step: usize) -> ForecastReport {
    for (n, files) in releases.iter().enumerate() {
        forecast.release(&n.to_string());
        for file in *files {
            for bytes in file.chunks(step) {
                forecast.push(bytes).expect("the store can be asked");
            }
            forecast.end_file().expect("the store can be asked");
        }
    }
    forecast.report()
}

/// Fills the tables until they look at the first bit of each digest: from now on they count the chunks
/// where it is zero, each twice. Nothing is in them then.
fn halve(forecast: &mut Forecast) {
    const ROOM: usize = 1 << 12;
    for setting in &mut forecast.settings {
        setting.table = Table::with_room(ROOM);
        for n in 0..=ROOM {
            let mut digest = [0xFF_u8; 32];
            digest[8..16].copy_from_slice(&n.to_le_bytes());
            setting.table.is_new(&digest, 1, 0);
        }
        assert_eq!((setting.table.weight(), setting.table.len()), (2, 0));
    }
}

/// The plain way: all chunks of whole files in memory, by their digests.
#[derive(Default)]
struct Plain<'a> {
    releases: &'a [&'a [&'a [u8]]],
    /// What the store has.
    known: HashSet<Sha256>,
    /// Counted as [`halve`] says.
    halved: bool,
}

impl Plain<'_> {
    fn report(&self, settings: &[Chunking]) -> ForecastReport {
        let told = |(n, files): (usize, &&[&[u8]])| ReleaseForecast {
            name: n.to_string(),
            others: 0,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.len() as u64).sum(),
        };
        let releases: Vec<_> = self.releases.iter().enumerate().map(told).collect();
        let bytes: u64 = releases.iter().map(|release| release.bytes).sum();
        ForecastReport {
            files: releases.iter().map(|release| release.files).sum(),
            bytes,
            releases,
            settings: settings.iter().map(|c| self.setting(c, bytes)).collect(),
        }
    }

    fn setting(&self, chunking: &Chunking, bytes: u64) -> SettingForecast {
        let weight: u64 = if self.halved { 2 } else { 1 };
        let (mut pieces, mut known_bytes) = (0, 0);
        let mut seen = HashSet::new();
        // Of those that would be stored: the first release that has it, and the length.
        let mut new: Vec<(usize, u64)> = Vec::new();
        let mut sets: Vec<HashMap<Sha256, u64>> = Vec::new();
        for (release, files) in self.releases.iter().enumerate() {
            let mut set = HashMap::new();
            for chunk in files.iter().flat_map(|file| cut(chunking, file)) {
                pieces += 1;
                let (digest, len) = (sha256(chunk), chunk.len() as u64);
                if !self.halved || digest[0] < 0x80 {
                    set.insert(digest, len);
                    match (seen.insert(digest), self.known.contains(&digest)) {
                        (true, true) => known_bytes += len * weight,
                        (true, false) => new.push((release, len)),
                        (false, _) => {}
                    }
                }
            }
            sets.push(set);
        }
        let new_bytes: Vec<u64> = (0..sets.len())
            .map(|n| {
                let added = new.iter().filter(|(release, _)| *release == n);
                added.map(|(_, len)| len * weight).sum::<u64>()
            })
            .collect();
        let stored_bytes = new_bytes.iter().sum::<u64>();
        let chunks = new.len() as u64 * weight;
        let lens: Vec<u64> = new.iter().map(|(_, len)| *len).collect();
        SettingForecast {
            min_bytes: chunking.min_bytes,
            avg_bytes: chunking.avg_bytes,
            max_bytes: chunking.max_bytes,
            normalization: chunking.normalization,
            counted_share: if self.halved { 0.5 } else { 1.0 },
            chunks,
            pieces,
            stored_bytes,
            known_bytes,
            // A row of a segment table for each chunk, and one of a manifest for each piece.
            metadata_bytes: chunks * 48 + pieces * 32,
            index_bytes: chunks * 40,
            ratio: (stored_bytes > 0).then(|| float(bytes) / float(stored_bytes)),
            new_bytes,
            shared_bytes: shared(&sets, weight),
            sizes: bars(u64::from(chunking.max_bytes), &lens, weight),
        }
    }
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("tests have small files"))
}

/// What each two releases have in common.
fn shared(sets: &[HashMap<Sha256, u64>], weight: u64) -> Vec<Vec<u64>> {
    let common = |a: &HashMap<Sha256, u64>, b: &HashMap<Sha256, u64>| {
        let both = a.iter().filter(|(digest, _)| b.contains_key(*digest));
        both.map(|(_, len)| len * weight).sum::<u64>()
    };
    sets.iter()
        .map(|a| sets.iter().map(|b| common(a, b)).collect())
        .collect()
}

/// How many chunks are how large.
fn bars(max: u64, lens: &[u64], weight: u64) -> Vec<Bin> {
    let bar = |n: u64| {
        let (above, upto_bytes) = (max * (n - 1) / 32, max * n / 32);
        let inside = lens
            .iter()
            .filter(|len| above < **len && **len <= upto_bytes);
        Bin {
            upto_bytes,
            chunks: inside.count() as u64 * weight,
        }
    };
    (1..=32).map(bar).collect()
}

#[test]
fn it_counts_what_the_plain_way_counts() {
    let one = noise(3_000_000, 1);
    let shifted = [b"shift".as_slice(), &one[..2_000_000]].concat();
    let twice = [one.as_slice(), &one, &noise(7_000_000, 2)].concat();
    let zeros = vec![0; 400_000];
    let releases: [&[&[u8]]; 5] = [
        &[&one],
        &[&shifted, b"", b"x"],
        &[],
        &[&twice, &zeros, b"x"],
        &[&zeros],
    ];
    let settings = Forecast::settings();
    let plain = Plain {
        releases: &releases,
        ..Plain::default()
    };
    let expected = plain.report(&settings);
    for step in [1 << 20, 77_777, 9 << 20] {
        let mut forecast = Forecast::new(&settings);
        assert_eq!(report(&mut forecast, &releases, step), expected);
    }
}

/// Whatever the sizes, the level and the seed are.
#[test]
fn chunks_that_stand_for_two_are_counted_twice() {
    let one = noise(150_000, 3);
    let changed = [&one[..70_000], &noise(5_000, 5), &one[72_000..]].concat();
    let releases: [&[&[u8]]; 3] = [&[&one, &one[50_000..]], &[&changed], &[&one, b"x"]];
    let other = Chunking {
        normalization: 3,
        seed: 7,
        min_bytes: 128,
        avg_bytes: 512,
        max_bytes: 2048,
        ..Chunking::default()
    };
    let settings = [small(), other, Chunking::default()];
    for halved in [false, true] {
        let mut forecast = Forecast::new(&settings);
        if halved {
            halve(&mut forecast);
        }
        let plain = Plain {
            releases: &releases,
            halved,
            ..Plain::default()
        };
        let told = report(&mut forecast, &releases, 10_007);
        assert_eq!(told, plain.report(&settings));
    }
}

#[test]
fn chunks_have_a_quarter_of_the_average_at_least_and_four_times_as_much_at_most() {
    let settings = Forecast::settings();
    let sizes = |c: &Chunking| (c.min_bytes, c.avg_bytes, c.max_bytes);
    assert_eq!(
        settings.iter().map(sizes).collect::<Vec<_>>(),
        [
            (2 << 10, 8 << 10, 32 << 10),
            (4 << 10, 16 << 10, 64 << 10),
            (8 << 10, 32 << 10, 128 << 10),
            (16 << 10, 64 << 10, 256 << 10),
            (64 << 10, 256 << 10, 1 << 20),
        ]
    );
    assert_eq!(settings[1], Chunking::default());
    assert!(settings.iter().all(Chunking::is_valid));
}

#[test]
fn every_size_is_in_the_bar_that_goes_up_to_it() {
    for max_bytes in [1024, 1030, 64 << 10] {
        let mut setting = Setting::new(Chunking {
            max_bytes,
            ..small()
        });
        setting.new_bytes.push(0);
        for len in 1..=max_bytes {
            setting.add(len, 3, 0);
        }
        let told = setting.report(0);
        let mut below = 0;
        for bin in &told.sizes {
            assert_eq!(bin.chunks, 3 * (bin.upto_bytes - below), "{bin:?}");
            below = bin.upto_bytes;
        }
        let max = u64::from(max_bytes);
        assert_eq!((told.sizes.len(), below), (32, max));
        let stored_bytes = 3 * max * (max + 1) / 2;
        assert_eq!((told.chunks, told.stored_bytes), (3 * max, stored_bytes));
        // What is larger, which no chunker cuts, goes to the last bar.
        for len in [max_bytes + 1, u32::MAX] {
            setting.add(len, 1, 0);
        }
        let last = setting.report(0).sizes.pop().expect("a bar");
        assert_eq!(last.chunks, told.sizes[31].chunks + 2);
    }
}

/// So settings have enough to do side by side, and memory stays bounded.
#[test]
fn bytes_are_collected_until_every_setting_can_cut_a_batch_of_them() {
    let large = Chunking {
        min_bytes: 1 << 20,
        avg_bytes: 4 << 20,
        max_bytes: 8 << 20,
        ..Chunking::default()
    };
    for (settings, largest) in [
        (vec![small()], 1030),
        (Forecast::settings(), 1 << 20),
        // Its chunks may be larger than a batch.
        (vec![large], 8 << 20),
    ] {
        let file = noise(BATCH_BYTES + largest + 500_000, 5);
        let (batch, rest) = file.split_at(BATCH_BYTES + largest);
        let (first, last) = batch.split_at(batch.len() - 1);
        let mut forecast = Forecast::new(&settings);
        forecast.release("0");
        forecast.push(first).expect("no store is asked");
        assert_eq!(forecast.buffer.len(), first.len());
        forecast.push(last).expect("no store is asked");
        let left = forecast.buffer.len();
        assert!(left < largest, "{left} of {largest}");
        forecast.push(rest).expect("no store is asked");
        forecast.end_file().expect("no store is asked");
        let plain = Plain {
            releases: &[&[&file]],
            ..Plain::default()
        };
        assert_eq!(forecast.report(), plain.report(&settings));
    }
}

#[test]
fn no_chunk_that_is_complete_waits_for_more() {
    let chunking = Chunking::default();
    let max = chunking.max_bytes as usize;
    assert!(BATCH_BYTES.is_multiple_of(max));
    let mut forecast = Forecast::new(&[chunking]);
    // Zeros are cut at the largest chunk.
    let zeros = vec![0; BATCH_BYTES + max];
    forecast.push(&zeros).expect("no store is asked");
    assert_eq!(forecast.buffer.len(), 0);
}

/// A store that took in a file.
fn store_of(pack: &Path, file: &[u8]) -> Store {
    let options = Options {
        chunking: small(),
        ..Options::default()
    };
    let store = Store::open(pack, options).expect("it opens");
    let mut ingest = store.ingest(Wanted::Md5);
    let bytes = Bytes::copy_from_slice(file);
    ingest.push(&bytes).expect("it is taken in");
    ingest.finish().expect("it is taken in");
    store
}

/// The store goes on cutting as it began; what it has is told apart from what it would take in.
#[test]
fn what_a_store_has_is_not_stored_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = noise(60_000, 7);
    let store = store_of(&folder.path().join("pack"), &old);
    let changed = [&old[..20_000], &noise(10_000, 9), &old[25_000..]].concat();
    let other = [noise(30_000, 11).as_slice(), &changed[15_000..40_000]].concat();
    let releases: [&[&[u8]]; 4] = [
        &[&changed],
        &[&old],
        &[&other, b"", &old[10_000..50_000]],
        &[&other],
    ];
    let known: HashSet<Sha256> = cut(&small(), &old).into_iter().map(sha256).collect();
    // Of the second release nothing is new.
    for releases in [&releases[..], &releases[1..2]] {
        for halved in [false, true] {
            let mut forecast = Forecast::against(&store);
            if halved {
                halve(&mut forecast);
            }
            let plain = Plain {
                releases,
                known: known.clone(),
                halved,
            };
            let told = report(&mut forecast, releases, 7_001);
            assert_eq!(told, plain.report(&[small()]));
        }
    }
}

#[test]
fn a_chunk_that_is_damaged_in_the_store_is_stored_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack");
    let file = noise(60_000, 13);
    let store = store_of(&pack, &file);
    let chunks = cut(&small(), &file);
    let damaged = chunks[chunks.len() / 2];
    let stored = fs::read(&pack).expect("the pack can be read");
    let mut places = stored.windows(damaged.len());
    let at = places.position(|bytes| bytes == damaged).expect("a place");
    let pack = OpenOptions::new().write(true).open(&pack);
    let pack = pack.expect("the pack can be opened");
    pack.write_all_at(&[!damaged[0]], at as u64)
        .expect("it can be written");

    let told = report(&mut Forecast::against(&store), &[&[&file]], 7_001);
    let sound = chunks.iter().filter(|chunk| **chunk != damaged);
    let plain = Plain {
        releases: &[&[&file]],
        known: sound.map(|chunk| sha256(chunk)).collect(),
        halved: false,
    };
    assert_eq!(told, plain.report(&[small()]));
    assert_eq!(told.settings[0].chunks, 1);
    assert_eq!(told.settings[0].stored_bytes, damaged.len() as u64);
}

#[test]
fn nothing_is_stored_of_nothing() {
    let empty = Forecast::new(&Forecast::settings()).report();
    assert_eq!((empty.files, empty.bytes), (0, 0));
    assert!(empty.settings.iter().all(|s| s.ratio.is_none()));
    let mut forecast = Forecast::new(&Forecast::settings());
    let report = report(&mut forecast, &[&[b""], &[b""]], 1);
    assert_eq!((report.files, report.bytes), (2, 0));
}

/// A full table counts a share of the chunks, chosen by digest, and is still about right.
#[test]
fn a_full_table_is_bounded_and_about_right() {
    let mut table = Table::with_room(1 << 12);
    let mut sum = 0;
    for (release, numbers) in [(0, 0..60_000_u32), (1, 30_000..90_000), (2, 0..0)] {
        for number in numbers {
            let digest = sha256(&number.to_le_bytes());
            sum += table.is_new(&digest, 10, release).unwrap_or(0) * 10;
            assert!(table.len() <= 1 << 12);
        }
    }
    let near = |is: u64, should: u64| is.abs_diff(should) * 20 < should;
    assert!(table.weight() >= 16, "{}", table.weight());
    assert!(near(sum, 900_000), "{sum}");
    let shared = table.shared(3);
    assert!(near(shared[0][0], 600_000), "{shared:?}");
    assert!(near(shared[0][1], 300_000), "{shared:?}");
    assert_eq!(shared[0][1], shared[1][0]);
    assert_eq!(shared[2], [0, 0, 0]);
    // What a release has is its own, or the other's as well.
    let alone = |release: usize| shared[release][release] - shared[0][1];
    assert_eq!(table.own(3), [alone(0), alone(1), 0]);
}

/// However alike all digests begin: there are no more bits that could be looked at.
#[test]
fn a_table_that_cannot_be_halved_any_more_takes_in_what_comes() {
    let mut table = Table::with_room(1);
    for last in 1..=3 {
        let mut digest = [0; 32];
        digest[15] = last;
        table.is_new(&digest, 10, 0);
    }
    assert_eq!((table.weight(), table.len()), (1 << 63, 3));
}

/// However many releases there are, the list of them and the comparison stay small.
#[test]
fn many_releases() {
    let mut forecast = Forecast::new(&[Chunking::default()]);
    for n in 0..5_000_u32 {
        forecast.release(&n.to_string());
        forecast.push(&n.to_le_bytes()).expect("no store is asked");
        forecast.end_file().expect("no store is asked");
    }
    let report = forecast.report();
    assert_eq!(report.releases.len(), MAX_RELEASES);
    let last = report.releases.last().expect("a release");
    assert_eq!((last.others, last.files), (4_000, 4_001));
    assert_eq!((report.files, report.bytes), (5_000, 20_000));
    let setting = &report.settings[0];
    assert_eq!(setting.stored_bytes, 20_000);
    assert_eq!(setting.shared_bytes.len(), MAX_PAIRED);
}
