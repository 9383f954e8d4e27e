//! What is logged: a line for each request, and no secret.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::{Folder, Server};
use crate::wire::{Answer, Call};

/// The administrator's password.
const PASSWORD: &str = "correct-horse-battery";

fn login(call: Call, name: &str, password: &str) -> Call {
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    call.header("Authorization", format!("Basic {encoded}"))
}

fn admin(call: Call) -> Call {
    login(call, "admin", PASSWORD)
}

fn serve(folder: &Folder, args: &[&str]) -> Server {
    let all = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let mut command = folder.command(&all);
    command.env("PACKHOLD_ADMIN_PASSWORD", PASSWORD);
    Server::start(command, &folder.file("stderr.txt"))
}

/// What a request may bring that would end a line, or change what a terminal shows.
const FORGERIES: [&[u8]; 12] = [
    b"/a%0A2026-01-01T00:00:00Z%20INFO%20packhold:%20forged",
    b"/a%0D%0Aforged",
    b"/a%1B[2J%1B[31mforged",
    b"/a%00forged",
    b"/a\xc2\x85forged",
    b"/a\xe2\x80\xa8forged",
    b"/a\xe2\x80\xaeforged",
    b"/a\xc2\x9b31mforged",
    b"/a\xff\xfeforged",
    b"/a\"},{\"level\":\"ERROR\"forged",
    b"/a\\nforged",
    b"/a?x=%0Aforged&token=%1B[31m",
];

/// Says a lot that is to be logged; gives how many requests were let in: others are no HTTP.
fn forge(server: &Server) -> usize {
    let mut said = 0;
    for method in ["GET", "PUT", "FORGED"] {
        for forgery in FORGERIES {
            for base in ["/generic/project/repo", "/api/v2/files/sys-package", ""] {
                let call = Call::new(method, [base.as_bytes(), forgery].concat());
                let call = call.header("User-Agent", b"x\x1b[31m".map(|b| b.max(b' ')));
                let call = call.header("X-BKREPO-UID", b"\xc2\x85\xff\tforged");
                let call = call.header("X-Forwarded-For", "1.2.3.4\tforged");
                let user = "ad\nmin\u{1b}[31m \u{85}\u{2028}\u{202e}";
                let answer = server.send(&login(call, user, "x"));
                said +=
                    usize::from(answer.header("X-Bkrepo-Rid").is_some() || answer.status == 200);
            }
        }
    }
    said
}

/// Asserts that a log has only what shows, but for the ends of its lines.
fn assert_plain(log: &str) {
    let strange = |c: &char| {
        let shifts = matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
        (c.is_control() && *c != '\n') || shifts || *c == '\u{fffd}'
    };
    let found: Vec<char> = log.chars().filter(strange).collect();
    assert!(found.is_empty(), "{found:?} in {log}");
}

#[test]
fn no_line_is_forged() {
    for format in ["text", "json"] {
        let folder = Folder::new();
        // A failed login costs a hash; who is anybody at all is not asked.
        let server = folder.serve_with(&["--no-auth", "--log", "debug", "--log-format", format]);
        let said = forge(&server);
        server.stop();
        let log = folder.complaints();
        assert_plain(&log);
        assert!(said > 80, "{said}");
        assert_eq!(log.matches("answered").count(), said, "{log}");
        // Where the first password is, a person is told.
        let to_nobody = |line: &&str| !line.starts_with("packhold: the password of `admin` is in ");
        for line in log.lines().filter(to_nobody) {
            if format == "json" {
                let line: Value =
                    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
                assert!(
                    line["level"].is_string() && line["timestamp"].is_string(),
                    "{line}"
                );
            } else {
                let words: Vec<&str> = line.split_whitespace().take(3).collect();
                let is_time =
                    words[0].ends_with('Z') && words[0].parse::<jiff::Timestamp>().is_ok();
                let is_ours = words[2] == "audit:" || words[2].starts_with("packhold");
                assert!(is_time && is_ours, "{line}");
            }
        }
    }
}

fn data(answer: &Answer) -> Value {
    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    answer.json()["data"].clone()
}

/// Uses every kind of secret; gives them.
fn tell_secrets(server: &Server) -> Vec<String> {
    let (first, second) = ("first-password", "second-password");
    let post = |target: &str, body: &Value| Call::new("POST", target).body(body.to_string());
    let user = json!({"userId": "ann", "name": "ann", "pwd": first});
    data(&server.send(&admin(post("/auth/api/user/create", &user))));
    let put = |target: &str| Call::new("PUT", target);
    let change = json!({"pwd": second}).to_string();
    let change = put("/auth/api/user/ann").body(change);
    data(&server.send(&login(change, "ann", first)));
    data(&server.send(&admin(put("/generic/project/repo/f").body("x"))));
    let wish = json!({
        "projectId": "project", "repoName": "repo", "fullPathSet": ["/"], "type": "ALL",
    });
    let made = data(&server.send(&admin(post("/generic/temporary/token/create", &wish))));
    let token = made[0]["token"].as_str().expect("a token").to_owned();
    let shared = server.send(&admin(post(
        "/repository/api/share/project/repo/f",
        &json!({}),
    )));
    let shared = data(&shared)["shareUrl"]
        .as_str()
        .expect("a link")
        .to_owned();
    let (_, share) = shared.split_once("token=").expect("it has a token");
    for (method, target) in [
        (
            "GET",
            format!("/generic/temporary/download/project/repo/f?token={token}"),
        ),
        (
            "GET",
            format!("/generic/temporary/download/project/repo/none?token={token}"),
        ),
        (
            "PUT",
            format!("/generic/temporary/upload/project/repo/g?token={token}"),
        ),
        (
            "BREW",
            format!("/generic/temporary/upload/project/repo/g?token={token}"),
        ),
        (
            "GET",
            format!("/generic/temporary/download/project/repo/f?token={share}"),
        ),
        ("GET", format!("/nothing?token={token}&password={first}")),
    ] {
        let call = Call::new(method, &target).header("Referer", format!("http://test{target}"));
        server.send(&call);
    }
    let wrong = ["wrong-password", "bearer-secret", "platform-secret"].map(str::to_owned);
    let call = || Call::new("GET", "/generic/project/repo/f");
    server.send(&login(call(), "ann", &wrong[0]));
    server.send(&call().header("Authorization", format!("Bearer {}", wrong[1])));
    server.send(&call().header("Authorization", format!("Platform {}", wrong[2])));
    let broken = format!(
        "POST / HTTP/1.1\r\nAuthorization: Bearer {}\r\nbad header\r\n\r\n",
        wrong[1]
    );
    let mut wire = server.connect();
    wire.write(broken.as_bytes()).expect("the server reads");
    wire.rest().expect("it closes");
    let mut secrets = vec![token, share.to_owned(), PASSWORD.to_owned()];
    secrets.extend([first, second].map(str::to_owned));
    secrets.extend(wrong);
    for (name, password) in [("admin", PASSWORD), ("ann", first), ("ann", second)] {
        secrets.push(STANDARD.encode(format!("{name}:{password}")));
    }
    secrets
}

#[test]
fn no_secret_is_logged_or_counted() {
    for format in ["text", "json"] {
        let folder = Folder::new();
        let server = serve(&folder, &["--log", "trace", "--log-format", format]);
        let secrets = tell_secrets(&server);
        let mut told = Vec::new();
        for target in ["/metrics", "/packhold/stats", "/auth/api/user/list"] {
            let answer = server.send(&admin(Call::new("GET", target)));
            assert_eq!(answer.status, 200, "{target}");
            told.write_all(&answer.body).expect("memory");
        }
        server.stop();
        told.extend(folder.complaints().into_bytes());
        // The pack has hashes only.
        told.extend(std::fs::read(folder.pack()).expect("the pack"));
        for secret in secrets {
            let found = told
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {}", folder.complaints());
        }
        assert!(
            folder.complaints().contains("answered"),
            "requests are logged"
        );
    }
}

/// Nothing is as fast as that: every request is told of that is not answered at once.
#[test]
fn slow_requests_are_told_of_with_where_the_time_went() {
    let folder = Folder::new();
    let args = [
        "--no-auth",
        "--slow-request",
        "0ms",
        "--log-format",
        "json",
        "--audit",
        "off",
    ];
    let server = folder.serve_with(&args);
    server.put("file", b"content");
    server.stop();
    let log = folder.complaints();
    // What a person is told is no JSON.
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let slow: Vec<Value> = lines
        .filter(|line| line["fields"]["message"] == "a slow request")
        .collect();
    let [line] = slow.as_slice() else {
        panic!("{log}");
    };
    let fields = &line["fields"];
    assert_eq!(
        (&line["level"], &fields["action"]),
        (&json!("WARN"), &json!("upload"))
    );
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["trace"].as_str().map(str::len), Some(32));
    let spent = fields["spent"].as_str().expect("a text");
    for part in spent.split_whitespace() {
        let (name, time) = part.split_once('=').expect("what and how long");
        let known = [
            "store", "login", "client", "turn", "work", "commit", "other",
        ];
        assert!(known.contains(&name) && time.ends_with("ms"), "{spent}");
    }
    assert!(
        fields["ms"].is_u64() || fields["ms"].is_string(),
        "{fields}"
    );
}

#[test]
fn by_default_no_request_is_slow() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("file", b"content");
    server.stop();
    assert!(!folder.complaints().contains("slow"));
}
