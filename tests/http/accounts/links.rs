//! Making temporary links and shares.

use serde_json::{Value, json};

use super::{data, grant, make_repo, make_user, post, user, wish};
use crate::auth::{self, admin};
use crate::service::{DIGITS, Service};
use crate::wire::Call;

const URL: &str = "/generic/temporary/url/create";
const TOKEN: &str = "/generic/temporary/token/create";

fn service() -> Service {
    let service = Service::open();
    service.store("/f", DIGITS);
    service
}

/// The part of an absolute link behind its base.
fn target(link: &Value, base: &str) -> String {
    let link = link.as_str().expect("a link");
    let rest = link.strip_prefix(base);
    rest.unwrap_or_else(|| panic!("{link} does not begin with {base}"))
        .to_owned()
}

#[test]
fn a_link_shows_what_it_is() {
    let service = service();
    let mut body = wish("/f", "DOWNLOAD");
    body["authorizedUserSet"] = json!(["ann"]);
    body["authorizedIpSet"] = json!(["127.0.0.1"]);
    body["expireSeconds"] = json!(60);
    body["permits"] = json!(3);
    body["unknown"] = json!({"x": 1});
    let list = data(&service.send(&post(URL, &body)));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    let mut made = list[0].clone();
    let target = target(&made["url"], "http://test");
    assert!(
        target.starts_with("/generic/temporary/download/project/repo/f?token="),
        "{target}"
    );
    made.as_object_mut().expect("an object").remove("url");
    assert_eq!(
        made,
        json!({
            "projectId": "project", "repoName": "repo", "fullPath": "/f",
            "authorizedUserList": ["ann"], "authorizedIpList": ["127.0.0.1"],
            "expireDate": "2020-07-27T16:03:31.394", "permits": 3, "type": "DOWNLOAD",
            "createdBy": "admin", "createdDate": "2020-07-27T16:02:31.394",
        })
    );
    let call = Call::new("GET", target).header("X-BKREPO-UID", "ann");
    assert_eq!(service.send(&call).body, DIGITS);
    body["expireSeconds"] = json!(0);
    body["permits"] = Value::Null;
    let list = data(&service.send(&post(TOKEN, &body)));
    assert_eq!(
        (&list[0]["expireDate"], &list[0]["permits"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(list[0].get("url"), None);
    let token = list[0]["token"].as_str().expect("a token");
    assert!(
        token.len() >= 32 && token.bytes().all(|b| b.is_ascii_hexdigit()),
        "{token}"
    );
}

#[test]
fn paths_are_encoded_and_need_not_exist() {
    let service = service();
    let mut body = wish("a b/文#1?.txt", "UPLOAD");
    body["fullPathSet"] = json!(["a b/文#1?.txt", "/a b//文#1?.txt/", "/x/../y"]);
    let list = data(&service.send(&post(URL, &body)));
    let paths: Vec<&Value> = [0, 1].iter().map(|i| &list[i]["fullPath"]).collect();
    assert_eq!(paths, ["/a b/文#1?.txt", "/y"], "each once, in order");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let target = target(&list[0]["url"], "http://test");
    let (path, _) = target.split_once('?').expect("a query");
    assert_eq!(
        path,
        "/generic/temporary/upload/project/repo/a%20b/%E6%96%87%231%3F.txt"
    );
    data(&service.send(&Call::new("PUT", &target).body("x")));
    service.assert_file("/a%20b/%E6%96%87%231%3F.txt", b"x");
}

#[test]
fn what_a_link_begins_with() {
    let service = service();
    let mut body = wish("/f", "DOWNLOAD");
    for (host, base) in [
        (
            json!("https://cdn.example.com"),
            "https://cdn.example.com/generic/temporary/",
        ),
        (
            json!("cdn.example.com:81"),
            "http://cdn.example.com:81/generic/temporary/",
        ),
        (
            json!("https://cdn.example.com/generic/"),
            "https://cdn.example.com/generic/temporary/",
        ),
        (json!(""), "http://test/generic/temporary/"),
        (Value::Null, "http://test/generic/temporary/"),
    ] {
        body["host"] = host;
        let list = data(&service.send(&post(URL, &body)));
        target(&list[0]["url"], base);
    }
    body["host"] = json!("java script:x");
    assert_eq!(service.send(&post(URL, &body)).verdict(), (400, 250_105));

    let named = Service::with(|config| {
        config.no_auth = true;
        config.public_url = Some("https://repo.example.com/bk".to_owned());
    });
    named.store("/f", DIGITS);
    let list = data(&named.send(&post(URL, &wish("/f", "DOWNLOAD"))));
    target(
        &list[0]["url"],
        "https://repo.example.com/bk/generic/temporary/download/",
    );
}

#[test]
fn gateways_may_stand_before_it() {
    let service = service();
    for prefix in ["/api", "/web", "/bkrepo/api/build", "//"] {
        let target = format!("{prefix}{URL}");
        let list = data(&service.send(&post(&target, &wish("/f", "DOWNLOAD"))));
        let link = super::links::target(&list[0]["url"], "http://test");
        let found = service.send(&Call::new("GET", format!("{prefix}{link}")));
        assert_eq!(found.body, DIGITS);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let service = service();
    let with = |key: &str, value: Value| {
        let mut body = wish("/f", "DOWNLOAD");
        body[key] = value;
        body
    };
    for (key, value, code) in [
        ("projectId", Value::Null, 250_103),
        ("projectId", json!(""), 250_104),
        ("projectId", json!(7), 250_105),
        ("projectId", json!("-"), 250_105),
        ("projectId", json!("batch"), 250_105),
        ("repoName", Value::Null, 250_103),
        ("repoName", json!("a/b"), 250_105),
        ("fullPathSet", Value::Null, 250_103),
        ("fullPathSet", json!([]), 250_104),
        ("fullPathSet", json!("/f"), 250_105),
        ("fullPathSet", json!([1]), 250_105),
        ("fullPathSet", json!(["/a\u{0}"]), 251_011),
        ("fullPathSet", json!(vec!["x"; 1001]), 250_105),
        ("type", Value::Null, 250_103),
        ("type", json!(" "), 250_104),
        ("type", json!("SOMETHING"), 250_105),
        ("type", json!("ALL"), 250_105),
        ("permits", json!(0), 250_105),
        ("permits", json!(-1), 250_105),
        ("permits", json!(4_294_967_296_u64), 250_105),
        ("permits", json!(1.5), 250_105),
        ("expireSeconds", json!("soon"), 250_105),
        ("authorizedUserSet", json!("ann"), 250_105),
        ("authorizedUserSet", json!(["a:b"]), 250_105),
        ("authorizedUserSet", json!(vec!["ann"; 101]), 250_105),
        ("authorizedIpSet", json!(["localhost"]), 250_105),
        ("authorizedIpSet", json!(["127.0.0.1/33"]), 250_105),
        ("host", json!(1), 250_105),
    ] {
        let answer = service.send(&post(URL, &with(key, value.clone())));
        assert_eq!(answer.verdict(), (400, code), "{key}: {value}");
        let message = answer.json()["message"].to_string();
        let names = code == 251_011 || ["-", "a/b", "batch"].iter().any(|v| value == *v);
        assert!(names || message.contains(key), "{key}: {message}");
    }
    for (body, verdict) in [
        ("", (400, 250_106)),
        ("nonsense", (400, 250_106)),
        ("[]", (400, 250_106)),
        (&*"[".repeat(100_000), (400, 250_106)),
        (
            &*format!("{{\"x\": \"{}\"}}", "y".repeat(1 << 20)),
            (413, 250_106),
        ),
    ] {
        let call = Call::new("POST", URL).body(body);
        assert_eq!(service.send(&call).verdict(), verdict);
    }
    let get = service.send(&Call::new("GET", URL));
    assert_eq!(get.verdict(), (405, 250_112));
    let mut elsewhere = wish("/f", "DOWNLOAD");
    elsewhere["repoName"] = json!("unknown");
    assert_eq!(
        service.send(&post(URL, &elsewhere)).verdict(),
        (404, 251_006)
    );
}

#[test]
fn a_thousand_paths_at_once() {
    let service = service();
    let mut body = wish("/f", "DOWNLOAD");
    body["fullPathSet"] = (0..1000).map(|i| json!(format!("/d/{i}"))).collect();
    let list = data(&service.send(&post(TOKEN, &body)));
    assert_eq!(list.as_array().map(Vec::len), Some(1000));
    // Every token would have its own copy of the names.
    let users = (0..100).map(|i| json!(format!("{i:0>100}")));
    body["authorizedUserSet"] = users.collect();
    assert_eq!(service.send(&post(TOKEN, &body)).verdict(), (400, 250_105));
}

#[test]
fn who_may_not_write_gets_no_link() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "project", "repo");
    for name in ["reader", "writer", "outsider"] {
        make_user(&service, name);
    }
    grant(&service, "reader", "project", "repo", &["READ"]);
    grant(&service, "writer", "project", "repo", &["WRITE"]);
    for target in [URL, TOKEN] {
        let call = || post(target, &wish("/f", "DOWNLOAD"));
        auth::assert_challenge(&service.send(&call()));
        assert_eq!(
            service.send(&user(call(), "reader")).verdict(),
            (403, 250_113)
        );
        assert_eq!(
            service.send(&user(call(), "outsider")).verdict(),
            (403, 250_113)
        );
        data(&service.send(&user(call(), "writer")));
    }
}

#[test]
fn shares() {
    let service = service();
    let share = "/repository/api/share/project/repo/f";
    let body =
        json!({"authorizedUserList": [], "authorizedIpList": ["127.0.0.1"], "expireSeconds": 60});
    let shared = data(&service.send(&post(share, &body)));
    assert_eq!(shared["fullPath"], "/f");
    assert_eq!(shared["expireDate"], "2020-07-27T16:03:31.394");
    let link = target(&shared["shareUrl"], "http://test");
    assert_eq!(service.get_target(&link).body, DIGITS);
    let (_, token) = link.split_once("token=").expect("a token");
    let found = service.get_target(&format!("{share}?token={token}"));
    assert_eq!(found.body, DIGITS);
    assert_eq!(found.header("Access-Control-Allow-Origin"), None);
    assert_eq!(service.get_target(share).verdict(), (400, 251_021));
    service.pass_ms(60_000);
    assert_eq!(service.get_target(&link).verdict(), (400, 251_022));

    let ever = data(&service.send(&post(share, &json!({}))));
    assert_eq!(ever["expireDate"], Value::Null);
    for (target, verdict) in [
        ("/repository/api/share/project/repo/missing", (404, 251_010)),
        ("/repository/api/share/project/unknown/f", (404, 251_006)),
        ("/repository/api/share/project", (404, 250_130)),
    ] {
        assert_eq!(
            service.send(&post(target, &json!({}))).verdict(),
            verdict,
            "{target}"
        );
    }
    assert_eq!(
        service.send(&Call::new("PUT", share)).verdict(),
        (405, 250_112)
    );
    let bad = json!({"authorizedIpList": ["x"]});
    assert_eq!(service.send(&post(share, &bad)).verdict(), (400, 250_105));
}

#[test]
fn strangers_share_nothing() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "project", "repo");
    let share = || post("/repository/api/share/project/repo/f", &json!({}));
    auth::assert_challenge(&service.send(&share()));
    make_user(&service, "ann");
    assert_eq!(
        service.send(&user(share(), "ann")).verdict(),
        (403, 250_113)
    );
    assert_eq!(service.send(&admin(share())).verdict(), (404, 251_010));
}
