//! The whole file's digests: real ones, in whatever order and dialect its blocks came.

use proptest::prelude::*;

use super::{BLOCK, SEPARATE, Upload};
use crate::noise::noise;
use crate::service::{Service, sha256};

/// What happens to a file of `PIECES` pieces: which piece comes next, and what happens first.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It comes with wrong bytes, to come right later.
    Wrong(usize),
    /// It comes.
    Right(usize),
    /// The service is restarted.
    Restart,
}

const PIECES: usize = 6;
const PIECE_BYTES: usize = 40_000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let piece = 0..PIECES;
    let step = prop_oneof![
        2 => piece.clone().prop_map(Step::Wrong),
        5 => piece.prop_map(Step::Right),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_blocks_gives_the_same_file(steps in steps(), separate: bool) {
        let dialect = if separate { SEPARATE } else { BLOCK };
        let bytes = noise(77, PIECES * PIECE_BYTES);
        let piece = |i: usize| &bytes[i * PIECE_BYTES..(i + 1) * PIECE_BYTES];
        let key = |i: usize| if separate { i * PIECE_BYTES } else { i + 1 };
        let mut service = Service::open();
        let (path, id) = {
            let upload = Upload::start(&service, dialect, "/f");
            (upload.path, upload.id)
        };
        // What a client knows of each piece: it sends again what is not right.
        let mut right = [false; PIECES];
        for step in steps {
            let upload = Upload { service: &service, dialect, path: path.clone(), id: id.clone() };
            match step {
                Step::Wrong(i) => {
                    upload.put(key(i), vec![b'w'; PIECE_BYTES]);
                    right[i] = false;
                }
                Step::Right(i) => {
                    upload.put(key(i), piece(i));
                    right[i] = true;
                }
                Step::Restart => service = service.restart(),
            }
        }
        let upload = Upload { service: &service, dialect, path, id };
        for i in (0..PIECES).rev().filter(|i| !right[*i]) {
            upload.put(key(i), piece(i));
        }
        upload.finish(bytes.len() as u64);
        service.assert_file("/f", &bytes);
        let answer = service.get("/f");
        let digest = sha256(&bytes);
        prop_assert_eq!(answer.header("X-Checksum-Sha256"), Some(digest.as_str()));
        // The store compares them with the bytes, md5 and CRC-64 too.
        let report = service.store.verify(false).expect("it runs");
        prop_assert!(report.clean, "{report:?}");
    }
}
