//! The audit trail of the real binary, in both formats of the log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::process::{Folder, Server, call, get, put};
use crate::wire::{Answer, Call};

const SECRET: &str = "s3cret-word";

fn start(folder: &Folder, args: &[&str]) -> Server {
    let all = [
        &["--log-format", "json", "serve", "--listen", "127.0.0.1:0"],
        args,
    ]
    .concat();
    let mut command = folder.command(&all);
    command.env("PACKHOLD_ADMIN_PASSWORD", SECRET);
    Server::start(command, &folder.file("stderr.txt"))
}

fn login(call: Call, name: &str, password: &str) -> Call {
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    call.header("Authorization", format!("Basic {encoded}"))
}

fn admin(call: Call) -> Call {
    login(call, "admin", SECRET)
}

/// The lines of the trail, and all that was logged.
fn trail(folder: &Folder) -> (Vec<Value>, String) {
    let text = folder.complaints();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = lines.filter(|line| line["target"] == "audit");
    let lines = lines.map(|mut line| line["fields"].take()).collect();
    (lines, text)
}

fn assert_line(line: &Value, answer: &Answer, expected: &Value) {
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&line[key], value, "{key} of {line}");
    }
    assert_eq!(line["status"], answer.status, "{line}");
    let trace = answer.header("X-Bkrepo-Rid");
    assert_eq!(line["trace"].as_str(), trace, "{line}");
    assert_eq!(line["peer"], "127.0.0.1");
    assert!(line["ms"].is_u64(), "{line}");
}

#[test]
fn who_did_what_to_which_path() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let moved = serde_json::json!({
        "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": "/a", "destFullPath": "/b",
    });
    let token = serde_json::json!({
        "projectId": "project", "repoName": "repo", "fullPathSet": ["/t"], "type": "UPLOAD",
    });
    let json = |target: &str, body: &Value| Call::new("POST", target).body(body.to_string());
    let stored = server.send(&admin(put("a").body("hello")));
    let read = server.send(&admin(get("a")));
    let again = server.send(&admin(put("a").body("hello")));
    let stranger = server.send(&get("a"));
    let wrong = server.send(&login(get("a"), "ann", "wrong-word"));
    let renamed = server.send(&admin(json("/repository/api/node/move", &moved)));
    let made = server.send(&admin(json("/generic/temporary/token/create", &token)));
    let token = made.json()["data"][0]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let target = format!("/generic/temporary/upload/project/repo/t?token={token}");
    let linked = server.send(&Call::new("PUT", target).body("linked"));
    let deleted = server.send(&admin(call("DELETE", "b")));
    let refused = server.send(&Call::new("POST", "/api/v2/software-packages"));
    server.stop();
    assert_eq!(
        (read.status, linked.status, deleted.status),
        (200, 200, 200)
    );

    let (lines, all) = trail(&folder);
    let expected = [
        (
            &stored,
            r#"{"principal": "admin", "auth": "basic", "action": "upload", "method": "PUT",
            "path": "/generic/project/repo/a", "code": "0", "bytes": 5}"#,
        ),
        (
            &again,
            r#"{"principal": "admin", "action": "upload", "code": "251012"}"#,
        ),
        (
            &stranger,
            r#"{"principal": "anonymous", "auth": "none", "action": "download", "code": "250114"}"#,
        ),
        (
            &wrong,
            r#"{"principal": "ann", "auth": "basic", "action": "download", "code": "250114"}"#,
        ),
        (
            &renamed,
            r#"{"action": "move", "subject": "project/repo/a project/repo/b", "code": "0"}"#,
        ),
        (&made, r#"{"action": "share", "subject": "project/repo/t"}"#),
        (
            &linked,
            r#"{"principal": "admin", "auth": "temporary", "action": "upload",
            "path": "/generic/temporary/upload/project/repo/t", "bytes": 6}"#,
        ),
        (
            &deleted,
            r#"{"action": "delete", "path": "/generic/project/repo/b", "code": "0"}"#,
        ),
        (
            &refused,
            r#"{"action": "upload", "principal": "anonymous", "code": "IAM10000"}"#,
        ),
    ];
    assert_eq!(lines.len(), expected.len(), "{all}");
    for (line, (answer, fields)) in lines.iter().zip(&expected) {
        assert_line(line, answer, &serde_json::from_str(fields).expect("JSON"));
    }
    for secret in [
        SECRET,
        &token,
        "wrong-word",
        &STANDARD.encode(format!("admin:{SECRET}")),
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[test]
fn how_much_of_it_is_written() {
    for (level, actions) in [
        ("off", &[][..]),
        ("changes", &["upload"][..]),
        ("reads", &["upload", "download", "read"]),
    ] {
        let folder = Folder::new();
        let server = start(&folder, &["--audit", level]);
        server.send(&admin(put("f").body("hello")));
        let read = server.send(&admin(get("f")));
        assert_eq!(read.body, b"hello");
        server.send(&admin(Call::new("GET", "/packhold/stats")));
        server.send(&Call::new("GET", "/healthz"));
        server.stop();
        let (lines, all) = trail(&folder);
        let found: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["action"].as_str())
            .collect();
        assert_eq!(found, actions, "{all}");
        if level == "reads" {
            assert_eq!(lines[1]["bytes"], 5, "what was promised");
        }
    }
}

/// A name that would end a line and begin another one stays within its own.
#[test]
fn names_forge_no_lines() {
    let forged = "x%0a2026-01-01T00:00:00Z%20%20INFO%20audit:%20principal=%22eve%22%20%1b%5b2J%c2%9b%c2%85%e2%80%a8%e2%80%ae";
    for format in ["text", "json"] {
        let folder = Folder::new();
        let args = [
            "--log-format",
            format,
            "serve",
            "--no-auth",
            "--listen",
            "127.0.0.1:0",
        ];
        let mut command = folder.command(&args);
        command.env("PACKHOLD_ADMIN_PASSWORD", SECRET);
        let server = Server::start(command, &folder.file("stderr.txt"));
        server.send(&put(forged).body("x"));
        server.send(&login(
            put("%22%20status=200").body("x"),
            "a\nb\u{1b}[2J",
            "c",
        ));
        let subject = r#"{"projectId": "p\n\u001b[2J", "name": "n\nm", "type": "GENERIC"}"#;
        server.send(&Call::new("POST", "/repository/api/repo/create").body(subject));
        server.stop();
        let text = folder.complaints();
        let lines = text.lines().filter(|line| line.contains("audit")).count();
        assert_eq!(lines, 3, "{text}");
        assert_eq!(text.lines().count(), lines, "{text}");
        let unfit = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2028}".contains(c);
        assert!(!text.contains(unfit), "{text:?}");
    }
}
