//! RPMs, good and hostile, and how they are read.

mod hostile;
mod judge;
mod names;
mod rules;
mod seeds;

use super::{HeaderReader, PackageError, RpmHeader};

/// What a reader may hold, in bytes, whatever it is fed.
const MAX_HELD_BYTES: usize = 136 << 10;

/// Types of entries.
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BIN: u32 = 7;
const STRINGS: u32 = 8;
const I18N: u32 = 9;

/// An RPM as the `rpm` package builds it.
fn built(name: &str, version: &str, release: &str, arch: &str) -> Vec<u8> {
    let mut builder = rpm::PackageBuilder::new(name, version, "MIT", arch, "a summary");
    builder.release(release).description("a description");
    let mut file = Vec::new();
    let package = builder.build().expect("fields that an RPM can have");
    package.write(&mut file).expect("memory takes any file");
    file
}

/// Reads a file in pieces of so many bytes, and checks on the way what is held.
fn read(file: &[u8], piece_bytes: usize) -> Result<RpmHeader, PackageError> {
    let mut reader = HeaderReader::default();
    for piece in file.chunks(piece_bytes) {
        let pushed = reader.push(piece);
        let held = reader.held_bytes();
        assert!(held <= MAX_HELD_BYTES, "{held} bytes are held");
        if let Err(fault) = pushed {
            assert_eq!(reader.push(b"more"), Err(fault.clone()));
            assert_eq!(reader.finish(), Err(fault.clone()));
            return Err(fault);
        }
    }
    let header = reader.header().cloned();
    let finished = reader.finish();
    if let Ok(finished) = &finished {
        assert_eq!(header.as_ref(), Some(finished));
    }
    finished
}

/// Reads a file in pieces of several lengths, which give the same.
fn read_in_all_pieces(file: &[u8]) -> Result<RpmHeader, PackageError> {
    let whole = read(file, file.len().max(1));
    for piece_bytes in [1, 7, 4096] {
        assert_eq!(read(file, piece_bytes), whole, "in pieces of {piece_bytes}");
    }
    whole
}

/// A lead of a type.
fn lead(source: u8) -> Vec<u8> {
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, source];
    lead.resize(79, 0);
    lead.push(5);
    lead.resize(96, 0);
    lead
}

/// A header with entries of `[tag, type, offset, count]`, as they are.
fn section(entries: &[[u32; 4]], data: &[u8]) -> Vec<u8> {
    let mut section = vec![0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
    let lengths = [number(entries.len()), number(data.len())];
    for field in lengths.iter().chain(entries.as_flattened()) {
        section.extend(field.to_be_bytes());
    }
    section.extend(data);
    section
}

/// Entries of `(tag, type, count, data)`, laid out one after the other, each in steps of 8 bytes.
fn laid_out(values: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut entries = Vec::new();
    for &(tag, kind, count, bytes) in values {
        data.resize(data.len().next_multiple_of(8), 0);
        entries.push([tag, kind, number(data.len()), count]);
        data.extend(bytes);
    }
    section(&entries, &data)
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("tests are small")
}

/// A signature, padded.
fn signature(values: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut section = laid_out(values);
    section.resize(section.len().next_multiple_of(8), 0);
    section
}

/// A signature that tells nothing.
fn mute() -> Vec<u8> {
    signature(&[(1004, BIN, 16, &[7; 16])])
}

const NAME: (u32, u32, u32, &[u8]) = (1000, STRING, 1, b"n\0");
const VERSION: (u32, u32, u32, &[u8]) = (1001, STRING, 1, b"v\0");
const RELEASE: (u32, u32, u32, &[u8]) = (1002, STRING, 1, b"r\0");
const ARCH: (u32, u32, u32, &[u8]) = (1022, STRING, 1, b"a\0");
const SOURCERPM: (u32, u32, u32, &[u8]) = (1044, STRING, 1, b"n-v-r.src.rpm\0");

/// A binary package without a region, with these values behind its own.
fn with(values: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let values = [&[NAME, VERSION, RELEASE, ARCH, SOURCERPM], values].concat();
    [lead(0), mute(), laid_out(&values)].concat()
}

fn is_unreadable(read: &Result<RpmHeader, PackageError>) -> bool {
    matches!(read, Err(PackageError::Unreadable(_)))
}
