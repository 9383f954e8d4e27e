//! What the page is made of.

use crate::acting::assert_inert;
use crate::service::Service;
use crate::wire::{Answer, Call};

fn get(service: &Service, target: &str) -> Answer {
    service.get_target(target)
}

/// Every file that the page, or a file of it, refers to; the page first.
fn everything(service: &Service) -> Vec<(String, Answer)> {
    let mut all = vec![("/".to_owned(), get(service, "/"))];
    let mut seen = vec!["/".to_owned()];
    let mut at = 0;
    while at < all.len() {
        let (from, answer) = all[at].clone();
        let text = String::from_utf8(answer.body).expect("text");
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        for word in text.split('"').skip(1).step_by(2) {
            let target = match (word.strip_prefix("./"), word.strip_prefix("../")) {
                (Some(name), _) => format!("{folder}/{name}"),
                (_, Some(name)) => format!("{}/{name}", folder.rsplit_once('/').expect("above").0),
                _ if word.starts_with("packhold/web/") => format!("/{word}"),
                _ => continue,
            };
            if !seen.contains(&target) {
                seen.push(target.clone());
                let answer = get(service, &target);
                assert_eq!(answer.status, 200, "{target}, which {from} needs");
                all.push((target, answer));
            }
        }
        at += 1;
    }
    all
}

#[test]
fn the_page_may_run_its_own_scripts_and_nothing_else() {
    let service = Service::with(|_| {});
    let page = get(&service, "/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("Content-Security-Policy").expect("a policy");
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    );
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let text = String::from_utf8(page.body).expect("text");
    for inline in ["<style", "style=", "onclick", "javascript:"] {
        assert!(!text.contains(inline), "{inline}");
    }
    let scripts = text.matches("<script").count();
    assert_eq!(
        scripts,
        text.matches("<script src=").count() + text.matches("<script type=\"module\" src=").count()
    );
}

#[test]
fn all_of_it_is_small_and_has_its_type() {
    let service = Service::with(|_| {});
    let all = everything(&service);
    assert!(all.len() > 15, "{}", all.len());
    let bytes: usize = all.iter().map(|(_, answer)| answer.body.len()).sum();
    assert!(bytes < 200_000, "{bytes}");
    for (target, answer) in &all[1..] {
        let kind = answer.header("Content-Type").expect("a type");
        let expected = match target.rsplit_once('.').expect("an ending").1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{target}: {other}"),
        };
        assert_eq!(kind, expected, "{target}");
        assert_inert(answer, target);
    }
}

#[test]
fn browsers_ask_whether_it_is_still_the_same() {
    let service = Service::with(|_| {});
    for (target, answer) in everything(&service) {
        let tag = answer.header("Etag").expect("a tag").to_owned();
        assert!(tag.starts_with('"') && tag.len() == 66, "{target}: {tag}");
        assert_eq!(answer.header("Cache-Control"), Some("no-cache"), "{target}");
        let call = Call::new("GET", &target);
        let same = service.send(&call.clone().header("If-None-Match", &tag));
        assert_eq!((same.status, same.body.len()), (304, 0), "{target}");
        assert_eq!(same.header("Etag"), Some(tag.as_str()), "{target}");
        let other = service.send(&call.clone().header("If-None-Match", "\"other\""));
        assert_eq!((other.status, other.body), (200, answer.body.clone()));
        let dated = call.header("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT");
        assert_eq!(service.send(&dated).status, 200, "{target}");
        let head = service.send(&Call::new("HEAD", &target));
        let len = answer.body.len().to_string();
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        assert_eq!(
            head.header("Content-Length"),
            Some(len.as_str()),
            "{target}"
        );
    }
}

#[test]
fn nothing_else_is_there() {
    let service = Service::with(|_| {});
    for name in [
        "none.js",
        "",
        "../app.js",
        "%2e%2e/app.js",
        "app.js/x",
        "views",
        "index.htm",
        "%00",
    ] {
        let answer = get(&service, &format!("/packhold/web/{name}"));
        assert_eq!(answer.verdict(), (404, 251_010), "{name}");
    }
    for method in ["PUT", "POST", "DELETE"] {
        let answer = service.send(&Call::new(method, "/"));
        assert_eq!(answer.verdict(), (405, 250_112), "{method}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD"));
    }
}
