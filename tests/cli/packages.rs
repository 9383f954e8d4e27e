//! Software packages against the binary: the documented `curl` recipe, and how much memory is
//! needed for large packages and for forms that never end.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::multipart::Form;
use crate::noise::{Noise, noise};
use crate::process::{Folder, Server};
use crate::rpms::{Raw, rpm_with};
use crate::wire::{Answer, Call};

const PACKAGES: &str = "/api/v2/software-packages";
const MIB: u64 = 1 << 20;
/// What uploads may buffer, and what the server may need besides.
const BOUND_BYTES: u64 = 128 * MIB;
const BUDGET: [&str; 3] = ["--no-auth", "--ingest-memory", "64M"];
const BOUNDARY: &str = "----a-boundary-of-a-test";

/// Runs `curl`; `None` where there is none, which is told.
fn curl(folder: &Folder, args: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    // Nobody's settings: `-q` must come first.
    command.args(["-q", "-sS", "--noproxy", "*"]).args(args);
    command.current_dir(folder.file("")).stdin(Stdio::null());
    let ran = match command.output() {
        Ok(ran) => ran,
        Err(error) => {
            let line = format!("skipped, for there is no curl: {error}\n");
            let told = std::io::stderr().write_all(line.as_bytes());
            told.expect("standard error takes a line");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{args:?}: {said}");
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// The body behind the heads of what `curl -i` prints, and the last of the statuses.
fn last_answer(printed: &str) -> (u16, Value) {
    let mut rest = printed;
    let mut status = 0;
    while let Some(head) = rest.strip_prefix("HTTP/1.1 ") {
        status = head[..3].parse().expect("a status");
        rest = head.split_once("\r\n\r\n").expect("a head has an end").1;
    }
    let body = serde_json::from_str(rest);
    (status, body.unwrap_or_else(|e| panic!("{e}: {printed}")))
}

/// `curl -i --user U:P -X POST URL -H "Content-Type: multipart/form-data" -F "file=@X.rpm"`; of the
/// larger package it waits whether the server wants it.
#[test]
fn the_documented_recipe() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("PACKHOLD_ADMIN_PASSWORD", "a password");
    let server = Server::start(command, &folder.file("stderr.txt"));
    let url = format!("http://{}{PACKAGES}", server.address);
    for (name, len) in [("obproxy", 1000), ("oceanbase", 3 << 20)] {
        let file = format!("{name}-3.1.0-1.el7.x86_64.rpm");
        let bytes = rpm_with(name, "3.1.0", "1.el7", "x86_64", &noise(1, len));
        std::fs::write(folder.file(&file), &bytes).expect("a file");
        let form = format!("file=@{file}");
        let upload = |user: &str| {
            let args = ["-i", "--user", user, "-X", "POST", &url];
            let typed = ["-H", "Content-Type: multipart/form-data", "-F", &form];
            let printed = curl(&folder, &[&args[..], &typed].concat())?;
            Some(last_answer(&printed))
        };
        let Some((status, refused)) = upload("admin:wrong") else {
            return;
        };
        assert_eq!(
            (status, &refused["error"]["code"]),
            (401, &"IAM10000".into())
        );
        let (status, answer) = upload("admin:a password").expect("curl is there");
        assert_eq!(status, 200, "{answer}");
        let data = &answer["data"];
        assert_eq!(data["fileName"], file);
        assert_eq!(data["sha1"], hex::encode(Sha1::digest(&bytes)));
        let (status, again) = upload("admin:a password").expect("curl is there");
        assert_eq!((status, &again["error"]["code"]), (409, &"PKG10012".into()));
        let link = data["downloadUrl"].as_str().expect("a link");
        let args = ["--user", "admin:a password", "-o", "copy", "--fail", link];
        curl(&folder, &args).expect("curl is there");
        let copy = std::fs::read(folder.file("copy")).expect("it was downloaded");
        assert!(copy == bytes, "other bytes");
    }
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

/// Sends a body piece by piece; gives the answer, and the most memory that the server had.
fn pour(server: &Server, head: &Call, body: impl Iterator<Item = Vec<u8>>) -> (Answer, u64) {
    let mut wire = server.connect();
    let head = head.clone().header("Transfer-Encoding", "chunked");
    wire.write(&head.head()).expect("the server reads");
    let mut peak_bytes = 0;
    for piece in body.chain([Vec::new()]) {
        let len = format!("{:x}\r\n", piece.len());
        let sent = wire.write(&[len.as_bytes(), &piece, b"\r\n"].concat());
        peak_bytes = peak_bytes.max(server.status_bytes("RssAnon"));
        if sent.is_err() {
            break;
        }
    }
    let answer = wire.answer("POST").expect("an answer");
    (answer, peak_bytes)
}

/// How many mebibytes a large package has.
fn large_mebibytes() -> u64 {
    match std::env::var_os("PACKHOLD_BIG") {
        Some(_) => 1024,
        None => 256,
    }
}

#[test]
fn a_large_package_needs_no_more_memory_than_a_small_one() {
    let folder = Folder::new();
    let server = folder.serve_with(&BUDGET);
    let mebibytes = large_mebibytes();
    let head = Raw::new("oceanbase", "4.3.5", "1.el7", "x86_64").head(mebibytes * MIB);
    let mut sum = Sha1::new();
    sum.update(&head);
    let form = Form::with_boundary(BOUNDARY, []);
    let part = crate::multipart::file("x.rpm", &head);
    let start = [format!("--{BOUNDARY}\r\n").as_bytes(), &part].concat();
    let end = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
    let mut payload = Noise::new(9);
    let blocks = (0..mebibytes).map(|_| {
        let block = payload.bytes(1 << 20);
        sum.update(&block);
        block
    });
    let body = [start].into_iter().chain(blocks).chain([end]);
    let (answer, mut peak_bytes) = pour(&server, &form.head(PACKAGES), body);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let data = &answer.json()["data"];
    assert_eq!(data["sha1"], hex::encode(sum.finalize()));
    assert_eq!(data["size"], head.len() as u64 + mebibytes * MIB);
    let link = data["downloadUrl"].as_str().expect("a link");
    let target = link.strip_prefix("http://test").expect("a link to it");
    let (mut read, mut payload) = (Sha1::new(), Noise::new(9));
    let mut first = head.len() as u64;
    for _ in 0..mebibytes {
        let range = format!("bytes={first}-{}", first + MIB - 1);
        let answer = server.send(&Call::new("GET", target).header("Range", range));
        assert_eq!(answer.status, 206);
        assert!(answer.body == payload.bytes(1 << 20), "other bytes");
        read.update(&answer.body);
        peak_bytes = peak_bytes.max(server.status_bytes("RssAnon"));
        first += MIB;
    }
    println!("{mebibytes} MiB up and down: at most {peak_bytes} bytes of memory");
    assert!(peak_bytes < BOUND_BYTES, "{peak_bytes} bytes");
    server.stop();
}

/// Forms that go on and on where they should say what they have. Less is sent than the server reads
/// of a body that it has refused already, and far more than it may keep.
#[test]
fn forms_without_an_end_are_not_collected() {
    let folder = Folder::new();
    let server = folder.serve_with(&BUDGET);
    let bytes = rpm_with("name", "1", "1", "noarch", b"payload");
    let answer = server.send(&Form::of("x.rpm", bytes).post(PACKAGES));
    assert_eq!(answer.status, 200);
    let at_rest_bytes = server.status_bytes("RssAnon");
    let form = Form::with_boundary(BOUNDARY, []);
    let boundary = format!("--{BOUNDARY}\r\n");
    let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"";
    let field = "Content-Disposition: form-data; name=\"x\"\r\n\r\n";
    for (what, start, piece) in [
        ("a preamble", "x".to_owned(), "preamble\r\n".to_owned()),
        ("one line", "x".to_owned(), "preamble".to_owned()),
        ("headers", boundary.clone(), "X-Other: value\r\n".to_owned()),
        (
            "a name",
            format!("{boundary}{disposition}"),
            "name".to_owned(),
        ),
        (
            "a field",
            format!("{boundary}{field}"),
            "value\r\n".to_owned(),
        ),
        (
            "parts",
            "\r\n".to_owned(),
            format!("{boundary}{field}v\r\n"),
        ),
    ] {
        let block = piece.repeat((1 << 20) / piece.len());
        let blocks = std::iter::repeat_n(block.into_bytes(), 56);
        let body = [start.into_bytes()].into_iter().chain(blocks);
        let (answer, peak_bytes) = pour(&server, &form.head(PACKAGES), body);
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(answer.json()["error"]["code"], "COM10001", "{what}");
        let grown_bytes = peak_bytes.saturating_sub(at_rest_bytes);
        println!("{what}: at most {grown_bytes} bytes more");
        assert!(grown_bytes < 28 * MIB, "{what}: {grown_bytes} bytes more");
    }
    let bytes = rpm_with("name", "2", "1", "noarch", b"payload");
    let answer = server.send(&Form::of("x.rpm", bytes).post(PACKAGES));
    assert_eq!(answer.status, 200);
    server.stop();
}
