//! The records of a pack image.

use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::meta::Mutation;
use packhold::format::record::{Frame, Kind};
use packhold::format::scan::{self, Position, Record, ScanError, Survey};

use super::client::PACK_ID;
use super::sim::Sim;

/// The good frames of an image, and how many places had none.
pub fn frames(image: &[u8]) -> (Vec<Frame>, usize) {
    let view = Sim::of_image(image.to_vec());
    let mut list = Vec::new();
    let end = image.len() as u64;
    let lost = scan::each_frame::<_, ScanError>(&view, &PACK_ID, HEADER_BYTES as u64, end, |f| {
        list.push(*f);
        Ok(())
    });
    (list, lost.expect("a simulated medium reads").len())
}

/// The frames of one kind.
pub fn frames_of(image: &[u8], kind: Kind) -> Vec<Frame> {
    let (mut list, _) = frames(image);
    list.retain(|frame| frame.kind == kind);
    list
}

/// How many copies of damaged chunks lost their record, because the chunks were freed.
pub fn copies_let_go(image: &[u8]) -> u64 {
    let view = Sim::of_image(image.to_vec());
    let header = PackHeader::decode(&image[..HEADER_BYTES]).expect("a header");
    let (from, end, mut count) = (HEADER_BYTES as u64, image.len() as u64, 0);
    let read = scan::replay::<_, ScanError>(&view, &header.pack_id, from, end, |record| {
        if let Record::Commit(_, _, mutations) = record {
            for mutation in mutations {
                if let Mutation::Freed(freed) = mutation {
                    count += freed.relocated.len() as u64;
                }
            }
        }
        Ok(())
    });
    read.expect("a simulated medium reads");
    count
}

/// The place behind the header of an image.
pub fn start(image: &[u8]) -> Position {
    Position::start(&image[..HEADER_BYTES])
}

/// A survey of a whole image.
pub fn survey(image: &[u8]) -> Survey {
    let view = Sim::of_image(image.to_vec());
    scan::survey(&view, &PACK_ID, start(image), |_| {}).expect("a simulated medium reads")
}

/// An offset in an image as an index.
pub fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("images are small")
}
