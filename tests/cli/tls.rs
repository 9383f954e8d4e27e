//! `packhold serve` with TLS: flags, files, signals.

use crate::certificate::Certificate;
use crate::process::{Folder, Server, get, put};
use crate::wire::Call;

const LISTEN: [&str; 4] = ["serve", "--no-auth", "--listen", "127.0.0.1:0"];
const FILES: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

fn write(folder: &Folder, certificate: &Certificate) {
    certificate.write(&folder.file("cert.pem"), &folder.file("key.pem"));
}

fn serves(server: &Server, certificate: &Certificate) -> bool {
    let Ok(mut wire) = certificate.connect(server.address) else {
        return false;
    };
    let answer = wire.exchange(&Call::new("GET", "/healthz"));
    answer.is_ok_and(|answer| answer.status == 200)
}

#[test]
fn it_says_https_and_reads_its_files_again_on_a_hangup() {
    let folder = Folder::new();
    let [first, second] = [(); 2].map(|()| Certificate::new());
    write(&folder, &first);
    let server = folder.serve_with(&[&["--no-auth"], &FILES[..]].concat());
    let mut wire = first.connect(server.address).expect("a handshake");
    let stored = wire.exchange(&put("f").body("x")).expect("an answer");
    assert_eq!(stored.verdict(), (200, 0));
    assert_eq!(wire.exchange(&get("f")).expect("an answer").body, b"x");
    write(&folder, &second);
    server.signal("HUP");
    while !serves(&server, &second) {
        std::thread::yield_now();
    }
    assert!(!serves(&server, &first));
    std::fs::write(folder.file("key.pem"), "nothing").expect("a file");
    server.signal("HUP");
    while !folder.complaints().contains("key.pem") {
        std::thread::yield_now();
    }
    assert!(serves(&server, &second), "the old pair stays");
    server.stop();
}

#[test]
fn a_bad_pair_is_refused_before_anything_is_made() {
    let folder = Folder::new();
    let run = || folder.run(&[&LISTEN[..], &FILES].concat());
    let refused = |file: &str| {
        let ran = run();
        ran.assert_code(1);
        assert!(ran.err().contains(file), "{}", ran.err());
        assert_eq!(ran.out(), "");
    };
    refused("cert.pem");
    write(&folder, &Certificate::new());
    std::fs::write(folder.file("key.pem"), "nothing").expect("a file");
    refused("key.pem");
    write(&folder, &Certificate::new());
    Certificate::new().write(&folder.file("cert.pem"), &folder.file("other.pem"));
    refused("key.pem");
    assert!(!folder.pack().exists(), "nothing was made");
}

#[test]
fn one_file_without_the_other_cannot_be_meant() {
    let folder = Folder::new();
    write(&folder, &Certificate::new());
    for files in FILES.chunks(2) {
        folder.run(&[&LISTEN[..], files].concat()).assert_code(2);
    }
}

#[test]
fn without_passwords_it_is_refused_where_others_can_reach_it_with_tls_too() {
    let folder = Folder::new();
    write(&folder, &Certificate::new());
    let args = ["serve", "--no-auth", "--listen", "0.0.0.0:0"];
    folder.run(&[&args[..], &FILES].concat()).assert_code(2);
}
