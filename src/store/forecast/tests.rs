use super::*;

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

/// The report of files, each a release of its own, that come in pieces of `step` bytes.
fn report(settings: &[Chunking], files: &[&[u8]], step: usize) -> ForecastReport {
    let mut forecast = Forecast::new(settings);
    for (n, file) in files.iter().enumerate() {
        forecast.release(&n.to_string());
        for bytes in file.chunks(step) {
            forecast.push(bytes).expect("no store is asked");
        }
        forecast.end_file().expect("no store is asked");
    }
    forecast.report()
}

/// The plain way: all chunks of a whole file in memory, by their bytes.
fn oracle(chunking: &Chunking, files: &[&[u8]]) -> (Vec<u64>, Vec<Vec<u64>>, u64) {
    use std::collections::HashSet;
    let chunker = Chunker::new(chunking);
    let mut pieces = 0;
    let sets: Vec<HashSet<&[u8]>> = files
        .iter()
        .map(|file| {
            let (mut rest, mut set) = (*file, HashSet::new());
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at(chunker.cut(rest));
                set.insert(chunk);
                (rest, pieces) = (behind, pieces + 1);
            }
            set
        })
        .collect();
    let sum = |set: &mut dyn Iterator<Item = &&[u8]>| set.map(|chunk| chunk.len() as u64).sum();
    let new = (0..sets.len()).map(|n| {
        let earlier = |chunk: &&&[u8]| !sets[..n].iter().any(|set| set.contains(**chunk));
        sum(&mut sets[n].iter().filter(earlier))
    });
    let shared = sets.iter().map(|a| {
        let both = sets.iter().map(|b| sum(&mut a.intersection(b)));
        both.collect()
    });
    (new.collect(), shared.collect(), pieces)
}

#[test]
fn it_counts_what_the_plain_way_counts() {
    let one = noise(3_000_000, 1);
    let shifted = [b"shift".as_slice(), &one[..2_000_000]].concat();
    let twice = [one.as_slice(), &one, &noise(7_000_000, 2)].concat();
    let zeros = vec![0; 400_000];
    let files: [&[u8]; 6] = [&one, &shifted, b"", &twice, &zeros, b"x"];
    let settings = Forecast::settings();
    for step in [1 << 20, 77_777, 9 << 20] {
        let report = report(&settings, &files, step);
        assert_eq!(report.files, 6);
        assert_eq!(
            report.bytes,
            files.iter().map(|f| f.len() as u64).sum::<u64>()
        );
        for (setting, chunking) in report.settings.iter().zip(&settings) {
            let (new, shared, pieces) = oracle(chunking, &files);
            assert_eq!(setting.new_bytes, new);
            assert_eq!(setting.stored_bytes, new.iter().sum::<u64>());
            assert_eq!(setting.shared_bytes, shared);
            assert_eq!(setting.pieces, pieces);
            assert_eq!(
                setting.sizes.iter().map(|b| b.chunks).sum::<u64>(),
                setting.chunks
            );
            assert!(setting.counted_share >= 1.0);
        }
    }
}

#[test]
fn nothing_is_stored_of_nothing() {
    let empty = Forecast::new(&Forecast::settings()).report();
    assert_eq!((empty.files, empty.bytes), (0, 0));
    assert!(empty.settings.iter().all(|s| s.ratio.is_none()));
    let report = report(&Forecast::settings(), &[b"", b""], 1);
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
