//! Ranges of files, however these came to be, against a flat buffer: across the borders of chunks,
//! segments, manifest pages and windows.

use arbitrary::{Arbitrary, Unstructured};

use crate::support::client::{Client, Clock, new_sim, open};
use crate::support::noise::noise;

const FILE: &str = "/file";
/// Bytes of the longest file: several windows and levels of manifests.
const FILE_BYTES: usize = 3 << 20;

#[derive(Debug, Arbitrary)]
enum Part {
    /// New bytes.
    Noise { seed: u8, bytes: u16 },
    /// Many of them.
    Much { seed: u8, kibibytes: u8 },
    /// What was there already, from a place on.
    Again { from: u32, bytes: u16 },
    /// One byte, so often.
    Run { byte: u8, bytes: u16 },
}

#[derive(Debug, Arbitrary)]
struct Input {
    parts: Vec<Part>,
    /// Pieces in which the file is uploaded, in bytes.
    piece: u16,
    /// Whether the store is opened anew before it is read.
    reopen: bool,
    ranges: Vec<(u32, Span)>,
}

#[derive(Debug, Arbitrary)]
enum Span {
    Short(u8),
    Middle(u16),
    Long(u32),
    Rest,
}

/// Runs one input.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let bytes = bytes(&input.parts);
    let (sim, clock) = (new_sim(), Clock::at(1_000));
    let mut client = open(&sim, &clock);
    let upload = crate::support::client::upload(FILE);
    let piece = usize::from(input.piece).max(bytes.len() / 1000 + 1);
    client.send(upload, &bytes, piece).expect("it comes in");
    if input.reopen {
        client.store.close();
        drop(client);
        client = open(&sim, &clock);
    }
    assert!(client.get(FILE).as_ref() == Some(&bytes), "the whole file");
    for (from, span) in &input.ranges {
        range(&client, &bytes, *from, span);
    }
    client.store.close();
}

fn range(client: &Client, bytes: &[u8], from: u32, span: &Span) {
    // One more than there are: ranges may begin at the end.
    let from = from as usize % (bytes.len() + 1);
    let to = match span {
        Span::Short(bytes) => from + usize::from(*bytes),
        Span::Middle(bytes) => from + usize::from(*bytes),
        Span::Long(bytes) => from + *bytes as usize % FILE_BYTES,
        Span::Rest => bytes.len(),
    };
    let to = to.min(bytes.len());
    let read = client.try_range(FILE, from as u64..to as u64);
    let read = read.expect("it can be read").expect("it is there");
    assert!(read == bytes[from..to], "{from}..{to} of {}", bytes.len());
}

fn bytes(parts: &[Part]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Noise { seed, bytes } => all.extend(noise((*seed).into(), (*bytes).into())),
            Part::Much { seed, kibibytes } => {
                all.extend(noise((*seed).into(), usize::from(*kibibytes) << 10));
            }
            Part::Again { from, bytes } if !all.is_empty() => {
                let from = *from as usize % all.len();
                let to = (from + usize::from(*bytes)).min(all.len());
                all.extend_from_within(from..to);
            }
            Part::Again { .. } => {}
            Part::Run { byte, bytes } => all.resize(all.len() + usize::from(*bytes), *byte),
        }
        if all.len() > FILE_BYTES {
            break;
        }
    }
    all.truncate(FILE_BYTES);
    all
}
