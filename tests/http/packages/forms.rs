//! The ways in which clients write a multipart body, all of which work.

use super::answers::data;
use super::{PACKAGES, add, assert_file, text, total, upload};
use crate::multipart::{Form, field, file, part};
use crate::noise::noise;
use crate::rpms::{rpm, rpm_with};
use crate::service::Service;
use crate::wire::{Answer, Call};

const CANONICAL: &str = "name-1-1.el7.noarch.rpm";

fn small() -> Vec<u8> {
    rpm("name", "1", "1.el7", "noarch")
}

/// Asserts that a request uploads [`small`] to a service that is empty.
#[track_caller]
fn assert_uploads(call: &Call) {
    let service = Service::open();
    let package = data(&service.send(call));
    assert_eq!(text(&package, "fileName"), CANONICAL);
    assert_eq!(total(&service), 1);
    assert_file(&service, &package, &small());
}

#[test]
fn the_part_may_have_a_type_or_none() {
    let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"x.rpm\"";
    for headers in [
        &[disposition][..],
        &[disposition, "Content-Type: application/octet-stream"],
        &["Content-Type: application/x-rpm", disposition],
        &[disposition, "Content-Type: text/plain; charset=utf-8"],
        &[
            disposition,
            "Content-Type: application/octet-stream",
            "Content-Transfer-Encoding: binary",
            "X-Other: value",
        ],
        &["content-disposition: form-data; name=\"file\"; filename=\"x.rpm\""],
    ] {
        let form = Form::new([part(headers, small())]);
        assert_uploads(&form.post(PACKAGES));
    }
}

#[test]
fn other_parts_may_be_before_and_after() {
    let other_file = part(
        &["Content-Disposition: form-data; name=\"other\"; filename=\"other.txt\""],
        "this is no package",
    );
    let the_file = file("x.rpm", small());
    let field = |name| field(name, noise(1, 100_000));
    for parts in [
        vec![field("type"), the_file.clone()],
        vec![the_file.clone(), field("type")],
        vec![
            field("type"),
            field("type"),
            the_file.clone(),
            field("type"),
            field("type"),
        ],
        vec![other_file.clone(), the_file.clone(), other_file],
        vec![field("File"), the_file.clone()],
        vec![field("files"), the_file],
    ] {
        assert_uploads(&Form::new(parts).post(PACKAGES));
    }
}

#[test]
fn preamble_and_epilogue_are_ignored() {
    let mut form = Form::of("x.rpm", small());
    form.preamble = b"This is a message in several parts.\r\n\r\n".to_vec();
    assert_uploads(&form.post(PACKAGES));
    form.end.extend(b"This is the epilogue.\r\n--nothing\r\n");
    assert_uploads(&form.post(PACKAGES));
    form.preamble.clear();
    form.end.extend(noise(2, 100_000));
    assert_uploads(&form.post(PACKAGES));
    form.end = format!("--{}--", form.boundary).into_bytes();
    assert_uploads(&form.post(PACKAGES));
}

#[test]
fn how_the_boundary_is_told() {
    for (boundary, content_type) in [
        ("simple", "multipart/form-data; boundary=simple"),
        ("simple", "multipart/form-data; boundary=\"simple\""),
        ("simple", "multipart/form-data;boundary=simple"),
        ("simple", "Multipart/Form-Data; boundary=simple"),
        (
            "simple",
            "multipart/form-data; charset=utf-8; boundary=simple",
        ),
        ("CaSe", "multipart/form-data; boundary=CaSe"),
        (
            "------------------------d74496d66958873e",
            "multipart/form-data; boundary=------------------------d74496d66958873e",
        ),
    ] {
        let form = Form::with_boundary(boundary, [file("x.rpm", small())]);
        let call = Call::new("POST", PACKAGES).header("Content-Type", content_type);
        assert_uploads(&call.body(form.bytes()));
    }
}

/// Only the last component of the path that some clients send is a name.
#[test]
fn a_file_name_is_cut_to_its_last_component() {
    for name in [
        r"C:\x\y.rpm",
        r"C:\Program Files\y.rpm",
        "/a/b.rpm",
        "/a folder/b.rpm",
        "a.txt/b.rpm",
        r"..\..\y.rpm",
        "../../y.rpm",
        r"mixed/a\b.rpm",
    ] {
        assert_uploads(&Form::of(name, small()).post(PACKAGES));
    }
    let service = Service::open();
    let long_folder = format!("/{}/y.rpm", "x".repeat(300));
    let package = add(&service, &long_folder, &small());
    assert_eq!(text(&package, "fileName"), CANONICAL);
    // The header says nothing of a system, the name behind the path does.
    let bytes = rpm("grafana", "7.5.17", "1", "x86_64");
    let name = r"C:\el8.x86_64\grafana-7.5.17-1.el7.x86_64.rpm";
    let package = add(&service, name, &bytes);
    assert_eq!(text(&package, "operatingSystem"), "el7");
}

#[test]
fn a_file_name_may_be_in_any_language() {
    for name in ["软件包.rpm", "ü.rpm", "x'y(1)[2]{3}%41;,=.rpm", "a..rpm"] {
        assert_uploads(&Form::of(name, small()).post(PACKAGES));
    }
    let longest = format!("{}.rpm", "x".repeat(251));
    assert_uploads(&Form::of(longest, small()).post(PACKAGES));
}

/// Sends a form in chunks of this size.
fn send_in_chunks(service: &Service, form: &Form, size: usize) -> Answer {
    let mut wire = service.connect();
    let head = form.head(PACKAGES).header("Transfer-Encoding", "chunked");
    let mut bytes = head.head();
    for chunk in form.bytes().chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    wire.write(&bytes).expect("the server reads");
    wire.answer("POST").expect("an answer")
}

#[test]
fn a_body_in_chunks() {
    for size in [1, 7, 35, 4096, 1 << 20] {
        let service = Service::open();
        let form = Form::of("x.rpm", small());
        let package = data(&send_in_chunks(&service, &form, size));
        assert_eq!(text(&package, "fileName"), CANONICAL, "chunks of {size}");
        assert_file(&service, &package, &small());
    }
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1.el7", "noarch", &noise(3, 2_000_000));
    let form = Form::of("x.rpm", &bytes);
    let package = data(&send_in_chunks(&service, &form, 65_537));
    assert_file(&service, &package, &bytes);
}

#[test]
fn a_client_may_wait_for_the_server_to_go_on() {
    let service = Service::open();
    let form = Form::of("x.rpm", small());
    let call = form.head(PACKAGES).header("Expect", "100-continue");
    let call = call.body(form.bytes());
    let mut wire = service.connect();
    wire.write(&call.head()).expect("the server reads");
    let wanted = wire.answer("POST").expect("an answer");
    assert_eq!(wanted.status, 100, "{wanted:?}");
    wire.write(&form.bytes()).expect("the server reads");
    let package = data(&wire.answer("POST").expect("an answer"));
    assert_file(&service, &package, &small());
}

#[test]
fn many_uploads_on_one_connection() {
    let service = Service::open();
    let mut wire = service.connect();
    for i in 0..20 {
        let bytes = rpm("name", &i.to_string(), "1", "noarch");
        let mut form = Form::of("x.rpm", &bytes);
        form.end.extend(b"epilogue");
        wire.write(&form.post(PACKAGES).bytes())
            .expect("the connection is open");
        let package = data(&wire.answer("POST").expect("an answer"));
        assert_eq!(text(&package, "version"), i.to_string());
    }
    assert_eq!(total(&service), 20);
}

/// Clients of OCP 2.4 upload here, and must name a type.
#[test]
fn the_address_of_old() {
    let service = Service::open();
    for (i, query) in [
        "?type=OB_SERVER_INSTALL_PACKAGE",
        "?type=SCRIPT",
        "?type=",
        "",
    ]
    .iter()
    .enumerate()
    {
        let bytes = rpm("obproxy-ce", &i.to_string(), "1.el7", "x86_64");
        let target = format!("/api/v2/files/uploadFile{query}");
        let answer = service.send(&Form::of("x.rpm", &bytes).post(&target));
        let package = data(&answer);
        assert_eq!(text(&package, "type"), "OBPROXY_INSTALL_PACKAGE", "{query}");
        assert_file(&service, &package, &bytes);
    }
    assert_eq!(total(&service), 4);
}

/// Whatever is in a file, and wherever the server's reads cut it, it is no boundary.
#[test]
fn data_that_looks_like_a_boundary() {
    let service = Service::open();
    let boundary = "0123456789abcdef0123456789abcdef";
    let almost = &boundary[..31];
    let payloads: Vec<Vec<u8>> = vec![
        format!("\r\n--{almost}").repeat(5000).into_bytes(),
        format!("\r\n-{boundary}").repeat(5000).into_bytes(),
        format!("\n--{boundary}\n").repeat(5000).into_bytes(),
        format!("\r--{boundary}\r").repeat(5000).into_bytes(),
        format!("--{boundary}--").repeat(5000).into_bytes(),
        format!("\r\n--{}", boundary.to_uppercase())
            .repeat(5000)
            .into_bytes(),
        b"\r".repeat(300_000),
        b"\r\n".repeat(150_000),
        b"\r\n-".repeat(100_000),
        b"\r\n--".repeat(100_000),
        b"-".repeat(300_000),
        vec![0; 300_000],
        b"\r\n--\r\n--\r\n\r\n".repeat(20_000),
    ];
    for (i, payload) in payloads.iter().enumerate() {
        let bytes = rpm_with("name", &i.to_string(), "1", "noarch", payload);
        let package = data(&upload(&service, "x.rpm", &bytes));
        assert_file(&service, &package, &bytes);
    }
    assert_eq!(total(&service), payloads.len() as u64);
}

#[test]
fn a_file_may_end_in_line_ends_and_dashes() {
    let service = Service::open();
    let ends = ["\r\n", "\r", "\n", "\r\n--", "--", "\r\n\r\n", "\r\n--0123"];
    for (i, end) in ends.iter().enumerate() {
        let mut bytes = rpm("name", &i.to_string(), "1", "noarch");
        bytes.extend(end.as_bytes());
        let package = data(&upload(&service, "x.rpm", &bytes));
        assert_file(&service, &package, &bytes);
    }
}
