//! `bkstorages`, a storage of Django: one connection for all, header names taken literally.

use serde_json::json;

use super::{Site, column, data, json, requests, target};
use crate::service::DIGITS;
use crate::wire::Call;

const PAGE: &str = "/repository/api/node/page/paas/media";

#[test]
fn bkstorages() {
    let site = Site::open();
    let wire = &mut site.service.connect();
    for name in ["docs/a.txt", "docs/b/c.txt", "top"] {
        let call = Call::new("PUT", format!("/generic/paas/media/{name}"));
        let call = requests(call).header("X-BKREPO-OVERWRITE", "True");
        data(&Site::on(wire, call.body(DIGITS)));
    }
    let head = |name: &str| requests(Call::new("HEAD", format!("/generic/paas/media/{name}")));
    let there = Site::on(wire, head("docs/a.txt"));
    assert_eq!(
        (there.status, there.header("Content-Length")),
        (200, Some("9"))
    );
    // `%a, %d %b %Y %H:%M:%S GMT`, and nothing else.
    let modified = there.header("Last-Modified");
    assert_eq!(modified, Some("Mon, 27 Jul 2020 16:02:31 GMT"));
    assert_eq!(Site::on(wire, head("docs/missing.txt")).status, 404);

    // It asks for one after the other, until `totalPages` of them have come.
    let (mut names, mut number, mut total) = (Vec::new(), 0, 1);
    while number < total {
        number += 1;
        let query = format!("?pageSize=1&pageNumber={number}&includeFolder=True");
        let call = requests(Call::new("GET", format!("{PAGE}/docs{query}")));
        let page = data(&Site::on(wire, call));
        names.extend(column(&page, "name"));
        total = page["totalPages"].as_u64().expect("a number");
    }
    assert_eq!(names, ["b", "a.txt"]);
    for (path, folders, names) in [
        ("/", json!([true, false]), json!(["docs", "top"])),
        ("/docs", json!([true, false]), json!(["b", "a.txt"])),
        ("/nowhere", json!([]), json!([])),
    ] {
        let query = "?pageSize=1000&pageNumber=1&includeFolder=True";
        let call = requests(Call::new("GET", format!("{PAGE}{path}{query}")));
        let page = data(&Site::on(wire, call));
        assert_eq!(json!(column(&page, "folder")), folders, "{path}");
        assert_eq!(json!(column(&page, "name")), names, "{path}");
    }
    let info = Call::new("GET", "/repository/api/repo/info/paas/media/GENERIC");
    let info = data(&Site::on(wire, requests(info)));
    assert_eq!(info["public"], false);
}

#[test]
fn bkstorages_and_a_public_repository() {
    let site = Site::open();
    let repo = json!({
        "projectId": "paas",
        "name": "static",
        "type": "GENERIC",
        "category": "LOCAL",
        "public": true,
        "configuration": null,
    });
    let project = json!({"name": "paas", "displayName": "paas", "description": ""});
    site.data(json("POST", "/repository/api/project/create", &project));
    site.data(json("POST", "/repository/api/repo/create", &repo));
    let info = Call::new("GET", "/repository/api/repo/info/paas/static/GENERIC");
    assert_eq!(site.data(requests(info))["public"], true);
    let file = "/generic/paas/static/site.css";
    site.data(Call::new("PUT", file).body(DIGITS));
    for (download, attached) in [("false", false), ("true", true)] {
        let call = Call::new("GET", format!("{file}?download={download}"));
        let answer = site.stranger(&call);
        assert_eq!((answer.status, &answer.body[..]), (200, DIGITS));
        assert_eq!(answer.header("Content-Disposition").is_some(), attached);
    }
    let refused = site.stranger(&Call::new("PUT", file).body("x"));
    assert_eq!(refused.verdict(), (401, 250_114));

    // What is not there yet has a URL all the same, and 0 is for ever.
    let body = json!({
        "projectId": "paas",
        "repoName": "static",
        "fullPathSet": ["later/文 件.css"],
        "expireSeconds": 0,
        "type": "DOWNLOAD",
    });
    let list = site.data(json("POST", "/generic/temporary/url/create", &body));
    let url = target(&list[0]["url"]);
    assert_eq!(list[0]["expireDate"], json!(null));
    assert_eq!(site.stranger(&Call::new("GET", &url)).status, 404);
    let later = Call::new(
        "PUT",
        "/generic/paas/static/later/文 件.css".replace(' ', "%20"),
    );
    site.data(later.body("later"));
    site.service.pass_ms(1000 * 86_400_000);
    assert_eq!(site.stranger(&Call::new("GET", &url)).body, b"later");
}
