//! Where `downloadUrl` leads: to what the service is called from outside.

use super::answers::data;
use super::{PACKAGES, id, text};
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::Service;
use crate::wire::{Answer, Call, Wire};

const PATH: &str = "/api/v2/files/sys-package/name-1-1.el7.noarch.rpm";

/// Says something to a host of this name.
fn send_to(service: &Service, host: &str, call: &Call) -> Answer {
    let bytes = call.bytes();
    let host_line = b"Host: test\r\n";
    let at = bytes.windows(host_line.len()).position(|w| w == host_line);
    let (before, after) = bytes.split_at(at.expect("every call has a host"));
    let host = format!("Host: {host}\r\n");
    let all = [before, host.as_bytes(), &after[host_line.len()..]].concat();
    let mut wire: Wire = service.connect();
    wire.write(&all).expect("the server reads");
    wire.answer("GET").expect("an answer")
}

fn small() -> Form {
    Form::of("x.rpm", rpm("name", "1", "1.el7", "noarch"))
}

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (n, v)| call.header(n, v))
}

/// Asserts what all links are that a service gives to somebody who calls it so.
#[track_caller]
fn assert_links(service: &Service, host: &str, headers: &[(&str, &str)], base: &str) {
    let expected = format!("{base}{PATH}");
    let upload = with(small().post(PACKAGES), headers);
    let package = data(&send_to(service, host, &upload));
    assert_eq!(text(&package, "downloadUrl"), expected);
    let one = with(
        Call::new("GET", format!("{PACKAGES}/{}", id(&package))),
        headers,
    );
    let told = data(&send_to(service, host, &one));
    assert_eq!(text(&told, "downloadUrl"), expected);
    let all = with(Call::new("GET", PACKAGES), headers);
    let found = data(&send_to(service, host, &all));
    assert_eq!(text(&found["contents"][0], "downloadUrl"), expected);
    let deleted = super::delete(service, id(&package));
    assert_eq!(deleted.status, 200);
}

#[test]
fn links_lead_where_the_client_called() {
    let service = Service::open();
    for host in [
        "localhost:8080",
        "ocp.example.com",
        "192.0.2.7:80",
        "[::1]:8080",
    ] {
        assert_links(&service, host, &[], &format!("http://{host}"));
    }
    let address = service.address.to_string();
    assert_links(&service, &address, &[], &format!("http://{address}"));
}

#[test]
fn a_public_url_is_where_links_lead() {
    for url in [
        "https://repo.example.com/x",
        "https://repo.example.com",
        "http://192.0.2.7:81",
    ] {
        for behind_proxy in [false, true] {
            let service = Service::with(|config| {
                config.no_auth = true;
                config.public_url = Some(url.to_owned());
                config.behind_proxy = behind_proxy;
            });
            assert_links(&service, "localhost:8080", &[], url);
            let forwarded = [("X-Forwarded-Host", "other.example.com")];
            assert_links(&service, "localhost:8080", &forwarded, url);
        }
    }
}

const FORWARDED: [(&str, &str); 2] = [
    ("X-Forwarded-Host", "repo.example.com"),
    ("X-Forwarded-Proto", "https"),
];

#[test]
fn what_a_proxy_says_counts_only_where_there_is_one() {
    let service = Service::open();
    let base = "http://localhost:8080";
    assert_links(&service, "localhost:8080", &FORWARDED, base);
    assert_links(&service, "localhost:8080", &FORWARDED[..1], base);
    assert_links(&service, "localhost:8080", &FORWARDED[1..], base);
}

#[test]
fn what_a_proxy_says() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.behind_proxy = true;
    });
    let host = "localhost:8080";
    assert_links(&service, host, &FORWARDED, "https://repo.example.com");
    assert_links(&service, host, &FORWARDED[..1], "http://repo.example.com");
    assert_links(&service, host, &FORWARDED[1..], "https://localhost:8080");
    assert_links(&service, host, &[], "http://localhost:8080");
}

/// Links are for people to follow: what is no host or no way to it is not put into them.
#[test]
fn nonsense_from_a_proxy_is_not_put_into_links() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.behind_proxy = true;
    });
    for (name, value) in [
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Proto", "file"),
        ("X-Forwarded-Host", "user@evil.example.com"),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "evil.example.com/path?"),
        ("X-Forwarded-Host", ""),
    ] {
        let call = small().post(PACKAGES).header(name, value);
        let answer = send_to(&service, "localhost:8080", &call);
        if answer.status != 200 {
            super::answers::assert_refused(&answer, 400, "COM10001");
            continue;
        }
        let package = data(&answer);
        let url = text(&package, "downloadUrl");
        assert_eq!(url, format!("http://localhost:8080{PATH}"), "{value}");
        assert_eq!(super::delete(&service, id(&package)).status, 200);
    }
}
