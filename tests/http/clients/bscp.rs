//! bk-bscp: files named by their sha256, in Go; its smaller client leaves the padding out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::{Site, data, json, target};
use crate::auth::PASSWORD;
use crate::noise::noise;
use crate::service::{DIGITS, DIGITS_MD5, DIGITS_SHA256, sha256};
use crate::wire::{Answer, Call};

fn file(sha256: &str) -> String {
    format!("/generic/bscp/bscp-v1-biz-2/file/{sha256}")
}

fn block(sha256: &str) -> String {
    file(sha256).replacen("/generic/", "/generic/block/", 1)
}

/// The headers of its requests; a tenant there is none.
fn go(call: Call) -> Call {
    call.header("User-Agent", "Go-http-client/1.1")
        .header("X-Bkapi-Request-Id", "a1b2c3")
        .header("X-Bk-Tenant-Id", "")
        .header("Accept-Encoding", "gzip")
}

/// The smaller client: `base64.RawStdEncoding`.
fn unpadded(site: &Site, call: Call) -> Answer {
    let login = STANDARD_NO_PAD.encode(format!("admin:{PASSWORD}"));
    let call = go(call).header("Authorization", format!("Basic {login}"));
    site.service.send(&call)
}

fn prepare(site: &Site) {
    let project = || Call::new("GET", "/repository/api/project/exist/bscp");
    assert_eq!(data(&unpadded(site, project())), false);
    let body = json!({"name": "bscp", "displayName": "bscp", "description": "of bscp"});
    data(&unpadded(
        site,
        json("POST", "/repository/api/project/create", &body),
    ));
    assert_eq!(data(&unpadded(site, project())), true);
    let body = json!({
        "projectId": "bscp",
        "name": "bscp-v1-biz-2",
        "type": "GENERIC",
        "category": "LOCAL",
        "public": false,
        "configuration": {"type": "local"},
        "description": "bscp 2 business repository",
    });
    data(&unpadded(
        site,
        json("POST", "/repository/api/repo/create", &body),
    ));
    // Another process comes second; it takes exactly this for success.
    let again = unpadded(site, json("POST", "/repository/api/repo/create", &body));
    assert_eq!(again.verdict(), (400, 251_007));
}

/// What it takes from a `HEAD`, and refuses to go on without.
fn assert_head(site: &Site, sign: &str, md5: &str, len: usize) {
    let head = site.send(go(Call::new("HEAD", file(sign))));
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("X-Checksum-Sha256"), Some(sign));
    assert_eq!(head.header("X-Checksum-Md5"), Some(md5));
    assert_eq!(head.header("Content-Length"), Some(&*len.to_string()));
}

#[test]
fn bscp() {
    let site = Site::open();
    prepare(&site);
    assert_eq!(
        site.send(go(Call::new("GET", file(DIGITS_SHA256)))).status,
        404
    );
    site.assert_none(&file(DIGITS_SHA256));
    for _ in 0..2 {
        let put = go(Call::new("PUT", file(DIGITS_SHA256)))
            .header("Content-Type", "application/octet-stream")
            .header("X-BKREPO-OVERWRITE", "true");
        let stored = site.data(put.body(DIGITS));
        assert_eq!(
            (&stored["sha256"], &stored["size"]),
            (&json!(DIGITS_SHA256), &json!(9))
        );
    }
    assert_head(&site, DIGITS_SHA256, DIGITS_MD5, 9);
    let get = site.send(go(Call::new("GET", file(DIGITS_SHA256))));
    assert_eq!(get.header("Content-Length"), Some("9"));
    assert_eq!(get.body, DIGITS);

    let body = json!({
        "projectId": "bscp",
        "repoName": "bscp-v1-biz-2",
        "fullPathSet": [format!("/file/{DIGITS_SHA256}")],
        "expireSeconds": 3600,
        "permits": 2,
        "type": "DOWNLOAD",
    });
    let call = json("POST", "/generic/temporary/url/create", &body);
    let list = data(&unpadded(&site, call));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    let url = target(&list[0]["url"]);
    for _ in 0..2 {
        let answer = site.stranger(&Call::new("GET", &url));
        assert_eq!((answer.status, &answer.body[..]), (200, DIGITS));
    }
    let used_up = site.stranger(&Call::new("GET", &url));
    assert_eq!(used_up.verdict(), (400, 251_021));

    let deleted = unpadded(&site, Call::new("DELETE", file(DIGITS_SHA256)));
    assert_eq!(deleted.verdict(), (200, 0));
    site.assert_none(&file(DIGITS_SHA256));
}

/// Starts an upload in blocks: no body, whatever the type says.
fn start(site: &Site, sign: &str) -> String {
    let call = go(Call::new("POST", block(sign)))
        .header("Content-Type", "application/octet-stream")
        .header("X-BKREPO-OVERWRITE", "true")
        .header("Content-Length", "0");
    let started = site.data(call);
    assert_eq!(started["expireSeconds"], 43_200);
    let id = started["uploadId"].as_str().expect("an id");
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    id.to_owned()
}

#[test]
fn bscp_in_blocks() {
    let site = Site::open();
    prepare(&site);
    let body = noise(9, 700_000);
    let sign = sha256(&body);
    for _ in 0..2 {
        let id = start(&site, &sign);
        let blocks: Vec<&[u8]> = body.chunks(300_000).collect();
        for sequence in [2, 1, 3] {
            let call = go(Call::new("PUT", file(&sign)))
                .header("Content-Type", "application/octet-stream")
                .header("X-BKREPO-UPLOAD-ID", &id)
                .header("X-BKREPO-SEQUENCE", sequence.to_string());
            assert_eq!(site.data(call.body(blocks[sequence - 1])), Value::Null);
        }
        let complete = || {
            go(Call::new("PUT", block(&sign)))
                .header("X-BKREPO-UPLOAD-ID", &id)
                .header("X-BKREPO-OVERWRITE", "true")
                .header("Content-Length", "0")
        };
        assert_eq!(site.data(complete()), Value::Null);
        site.assert(complete(), 400, 251_201);
        let md5 = site.send(Call::new("HEAD", file(&sign)));
        let md5 = md5.header("X-Checksum-Md5").expect("a digest").to_owned();
        assert_head(&site, &sign, &md5, body.len());
        site.assert_file(&file(&sign), &body);
    }
}
