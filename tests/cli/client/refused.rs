//! Servers that say no, for the moment or for good; and who asks.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{client, run, write};
use crate::process::{Folder, Ran, Server};
use crate::proxy::Fake;

/// Answers uploads: the first `times` with this status, then as a server that stores `f`.
fn busy(times: usize, status: &'static str) -> Fake {
    let refused = AtomicUsize::new(0);
    Fake::new(move |heard| {
        if heard.line.starts_with("HEAD") {
            return ("404 Not Found".to_owned(), Vec::new());
        }
        if refused.fetch_add(1, Ordering::SeqCst) < times {
            let text = json!({"code": 1, "message": "not now", "data": null});
            let head = format!("{status}\r\nRetry-After: 0");
            return (head, text.to_string().into_bytes());
        }
        let sha256 = hex::encode(packhold::digest::sha256(b"f"));
        let text = json!({"code": 0, "data": {"sha256": sha256}});
        ("200 OK".to_owned(), text.to_string().into_bytes())
    })
}

#[test]
fn a_server_without_time_is_asked_again_and_no_other() {
    let folder = Folder::new();
    write(&folder, "f", b"f");
    let push = ["push", "f", "p/r/f", "--retries", "3"];
    for status in ["503 Busy", "429 Slow down", "502 Gone", "504 Late"] {
        let server = busy(3, status);
        run(&folder, &server.url(), &push).assert_code(0);
        assert_eq!(server.count("PUT"), 4, "{status}");
        let server = busy(4, status);
        let ran = run(&folder, &server.url(), &push);
        assert!(ran.assert_code(1).err().contains("not now"), "{status}");
        assert_eq!(server.count("PUT"), 4, "{status}");
    }
    for status in [
        "400 Bad",
        "401 Who",
        "403 No",
        "404 None",
        "409 Other",
        "413 Large",
        "500 Broken",
        "507 Full",
        "308 There",
    ] {
        let server = busy(1, status);
        run(&folder, &server.url(), &push).assert_code(1);
        assert_eq!(server.count("PUT"), 1, "{status}");
    }
}

#[test]
fn who_is_not_known_is_told_once_and_not_for_every_file() {
    let folder = Folder::new();
    for i in 0..50 {
        write(&folder, &format!("in/{i}"), b"x");
    }
    let server = guarded(&folder);
    let url = format!("http://{}", server.address);
    let mut command = client(&folder, &url, &["push", "in", "p/r/x", "-j1", "--json"]);
    command.env("PACKHOLD_PASSWORD", "wrong");
    let ran = Ran::of(command.output().expect("the binary runs"));
    let summary = ran.assert_code(1).json();
    assert_eq!(
        (&summary["failed"], &summary["given_up"]),
        (&json!(1), &json!(true))
    );
    assert!(ran.err().contains("401"), "{}", ran.err());
    server.stop();
}

fn guarded(folder: &Folder) -> Server {
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("PACKHOLD_ADMIN_PASSWORD", "the administrator's");
    Server::start(command, &folder.file("stderr.txt"))
}

#[test]
fn who_asks_is_in_a_variable_a_file_or_the_netrc() {
    let folder = Folder::new();
    write(&folder, "f", b"f");
    let server = guarded(&folder);
    let url = format!("http://{}", server.address);
    let push = ["push", "f", "p/r/f"];
    let ran = run(&folder, &url, &push);
    assert!(ran.assert_code(1).err().contains("401"), "{}", ran.err());
    let with = |name: &str, value: &str, args: &[&str]| {
        let mut command = client(&folder, &url, args);
        command.env(name, value);
        Ran::of(command.output().expect("the binary runs"))
    };
    with("PACKHOLD_PASSWORD", "the administrator's", &push).assert_code(0);
    write(&folder, "password", b"the administrator's\n");
    with("PACKHOLD_PASSWORD_FILE", "password", &push).assert_code(0);
    let netrc = "machine other login admin password no\n\
        machine 127.0.0.1 login admin password \"the administrator's\"\n";
    write(&folder, ".netrc", netrc.as_bytes());
    run(&folder, &url, &push).assert_code(0);
    // Somebody else's password is nobody's.
    let other = [&push[..], &["--user", "other"]].concat();
    run(&folder, &url, &other).assert_code(1);
    write(
        &folder,
        "elsewhere",
        netrc.replace("127.0.0.1", "x").as_bytes(),
    );
    with("NETRC", "elsewhere", &push).assert_code(1);
    write(&folder, "elsewhere", b"machine 127.0.0.1 secret");
    let ran = with("NETRC", "elsewhere", &push);
    assert!(ran.assert_code(2).err().contains("elsewhere: line 1"));
    assert!(!ran.err().contains("secret"));
    server.stop();
}
