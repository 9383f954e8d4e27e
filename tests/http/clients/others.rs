//! Smaller clients, each with a few calls.

use serde_json::json;

use super::{Site, column, data, json, requests, target};
use crate::noise::noise;
use crate::service::{DIGITS, DIGITS_MD5, DIGITS_SHA256, sha256};
use crate::wire::Call;

#[test]
fn blueapps_go() {
    let site = Site::open();
    site.data(Call::new("PUT", "/generic/apps/media/photos/a.png").body(DIGITS));
    let mkdir = "/repository/api/node/mkdir/apps/media/photos/z";
    site.data(Call::new("POST", mkdir).header("Content-Length", "0"));
    let page = "/repository/api/node/page/apps/media/photos?pageNumber=1&pageSize=1000\
                &includeFolder=true&sort=true&sortProperty=folder";
    let page = site.data(Call::new("GET", page));
    let mut nodes: Vec<_> = column(&page, "name")
        .into_iter()
        .zip(column(&page, "folder"))
        .collect();
    nodes.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(json!(nodes), json!([["a.png", false], ["z", true]]));
    let get = site.send(Call::new(
        "GET",
        "/generic/apps/media/photos/a.png?download=true",
    ));
    assert_eq!(get.body, DIGITS);
    let head = site.send(Call::new("HEAD", "/generic/apps/media/photos/a.png"));
    assert_eq!(head.header("Content-Length"), Some("9"));
    assert_eq!(
        head.header("Last-Modified"),
        Some("Mon, 27 Jul 2020 16:02:31 GMT")
    );
    let body = json!({
        "projectId": "apps",
        "repoName": "media",
        "fullPathSet": ["/photos/a.png"],
        "expireSeconds": 60,
        "type": "DOWNLOAD",
    });
    let list = site.data(json("POST", "/generic/temporary/url/create", &body));
    let url = target(&list[0]["url"]);
    assert_eq!(site.stranger(&Call::new("GET", url)).body, DIGITS);
    site.data(Call::new("DELETE", "/generic/apps/media/photos/a.png"));
    site.assert_none("/generic/apps/media/photos/a.png");
}

#[test]
fn bk_lesscode() {
    let site = Site::open();
    let call = Call::new("PUT", "/generic/lesscode/web/site/index.html")
        .header("X-BKREPO-OVERWRITE", "true")
        .header("User-Agent", "axios/0.18.0");
    let body = noise(12, 100_000);
    let parts: Vec<&[u8]> = body.chunks(65_536).collect();
    // Compared with `===`: a number.
    let answer = site.send_chunked(call, &parts);
    assert_eq!(answer.json()["code"], json!(0));
    site.assert_file("/generic/lesscode/web/site/index.html", &body);
}

#[test]
fn bcs_webconsole() {
    let site = Site::open();
    let file = "/generic/bcs/console/2020-07-27/session.cast";
    let head = || site.send(Call::new("HEAD", file)).status;
    site.data(Call::new("PUT", "/generic/bcs/console/first").body("x"));
    assert_eq!(head(), 404);
    let put = Call::new("PUT", file).header("X-BKREPO-OVERWRITE", "True");
    site.data(put.body(DIGITS));
    assert_eq!(head(), 200);
    let page = "/repository/api/node/page/bcs/console/2020-07-27?pageNumber=1&pageSize=1000";
    let page = site.data(Call::new("GET", page));
    assert_eq!(column(&page, "fullPath"), ["/2020-07-27/session.cast"]);
    site.data(Call::new(
        "DELETE",
        "/repository/api/node/delete/bcs/console/2020-07-27",
    ));
    assert_eq!(head(), 404);
}

#[test]
fn bcs_ops() {
    let site = Site::open();
    let put = |md5: &str| {
        let call = Call::new("PUT", "/generic/bcs/ops/scripts.tgz");
        let call = requests(call).header("X-BKREPO-OVERWRITE", "True");
        site.send(call.header("X-BKREPO-MD5", md5).body(DIGITS))
    };
    assert_eq!(put(&"0".repeat(32)).verdict(), (400, 251_003));
    data(&put(DIGITS_MD5));
    site.assert_file("/generic/bcs/ops/scripts.tgz", DIGITS);
}

#[test]
fn log_search_exporter() {
    let site = Site::open();
    let file = "/generic/log/exports/2020/07.tar.gz";
    site.data(Call::new("PUT", "/generic/log/exports/first").body("x"));
    site.assert_none(file);
    let put = |body: &[u8], digest: &str| {
        let call = Call::new("PUT", file).header("X-BKREPO-OVERWRITE", "false");
        site.send(call.header("X-BKREPO-SHA256", digest).body(body))
    };
    assert_eq!(put(DIGITS, &sha256(b"other")).verdict(), (400, 251_003));
    data(&put(DIGITS, DIGITS_SHA256));
    // Takes this for success: an earlier try came through.
    assert_eq!(put(DIGITS, DIGITS_SHA256).verdict(), (400, 251_012));
    let head = site.send(Call::new("HEAD", file));
    assert_eq!(
        (head.status, head.header("Content-Length")),
        (200, Some("9"))
    );
    site.data(Call::new("DELETE", file));
    site.assert(Call::new("DELETE", file), 404, 251_010);
}
