//! Forms, and what is none, that proptest makes up.

use proptest::prelude::*;

use super::*;

/// Bytes among which the beginnings of boundaries are likely.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n--".to_vec()),
        (0..BOUNDARY.len()).prop_map(|len| format!("\r\n--{}", &BOUNDARY[..len]).into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    proptest::collection::vec(bit, 0..8).prop_map(|bits| bits.concat())
}

/// What was written as a form is read back from frames of these lengths.
fn reads_back(parts: &[Given], frames: &[usize]) -> Result<(), TestCaseError> {
    let mut rest = Bytes::from(written(parts));
    let mut lens = frames.iter().cycle().copied();
    let mut cut = Vec::new();
    while !rest.is_empty() {
        let len = lens.next().unwrap_or(1).min(rest.len());
        cut.push(Ok(rest.split_to(len)));
        if frames.iter().all(|len| *len == 0) {
            cut.push(Ok(rest.split_to(1)));
        }
    }
    let (mut body, _) = counted(cut.into_iter());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    prop_assert_eq!(runtime.block_on(read(&mut body)).unwrap(), parts);
    Ok(())
}

/// Reads what may be no form; it must neither panic nor hang.
fn survives(bits: &[Vec<u8>], frame_bytes: usize) {
    let mut body = cut(&bits.concat(), frame_bytes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _either = runtime.block_on(read(&mut body));
}

// Both once failed.
#[test]
fn no_parts_in_short_frames() {
    reads_back(&[], &[8]).unwrap();
}

#[test]
fn a_header_that_runs_into_the_last_boundary() {
    let bits = [
        b"Content-Disposition: form-data; name=".to_vec(),
        format!("--{BOUNDARY}").into_bytes(),
        b"--".to_vec(),
    ];
    survives(&bits, 14);
}

proptest! {
    // What fails becomes a test of its own, as above.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_parts_in_any_frames_are_read_back(
        parts in proptest::collection::vec(
            ("[a-z]{1,9}", proptest::option::of("[^\\\\\"\\p{C}]{0,20}"), data()),
            0..8,
        ),
        frames in proptest::collection::vec(0_usize..300, 1..20),
    ) {
        // A bit of data may, with the next, make up a boundary; not within the bounds of this test.
        let closed = format!("\r\n--{BOUNDARY}");
        for (_, _, bytes) in &parts {
            prop_assume!(memchr::memmem::find(bytes, closed.as_bytes()).is_none());
        }
        reads_back(&parts, &frames)?;
    }

    #[test]
    fn hostile_bodies_never_panic_nor_hang(
        bits in proptest::collection::vec(
            prop_oneof![
                Just(format!("--{BOUNDARY}").into_bytes()),
                Just(b"\r\n".to_vec()),
                Just(b"\r\n\r\n".to_vec()),
                Just(b"--".to_vec()),
                Just(b"Content-Disposition: form-data; name=".to_vec()),
                data(),
            ],
            0..20,
        ),
        frame_bytes in 1_usize..100,
    ) {
        survives(&bits, frame_bytes);
    }
}
