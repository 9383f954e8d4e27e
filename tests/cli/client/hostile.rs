//! Servers that lie.

use serde_json::{Value, json};

use super::{run, tree, write};
use crate::process::Folder;
use crate::proxy::{Fake, Heard};

const CONTENT: &[u8] = b"evil";

fn envelope(data: &Value) -> (String, Vec<u8>) {
    let text = json!({"code": 0, "message": null, "data": data, "traceId": "0"});
    ("200 OK".to_owned(), text.to_string().into_bytes())
}

fn row(path: &str) -> Value {
    let sha256 = hex::encode(packhold::digest::sha256(CONTENT));
    json!({"folder": false, "fullPath": path, "size": CONTENT.len(), "sha256": sha256})
}

/// A server whose folder `p/r/x` has this.
fn listing(rows: Vec<Value>) -> Fake {
    Fake::new(move |heard: &Heard| {
        if heard.line.contains("/node/detail/") {
            let top = json!({"folder": true, "fullPath": "/x", "size": 0, "sha256": null});
            return envelope(&top);
        }
        if heard.line.contains("/node/page/") {
            return envelope(&json!({"totalRecords": rows.len(), "records": rows}));
        }
        ("200 OK".to_owned(), CONTENT.to_vec())
    })
}

#[test]
fn a_listing_does_not_write_outside() {
    let folder = Folder::new();
    write(&folder, "outside", b"safe");
    std::fs::create_dir(folder.file("dest")).expect("a folder");
    std::os::unix::fs::symlink(folder.file(""), folder.file("dest/link")).expect("a link");
    std::os::unix::fs::symlink(folder.file("outside"), folder.file("dest/file")).expect("a link");
    let before = tree(&folder.file(""));
    for path in [
        "/x/../outside",
        "/x/../../outside",
        "/outside",
        "outside",
        "/x/a/../../../outside",
        "//x/outside",
        "/x//outside",
        "/x/./outside",
        "/x\\..\\outside",
        "/x/a\u{0}b",
        "/x",
        "/",
        "",
        "/xx/outside",
        "/x/link/outside",
        "/x/link/new",
        "/x/file",
    ] {
        let server = listing(vec![row(path)]);
        let args = ["pull", "p/r/x", "dest", "--overwrite"];
        let ran = run(&folder, &server.url(), &args);
        ran.assert_code(1);
        assert!(tree(&folder.file("")) == before, "{path:?}");
    }
    let server = listing(vec![row("/x/fine")]);
    run(&folder, &server.url(), &["pull", "p/r/x", "dest"]).assert_code(0);
    assert_eq!(
        std::fs::read(folder.file("dest/fine")).expect("it is there"),
        CONTENT
    );
}

#[test]
fn rows_that_are_none_are_refused() {
    let folder = Folder::new();
    let many = (0..5000).map(|i| row(&format!("/x/{i}"))).collect();
    let wrong = |field: &str, value: Value| {
        let mut row = row("/x/f");
        row[field] = value;
        vec![row]
    };
    for rows in [
        many,
        wrong("sha256", Value::Null),
        wrong("sha256", json!("00")),
        wrong("size", json!(-1)),
        wrong("size", json!(3)),
        wrong("size", json!(5)),
        wrong("fullPath", json!(7)),
    ] {
        let server = listing(rows);
        let args = ["pull", "p/r/x", "dest", "--retries", "0"];
        run(&folder, &server.url(), &args).assert_code(1);
        let made = folder.file("dest");
        assert!(!made.join("f").exists());
    }
}

#[test]
fn a_server_that_stores_something_else_is_found_out() {
    let folder = Folder::new();
    write(&folder, "f", b"good");
    let server = Fake::new(|heard| match heard.line.starts_with("HEAD") {
        true => ("404 Not Found".to_owned(), Vec::new()),
        false => envelope(&row("/f")),
    });
    let ran = run(&folder, &server.url(), &["push", "f", "p/r/f"]);
    assert!(ran.assert_code(1).err().contains("as the server stored it"));
}

#[test]
fn what_is_no_answer_is_an_error_and_steers_no_terminal() {
    let folder = Folder::new();
    write(&folder, "f", b"good");
    for body in [&b""[..], b"{", b"\x1b[2J\xff", b"[]", b"{\"data\":{}}"] {
        let server = Fake::new(|_| ("200 OK".to_owned(), body.to_vec()));
        for args in [
            &["ls", "p/r"][..],
            &["pull", "p/r/x", "d"],
            &["package", "ls"],
        ] {
            let ran = run(&folder, &server.url(), args);
            ran.assert_code(1);
            assert!(!ran.err().contains('\u{1b}'), "{}", ran.err());
        }
        let server = Fake::new(|_| ("500 No".to_owned(), body.to_vec()));
        let ran = run(&folder, &server.url(), &["ls", "p/r"]);
        ran.assert_code(1);
        assert!(!ran.err().contains('\u{1b}'), "{}", ran.err());
    }
}
