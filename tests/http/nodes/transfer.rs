//! Moving and copying: what `mv` and `cp` do.

use serde_json::{Value, json};

use super::{DAY_MS, ask, data, fill, from_to, send, store_for_a_day, tree, tree_of};
use crate::service::{Service, put};

/// One case: what is there, from, to, overwrite, and what then is there, or the error's code.
/// Every file holds its first path.
type Case = (
    &'static [&'static str],
    &'static str,
    &'static str,
    bool,
    Result<&'static [(&'static str, &'static str)], u64>,
);

/// Files of a tree with their contents, and folders with nothing.
fn contents(service: &Service) -> Vec<(String, String)> {
    let read = |path: String| match path.ends_with('/') {
        true => (path, String::new()),
        false => {
            let body = service.get(&path).body;
            (path, String::from_utf8(body).expect("UTF-8"))
        }
    };
    tree(service).into_iter().map(read).collect()
}

fn run(way: &str, (before, from, to, overwrite, after): &Case) {
    let service = Service::open();
    fill(&service, before);
    let old = contents(&service);
    let body = from_to(from, to, *overwrite);
    let answer = send(&service, "POST", &format!("/node/{way}"), &body);
    match after {
        Ok(after) => {
            assert_eq!(data(&answer), Value::Null, "{way} {from} {to}");
            let after: Vec<(String, String)> = after
                .iter()
                .map(|(path, bytes)| ((*path).to_owned(), (*bytes).to_owned()))
                .collect();
            assert_eq!(contents(&service), after, "{way} {from} {to}");
        }
        Err(code) => {
            assert_eq!(answer.verdict(), (400, *code), "{way} {from} {to}");
            assert_eq!(
                contents(&service),
                old,
                "{way} {from} {to}: nothing happened"
            );
        }
    }
    let report = service.store.verify(false).expect("it can be verified");
    assert!(report.clean, "{way} {from} {to}: {report:?}");
}

const EXISTS: u64 = 251_012;
const CONFLICT: u64 = 251_013;

#[test]
fn moves() {
    let cases: &[Case] = &[
        // To where nothing is: it gets that name, and the folders above are made.
        (
            &["/f"],
            "/f",
            "/x/y",
            false,
            Ok(&[("/x/", ""), ("/x/y", "/f")]),
        ),
        (
            &["/a/b/f", "/a/e/"],
            "/a",
            "/x/y",
            false,
            Ok(&[
                ("/x/", ""),
                ("/x/y/", ""),
                ("/x/y/b/", ""),
                ("/x/y/b/f", "/a/b/f"),
                ("/x/y/e/", ""),
            ]),
        ),
        // Into a folder that is there, under its own name.
        (
            &["/f", "/d/"],
            "/f",
            "/d",
            false,
            Ok(&[("/d/", ""), ("/d/f", "/f")]),
        ),
        (
            &["/a/f", "/d/"],
            "/a",
            "/d",
            false,
            Ok(&[("/d/", ""), ("/d/a/", ""), ("/d/a/f", "/a/f")]),
        ),
        (
            &["/a/f"],
            "/a/f",
            "/",
            false,
            Ok(&[("/a/", ""), ("/f", "/a/f")]),
        ),
        // File onto file.
        (&["/f", "/g"], "/f", "/g", false, Err(EXISTS)),
        (&["/f", "/g"], "/f", "/g", true, Ok(&[("/g", "/f")])),
        (&["/f", "/d/f"], "/f", "/d", false, Err(EXISTS)),
        (
            &["/f", "/d/f"],
            "/f",
            "/d",
            true,
            Ok(&[("/d/", ""), ("/d/f", "/f")]),
        ),
        // Onto the other kind.
        (&["/a/f", "/g"], "/a", "/g", true, Err(CONFLICT)),
        (&["/f", "/d/f/"], "/f", "/d", true, Err(CONFLICT)),
        (&["/f/g", "/d/f"], "/f", "/d", true, Err(CONFLICT)),
        (&["/f", "/g"], "/f", "/g/h", true, Err(CONFLICT)),
        // Into itself.
        (&["/a/b/f"], "/a", "/a/b", false, Err(CONFLICT)),
        (&["/a/b/f"], "/a", "/a", false, Err(CONFLICT)),
        (&["/a/b/f"], "/a", "/a/x", false, Err(CONFLICT)),
        (&["/f"], "/f", "/f/x", false, Err(CONFLICT)),
        // To where it is.
        (&["/f"], "/f", "/f", false, Ok(&[("/f", "/f")])),
        (&["/f"], "/f", "/", false, Ok(&[("/f", "/f")])),
        (
            &["/a/f"],
            "/a",
            "/",
            false,
            Ok(&[("/a/", ""), ("/a/f", "/a/f")]),
        ),
    ];
    for case in cases {
        run("move", case);
    }
}

#[test]
fn moves_that_merge() {
    let cases: &[Case] = &[
        // Child by child.
        (
            &["/a/b/f", "/a/b/g", "/a/n/h", "/d/a/b/x", "/d/a/y"],
            "/a",
            "/d",
            false,
            Ok(&[
                ("/d/", ""),
                ("/d/a/", ""),
                ("/d/a/b/", ""),
                ("/d/a/b/f", "/a/b/f"),
                ("/d/a/b/g", "/a/b/g"),
                ("/d/a/b/x", "/d/a/b/x"),
                ("/d/a/n/", ""),
                ("/d/a/n/h", "/a/n/h"),
                ("/d/a/y", "/d/a/y"),
            ]),
        ),
        (&["/a/b/f", "/d/a/b/f"], "/a", "/d", false, Err(EXISTS)),
        (
            &["/a/b/f", "/d/a/b/f"],
            "/a",
            "/d",
            true,
            Ok(&[
                ("/d/", ""),
                ("/d/a/", ""),
                ("/d/a/b/", ""),
                ("/d/a/b/f", "/a/b/f"),
            ]),
        ),
        (&["/a/b/f", "/d/a/b"], "/a", "/d", true, Err(CONFLICT)),
        (&["/a/b", "/d/a/b/"], "/a", "/d", true, Err(CONFLICT)),
        // Merged into the folder above it.
        (
            &["/a/a/f", "/a/g"],
            "/a/a",
            "/",
            false,
            Ok(&[("/a/", ""), ("/a/f", "/a/a/f"), ("/a/g", "/a/g")]),
        ),
        // Where it would meet itself.
        (&["/a/a/a/f"], "/a/a", "/", false, Err(CONFLICT)),
        (&["/"], "/", "/x", false, Err(250_112)),
        (&["/f"], "/missing", "/x", false, Err(251_010)),
    ];
    for case in cases {
        run("move", case);
    }
}

#[test]
fn copies() {
    let cases: &[Case] = &[
        (
            &["/f"],
            "/f",
            "/x/y",
            false,
            Ok(&[("/f", "/f"), ("/x/", ""), ("/x/y", "/f")]),
        ),
        (
            &["/a/b/f", "/a/e/"],
            "/a",
            "/x",
            false,
            Ok(&[
                ("/a/", ""),
                ("/a/b/", ""),
                ("/a/b/f", "/a/b/f"),
                ("/a/e/", ""),
                ("/x/", ""),
                ("/x/b/", ""),
                ("/x/b/f", "/a/b/f"),
                ("/x/e/", ""),
            ]),
        ),
        (
            &["/f", "/d/"],
            "/f",
            "/d",
            false,
            Ok(&[("/d/", ""), ("/d/f", "/f"), ("/f", "/f")]),
        ),
        (&["/f", "/g"], "/f", "/g", false, Err(EXISTS)),
        (
            &["/f", "/g"],
            "/f",
            "/g",
            true,
            Ok(&[("/f", "/f"), ("/g", "/f")]),
        ),
        (&["/f"], "/f", "/f", false, Ok(&[("/f", "/f")])),
        (&["/f"], "/f", "/", false, Ok(&[("/f", "/f")])),
        (&["/a/f"], "/a", "/a", false, Err(CONFLICT)),
        (&["/a/f"], "/a", "/a/x", false, Err(CONFLICT)),
        (&["/a/f", "/g"], "/a", "/g", true, Err(CONFLICT)),
        // Several trees at once.
        (
            &["/a/b/f", "/a/c/g", "/a/e/", "/d/a/y"],
            "/a",
            "/d",
            false,
            Ok(&[
                ("/a/", ""),
                ("/a/b/", ""),
                ("/a/b/f", "/a/b/f"),
                ("/a/c/", ""),
                ("/a/c/g", "/a/c/g"),
                ("/a/e/", ""),
                ("/d/", ""),
                ("/d/a/", ""),
                ("/d/a/b/", ""),
                ("/d/a/b/f", "/a/b/f"),
                ("/d/a/c/", ""),
                ("/d/a/c/g", "/a/c/g"),
                ("/d/a/e/", ""),
                ("/d/a/y", "/d/a/y"),
            ]),
        ),
        (
            &["/a/a/f"],
            "/a/a",
            "/",
            false,
            Ok(&[
                ("/a/", ""),
                ("/a/a/", ""),
                ("/a/a/f", "/a/a/f"),
                ("/a/f", "/a/a/f"),
            ]),
        ),
        (&["/a/a/a/f"], "/a/a", "/", false, Err(CONFLICT)),
        (&["/f"], "/", "/", false, Ok(&[("/f", "/f")])),
        (&["/f"], "/", "/x", false, Err(CONFLICT)),
    ];
    for case in cases {
        run("copy", case);
    }
}

fn between(from: &str, to_repo: &str, to: &str) -> Value {
    json!({
        "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": from,
        "destProjectId": "other", "destRepoName": to_repo, "destFullPath": to,
    })
}

#[test]
fn across_repositories() {
    let service = Service::open();
    fill(&service, &["/a/f", "/b/c/g", "/h"]);
    let copy = |body: &Value| send(&service, "POST", "/node/copy", body).verdict();
    assert_eq!(
        copy(&between("/a", "one", "/")),
        (200, 0),
        "made on the way"
    );
    assert_eq!(tree_of(&service, "other/one"), ["/a/", "/a/f"]);
    assert_eq!(copy(&between("/", "two", "/all")), (200, 0));
    let all = [
        "/all/",
        "/all/a/",
        "/all/a/f",
        "/all/b/",
        "/all/b/c/",
        "/all/b/c/g",
        "/all/h",
    ];
    assert_eq!(tree_of(&service, "other/two"), all);
    assert_eq!(
        copy(&between("/", "one", "/")),
        (400, 251_012),
        "/a/f is there"
    );
    let mut body = between("/", "one", "/");
    body["overwrite"] = json!("True");
    assert_eq!(copy(&body), (200, 0));
    assert_eq!(
        tree_of(&service, "other/one"),
        ["/a/", "/a/f", "/b/", "/b/c/", "/b/c/g", "/h"]
    );
    let moved = send(
        &service,
        "POST",
        "/node/move",
        &between("/b", "two", "/all"),
    );
    assert_eq!(moved.verdict(), (400, 251_012));
    let moved = send(&service, "POST", "/node/move", &between("/b", "two", "/b2"));
    assert_eq!(moved.verdict(), (200, 0));
    assert_eq!(tree(&service), ["/a/", "/a/f", "/h"]);
    let missing = json!({
        "srcProjectId": "project", "srcRepoName": "none", "srcFullPath": "/a",
        "destFullPath": "/b",
    });
    for way in ["move", "copy"] {
        let answer = send(&service, "POST", &format!("/node/{way}"), &missing);
        assert_eq!(answer.verdict(), (404, 251_006));
    }
    assert!(service.store.verify(false).expect("verified").clean);
}

#[test]
fn what_goes_along() {
    let service = Service::open();
    let call = put("/a/f").header("X-BKREPO-META-k", "v");
    let call = call.header("X-BKREPO-EXPIRES", "3").body("x");
    assert_eq!(service.send(&call).status, 200);
    store_for_a_day(&service, "/a/soon");
    service.pass_ms(DAY_MS);
    let copied = send(&service, "POST", "/node/copy", &from_to("/a", "/b", false));
    assert_eq!(copied.verdict(), (200, 0));
    assert_eq!(
        tree(&service),
        ["/a/", "/a/f", "/b/", "/b/f"],
        "what expired stays behind"
    );
    let detail = |path: &str| ask(&service, &format!("/node/detail/project/repo{path}"));
    let copy = detail("/b/f");
    assert_eq!(copy["metadata"], json!({"k": "v"}));
    assert_eq!(copy["expireDate"], "2020-07-30T16:02:31.394");
    assert_eq!(copy["createdDate"], "2020-07-28T16:02:31.394");
    assert_ne!(copy["nodeInfo"]["id"], detail("/a/f")["nodeInfo"]["id"]);
    service.pass_ms(1000);
    let moved = send(
        &service,
        "POST",
        "/node/move",
        &from_to("/a/f", "/g", false),
    );
    assert_eq!(moved.verdict(), (200, 0));
    let moved = detail("/g");
    assert_eq!(moved["metadata"], json!({"k": "v"}));
    assert_eq!(moved["createdDate"], "2020-07-27T16:02:31.394");
    assert_eq!(moved["lastModifiedDate"], "2020-07-28T16:02:32.394");
    service.pass_ms(2 * DAY_MS);
    assert_eq!(tree(&service), ["/a/", "/b/"], "all of them expire");
}

#[test]
fn nothing_lands_too_deep() {
    let service = Service::open();
    let deep = "/d".repeat(61);
    fill(
        &service,
        &["/t/u/v/", &format!("{deep}/"), &format!("{deep}/t/")],
    );
    for way in ["copy", "move"] {
        // Merged into /d…/t, /t/u/v would be at 64: fine. One deeper is not.
        let inner = format!("{deep}/t");
        let refused = send(
            &service,
            "POST",
            &format!("/node/{way}"),
            &from_to("/t", &inner, false),
        );
        assert_eq!(refused.verdict(), (400, 251_011), "{way}");
        let fine = send(
            &service,
            "POST",
            &format!("/node/{way}"),
            &from_to("/t", &deep, false),
        );
        assert_eq!(fine.verdict(), (200, 0), "{way}: {fine:?}");
        let gone = super::api("DELETE", &format!("/node/delete/project/repo{deep}/t/u"));
        assert_eq!(service.send(&gone).verdict(), (200, 0));
    }
}
