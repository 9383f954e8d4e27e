//! Bodies that no client writes by accident. Each is refused, or accepted where it is legal after
//! all; the service goes on, and nothing is left of what was refused. How much memory they cost is
//! measured on a process of its own, in `tests/cli/packages.rs`.

use super::answers::{assert_done, assert_refused, data, refusal};
use super::refusals::{Witness, small};
use super::{PACKAGES, add, assert_file, delete, id, total, upload};
use crate::multipart::{Form, field, file, part};
use crate::noise::{Noise, noise};
use crate::rpms::rpm_with;
use crate::service::Service;
use crate::wire::{Answer, Call};

/// A form of so many bytes is large enough to be one without an end.
const ENDLESS_BYTES: usize = 24 << 20;

/// Asserts that a body is refused as a form, or that its package is accepted, which then goes.
#[track_caller]
fn assert_bearable(witness: &Witness, what: &str, call: &Call) {
    let answer = witness.service.send(call);
    assert_bearable_answer(witness, what, &answer);
}

#[track_caller]
fn assert_bearable_answer(witness: &Witness, what: &str, answer: &Answer) {
    if answer.status == 200 {
        let package = data(answer);
        assert_done(&delete(&witness.service, id(&package)));
    } else {
        let (status, code) = refusal(answer);
        assert_eq!(status, 400, "{what}");
        let known = ["COM10001", "PKG10003", "PKG10004", "PKG10006", "PKG10016"];
        assert!(known.contains(&&*code), "{what}: {code}");
    }
    witness.assert_untouched();
}

/// Sends a body in chunks until it is all sent, or the server has heard enough.
fn pour(service: &Service, form: &Form, body: impl Iterator<Item = Vec<u8>>) -> Answer {
    let mut wire = service.connect();
    let head = form.head(PACKAGES).header("Transfer-Encoding", "chunked");
    wire.write(&head.head()).expect("the server reads");
    let ended = body.chain([Vec::new()]).try_for_each(|chunk| {
        let len = format!("{:x}\r\n", chunk.len());
        wire.write(&[len.as_bytes(), &chunk, b"\r\n"].concat())
    });
    drop(ended);
    wire.answer("POST").expect("an answer")
}

/// This, again and again.
fn again(piece: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let piece = piece.repeat((1 << 16) / piece.len() + 1);
    let count = ENDLESS_BYTES / piece.len();
    std::iter::repeat_n(piece, count)
}

#[test]
fn bodies_without_an_end() {
    let witness = Witness::open();
    let form = Form::of("x.rpm", small());
    let service = &witness.service;
    let boundary = format!("--{}\r\n", form.boundary);
    let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"";
    for (what, start, piece) in [
        ("a preamble", String::new(), &b"preamble\r\n"[..]),
        ("a preamble of one line", String::new(), b"preamble"),
        ("dashes", String::new(), b"--"),
        ("line ends", String::new(), b"\r\n"),
        ("look-alikes", String::new(), b"\r\n--0123456789"),
        ("headers", boundary.clone(), b"X-Other: value\r\n"),
        ("a header's name", boundary.clone(), b"name"),
        ("a header's value", format!("{boundary}X: "), b"value"),
        ("a file name", format!("{boundary}{disposition}"), b"name"),
        ("quotes", format!("{boundary}{disposition}"), b"\\\""),
        ("space behind a boundary", boundary[..34].to_owned(), b" "),
        ("boundaries", String::new(), boundary.as_bytes()),
    ] {
        let body = [start.into_bytes()].into_iter().filter(|b| !b.is_empty());
        let answer = pour(service, &form, body.chain(again(piece)));
        println!("{what}");
        assert_refused(&answer, 400, "COM10001");
        witness.assert_untouched();
    }
}

#[test]
fn files_and_fields_without_an_end() {
    let witness = Witness::open();
    let form = Form::of("x.rpm", small());
    let start = |part: Vec<u8>| {
        let boundary = format!("--{}\r\n", form.boundary);
        [boundary.as_bytes(), &part].concat()
    };
    for (what, part, code) in [
        ("a file", file("x.rpm", small()), "COM10001"),
        ("a field", field("x", "y"), "COM10001"),
        ("no package", file("x.rpm", "no package"), "PKG10004"),
    ] {
        for piece in [&b"\r\n--0123456789abcde"[..], b"\r", b"\0", b"\r\n"] {
            let body = [start(part.clone())].into_iter().chain(again(piece));
            let answer = pour(&witness.service, &form, body);
            let (status, found) = refusal(&answer);
            assert_eq!(status, 400, "{what}");
            assert!([code, "COM10001"].contains(&&*found), "{what}: {found}");
            witness.assert_untouched();
        }
    }
}

#[test]
fn many_parts() {
    let witness = Witness::open();
    let fields = |count: usize| (0..count).map(|i| field(format!("f{i}"), "v"));
    let the_file = || [file("x.rpm", small())].into_iter();
    let empty = || std::iter::repeat_n(Vec::new(), 10_000);
    let bare = || std::iter::repeat_n(b"\r\n".to_vec(), 10_000);
    for (what, form) in [
        ("before", Form::new(fields(10_000).chain(the_file()))),
        ("behind", Form::new(the_file().chain(fields(10_000)))),
        ("alone", Form::new(fields(10_000))),
        ("empty", Form::new(empty().chain(the_file()))),
        ("bare", Form::new(bare().chain(the_file()))),
    ] {
        assert_bearable(&witness, what, &form.post(PACKAGES));
    }
    let files = std::iter::repeat_n(file("x.rpm", small()), 1000);
    let call = Form::new(files).post(PACKAGES);
    witness.assert_refused(&call, 400, "COM10001");
}

#[test]
fn boundaries_of_any_length() {
    let witness = Witness::open();
    for len in [1, 2, 69, 70] {
        let form = Form::with_boundary(&"b".repeat(len), [file("x.rpm", small())]);
        let package = data(&witness.service.send(&form.post(PACKAGES)));
        assert_file(&witness.service, &package, &small());
        assert_done(&delete(&witness.service, id(&package)));
    }
    // More than 70 are against the rule (RFC 2046, 5.1.1).
    for len in [71, 100, 1000, 8000] {
        let form = Form::with_boundary(&"b".repeat(len), [file("x.rpm", small())]);
        assert_bearable(&witness, &len.to_string(), &form.post(PACKAGES));
    }
    for boundary in ["-", "--", "'()+_,-./:=?", "a b", "\"", "\\", "é"] {
        let form = Form::with_boundary(boundary, [file("x.rpm", small())]);
        let quoted = format!("multipart/form-data; boundary=\"{boundary}\"");
        for content_type in [form.content_type(), quoted] {
            let call = Call::new("POST", PACKAGES).header("Content-Type", &content_type);
            assert_bearable(&witness, &content_type, &call.body(form.bytes()));
        }
    }
}

#[test]
fn headers_of_parts() {
    let witness = Witness::open();
    let many: Vec<String> = (0..1000).map(|i| format!("X-{i}: value")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.push("Content-Disposition: form-data; name=\"file\"; filename=\"x.rpm\"");
    let long = format!("X-Long: {}", "v".repeat(1 << 20));
    let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"x.rpm\"";
    for headers in [
        &many[..],
        &[&long, disposition],
        &["Content-Disposition: form-data; filename=\"x.rpm\""],
        &["Content-Disposition: form-data; name=file; filename=x.rpm"],
        &["Content-Disposition: form-data; filename=\"x.rpm\"; name=\"file\""],
        &["Content-Disposition: attachment; name=\"file\"; filename=\"x.rpm\""],
        &["Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''x.rpm"],
        &["Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%E6%96%87.rpm"],
        &[
            "Content-Disposition: form-data; name=\"file\"; filename=\"x.rpm\"; filename*=UTF-8''y.rpm",
        ],
        &["Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"b.rpm\""],
        &["Content-Disposition: form-data; name=\"file\"; filename=\"a\"b.rpm\""],
        &["Content-Disposition: form-data; name=\"file\"; filename=\"x.rpm"],
        &["Content-Disposition: form-data; name=\"file\"; filename="],
        &["Content-Disposition: form-data; name=\"file\"; filename"],
        &["Content-Disposition: form-data; name=\"file"],
        &["Content-Disposition: form-data; name=\"fi\0le\"; filename=\"x.rpm\""],
        &["Content-Disposition: form-data; name=\"file\"; name=\"other\"; filename=\"x.rpm\""],
        &["Content-Disposition: form-data; filename=\"x; name=other.rpm\"; name=\"file\""],
        &["Content-Disposition: form-data"],
        &["Content-Disposition:"],
        &["Content-Disposition"],
        &[": value", disposition],
        &["no header at all", disposition],
        &[disposition, disposition],
        &["X: a\r\n folded", disposition],
        &["X: \0", disposition],
        &["\0: x", disposition],
        &["Content-Type: nonsense", disposition],
        &["Content-Type: ", disposition],
        &["Content-Transfer-Encoding: base64", disposition],
        &["Content-Length: 3", disposition],
        &[],
    ] {
        let form = Form::new([part(headers, small())]);
        let first = headers
            .first()
            .map_or("", |header| &header[..header.len().min(90)]);
        assert_bearable(&witness, first, &form.post(PACKAGES));
    }
    // Bytes that are no text in the file's name.
    let mut bytes = file("NAME", small());
    let at = bytes.windows(4).position(|window| window == b"NAME");
    let at = at.expect("the name");
    bytes.splice(at..at + 4, *b"\xFF\xFE.rpm");
    assert_bearable(&witness, "no text", &Form::new([bytes]).post(PACKAGES));
}

#[test]
fn line_ends_and_what_is_around_boundaries() {
    let witness = Witness::open();
    let form = Form::of("x.rpm", small());
    let bytes = form.bytes();
    let boundary = &form.boundary;
    let content = file("x.rpm", small());
    let around = |before: &str, between: &str, after: &str| {
        let start = format!("{before}--{boundary}{between}");
        let end = format!("\r\n--{boundary}{after}");
        [start.as_bytes(), &content, end.as_bytes()].concat()
    };
    for (what, body) in [
        ("no last line end", around("", "\r\n", "--")),
        ("half a line end", around("", "\r\n", "--\r")),
        ("one dash", around("", "\r\n", "-")),
        ("a dash and a line", around("", "\r\n", "-\r\n")),
        ("three dashes", around("", "\r\n", "---\r\n")),
        ("no dashes", around("", "\r\n", "\r\n")),
        ("nothing behind", around("", "\r\n", "")),
        ("space behind", around("", " \t\r\n", "-- \t\r\n")),
        ("only LF behind", around("", "\n", "--\n")),
        ("nothing between", around("", "", "--\r\n")),
        ("letters behind", around("", "xyz\r\n", "--\r\n")),
        ("preamble on the line", around("preamble", "\r\n", "--\r\n")),
        ("a NUL before", around("\0", "\r\n", "--\r\n")),
        ("twice", [&bytes[..], &bytes].concat()),
        ("the end first", [&form.end[..], &bytes].concat()),
        ("only the end", form.end.clone()),
        ("only a boundary", format!("--{boundary}\r\n").into_bytes()),
        ("nothing", Vec::new()),
        ("one line end", b"\r\n".to_vec()),
    ] {
        assert_bearable(&witness, what, &form.head(PACKAGES).body(body));
    }
}

/// The connection breaks, wherever: nothing is seen of it, and the next upload comes in.
#[test]
fn connections_that_break() {
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1.el7", "noarch", &noise(5, 500_000));
    let form = Form::of("x.rpm", &bytes);
    let whole = form.bytes();
    for chunked in [false, true] {
        for sent in [
            0,
            1,
            50,
            200,
            5000,
            100_000,
            whole.len() - 2,
            whole.len() - 60,
        ] {
            let call = match chunked {
                true => form.head(PACKAGES).header("Transfer-Encoding", "chunked"),
                false => form.head(PACKAGES).body(&whole),
            };
            let mut wire = service.connect();
            wire.write(&call.head()).expect("the server reads");
            if chunked {
                let len = format!("{:x}\r\n", whole.len());
                wire.write(len.as_bytes()).expect("the server reads");
            }
            wire.write(&whole[..sent]).expect("the server reads");
            drop(wire);
            assert_eq!(total(&service), 0, "{sent}");
        }
    }
    let package = add(&service, "x.rpm", &bytes);
    assert_file(&service, &package, &bytes);
    assert_eq!(total(&service), 1);
    assert_eq!(service.store.stats().expect("stats").blobs, 1);
}

/// A change anywhere in a form that is right.
fn damaged(noise: &mut Noise, whole: &[u8], form: &Form) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    // Most of it is the file: what is around that is hit as often.
    let around = noise.below(200);
    let at = match noise.below(3) {
        0 => around,
        1 => bytes.len() - 1 - around,
        _ => noise.below(bytes.len()),
    };
    let len = 1 + noise.below(40);
    let end = (at + len).min(bytes.len());
    match noise.below(7) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << noise.below(8),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => drop(bytes.splice(at..at, noise.bytes(len))),
        5 => {
            let boundary = format!("\r\n--{}", form.boundary);
            let cut = 1 + noise.below(boundary.len());
            bytes.splice(at..at, boundary.into_bytes().into_iter().take(cut));
        }
        _ => bytes[at..end].fill(b"\0\r\n-\"; "[noise.below(7)]),
    }
    bytes
}

#[test]
fn thousands_of_forms_with_damage() {
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1.el7", "noarch", &noise(7, 3000));
    let form = Form::new([field("type", "SCRIPT"), file("x.rpm", bytes)]);
    let whole = form.bytes();
    let mut noise = Noise::new(6);
    let (mut accepted, mut refused) = (0, 0);
    for i in 0..3000 {
        let body = damaged(&mut noise, &whole, &form);
        let answer = service.send(&form.head(PACKAGES).body(&body));
        if answer.status == 200 {
            accepted += 1;
            assert_done(&delete(&service, id(&data(&answer))));
        } else {
            refused += 1;
            let (status, code) = refusal(&answer);
            assert_eq!(status, 400, "{i}: {code}");
        }
    }
    assert!(accepted > 200 && refused > 200, "{accepted} and {refused}");
    assert_eq!(total(&service), 0);
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.packages, stats.blobs), (0, 0));
    let package = data(&upload(&service, "x.rpm", &small()));
    assert_file(&service, &package, &small());
}
