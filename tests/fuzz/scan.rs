//! Arbitrary and mutated pack bytes: scanning never panics, never reads past the end, and accepts
//! only what was written. The first bytes of the input mutate a good pack, the rest is its tail.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::scan::{Position, Record, ScanError, View, replay, survey};

static FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/v1.pack");

struct Whole(Bytes);

impl View for Whole {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> std::io::Result<Bytes> {
        let start = usize::try_from(offset).expect("an offset within the view");
        assert!(start + len <= self.0.len(), "read past the end");
        Ok(self.0.slice(start..start + len))
    }
}

/// Places and what to flip there, how much is cut off, and what stands in its place.
type Input = (Vec<(u16, u8)>, u16, Vec<u8>);

/// Runs one input.
pub fn check(data: &[u8]) {
    let Ok((flips, cut, tail)) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let header = PackHeader::decode(FIXTURE).expect("the fixture is a pack");
    let mut pack = FIXTURE.to_vec();
    pack.truncate(FIXTURE.len() - usize::from(cut) % (FIXTURE.len() - HEADER_BYTES));
    for (at, mask) in flips.iter().take(64) {
        let at = HEADER_BYTES + usize::from(*at);
        if let Some(byte) = pack.get_mut(at) {
            *byte ^= mask;
        }
    }
    pack.extend(tail);
    let view = Whole(Bytes::from(pack));
    let start = Position::start(&FIXTURE[..HEADER_BYTES]);
    let found = survey(&view, &header.pack_id, start, |_| {}).expect("memory is readable");
    assert!(found.end.offset <= view.len());
    let visit = |record: Record| -> Result<(), ScanError> {
        if let Record::Commit(frame, ..) = record {
            let at = usize::try_from(frame.body_offset()).expect("an offset");
            // Without the padding behind it, which nothing covers and nobody reads.
            let end = at + usize::try_from(frame.body_bytes).expect("a length");
            let written = FIXTURE.get(at..end);
            assert_eq!(
                written,
                view.0.get(at..end),
                "a commit that was never written"
            );
        }
        Ok(())
    };
    // An error says that a record needs a newer reader: mutations may make it say so.
    let _damages = replay(
        &view,
        &header.pack_id,
        start.offset,
        found.end.offset,
        visit,
    );
}
