//! `packhold serve`: start, passwords, signals.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::process::{Folder, Server, get, put};
use crate::wire::Call;

fn login(call: Call, password: &str) -> Call {
    let encoded = STANDARD.encode(format!("admin:{password}"));
    call.header("Authorization", format!("Basic {encoded}"))
}

/// Waits until nobody listens any more: the server has heard the signal.
fn wait_until_deaf(server: &Server) {
    while TcpStream::connect(server.address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_says_where_it_listens_and_answers_there() {
    let folder = Folder::new();
    let server = folder.serve();
    assert!(server.address.ip().is_loopback() && server.address.port() != 0);
    assert_eq!(server.send(&Call::new("GET", "/healthz")).status, 200);
    server.put("f", b"hello");
    assert_eq!(server.get("f").as_deref(), Some(&b"hello"[..]));
    server.stop();
    let server = folder.serve();
    assert_eq!(server.get("f").as_deref(), Some(&b"hello"[..]));
    server.stop();
}

#[test]
fn no_auth_is_refused_where_others_can_reach_it() {
    let folder = Folder::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ran = folder.run(&["serve", "--no-auth", "--listen", address]);
        ran.assert_code(2);
        assert!(ran.err().contains("--no-auth"), "{}", ran.err());
        assert_eq!(ran.out(), "");
    }
    assert!(!folder.pack().exists(), "nothing was made");
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let folder = Folder::new();
    for args in [
        &[][..],
        &["unknown"],
        &["serve", "--unknown"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--ingest-memory", "lots"],
        &["serve", "--time-zone", "Nowhere/None"],
        &["serve", "--auto-create", "perhaps"],
    ] {
        folder.run(args).assert_code(2);
    }
    assert!(!folder.pack().exists(), "nothing was made");
}

#[test]
fn flags_are_read_from_the_environment() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve"]);
    command
        .env("PACKHOLD_STORE", "other.pack")
        .env("PACKHOLD_LISTEN", "127.0.0.1:0")
        .env("PACKHOLD_NO_AUTH", "true")
        .env("PACKHOLD_TIME_ZONE", "Asia/Shanghai")
        .env("PACKHOLD_AUTO_CREATE", "false");
    let server = Server::start(command, &folder.file("stderr.txt"));
    let answer = server.send(&put("f").body("x"));
    assert_eq!(answer.verdict(), (404, 251_006), "nothing is created");
    assert!(folder.file("other.pack").exists());
    server.stop();
}

#[test]
fn a_new_store_writes_its_password_where_only_the_owner_reads() {
    let folder = Folder::new();
    let server = folder.serve_with(&[]);
    let path = folder.file("packhold.pack.admin-password");
    let mode = std::fs::metadata(&path).expect("the file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).expect("the password");
    let password = text.trim_end();
    assert!(password.len() >= 20);
    let said = folder.complaints();
    assert!(said.contains("packhold.pack.admin-password"), "{said}");
    assert!(!said.contains(password), "the password itself is not told");
    let stored = server.send(&login(put("f").body("x"), password));
    assert_eq!(stored.verdict(), (200, 0));
    let wrong = server.send(&login(get("f"), "wrong"));
    assert_eq!(wrong.verdict(), (401, 250_114));
    assert_eq!(server.send(&get("f")).verdict(), (401, 250_114));
    server.stop();
    let server = folder.serve_with(&[]);
    assert_eq!(server.send(&login(get("f"), password)).body, b"x");
    assert_eq!(std::fs::read_to_string(&path).expect("the same"), text);
    server.stop();
}

#[test]
fn the_first_password_can_be_given() {
    let folder = Folder::new();
    let start = |password: &str| {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("PACKHOLD_ADMIN_PASSWORD", password);
        Server::start(command, &folder.file("stderr.txt"))
    };
    let server = start("given");
    assert!(!folder.file("packhold.pack.admin-password").exists());
    let stored = server.send(&login(put("f").body("x"), "given"));
    assert_eq!(stored.verdict(), (200, 0));
    server.stop();
    let server = start("another");
    assert_eq!(server.send(&login(get("f"), "given")).body, b"x");
    assert_eq!(server.send(&login(get("f"), "another")).status, 401);
    server.stop();
}

#[test]
fn a_store_in_use_is_refused_naming_the_holder() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("f", b"x");
    for args in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["stats"],
        &["verify"],
        &["verify", "--repair"],
        &["reindex"],
    ] {
        let ran = folder.run(args);
        ran.assert_code(1);
        let (err, pid) = (ran.err(), server.pid().to_string());
        assert!(
            err.contains("in use") && err.contains(&pid),
            "{args:?}: {err}"
        );
    }
    assert_eq!(server.get("f").as_deref(), Some(&b"x"[..]));
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

#[test]
fn a_port_in_use_is_a_failure() {
    let (folder, other) = (Folder::new(), Folder::new());
    let server = folder.serve();
    let address = server.address.to_string();
    let ran = other.run(&["serve", "--no-auth", "--listen", &address]);
    ran.assert_code(1);
    assert!(ran.err().contains(&address), "{}", ran.err());
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("directory")).expect("a directory");
    std::fs::write(folder.file("text"), "this is no pack\n".repeat(1000)).expect("a file");
    for store in ["directory", "text", "no/such/folder/pack"] {
        for command in ["serve", "stats", "verify", "reindex"] {
            let ran = folder.run(&[command, "--store", store]);
            assert!(
                [1, 3].iter().any(|code| ran.code() == Some(*code)),
                "{command} {store}"
            );
            assert!(ran.err().starts_with("packhold: "), "{}", ran.err());
        }
    }
    let text = std::fs::read_to_string(folder.file("text")).expect("it is there");
    assert_eq!(text, "this is no pack\n".repeat(1000));
}

#[test]
fn on_a_signal_running_requests_are_finished() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let server = folder.serve();
        let mut upload = server.connect();
        let call = put("f").body("0123456789");
        upload.write(&call.head()).expect("the server reads");
        upload.write(b"01234").expect("the server reads");
        server.put("before", b"x");
        server.signal(signal);
        wait_until_deaf(&server);
        upload.write(b"56789").expect("the server reads on");
        let answer = upload.answer("PUT").expect("an answer");
        assert_eq!(answer.verdict(), (200, 0));
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        folder.run(&["verify"]).assert_code(0);
        let server = folder.serve();
        assert_eq!(server.get("f").as_deref(), Some(&b"0123456789"[..]));
        server.stop();
    }
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("f", b"acknowledged");
    let mut upload = server.connect();
    let call = put("half").body("0123456789");
    upload.write(&call.head()).expect("the server reads");
    upload.write(b"01234").expect("the server reads");
    server.put("g", b"acknowledged, too");
    server.signal("TERM");
    wait_until_deaf(&server);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(1));
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    assert_eq!(server.get("f").as_deref(), Some(&b"acknowledged"[..]));
    assert_eq!(server.get("g").as_deref(), Some(&b"acknowledged, too"[..]));
    assert_eq!(server.get("half"), None);
    server.stop();
}
