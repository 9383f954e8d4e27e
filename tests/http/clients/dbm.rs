//! blueking-dbm: its web pages, its Go programs and its shell scripts.

use md5::{Digest, Md5};
use serde_json::json;

use super::{Site, data, json, requests};
use crate::folders::unzip;
use crate::noise::noise;
use crate::service::{DIGITS, DIGITS_MD5};
use crate::wire::{Answer, Call};

fn assert_open_to_other_origins(answer: &Answer) {
    let allowed = answer.header("Access-Control-Allow-Origin");
    assert_eq!(allowed, Some("*"), "{answer:?}");
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
}

/// A page of another origin uploads and downloads with a token for three requests.
fn with_a_token(site: &Site) {
    let body = json!({
        "projectId": "dbm",
        "repoName": "files",
        "fullPathSet": ["/sql"],
        "authorizedUserSet": [],
        "authorizedIpSet": [],
        "expireSeconds": 3600,
        "permits": 3,
        "type": "ALL",
    });
    let list = site.data(requests(json(
        "POST",
        "/generic/temporary/token/create",
        &body,
    )));
    let token = list[0]["token"].as_str().expect("a token");
    let upload = format!("/generic/temporary/upload/dbm/files/sql/new.sql?token={token}");
    let preflight = Call::new("OPTIONS", &upload)
        .header("Origin", "https://dbm.example")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-bkrepo-overwrite");
    let preflight = site.stranger(&preflight);
    assert!([200, 204].contains(&preflight.status), "{preflight:?}");
    assert_open_to_other_origins(&preflight);
    let allowed = |name| preflight.header(name).expect("a list").to_ascii_lowercase();
    assert!(allowed("Access-Control-Allow-Methods").contains("put"));
    assert!(allowed("Access-Control-Allow-Headers").contains("x-bkrepo-overwrite"));

    let put = |overwrite, body| {
        let call = Call::new("PUT", &upload).header("Origin", "https://dbm.example");
        site.stranger(&call.header("X-BKREPO-OVERWRITE", overwrite).body(body))
    };
    let uploaded = put("false", "select 1");
    assert_open_to_other_origins(&uploaded);
    data(&uploaded);
    data(&put("true", "select 2"));
    let download = upload.replace("/upload/", "/download/") + "&download=true";
    let get = Call::new("GET", download).header("Origin", "https://dbm.example");
    let downloaded = site.stranger(&get);
    assert_eq!(
        (downloaded.status, &downloaded.body[..]),
        (200, &b"select 2"[..])
    );
    assert_open_to_other_origins(&downloaded);
    let disposition = downloaded.header("Content-Disposition");
    assert!(disposition.is_some_and(|value| value.contains("new.sql")));
    let used_up = site.stranger(&get);
    assert_eq!(used_up.verdict(), (400, 251_021), "{used_up:?}");
}

#[test]
fn dbm_web_pages() {
    let site = Site::open();
    let large = noise(7, 200_000);
    for (name, body) in [("sql/a.sql", DIGITS), ("sql/文.sql", &large)] {
        let call = Call::new("PUT", format!("/generic/dbm/files/{name}"));
        let call = requests(call).header("X-BKREPO-OVERWRITE", "True");
        site.data(call.body(body));
    }
    let body = json!({"paths": ["/sql/a.sql", "/sql/文.sql"]});
    let zip = site.send(requests(json("GET", "/generic/batch/dbm/files", &body)));
    assert_eq!(zip.status, 200, "{zip:?}");
    let mut entries = unzip(zip.body);
    entries.sort();
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, body, _)| (&**name, &**body))
        .collect();
    assert_eq!(entries, [("sql/a.sql", DIGITS), ("sql/文.sql", &*large)]);
    let missing = json!({"paths": ["/sql/a.sql", "/sql/none"]});
    let call = requests(json("GET", "/generic/batch/dbm/files", &missing));
    site.assert(call, 404, 251_010);
    let head = site.send(requests(Call::new("HEAD", "/generic/dbm/files/sql/a.sql")));
    assert_eq!(head.header("X-Checksum-Md5"), Some(DIGITS_MD5));
    let query = "?pageSize=1000&PageNumber=1&includeFolder=False";
    let page = Call::new(
        "GET",
        format!("/repository/api/node/page/dbm/files/sql{query}"),
    );
    assert_eq!(site.data(requests(page))["totalRecords"], 2);
    with_a_token(&site);
    let plain = Call::new("GET", "/generic/dbm/files/sql/a.sql");
    let plain = site.send(plain.header("Origin", "https://dbm.example"));
    assert_eq!(plain.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn dbm_go_programs() {
    let site = Site::open();
    let file = "/generic/dbm/package/mysql/5.7/mysql.tar.gz";
    // The type promises parts; the body has none, and is the file.
    let put = || {
        Call::new("PUT", format!("{file}/"))
            .header("User-Agent", "Go-http-client/1.1")
            .header("Content-Type", "multipart/form-data; boundary=5b3c1a")
            .header("X-BKREPO-OVERWRITE", "True")
            .header("X-BKREPO-EXPIRES", "183")
            .header("X-BKREPO-META-version", "5.7")
            .header("Accept-Encoding", "gzip")
    };
    site.data(put().body("old"));
    site.data(put().body(DIGITS));
    let get = Call::new("GET", format!("{file}/?download=true"));
    let answer = site.send(get.header("Accept-Encoding", "gzip"));
    assert_eq!((answer.status, &answer.body[..]), (200, DIGITS));
    assert_eq!(answer.header("Content-Encoding"), None);
    site.service.pass_ms(183 * 86_400_000 - 1);
    site.assert_file(file, DIGITS);
    let detail = "/repository/api/node/detail/dbm/package/mysql/5.7/mysql.tar.gz";
    let detail = site.data(Call::new("GET", detail));
    assert_eq!(
        (&detail["size"], &detail["md5"]),
        (&json!(9), &json!(DIGITS_MD5))
    );
    // Decoded as a map of strings.
    assert_eq!(detail["metadata"], json!({"version": "5.7"}));
    site.service.pass_ms(1);
    site.assert_none(file);
}

#[test]
fn dbm_shell_scripts() {
    let site = Site::open();
    let body = noise(8, 1_500_000);
    let file = "/generic/dbm/backup/full.tar";
    // curl waits for leave to send as much as this.
    let put = |md5: &str| {
        crate::auth::admin(Call::new("PUT", file))
            .header("User-Agent", "curl/7.29.0")
            .header("X-BKREPO-MD5", md5)
            .header("Expect", "100-continue")
            .body(&body)
    };
    let upload = |md5: &str| {
        let mut wire = site.service.connect();
        wire.write(&put(md5).head()).expect("the server reads");
        let leave = wire.answer("PUT").expect("an answer");
        assert_eq!(leave.status, 100, "{leave:?}");
        wire.write(&body).expect("the server reads");
        wire.answer("PUT").expect("an answer").verdict()
    };
    assert_eq!(upload(DIGITS_MD5), (400, 251_003));
    site.assert_none(file);
    assert_eq!(upload(&hex::encode(Md5::digest(&body))), (200, 0));
    site.assert_file(file, &body);
}
