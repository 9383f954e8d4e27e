//! The scan, on bytes alone: what is torn, what is corrupt, and that nothing makes it panic.

use packhold::format::commit::{self, Chain, CommitHead};
use packhold::format::header::PackHeader;
use packhold::format::meta::{Mutation, UserDelete};
use packhold::format::record::{Frame, Kind};
use packhold::format::scan::{self, Position, Record, ScanError, Survey};
use packhold::format::segment::Entry;
use packhold::format::{FormatError, PackId};
use proptest::prelude::*;

use crate::support::client::{PACK_ID, SMALL};
use crate::support::log::{at, frames, start, survey};
use crate::support::noise::noise;
use crate::support::sim::Sim;

/// A log made by hand.
struct Log {
    bytes: Vec<u8>,
    chain: Chain,
    seq: u64,
    previous: u64,
}

impl Log {
    fn new() -> Self {
        let bytes = PackHeader::new(PACK_ID, 1, SMALL).encode();
        let chain = Chain::genesis(&bytes);
        Self {
            bytes,
            chain,
            seq: 0,
            previous: 0,
        }
    }

    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn append(&mut self, kind: Kind, head: &[u8], payload: &[u8]) -> Frame {
        self.append_one(kind, true, head, payload)
    }

    fn append_one(&mut self, kind: Kind, critical: bool, head: &[u8], payload: &[u8]) -> Frame {
        let frame = Frame {
            kind,
            critical,
            offset: self.end(),
            seq: self.seq,
            body_bytes: (head.len() + payload.len()) as u64,
            head_bytes: u32::try_from(head.len()).unwrap(),
            digest: packhold::digest::sha256(head),
        };
        self.seq += 1;
        let encoded = frame.encode(&PACK_ID);
        self.bytes.extend(encoded);
        self.bytes.extend(head);
        self.bytes.extend(payload);
        self.bytes.resize(at(frame.next_offset()), 0);
        if kind != Kind::Commit {
            self.chain.frame(&encoded);
        }
        frame
    }

    fn segment(&mut self, seed: u64) -> Frame {
        let payload = noise(seed, 101);
        let entry = Entry {
            sha256: packhold::digest::sha256(&payload),
            raw_len: 101,
            stored_len: 101,
            crc32: crc32fast::hash(&payload),
            index: 0,
            codec: 0,
        };
        let mut table = Vec::new();
        entry.encode_into(&mut table);
        self.append(Kind::Segment, &table, &payload)
    }

    fn commit(&mut self, durable_upto: u64) -> Frame {
        self.commit_of(durable_upto, &[])
    }

    fn commit_of(&mut self, durable_upto: u64, mutations: &[Mutation]) -> Frame {
        let head = CommitHead {
            durable_upto,
            time_ms: 5,
            previous: self.previous,
            mutations: 0,
            chain: [0; 32],
        };
        let (body, value) = commit::encode(&head, mutations, &self.chain);
        let frame = self.append(Kind::Commit, &body, &[]);
        self.previous = frame.offset;
        self.chain = Chain::after(&value);
        frame
    }

    /// Three segments, a commit behind each; each commit proves what lay below its segment.
    fn three() -> (Self, [Frame; 6]) {
        let mut log = Self::new();
        let mut frames = Vec::new();
        for seed in 0..3 {
            let proven = log.end();
            frames.push(log.segment(seed));
            frames.push(log.commit(proven));
        }
        (log, frames.try_into().unwrap())
    }
}

fn flipped(bytes: &[u8], offset: u64) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    bad[at(offset)] ^= 0x40;
    bad
}

fn offsets(survey: &Survey) -> (u64, Option<u64>, Vec<u64>) {
    let torn = survey.torn.as_ref().map(|d| d.offset);
    let corrupt = survey.corrupt.iter().map(|d| d.offset).collect();
    (survey.end.offset, torn, corrupt)
}

#[test]
fn a_whole_log() {
    let (log, frames) = Log::three();
    let found = survey(&log.bytes);
    assert_eq!(offsets(&found), (log.end(), None, vec![]));
    assert_eq!((found.records, found.end.seq), (6, 6));
    assert_eq!(found.proven, frames[4].offset);
    assert_eq!(found.end.commit, frames[5].offset);
    assert!(found.end.sealed);
}

// Write-back may bring a later record to the disk and not an earlier one: "something valid follows"
// proves nothing. Only a commit that says that the place was synced before makes damage of it;
// without one it is a torn tail, and everything from there on is cut.
#[test]
fn bad_is_torn_unless_a_later_commit_proves_it_durable() {
    let (log, frames) = Log::three();
    for (i, frame) in frames.iter().enumerate() {
        // Of a commit the body is checked as well; of a proven segment only the frame.
        for place in [frame.offset + 9, frame.body_offset() + 3] {
            let found = offsets(&survey(&flipped(&log.bytes, place)));
            let in_body = place > frame.offset + 9;
            let proven = i < 4;
            let expected = match (proven, i) {
                (true, 0 | 2) if in_body => (log.end(), None, vec![]),
                (true, _) => (log.end(), None, vec![frame.offset]),
                (false, _) => (frames[4].offset, Some(frame.offset), vec![]),
            };
            assert_eq!(found, expected, "record {i}, byte {place}");
        }
    }
    // The payload of the unproven segment.
    let place = frames[4].body_offset() + 60;
    let found = offsets(&survey(&flipped(&log.bytes, place)));
    assert_eq!(found, (frames[4].offset, Some(frames[4].offset), vec![]));
}

#[test]
fn without_any_proof_the_whole_rest_is_torn() {
    let mut log = Log::new();
    let first = log.segment(1);
    log.commit(0);
    let second = log.segment(2);
    log.commit(0);
    let found = survey(&flipped(&log.bytes, first.offset));
    assert_eq!(offsets(&found), (first.offset, Some(first.offset), vec![]));
    let found = survey(&flipped(&log.bytes, second.offset));
    assert_eq!(
        offsets(&found),
        (second.offset, Some(second.offset), vec![])
    );
}

#[test]
fn a_tail_cut_at_any_byte_ends_at_the_last_whole_commit() {
    let (log, frames) = Log::three();
    for len in at(frames[4].offset)..at(log.end()) {
        let found = survey(&log.bytes[..len]);
        let end = frames[4].offset;
        let torn = (len as u64 > end).then_some(());
        assert_eq!(found.end.offset, end, "cut to {len}");
        assert_eq!(found.torn.map(|_| ()), torn, "cut to {len}");
        assert!(found.corrupt.is_empty(), "cut to {len}");
    }
}

#[test]
fn zeros_and_uncommitted_records_are_a_tail() {
    let (mut log, _) = Log::three();
    let end = log.end();
    for zeros in [1, 7, 8, 71, 72, 5000, 3 << 20] {
        let mut bytes = log.bytes.clone();
        bytes.resize(bytes.len() + zeros, 0);
        assert_eq!(offsets(&survey(&bytes)), (end, Some(end), vec![]));
    }
    log.segment(9);
    assert_eq!(offsets(&survey(&log.bytes)), (end, Some(end), vec![]));
}

#[test]
fn a_gap_in_the_sequence_or_a_broken_chain_is_found() {
    let (mut log, _) = Log::three();
    let end = log.end();
    log.seq += 1;
    log.commit(0);
    assert_eq!(offsets(&survey(&log.bytes)), (end, Some(end), vec![]));
    let (mut log, _) = Log::three();
    log.chain.frame(&[1; 72]);
    let frame = log.commit(0);
    assert_eq!(
        offsets(&survey(&log.bytes)),
        (end, Some(frame.offset), vec![])
    );
    let (mut log, _) = Log::three();
    let beyond = log.end() + 1;
    let frame = log.commit(beyond);
    let found = offsets(&survey(&log.bytes));
    assert_eq!(found, (end, Some(frame.offset), vec![]), "proves itself");
}

#[test]
fn a_missing_stretch_that_was_proven_is_corrupt_and_nothing_else_is() {
    let (log, frames) = Log::three();
    let mut bytes = log.bytes.clone();
    bytes[at(frames[1].offset)..at(frames[3].offset)].fill(0);
    let found = survey(&bytes);
    assert_eq!(offsets(&found), (log.end(), None, vec![frames[1].offset]));
    assert_eq!(found.end.seq, 6);
}

#[test]
fn a_critical_record_of_an_unknown_kind_refuses_the_pack() {
    let (mut log, _) = Log::three();
    log.append(Kind::Other(77), b"?", &[]);
    log.commit(0);
    let view = Sim::of_image(log.bytes.clone());
    let found = scan::replay::<_, ScanError>(&view, &PACK_ID, 4096, log.end(), |_| Ok(()));
    assert!(matches!(found, Err(ScanError::Unsupported { .. })));
}

#[test]
fn others_of_an_unknown_kind_are_skipped() {
    let (mut log, _) = Log::three();
    // The last is the shortest record that there can be, at the very end.
    let skipped = [&b"?"[..], b""].map(|head| log.append_one(Kind::Other(77), false, head, &[]));
    let view = Sim::of_image(log.bytes.clone());
    let mut seen = Vec::new();
    let from = skipped[0].offset;
    let found = scan::replay::<_, ScanError>(&view, &PACK_ID, from, log.end(), |record| {
        match record {
            Record::Skipped(frame) => seen.push(frame),
            other => panic!("{other:?}"),
        }
        Ok(())
    });
    assert_eq!(found.unwrap(), []);
    assert_eq!(seen, skipped);
}

#[test]
fn damage_of_a_record_is_named_by_its_kind() {
    let mut log = Log::new();
    let named = [
        (Kind::Segment, "segment table"),
        (Kind::Leaf, "leaf"),
        (Kind::Root, "root"),
        (Kind::Commit, "commit"),
        (Kind::Snapshot, "snapshot"),
        (Kind::Other(77), "record"),
    ];
    for (kind, name) in named {
        let frame = log.append(kind, b"head", b"");
        let view = Sim::of_image(flipped(&log.bytes, frame.body_offset()));
        let found = scan::check_record(&view, &frame, |_, _, _, _, _| {}).unwrap();
        assert_eq!(found, Err(FormatError::Checksum { what: name }));
    }
}

fn look_at_everything(bytes: &[u8], pack_id: &PackId) {
    let view = Sim::of_image(bytes.to_vec());
    let from = if bytes.len() < 4096 {
        Position::start(&[])
    } else {
        start(bytes)
    };
    let found = scan::survey(&view, pack_id, from, |_| {}).unwrap();
    assert!(found.end.offset <= (bytes.len() as u64).max(4096));
    let end = bytes.len() as u64;
    let seen = scan::replay::<_, ScanError>(&view, pack_id, 4096, end, |record| {
        if let Record::Segment(frame, entries) = record {
            assert!(frame.next_offset() <= end && !entries.is_empty());
        }
        Ok(())
    });
    drop(seen);
    let mut list = Vec::new();
    scan::each_frame::<_, ScanError>(&view, pack_id, 4096, end, |f| {
        list.push(*f);
        Ok(())
    })
    .unwrap();
    for frame in list {
        let checked = scan::check_record(&view, &frame, |_, _, _, _, _| {}).unwrap();
        drop(checked);
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(tail in proptest::collection::vec(any::<u8>(), 0..3000)) {
        look_at_everything(&tail, &PACK_ID);
        let mut bytes = PackHeader::new(PACK_ID, 1, SMALL).encode();
        bytes.extend(&tail);
        look_at_everything(&bytes, &PACK_ID);
        prop_assert_eq!(survey(&bytes).end.offset, 4096);
    }

    #[test]
    fn random_mutations_do_no_harm(
        changes in proptest::collection::vec((0_usize..4096, any::<u8>()), 1..20),
        cut in 0_usize..3000,
        zeros in 0_usize..300,
    ) {
        let (log, _) = Log::three();
        let (good, _) = frames(&log.bytes);
        let mut bytes = log.bytes;
        for (place, value) in changes {
            let len = bytes.len() - 4096;
            bytes[4096 + place % len] = value;
        }
        bytes.truncate((4096 + cut).min(bytes.len()).max(4096));
        bytes.resize(bytes.len() + zeros, 0);
        look_at_everything(&bytes, &PACK_ID);
        let (found, _) = frames(&bytes);
        prop_assert!(found.iter().all(|frame| good.contains(frame)));
    }

    /// A frame whose fields say anything, with a good checksum.
    #[test]
    fn hostile_frames_do_no_harm(
        kind in any::<u8>(),
        body_bytes in prop_oneof![0_u64..300, any::<u64>()],
        head_bytes in prop_oneof![0_u32..300, any::<u32>()],
        seq in 0_u64..2,
        body in proptest::collection::vec(any::<u8>(), 0..300),
        right_digest in any::<bool>(),
    ) {
        let mut log = Log::new();
        let head = &body[..body.len().min(head_bytes as usize)];
        let digest = if right_digest { packhold::digest::sha256(head) } else { [0; 32] };
        let frame = Frame {
            kind: Kind::from_code(kind),
            critical: true,
            offset: 4096,
            seq,
            body_bytes,
            head_bytes,
            digest,
        };
        log.bytes.extend(frame.encode(&PACK_ID));
        log.bytes.extend(&body);
        look_at_everything(&log.bytes, &PACK_ID);
    }
}

#[test]
fn the_last_commit_is_the_last_before_one_that_is_not_wanted() {
    let (log, frames) = Log::three();
    let view = Sim::of_image(log.bytes.clone());
    let commits = [frames[1], frames[3], frames[5]];
    let until = |unwanted: Option<Frame>| {
        let wanted = |frame: &Frame, _: &CommitHead| Some(*frame) != unwanted;
        let found = scan::last_commit(&view, &PACK_ID, wanted).unwrap();
        found.map(|position| (position.commit, position.offset, position.seq))
    };
    let behind = |frame: Frame| Some((frame.offset, frame.next_offset(), frame.seq + 1));
    assert_eq!(until(None), behind(commits[2]));
    assert_eq!(until(Some(commits[2])), behind(commits[1]));
    assert_eq!(until(Some(commits[1])), behind(commits[0]));
    assert_eq!(until(Some(commits[0])), None);
}

#[test]
fn a_place_is_sealed_behind_a_commit_that_changes_nothing() {
    for (mutations, sealed) in [(0, true), (2, false)] {
        let mut log = Log::new();
        let gone = UserDelete {
            name: "nobody".to_owned(),
        };
        let mutations = vec![Mutation::UserDelete(gone); mutations];
        let frame = log.commit_of(0, &mutations);
        let view = Sim::of_image(log.bytes.clone());
        let found = scan::position_behind(&view, &PACK_ID, frame.offset).unwrap();
        assert_eq!(found.sealed, sealed);
        assert_eq!(found, survey(&log.bytes).end);
    }
}
