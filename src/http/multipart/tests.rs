//! The reader against bodies that are whole, cut into frames of any size, or hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::source::{EPILOGUE_BYTES, OUTSIDE_BYTES, PIECE_BYTES};
use super::*;

mod made_up;

const TYPE: &str = "multipart/form-data; boundary=------------------------0123456789abcdef";
const BOUNDARY: &str = "------------------------0123456789abcdef";

/// A part as it was sent, or as it came out: its name, its file's name, its bytes.
type Given = (String, Option<String>, Vec<u8>);

fn part(name: &str, file_name: Option<&str>, bytes: impl Into<Vec<u8>>) -> Given {
    (name.to_owned(), file_name.map(str::to_owned), bytes.into())
}

fn head(name: &str, file_name: Option<&str>) -> String {
    let file = file_name.map_or_else(String::new, |file_name| {
        format!("; filename=\"{file_name}\"\r\nContent-Type: application/octet-stream")
    });
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
}

fn close() -> String {
    format!("--{BOUNDARY}--\r\n")
}

fn written(parts: &[Given]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, bytes) in parts {
        body.extend_from_slice(head(name, file_name.as_deref()).as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(close().as_bytes());
    body
}

/// A body that gives these frames, waits before each, as a network does, and counts their bytes.
fn counted(
    frames: impl Iterator<Item = Result<Bytes, ApiError>> + Send + 'static,
) -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let body = stream::unfold(frames, move |mut frames| {
        let count = Arc::clone(&count);
        async move {
            tokio::task::yield_now().await;
            let frame = frames.next()?;
            let len = frame.as_ref().map_or(0, Bytes::len);
            count.fetch_add(len, Ordering::Relaxed);
            Some((frame, frames))
        }
    });
    (Body::new(body), taken)
}

fn cut(bytes: &[u8], frame_bytes: usize) -> Body {
    let frames = bytes.chunks(frame_bytes).map(Bytes::copy_from_slice);
    let frames: Vec<_> = frames.map(Ok).collect();
    counted(frames.into_iter()).0
}

/// One frame, again and again.
fn endless(begin: &str, frame: &str) -> (Body, Arc<AtomicUsize>) {
    let [begin, frame] = [begin, frame].map(|text| Bytes::from(text.to_owned()));
    let frames = std::iter::once(begin).chain(std::iter::repeat(frame));
    counted(frames.map(Ok))
}

async fn whole(part: &mut Part<'_>) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.next().await {
        let piece = piece?;
        assert!(piece.len() <= PIECE_BYTES + BOUNDARY.len() + 4);
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn read(body: &mut Body) -> Result<Vec<Given>, ApiError> {
    let mut parts = Vec::new();
    let mut multipart = Multipart::of(Some(TYPE), body)?;
    while let Some(mut part) = multipart.next_part().await? {
        let bytes = whole(&mut part).await?;
        parts.push((
            part.name.clone().unwrap_or_default(),
            part.file_name.clone(),
            bytes,
        ));
    }
    Ok(parts)
}

async fn refusal(body: &mut Body) -> String {
    match read(body).await {
        Err(ApiError::Multipart(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Data in which a boundary seems to begin, and does not.
fn look_alikes() -> Vec<u8> {
    let mut data = Vec::new();
    for len in 0..BOUNDARY.len() {
        for begin in ["\r\n--", "\r--", "\n--", "\r\r\n--", "\r\n-", "--"] {
            data.extend_from_slice(begin.as_bytes());
            data.extend_from_slice(&BOUNDARY.as_bytes()[..len]);
        }
    }
    data.extend_from_slice(format!("--{BOUNDARY}--\n--{BOUNDARY}\r\r\n").as_bytes());
    data
}

#[tokio::test]
async fn frames_of_any_size_give_the_same_parts() {
    let parts = [
        part("before", None, "1"),
        part("nothing", Some("empty.rpm"), ""),
        part("returns", None, "\r".repeat(300)),
        part("lines", None, "\r\n".repeat(300)),
        part("file", Some("a b-包.rpm"), look_alikes()),
        part("after", None, "\r\n\r\n--"),
    ];
    let body = written(&parts);
    for frame_bytes in [1, 2, 7, 41, 42, 43, 44, 1000, 64 << 10, body.len()] {
        let read = read(&mut cut(&body, frame_bytes)).await.unwrap();
        assert_eq!(read, parts, "frames of {frame_bytes}");
    }
    for place in 0..=body.len() {
        let (one, two) = body.split_at(place);
        let frames = [one, two].map(|half| Ok(Bytes::copy_from_slice(half)));
        let read = read(&mut counted(frames.into_iter()).0).await.unwrap();
        assert_eq!(read, parts, "cut at {place}");
    }
}

#[tokio::test]
async fn a_mebibyte_is_read_intact_and_what_nobody_reads_is_dropped() {
    let parts = [
        part("skipped", None, noise(300_000)),
        part("file", Some("a.rpm"), noise(1 << 20)),
        part("last", None, "x"),
    ];
    let body = written(&parts);
    for frame_bytes in [61, 1500, 64 << 10, 400_000, body.len()] {
        let read = read(&mut cut(&body, frame_bytes)).await.unwrap();
        assert!(read == parts, "frames of {frame_bytes}");
        let mut body = cut(&body, frame_bytes);
        let mut multipart = Multipart::of(Some(TYPE), &mut body).unwrap();
        assert!(multipart.next_part().await.unwrap().is_some());
        let mut file = multipart.next_part().await.unwrap().unwrap();
        assert_eq!(file.name.as_deref(), Some("file"));
        assert!(file.next().await.unwrap().is_ok());
        let mut last = multipart.next_part().await.unwrap().unwrap();
        assert_eq!(whole(&mut last).await.unwrap(), b"x");
        assert!(last.next().await.is_none());
        for _ in 0..2 {
            assert!(multipart.next_part().await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn what_is_before_and_behind_the_parts_does_not_matter() {
    let body = format!("preamble\r\n{}data\r\n{}epilogue", head("a", None), close());
    let read_back = read(&mut cut(body.as_bytes(), 5)).await.unwrap();
    assert_eq!(read_back, [part("a", None, "data")]);
    let padded = close().replace("--\r\n", "  \t\r\nX-A: b\r\n\r\n") + "data\r\n" + &close();
    let read_back = read(&mut cut(padded.as_bytes(), 1)).await.unwrap();
    assert_eq!(read_back, [part("", None, "data")]);
    for empty in [close(), format!("--{BOUNDARY}--")] {
        assert_eq!(read(&mut cut(empty.as_bytes(), 3)).await.unwrap(), []);
    }
    let broken = [Ok(close().into()), Err(ApiError::ClientGone)];
    let (mut body, _) = counted(broken.into_iter());
    let read_back = read(&mut body).await;
    assert!(matches!(read_back, Err(ApiError::ClientGone)));
}

#[tokio::test]
async fn what_has_no_end_outside_of_parts_is_refused_soon() {
    let header = format!("--{BOUNDARY}\r\nX-A: ");
    let second = format!("{}data\r\n{header}", head("a", None));
    let padding = format!("--{BOUNDARY}");
    let most = |begin| match begin == close() {
        true => EPILOGUE_BYTES,
        false => OUTSIDE_BYTES,
    };
    for begin in ["", &header, &second, &padding, &close()] {
        let most = most(begin);
        for frame_bytes in [1, 1000, 100_000] {
            let (mut body, taken) = endless(begin, &" ".repeat(frame_bytes));
            let why = refusal(&mut body).await;
            assert!(why.contains("outside of parts"), "{why}");
            let taken = taken.load(Ordering::Relaxed);
            assert!(taken <= begin.len() + most + frame_bytes);
        }
    }
}

#[tokio::test]
async fn what_stays_below_the_allowance_is_read() {
    let filler = format!("X-A: {}\r\n", "a".repeat(OUTSIDE_BYTES - 1000));
    let mut body = String::new();
    for _ in 0..3 {
        body += &head("a", None).replace("Content", &format!("{filler}Content"));
        body += "data\r\n";
    }
    body += &close();
    for frame_bytes in [1, 1000, 100_000] {
        let read = read(&mut cut(body.as_bytes(), frame_bytes)).await.unwrap();
        assert_eq!(read.len(), 3);
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused_wherever_it_ends() {
    let whole = written(&[part("a", Some("b"), "data"), part("c", None, "more")]);
    // Without what follows the closing boundary it is whole.
    let end = whole.len() - 2;
    for len in 0..end {
        for frame_bytes in [1, 1000] {
            let why = refusal(&mut cut(&whole[..len], frame_bytes)).await;
            assert!(why.contains("ends before"), "{len}: {why}");
        }
    }
    assert_eq!(read(&mut cut(&whole[..end], 9)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_no_multipart_body_is_refused() {
    let fields = "X: y\r\n".repeat(33);
    for (begin, why) in [
        (format!("--{BOUNDARY}x\r\n"), "follows a boundary"),
        (format!("--{BOUNDARY}-\r\n"), "follows a boundary"),
        (format!("--{BOUNDARY}\n"), "follows a boundary"),
        (format!("--{BOUNDARY}\r\n\r\ndata"), "no headers"),
        (format!("--{BOUNDARY}\r\nno colon\r\n\r\n"), "headers of a"),
        (format!("--{BOUNDARY}\r\nX: \x01\r\n\r\n"), "headers of a"),
        (format!("--{BOUNDARY}\r\n{fields}\r\n"), "headers of a"),
        (head("a\"; b", None), "Content-Disposition"),
    ] {
        let body = format!("{begin}\r\n{}x\r\n{}", head("a", None), close());
        for frame_bytes in [1, 1000] {
            let refused = refusal(&mut cut(body.as_bytes(), frame_bytes)).await;
            assert!(refused.contains(why), "{begin:?}: {refused}");
        }
    }
}

#[tokio::test]
async fn there_may_be_a_hundred_parts() {
    let mut parts = vec![part("a", None, "x"); MAX_PARTS];
    let read_back = read(&mut cut(&written(&parts), 1 << 20)).await.unwrap();
    assert_eq!(read_back, parts);
    parts.push(part("a", None, "x"));
    let why = refusal(&mut cut(&written(&parts), 1 << 20)).await;
    assert_eq!(why, "it has more than 100 parts");
}

#[tokio::test]
async fn no_more_is_read_ahead_than_a_frame_and_a_piece() {
    for frame_bytes in [1, 1000, 16 << 10, 400 << 10] {
        let mut bytes = written(&vec![part("small", None, "x"); 50]);
        bytes.truncate(bytes.len() - close().len());
        bytes.extend_from_slice(&written(&[part("a", None, noise(2 << 20))]));
        let frames: Vec<_> = bytes
            .chunks(frame_bytes)
            .map(|frame| Ok(Bytes::copy_from_slice(frame)))
            .collect();
        let (mut body, taken) = counted(frames.into_iter());
        let mut multipart = Multipart::of(Some(TYPE), &mut body).unwrap();
        let mut given = 0;
        while let Some(mut part) = multipart.next_part().await.unwrap() {
            given += head(part.name.as_deref().unwrap(), None).len();
            loop {
                let ahead = taken.load(Ordering::Relaxed).saturating_sub(given);
                assert!(ahead <= frame_bytes + OUTSIDE_BYTES, "{ahead} bytes ahead");
                match part.next().await {
                    Some(piece) => given += piece.unwrap().len(),
                    None => break,
                }
            }
            given += 2;
        }
        assert_eq!(given + close().len(), bytes.len());
    }
}

/// What comes byte by byte outside of parts is handed on in pieces that grow, so that the parser
/// does not look at everything again for every byte.
#[tokio::test]
async fn single_bytes_outside_of_parts_are_handed_on_together() {
    let (mut body, _) = endless("", "x");
    let (mut source, pieces) = Source::new(&mut body);
    let (mut seen, mut lens) = (0, Vec::new());
    let refused = poll_fn(|cx| {
        source.poll_parsed(cx, Place::Outside, |_| {
            lens.extend(pieces.try_iter().map(|piece: Bytes| piece.len()));
            seen += lens.iter().sum::<usize>();
            Poll::<()>::Pending
        })
    });
    assert!(refused.await.is_err());
    assert_eq!(lens.iter().sum::<usize>(), OUTSIDE_BYTES);
    assert!(lens.len() < 50, "{lens:?}");
    assert!(seen < 6 * OUTSIDE_BYTES, "looked at {seen} bytes");
}

#[tokio::test]
async fn what_the_body_breaks_off_with_passes_through() {
    let bytes = written(&[part("a", None, "data"), part("b", None, "more")]);
    for len in 0..bytes.len() - 4 {
        let begin = Bytes::copy_from_slice(&bytes[..len]);
        let frames = [Ok(begin), Err(ApiError::ClientGone)];
        let (mut body, _) = counted(frames.into_iter());
        let read = read(&mut body).await;
        assert!(matches!(read, Err(ApiError::ClientGone)), "{len}: {read:?}");
    }
}

#[tokio::test]
async fn behind_an_error_there_is_nothing() {
    let mut body = cut(head("a", None).as_bytes(), 10);
    let mut multipart = Multipart::of(Some(TYPE), &mut body).unwrap();
    let mut part = multipart.next_part().await.unwrap().unwrap();
    assert!(whole(&mut part).await.is_err());
    assert!(part.next().await.is_none());
    for _ in 0..2 {
        assert!(multipart.next_part().await.is_err());
    }
}

#[tokio::test]
async fn file_names_are_plain_or_extended_and_utf_8() {
    for (disposition, expected) in [
        (&b"form-data; name=a; filename=\"b.rpm\""[..], Some("b.rpm")),
        (b"form-data; name=a; filename*=UTF-8''b%20c", Some("b c")),
        (
            b"form-data; name=a; filename*=bad; filename=\"b\"",
            Some("b"),
        ),
        (b"form-data; name=a; filename=\"\"", Some("")),
        (b"form-data; name=a", None),
    ] {
        let (name, file_name) = names(disposition).unwrap();
        assert_eq!(name.as_deref(), Some("a"));
        assert_eq!(file_name.as_deref(), expected);
    }
    for disposition in [
        &b"form-data; name=a; filename=\"\xb0\xfc.rpm\""[..],
        b"form-data; name=\xff",
        b"form-data; name=a; filename*=UTF-8''%b0%fc",
        b"form-data; name=a; filename*=GBK''%b0%fc",
    ] {
        assert!(names(disposition).is_err());
    }
    let body = head("a", None).into_bytes();
    let body = [&body[..body.len() - 4], b"; filename=\"\xff\"\r\n\r\n"].concat();
    assert!(refusal(&mut cut(&body, 10)).await.contains("not UTF-8"));
}

#[test]
fn boundaries_are_read_from_the_header() {
    for (content_type, expected) in [
        (TYPE, BOUNDARY),
        ("Multipart/Form-Data;Boundary=Ab", "Ab"),
        (
            "multipart/form-data; charset=utf-8; boundary=\"a b\"",
            "a b",
        ),
        (
            "multipart/form-data; boundary=--=_Part_0.1:2/3",
            "--=_Part_0.1:2/3",
        ),
    ] {
        assert_eq!(boundary(content_type).unwrap(), expected);
    }
    let long = |chars| format!("multipart/form-data; boundary={}", "b".repeat(chars));
    assert!(boundary(&long(70)).is_ok());
    for content_type in [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a\rb\"",
        "multipart/form-data; boundary=é",
        "multipart/mixed; boundary=a",
        "boundary=a",
        &long(71),
    ] {
        let refused = boundary(content_type);
        assert!(
            matches!(refused, Err(ApiError::Multipart(_))),
            "{content_type}"
        );
    }
    assert!(Multipart::of(None, &mut cut(b"", 1)).is_err());
}

/// As an upload takes it in, and as a handler must be.
#[test]
fn a_part_can_feed_an_upload() {
    fn feeds(_: &mut (impl Stream<Item = Result<Bytes, ApiError>> + Unpin + Send)) {}
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let whole_body = async |body: &mut Body| {
        let mut multipart = Multipart::of(Some(TYPE), body)?;
        while let Some(mut part) = multipart.next_part().await? {
            feeds(&mut part);
        }
        Ok::<_, ApiError>(())
    };
    let mut body = cut(&written(&[part("a", None, "x")]), 9);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let read = sent(whole_body(&mut body));
    runtime.unwrap().block_on(read).unwrap();
}
