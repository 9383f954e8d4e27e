//! Unknown routes, wrong methods, and what operators ask.

use crate::service::{DIGITS, Service, call, put};
use crate::wire::Call;

#[test]
fn unknown_routes() {
    let service = Service::open();
    for target in [
        "/nothing",
        "/generic",
        "/generic/p",
        "/packhold/none",
        "/api",
        "/web/x",
    ] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            let answer = service.send(&Call::new(method, target).body("x"));
            assert_eq!(answer.verdict(), (404, 250_130), "{method} {target}");
            let json = answer.json();
            assert_eq!(json["traceId"].as_str(), answer.header("X-Bkrepo-Rid"));
            assert!(json["message"].to_string().contains("not found"));
        }
    }
}

#[test]
fn targets_without_a_path() {
    let service = Service::open();
    for (method, target) in [("CONNECT", "elsewhere:80"), ("OPTIONS", "*")] {
        let answer = service.send(&Call::new(method, target));
        assert_eq!(answer.verdict(), (404, 250_130), "{method} {target}");
    }
}

#[test]
fn wrong_methods() {
    let service = Service::open();
    for (method, target, possible) in [
        ("POST", "/generic/project/repo/f", "PUT"),
        ("PATCH", "/api/generic/project/repo/f", "HEAD"),
        ("BREW", "/generic/project/repo/f", "DELETE"),
        ("PUT", "/healthz", "HEAD"),
        ("DELETE", "/readyz", "GET"),
        ("POST", "/metrics", "GET"),
        ("PUT", "/packhold/stats", "GET"),
        ("GET", "/packhold/verify", "POST"),
        ("GET", "/packhold/gc", "POST"),
        ("GET", "/packhold/compact", "POST"),
    ] {
        let answer = service.send(&Call::new(method, target).body("x"));
        assert_eq!(answer.verdict(), (405, 250_112), "{method} {target}");
        let allow = answer
            .header("Allow")
            .expect("a 405 tells what is possible");
        assert!(
            !allow.contains(method) && allow.contains(possible),
            "{target}: {allow}"
        );
        assert_eq!(
            answer.json()["traceId"].as_str(),
            answer.header("X-Bkrepo-Rid")
        );
    }
}

/// Two rows may have one path, each some of its methods: `Allow` has those of both.
#[test]
fn a_wrong_method_is_told_of_all_that_are_possible() {
    let service = Service::open();
    for (target, possible) in [
        (
            "/generic/project/repo/search",
            "POST, GET, HEAD, PUT, DELETE",
        ),
        ("/auth/api/user/create", "POST, GET, PUT, DELETE"),
        ("/auth/api/user/list", "GET, PUT, DELETE"),
    ] {
        let answer = service.send(&Call::new("OPTIONS", target));
        assert_eq!(answer.verdict(), (405, 250_112), "{target}");
        assert_eq!(answer.header("Allow"), Some(possible), "{target}");
    }
}

/// A cache may keep what does not say otherwise, also that something is missing, and then hides what is
/// uploaded there next. Files say themselves how they may be kept.
#[test]
fn no_cache_keeps_what_is_no_file() {
    let service = Service::open();
    service.store("/f", "x");
    for (method, target, kept) in [
        ("GET", "/generic/project/repo/f", "no-cache"),
        ("GET", "/generic/project/repo/missing", "no-store"),
        ("GET", "/no/route", "no-store"),
        ("GET", "/repository/api/project/list", "no-store"),
        ("GET", "/api/v2/software-packages", "no-store"),
        ("GET", "/healthz", "no-store"),
        ("HEAD", "/readyz", "no-store"),
        ("GET", "/packhold/pack", "no-store"),
        ("POST", "/packhold/keys", "no-store"),
    ] {
        let answer = service.send(&Call::new(method, target).body("{}"));
        let told = answer.header("Cache-Control");
        assert_eq!(told, Some(kept), "{method} {target}");
    }
}

#[test]
fn health_and_readiness_need_no_login() {
    let service = Service::with(|_| {});
    for target in ["/healthz", "/readyz", "/healthz/", "//readyz"] {
        for method in ["GET", "HEAD"] {
            let answer = service.send(&Call::new(method, target));
            assert_eq!(answer.status, 200, "{method} {target}");
            let kind = answer.header("Content-Type");
            assert_eq!(kind, Some("text/plain; charset=utf-8"), "{method} {target}");
        }
    }
    for (method, target) in [
        ("GET", "/packhold/stats"),
        ("POST", "/packhold/verify"),
        ("POST", "/packhold/gc"),
        ("POST", "/packhold/compact"),
        ("GET", "/metrics"),
    ] {
        let answer = service.send(&Call::new(method, target));
        assert_eq!(answer.verdict(), (401, 250_114), "{target}");
    }
}

#[test]
fn stats_count_what_is_there() {
    let service = Service::open();
    let stats = |field: &str| {
        let answer = service.send(&Call::new("GET", "/packhold/stats"));
        assert_eq!(answer.status, 200);
        answer.json()[field]
            .as_f64()
            .unwrap_or_else(|| panic!("{field}"))
    };
    assert!((stats("dedup_ratio") - 1.0).abs() < 1e-9);
    service.store("/a", DIGITS);
    service.store("/b", DIGITS);
    service.store("/c", "");
    for (field, value) in [
        ("files", 3.0),
        ("packages", 0.0),
        ("logical_bytes", 18.0),
        ("blobs", 2.0),
        ("chunks", 1.0),
        ("stored_bytes", 9.0),
        ("dedup_ratio", 2.0),
        ("reclaimable_bytes", 0.0),
    ] {
        assert!(
            (stats(field) - value).abs() < 1e-9,
            "{field}: {}",
            stats(field)
        );
    }
    for field in ["pack_bytes", "pack_allocated_bytes", "index_bytes"] {
        assert!(stats(field) > 0.0, "{field}");
    }
    for path in ["/a", "/b"] {
        assert_eq!(service.send(&call("DELETE", path)).status, 200);
    }
    assert!((stats("reclaimable_bytes") - 9.0).abs() < 1e-9);
}

#[test]
fn space_is_given_back_when_it_is_asked_for() {
    let service = Service::open();
    service.store("/kept", DIGITS);
    service.store("/gone", "some other digits");
    assert_eq!(service.send(&call("DELETE", "/gone")).status, 200);
    let gc = |target: &str| {
        let answer = service.send(&Call::new("POST", target));
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let reclaimable = || {
        let stats = service.send(&Call::new("GET", "/packhold/stats")).json();
        stats["reclaimable_bytes"].as_u64()
    };
    for (target, dry_run, left) in [
        ("/packhold/gc?dry_run=true", true, Some(17)),
        ("/packhold/gc", false, Some(0)),
    ] {
        let report = gc(target);
        assert_eq!(report["dry_run"], dry_run);
        assert_eq!(report["freed_bytes"], 17, "{report}");
        assert_eq!(
            (&report["blobs"], &report["chunks"]),
            (&1.into(), &1.into())
        );
        assert_eq!(report["live_bytes"], 9);
        assert_eq!(report["complete"], true);
        assert_eq!(reclaimable(), left);
    }
    assert_eq!(gc("/packhold/gc")["freed_bytes"], 0);
    assert_eq!(service.send(&call("GET", "/kept")).body, DIGITS);
    service.store("/again", "some other digits");
    let again = service.send(&call("GET", "/again"));
    assert_eq!(again.body, b"some other digits");
    let report = service.send(&Call::new("POST", "/packhold/verify")).json();
    assert_eq!(report["clean"], true, "{report}");
}

#[test]
fn what_keeps_a_content_is_told_and_what_a_deletion_would_free() {
    let service = Service::open();
    service.store("/dir/a", DIGITS);
    service.store("/dir/b", DIGITS);
    service.store("/dir/deep/c", "other");
    service.store("/d", "other");
    let get = |target: &str| service.send(&Call::new("GET", target));
    let explain = |bytes: &[u8]| {
        let digest = hex::encode(packhold::digest::sha256(bytes));
        get(&format!("/packhold/explain/{digest}")).json()
    };
    let told = explain(DIGITS);
    assert_eq!(told["content"]["file_count"], 2, "{told}");
    let files = serde_json::json!(["/project/repo/dir/a", "/project/repo/dir/b"]);
    assert_eq!(told["content"]["files"], files);
    assert_eq!(told["chunk"]["content_count"], 1, "{told}");
    assert_eq!(told["chunk"]["stored_bytes"], 9);
    let nothing = serde_json::json!({"content": null, "chunk": null});
    assert_eq!(explain(b"never stored"), nothing);
    assert_eq!(get("/packhold/explain/xyz").status, 400);
    for (path, files, bytes) in [
        ("/dir/a", 1, 0),
        ("/dir", 3, 9),
        ("/dir/deep", 1, 0),
        ("", 4, 14),
    ] {
        let would = get(&format!("/packhold/would-free/project/repo{path}")).json();
        assert_eq!(would["files"], files, "{path}: {would}");
        assert_eq!(would["freed_bytes"], bytes, "{path}: {would}");
    }
    for missing in ["project/repo/none", "project/none", "none/repo"] {
        let answer = get(&format!("/packhold/would-free/{missing}"));
        assert_eq!(answer.status, 404, "{missing}");
    }
    // What it says is what is freed.
    let target = "/repository/api/node/delete/project/repo/dir";
    assert_eq!(service.send(&Call::new("DELETE", target)).status, 200);
    let freed = service.send(&Call::new("POST", "/packhold/gc")).json();
    assert_eq!(freed["freed_bytes"], 9, "{freed}");
    assert_eq!(explain(DIGITS), nothing);
}

#[test]
fn verification_of_a_sound_store() {
    let service = Service::open();
    service.store("/dir/a", DIGITS);
    let answer = service.send(&Call::new("POST", "/packhold/verify"));
    assert_eq!(answer.status, 200);
    let report = answer.json();
    assert_eq!(report["clean"], true, "{report}");
    assert_eq!(report["files"], 1);
    assert_eq!(report["damaged_files"], serde_json::json!([]));
}

#[test]
fn errors_do_not_tell_where_the_store_is() {
    let service = Service::open();
    let pack = service.pack();
    let directory = pack.parent().and_then(|p| p.to_str()).expect("a path");
    for call in [
        put("/a%00").body("x"),
        put("/a").header("X-BKREPO-EXPIRES", "x").body("x"),
        call("GET", "/missing"),
        Call::new("GET", "/nowhere"),
    ] {
        let body = String::from_utf8(service.send(&call).body).expect("UTF-8");
        assert!(
            !body.contains(directory) && !body.contains("src/"),
            "{body}"
        );
    }
}
