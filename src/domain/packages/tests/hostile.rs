//! Files that lie: every field of a good file set to every bad value, every truncation, and thousands
//! of random changes. The reader never panics, holds little, and judges as `judge.rs` does.

use super::super::PackageError;
use super::{built, is_unreadable, judge, read, read_in_all_pieces, with};

/// Reads a file and compares with the slow judge. Says whether it was accepted.
fn agree(file: &[u8], what: &str) -> bool {
    let read = read_in_all_pieces(file);
    assert_eq!(read.is_ok(), judge::accepts(file), "{what}: {read:?}");
    read.is_ok()
}

fn u32_at(file: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes"))
}

/// Where the intros of signature and header begin, and where the header ends.
fn sections(file: &[u8]) -> [usize; 3] {
    let end =
        |at: usize| at + 16 + 16 * u32_at(file, at + 8) as usize + u32_at(file, at + 12) as usize;
    let header = end(96).next_multiple_of(8);
    [96, header, end(header)]
}

/// Where the numbers of a file are, with how many bytes each has.
fn fields(file: &[u8]) -> Vec<(usize, usize)> {
    let lead = [(0, 4), (4, 1), (5, 1), (6, 2), (8, 2), (76, 2), (78, 2)];
    let [signature, header, _] = sections(file);
    let mut fields = lead.to_vec();
    for begin in [signature, header] {
        let records = 1 + u32_at(file, begin + 8) as usize;
        fields.extend((0..4 * records).map(|n| (begin + 4 * n, 4)));
        let region = begin + 16 * records + u32_at(file, begin + 24) as usize;
        fields.extend((0..4).map(|n| (region + 4 * n, 4)));
    }
    fields
}

fn set(file: &[u8], (at, bytes): (usize, usize), value: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes].copy_from_slice(&value.to_be_bytes()[4 - bytes..]);
    file
}

#[test]
fn every_number_set_to_every_bad_value() {
    let file = built("oceanbase-ce", "4.2.0.0", "100.el7", "x86_64");
    assert!(agree(&file, "the file itself"));
    let (mut tried, mut refused) = (0, 0);
    for (at, bytes) in fields(&file) {
        let mut old = [0; 4];
        old[4 - bytes..].copy_from_slice(&file[at..at + bytes]);
        let old = u32::from_be_bytes(old);
        for value in [
            0,
            1,
            old.wrapping_sub(1),
            old.wrapping_add(1),
            old.wrapping_add(16),
            old.wrapping_mul(2),
            old.wrapping_neg(),
            7,
            63,
            64,
            0xffff,
            1 << 16,
            1 << 26,
            (1 << 26) + 1,
            0x0fff_ffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff0,
            u32::MAX,
        ] {
            let file = set(&file, (at, bytes), value);
            tried += 1;
            refused += usize::from(!agree(&file, &format!("{value:#x} at {at}")));
        }
    }
    assert!(tried > 2000 && refused > tried / 2, "{refused} of {tried}");
}

#[test]
fn numbers_that_no_file_has_are_always_refused() {
    let file = built("obproxy-ce", "4.3", "1.el8", "aarch64");
    let [signature, header, _] = sections(&file);
    let refused = |at: usize, value: u32| {
        let read = read_in_all_pieces(&set(&file, (at, 4), value));
        assert!(is_unreadable(&read), "{value:#x} at {at}: {read:?}");
    };
    for begin in [signature, header] {
        for value in [0, 1, u32::MAX] {
            refused(begin, value);
        }
        // How many entries, how many bytes of data.
        for value in [0, 8193, 0x10000, 0x7fff_ffff, u32::MAX] {
            refused(begin + 8, value);
        }
        for value in [0, 1, (64 << 20) + 1, 0x7fff_ffff, u32::MAX] {
            refused(begin + 12, value);
        }
        for entry in 1..=u32_at(&file, begin + 8) as usize {
            let entry = begin + 16 * entry;
            for tag in [0, 1, 60, 64, 99, 0x8000_0000, u32::MAX] {
                refused(entry, tag);
            }
            for kind in [0, 10, 16, 0x7fff_ffff, u32::MAX] {
                refused(entry + 4, kind);
            }
            for offset in [64 << 20, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                refused(entry + 8, offset);
            }
            for count in [0, 64 << 20, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                refused(entry + 12, count);
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let file = built("obproxy", "3.2.0", "1.el7", "x86_64");
    for len in 0..file.len() {
        for piece_bytes in [7, 4096] {
            match read(&file[..len], piece_bytes) {
                Err(PackageError::Magic) => assert!(len < 4, "{len} bytes"),
                Err(PackageError::Unreadable(_)) => assert!(len >= 4, "{len} bytes"),
                other => panic!("{len} bytes: {other:?}"),
            }
        }
    }
    let longer = [file.as_slice(), b"more"].concat();
    assert!(read(&longer, 4096).is_ok());
}

#[test]
fn without_a_told_size_a_file_ends_anywhere_behind_its_header() {
    let file = with(&[(5000, 7, 3, b"abc")]);
    for len in 0..=file.len() {
        assert_eq!(agree(&file[..len], "truncated"), len == file.len());
    }
    assert!(agree(&[file.as_slice(), b"x"].concat(), "longer"));
}

/// Numbers that look random, the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }
}

#[test]
fn random_changes_are_judged_as_the_slow_judge_does() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let files = [
        built("oceanbase-ce", "4.2.0.0", "100.el7", "x86_64"),
        with(&[
            (1118, 8, 2, b"/a/\0/b/\0"),
            (5000, 3, 2, b"abcd"),
            (5001, 9, 3, b"\0\0\0"),
        ]),
    ];
    let mut accepted = 0;
    for round in 0..12_000 {
        let mut file = files[round % files.len()].clone();
        let fields = fields_of_any(&file);
        for _ in 0..=numbers.below(3) {
            match numbers.below(4) {
                0 => {
                    let at = numbers.below(file.len());
                    file[at] = u8::try_from(numbers.below(256)).unwrap_or_default();
                }
                1 => {
                    let at = fields[numbers.below(fields.len())];
                    file[at] = file[at].wrapping_add(1);
                }
                2 => {
                    let (from, to) = (numbers.below(fields.len()), numbers.below(fields.len()));
                    let moved: [u8; 4] = file[fields[from] - 3..=fields[from]].try_into().unwrap();
                    file[fields[to] - 3..=fields[to]].copy_from_slice(&moved);
                }
                _ => {
                    let at = fields[numbers.below(fields.len())];
                    file[at] = u8::try_from(numbers.below(80)).unwrap_or_default();
                }
            }
        }
        let piece_bytes = 1 + numbers.below(600);
        let read = read(&file, piece_bytes);
        assert_eq!(
            read.is_ok(),
            judge::accepts(&file),
            "round {round}: {read:?}"
        );
        accepted += usize::from(read.is_ok());
    }
    assert!((100..11_000).contains(&accepted), "{accepted} accepted");
}

/// Where the last bytes of the numbers of both indexes are.
fn fields_of_any(file: &[u8]) -> Vec<usize> {
    let [signature, header, _] = sections(file);
    let mut places = Vec::new();
    for begin in [signature, header] {
        let records = 1 + u32_at(file, begin + 8) as usize;
        places.extend((2..4 * records).map(|n| begin + 4 * n + 3));
    }
    places
}
