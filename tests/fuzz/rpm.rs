//! Any bytes as an uploaded RPM: reading never panics, holds little, gives the same whatever the
//! pieces, and accepts what the slow judge of the unit tests accepts; what is accepted has fields that
//! are fit to be shown.
//!
//! Input: `{piece u8, length of the name u8, name, file}`. The seeds are kept by a unit test.

use packhold::domain::packages::{Fields, HeaderReader, PackageError, RpmHeader, uploaded_name};

use crate::held::held;

#[path = "../../src/domain/packages/tests/judge.rs"]
mod judge;

/// What reading may hold, whatever it is fed: a reader, and the small RPM of the values it kept.
const HELD_BYTES: usize = 24 << 10;
/// And for each byte that it was fed: the index, as it grows.
const HELD_PER_BYTE: usize = 4;

type Read = Result<RpmHeader, PackageError>;

/// Runs one input.
pub fn check(data: &[u8]) {
    let [piece, name_bytes, rest @ ..] = data else {
        return;
    };
    let Some((name, file)) = rest.split_at_checked(usize::from(*name_bytes)) else {
        return;
    };
    let whole = read(file, |_| file.len().max(1));
    assert_eq!(read(file, |_| 1), whole, "byte by byte");
    let uneven = |at| 1 + (usize::from(*piece) * 31 + at * 7) % 97;
    assert_eq!(read(file, uneven), whole, "in uneven pieces");
    assert_eq!(whole.is_ok(), judge::accepts(file), "{whole:?}");
    let name = String::from_utf8_lossy(name);
    let cut = uploaded_name(&name);
    if let Ok(cut) = cut {
        assert!(name.ends_with(cut) && !cut.contains(['/', '\\']), "{cut}");
    }
    if let Ok(header) = whole {
        for uploaded in [&name, cut.unwrap_or("x.rpm")] {
            let fields = Fields::of(&header, uploaded);
            assert!(!header.source || fields == Err(PackageError::Source));
            if let Ok(fields) = fields {
                judge_fields(&fields, &header);
            }
        }
    }
}

/// Reads a file in pieces, of which `piece` says how long one is that begins at a place.
fn read(file: &[u8], piece: impl Fn(usize) -> usize) -> Read {
    let (read, held) = held(|| read_pieces(file, piece));
    let bound = HELD_BYTES + HELD_PER_BYTE * file.len();
    assert!(held <= bound, "{held} bytes for {}", file.len());
    read
}

fn read_pieces(mut file: &[u8], piece: impl Fn(usize) -> usize) -> Read {
    let mut reader = HeaderReader::default();
    let mut at = 0;
    while !file.is_empty() {
        let (next, left) = file.split_at(piece(at).min(file.len()));
        if let Err(fault) = reader.push(next) {
            assert_eq!(reader.push(left), Err(fault.clone()), "a fault stays");
            assert_eq!(reader.finish(), Err(fault.clone()), "a fault stays");
            return Err(fault);
        }
        (file, at) = (left, at + next.len());
    }
    let early = reader.header().cloned();
    let finished = reader.finish();
    if let Ok(finished) = &finished {
        assert_eq!(
            early.as_ref(),
            Some(finished),
            "nothing is learnt at the end"
        );
    }
    finished
}

fn judge_fields(fields: &Fields, header: &RpmHeader) {
    let Fields {
        name,
        version,
        build_number,
        operating_system,
        architecture,
        file_name,
        ..
    } = fields;
    assert!(file_name.len() <= 255 && file_name.strip_suffix(".rpm").is_some());
    let fits = |c: char| c.is_ascii_alphanumeric() || "._+~^-".contains(c);
    assert!(file_name.chars().all(fits), "{file_name:?}");
    assert_eq!((name, version), (&header.name, &header.version));
    let begin = format!("{name}-{version}-{}", header.release);
    assert!(file_name.starts_with(&begin), "{file_name}");
    assert!(file_name.ends_with(&format!(".{architecture}.rpm")));
    assert!(header.arch.is_empty() || header.arch == *architecture);
    assert!(!build_number.is_empty() && header.release.starts_with(build_number));
    assert!(file_name.contains(operating_system), "{fields:?}");
}
