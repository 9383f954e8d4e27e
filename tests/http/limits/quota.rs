//! How much a repository may hold: `quota`, and 251025 beyond it.

use serde_json::{Value, json};

use crate::accounts::{data, post, token, using, with_json};
use crate::blocks::{BLOCK, SEPARATE, Upload};
use crate::noise::noise;
use crate::service::{Service, call, put};
use crate::wire::{Answer, Call};

const REFUSED: (u16, u64) = (400, 251_025);

/// Makes `project/{repo}`.
pub fn make(service: &Service, repo: &str, quota: Option<u64>) -> Value {
    service.send(&post(
        "/repository/api/project/create",
        &json!({"name": "project"}),
    ));
    let body = json!({"projectId": "project", "name": repo, "type": "GENERIC", "quota": quota});
    data(&service.send(&post("/repository/api/repo/create", &body)))
}

fn info(service: &Service, repo: &str) -> Value {
    let target = format!("/repository/api/repo/info/project/{repo}");
    data(&service.get_target(&target))
}

fn set(service: &Service, quota: impl Into<Value>) -> Answer {
    let body = json!({"quota": quota.into()});
    service.send(&post("/repository/api/repo/update/project/repo", &body))
}

/// A service with a repository that may hold so many bytes.
pub fn service(quota: u64) -> Service {
    let service = Service::open();
    assert_eq!(make(&service, "repo", Some(quota))["quota"], quota);
    service
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.verdict(), REFUSED, "{answer:?}");
    let message = answer.json()["message"].clone();
    assert_eq!(
        message,
        "Exceeded repository [project/repo] quota value [100]"
    );
}

#[test]
fn it_is_told_and_changed() {
    let service = service(100);
    service.store("/f", [0; 60]);
    let told = |quota: Value, used: Value| {
        let info = info(&service, "repo");
        assert_eq!((&info["quota"], &info["used"]), (&quota, &used));
        let page = service.get_target("/repository/api/repo/page/project/1/10");
        assert_eq!(data(&page)["records"][0]["quota"], quota);
    };
    told(json!(100), json!(60));
    data(&set(&service, Value::Null));
    told(json!(100), json!(60));
    data(&set(&service, "1000"));
    told(json!(1000), json!(60));
    data(&set(&service, 10));
    told(json!(10), json!(60));
    data(&set(&service, -1));
    told(Value::Null, Value::Null);
    service.store("/g", [0; 1000]);
    for wrong in [json!("much"), json!(1.5), json!([])] {
        assert_eq!(set(&service, wrong).verdict(), (400, 250_105));
    }
    let body = json!({"projectId": "project", "name": "other", "type": "GENERIC", "quota": -1});
    let made = service.send(&post("/repository/api/repo/create", &body));
    assert_eq!(made.verdict(), (400, 250_105));
    data(&set(&service, 2000));
    let service = service.restart();
    assert_eq!(info(&service, "repo")["quota"], 2000);
    assert_eq!(info(&service, "repo")["used"], 1060);
}

#[test]
fn uploads_fill_it_to_the_last_byte() {
    let service = service(100);
    service.store("/a", [0; 60]);
    service.store("/b", [0; 40]);
    assert_refused(&service.put("/c", "x"));
    service.store("/empty", "");
    service.assert_none("/c");
    let service = service.restart();
    assert_refused(&service.put("/c", "x"));
    let upload = token(&service, "/", "UPLOAD", &json!({}));
    assert_refused(&service.send(&using(&upload, "PUT", "/c").body("x")));
    let made = Call::new("PUT", "/generic/project/other/f").body([0; 1000]);
    assert_eq!(
        service.send(&made).verdict(),
        (200, 0),
        "another repository"
    );
}

#[test]
fn what_was_announced_is_refused_before_its_body() {
    let service = service(100);
    service.store("/a", [0; 60]);
    let mut wire = service.connect();
    let head = put("/b")
        .header("Expect", "100-continue")
        .header("Content-Length", "41");
    wire.write(&head.head()).expect("the server reads");
    assert_refused(&wire.answer("PUT").expect("an answer at once"));
    // What was not announced, when it cannot fit any more, and else at its end.
    for (bytes, ends) in [(41, true), (200, false)] {
        let mut wire = service.connect();
        wire.write(&put("/b").header("Transfer-Encoding", "chunked").head())
            .expect("the server reads");
        let chunk = [
            format!("{bytes:x}\r\n").as_bytes(),
            &vec![0; bytes],
            b"\r\n",
        ]
        .concat();
        wire.write(&chunk).expect("the server reads");
        if ends {
            wire.write(b"0\r\n\r\n").expect("the server reads");
        }
        assert_refused(&wire.answer("PUT").expect("an answer"));
    }
    service.assert_none("/b");
}

#[test]
fn a_replaced_file_counts_its_difference() {
    let service = service(100);
    service.store("/a", [0; 60]);
    service.store("/b", [0; 30]);
    let replace = |path: &str, bytes: usize| {
        let call = put(path).header("X-BKREPO-OVERWRITE", "true");
        service.send(&call.body(vec![1; bytes]))
    };
    assert_eq!(replace("/a", 70).verdict(), (200, 0));
    assert_refused(&replace("/a", 71));
    assert_refused(&service.put("/c", "x"));
    assert_eq!(replace("/a", 10).verdict(), (200, 0));
    service.store("/c", [0; 60]);
    assert_refused(&service.put("/d", "x"));
    // What is too much already may still become less, or stay.
    data(&set(&service, 50));
    assert_eq!(replace("/b", 30).verdict(), (200, 0));
    assert_eq!(replace("/b", 29).verdict(), (200, 0));
    assert_eq!(replace("/b", 30).verdict(), REFUSED);
}

#[test]
fn what_is_deleted_or_expires_makes_room() {
    let service = service(100);
    service.store("/a/b/c", [0; 50]);
    let passing = put("/passing").header("X-BKREPO-EXPIRES", "1");
    assert_eq!(service.send(&passing.body([0; 50])).verdict(), (200, 0));
    assert_refused(&service.put("/d", "x"));
    let gone = service.send(&Call::new(
        "DELETE",
        "/repository/api/node/delete/project/repo/a",
    ));
    assert_eq!(gone.verdict(), (200, 0));
    service.store("/d", [0; 50]);
    assert_refused(&service.put("/e", "x"));
    service.pass_ms(86_400_000);
    service.store("/e", [0; 50]);
    assert_refused(&service.put("/f", "x"));
    // An expired file has no size that replacing it would give back.
    let again = put("/passing").header("X-BKREPO-OVERWRITE", "true");
    assert_refused(&service.send(&again.body("x")));
    assert_eq!(service.send(&call("DELETE", "/d")).verdict(), (200, 0));
    service.store("/f", [0; 50]);
}

#[test]
fn blocks_are_judged_by_the_file_that_they_come_to() {
    let service = service(100);
    service.store("/a", [0; 60]);
    for (dialect, keys) in [(SEPARATE, [0, 20]), (BLOCK, [1, 2])] {
        let upload = Upload::start(&service, dialect, "/f");
        upload.put(keys[0], [0; 20]);
        upload.put(keys[1], [0; 21]);
        assert_refused(&upload.complete(41));
        assert_eq!(upload.list().as_array().map(Vec::len), Some(2), "kept");
        assert_refused(&service.send(&upload.block(keys[1], [0; 101])));
        upload.put(keys[1], [0; 20]);
        upload.finish(40);
        assert_refused(&service.put("/g", "x"));
        assert_eq!(service.send(&call("DELETE", "/f")).verdict(), (200, 0));
    }
    let upload = Upload::start(&service, SEPARATE, "/f");
    assert_refused(&service.send(&upload.block(100, "x")));
}

fn transfer(service: &Service, way: &str, from: [&str; 2], to: [&str; 2], over: bool) -> Answer {
    let body = json!({
        "srcProjectId": "project", "srcRepoName": from[0], "srcFullPath": from[1],
        "destProjectId": "project", "destRepoName": to[0], "destFullPath": to[1],
        "overwrite": over,
    });
    service.send(&with_json(
        "POST",
        &format!("/repository/api/node/{way}"),
        &body,
    ))
}

#[test]
fn copies_and_moves_into_it_count() {
    let service = service(100);
    make(&service, "from", None);
    for (path, bytes) in [("d/a", 30), ("d/e/b", 30), ("d/e/c", 30), ("f", 41)] {
        let call = Call::new("PUT", format!("/generic/project/from/{path}"));
        let answer = service.send(&call.body(noise(1, bytes)));
        assert_eq!(answer.verdict(), (200, 0));
    }
    service.store("/own", [0; 10]);
    data(&transfer(
        &service,
        "copy",
        ["from", "/d"],
        ["repo", "/d"],
        false,
    ));
    for (way, from, to) in [
        ("copy", ["from", "/f"], ["repo", "/f"]),
        ("move", ["from", "/f"], ["repo", "/f"]),
        ("copy", ["from", "/d/e"], ["repo", "/x"]),
        ("move", ["from", "/d/e"], ["repo", "/x"]),
        ("copy", ["repo", "/d"], ["repo", "/x"]),
        ("copy", ["repo", "/own"], ["repo", "/x"]),
        ("copy", ["from", "/"], ["repo", "/x"]),
    ] {
        assert_refused(&transfer(&service, way, from, to, false));
    }
    // Within the repository nothing grows, nor where the same replaces the same.
    data(&transfer(
        &service,
        "move",
        ["repo", "/own"],
        ["repo", "/x"],
        false,
    ));
    data(&transfer(
        &service,
        "copy",
        ["from", "/d"],
        ["repo", "/"],
        true,
    ));
    data(&transfer(
        &service,
        "move",
        ["repo", "/d"],
        ["from", "/moved"],
        false,
    ));
    data(&transfer(
        &service,
        "move",
        ["from", "/d/e"],
        ["repo", "/e"],
        false,
    ));
    assert_eq!(info(&service, "repo")["used"], 70);
    assert_refused(&transfer(
        &service,
        "copy",
        ["from", "/f"],
        ["repo", "/f"],
        false,
    ));
    data(&transfer(
        &service,
        "copy",
        ["from", "/d/a"],
        ["repo", "/a"],
        false,
    ));
    assert_refused(&service.put("/last", "x"));
}

#[test]
fn a_repository_that_comes_back_has_no_quota() {
    let service = service(100);
    service.store("/f", [0; 100]);
    let delete = "/repository/api/repo/delete/project/repo?forced=true";
    data(&service.send(&Call::new("DELETE", delete)));
    service.store("/f", [0; 1000]);
    assert_eq!(info(&service, "repo")["quota"], Value::Null);
    data(&set(&service, 1001));
    service.store("/g", "x");
    assert_eq!(service.put("/h", "x").verdict(), REFUSED);
}

/// What came while there was no quota counts when there is one again.
#[test]
fn it_can_be_taken_away_and_set_again() {
    let service = service(100);
    service.store("/a", [0; 10]);
    data(&set(&service, -1));
    service.store("/b", [0; 80]);
    data(&set(&service, 100));
    assert_refused(&service.put("/c", [0; 11]));
    service.store("/c", [0; 10]);
    assert_refused(&service.put("/d", "x"));
}
