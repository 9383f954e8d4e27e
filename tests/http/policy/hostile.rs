//! Whatever a request says, the answer is one of the API's, and the server goes on.
//!
//! Every route of the table is asked with nasty words in its path, in its query, in its headers, and,
//! where it takes JSON, with documents that are not as they should be. Everybody is the administrator
//! here: no refusal hides what is behind it.

use std::collections::BTreeSet;

use packhold::format::header::{Chunking, PackHeader};
use serde_json::{Map, Value, json};

use super::row::Row;
use super::rows::rows;
use super::spots::{Place, Spot, World};
use crate::service::Service;
use crate::sim::Sim;
use crate::wire::{Answer, Call};

/// In place of a word of a path; as they come, escaped or not.
const SEGMENTS: [&[u8]; 26] = [
    b"%00",
    b"%",
    b"%zz",
    b"%ff%fe",
    b"\xff\xfe",
    b"%2e%2e",
    b"..",
    b"..%2f..%2fetc%2fpasswd",
    b"%5c..%5c",
    b".",
    b"-",
    b"*",
    b"con",
    b"%0a",
    b"%1b[2J",
    b"\xf0\x9d\x95\x8f",
    b"%e2%80%ae",
    b";x=y",
    b"@",
    b"%20",
    b"18446744073709551616",
    b"-1",
    b"0",
    b"1e9",
    b"NaN",
    b"%F0%9F%93",
];

/// In place of a value in a query.
const VALUES: [&[u8]; 20] = [
    b"",
    b"%",
    b"%00",
    b"%ff",
    b"\xff",
    b"-1",
    b"0",
    b"1",
    b"99999999999999999999",
    b"1e308",
    b"NaN",
    b"true",
    b"[]",
    b"{}",
    b"%0d%0aX:%20y",
    b"..%2f..",
    b"%22",
    b"'%20or%201=1--",
    b"a,b,,c",
    b"\xe6\x96\x87",
];

/// All that is looked at in a query.
const PARAMETERS: [&str; 29] = [
    "sample",
    "seed",
    "rate",
    "page",
    "size",
    "sort",
    "keyword",
    "type",
    "version",
    "architecture",
    "operatingSystem",
    "withInstallationData",
    "pageNumber",
    "pageSize",
    "sortProperty",
    "direction",
    "deep",
    "includeFolder",
    "includeMetadata",
    "token",
    "newFullPath",
    "projectId",
    "role",
    "names",
    "name",
    "download",
    "preview",
    "repair",
    "file",
];

/// All that is looked at in a head.
const HEADERS: [&str; 26] = [
    "Range",
    "If-Range",
    "If-None-Match",
    "If-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Content-Type",
    "X-BKREPO-SHA256",
    "X-BKREPO-MD5",
    "X-BKREPO-CRC64ECMA",
    "X-BKREPO-OVERWRITE",
    "X-BKREPO-EXPIRES",
    "X-BKREPO-META",
    "X-BKREPO-META-Key",
    "X-BKREPO-UPLOAD-ID",
    "X-BKREPO-SEQUENCE",
    "X-BKREPO-OFFSET",
    "X-BKREPO-SIZE",
    "UPLOAD-TYPE",
    "X-BKREPO-UID",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "X-Forwarded-For",
    "Cookie",
    "Origin",
    "Authorization",
];

/// In place of a value of a header.
const HEADER_VALUES: [&[u8]; 16] = [
    b"",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"NaN",
    b"\xff\xfe",
    b"%00",
    b"=====",
    b"bytes=0-",
    b"bytes=9-1,-",
    b"multipart/form-data; boundary=",
    b"SEPARATE-UPLOAD",
    b"a\tb;\"q\"",
    b"Fri, 31 Feb 2026 25:61:61 GMT",
    b"00000000000000000000000000000000/000000000000000000000000",
];

/// Says something, and asserts that the answer is one of the API's and no fault of the server.
fn say(world: &World, row: &Row, call: &Call, what: &str) -> Answer {
    let sent = call.try_send(world.service.address);
    let answer = sent.unwrap_or_else(|error| panic!("{} {what}: {error}", row.route));
    let status = answer.status;
    assert!(status < 500, "{} {what}: {answer:?}", row.route);
    // What is no HTTP at all never gets to the API.
    let got_in = answer.header("X-Bkrepo-Rid").is_some() || row.speaks_ocp();
    let is_http = got_in || !answer.body.is_empty() || status < 400;
    if is_http && status >= 400 && row.method() != "HEAD" {
        row.verdict(&answer);
    }
    if status == 200 {
        (row.undo)(world, &Spot::new(Place::Private, row.path));
    }
    answer
}

/// A service without passwords, and every route once.
fn with_every_route(sweep: impl Fn(&World, &Row, &Spot)) {
    let sim = Sim::create(&PackHeader::new([7; 16], 1, Chunking::default()));
    let world = World::on(Service::on_medium(sim.medium()));
    let mut seen = BTreeSet::new();
    // Backwards: what looks at the whole store comes before all that fills it.
    for row in rows().into_iter().rev() {
        if seen.insert(row.route) {
            sweep(&world, &row, &Spot::new(Place::Private, row.path));
        }
    }
    let spot = Spot::new(Place::Private, "f");
    world.furnish_again(&spot);
    let file = Call::new("GET", format!("/generic{}", spot.tail("f")));
    assert_eq!(world.service.send(&file).body, b"x", "it works as before");
}

#[test]
fn nasty_paths() {
    with_every_route(|world, row, _| {
        let words: Vec<&str> = row.pattern().split('/').skip(1).collect();
        let deep = b"a/".repeat(70);
        let long = b"x".repeat(3000);
        let nasty = SEGMENTS.iter().copied().chain([&deep[..], &long[..]]);
        for segment in nasty {
            for at in 0..words.len() {
                let mut target = Vec::new();
                for (i, word) in words.iter().enumerate() {
                    target.push(b'/');
                    match *word {
                        _ if i == at => target.extend(segment),
                        "{project}" => target.extend(b"acme"),
                        "{repo}" => target.extend(b"vault"),
                        name if name.starts_with('{') => target.push(b'f'),
                        word => target.extend(word.as_bytes()),
                    }
                }
                let what = String::from_utf8_lossy(&target).into_owned();
                let answer = Call::new(row.method(), &target).try_send(world.service.address);
                let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(answer.status < 500, "{} {what}: {answer:?}", row.method());
                if answer.status >= 400 && !answer.body.is_empty() {
                    let json = answer.json();
                    let code = json["code"].is_u64() || json["error"]["code"].is_string();
                    assert!(code, "{} {what}: {json}", row.method());
                }
            }
        }
    });
}

#[test]
fn nasty_queries() {
    with_every_route(|world, row, spot| {
        for value in VALUES {
            let value = String::from_utf8_lossy(value).into_owned();
            let pairs = PARAMETERS.map(|name| format!("{name}={value}"));
            let query = pairs.join("&");
            say(world, row, &row.call_with(world, spot, &query), &query);
        }
        let long = format!("keyword={}", "x".repeat(60_000));
        for query in ["=", "&&&", "a=b=c&=d", "?", "%", long.as_str()] {
            say(world, row, &row.call_with(world, spot, query), query);
        }
    });
}

#[test]
fn nasty_headers() {
    with_every_route(|world, row, spot| {
        // Nothing looks at them there, and these cost a hash or a look at the whole store.
        if row.pattern().starts_with("/auth") || row.pattern() == "/packhold/verify" {
            return;
        }
        for name in HEADERS {
            for value in HEADER_VALUES {
                let what = format!("{name}: {}", String::from_utf8_lossy(value));
                say(
                    world,
                    row,
                    &row.call(world, spot).header(name, value),
                    &what,
                );
            }
        }
    });
}

/// The body that is on a request.
fn body_of(call: &Call) -> Vec<u8> {
    let bytes = call.bytes();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    bytes[end.map_or(0, |at| at + 4)..].to_vec()
}

/// What a member of a document can be instead.
fn other_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut rules = json!({"field": "name", "value": "x", "operation": "EQ"});
    for _ in 0..40 {
        rules = json!({"rules": [rules], "relation": "AND"});
    }
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("x".repeat(1 << 20)),
        json!([]),
        json!({}),
        json!([null, 1, {}, []]),
        json!("\u{0}"),
        json!("../../x"),
        json!("a\u{202e}\n"),
        json!({"field": 1}),
        deep,
        rules,
    ]
}

/// The document with something else in the place of each of its parts.
fn variations(document: &Value) -> Vec<Value> {
    let mut all = other_values();
    match document {
        Value::Object(members) => {
            for (key, value) in members {
                for other in variations(value) {
                    let mut members: Map<String, Value> = members.clone();
                    members.insert(key.clone(), other);
                    all.push(Value::Object(members));
                }
                let mut without = members.clone();
                without.remove(key);
                all.push(Value::Object(without));
            }
        }
        Value::Array(items) => {
            let first = items.first().map(variations).unwrap_or_default();
            all.extend(first.into_iter().map(|other| json!([other])));
        }
        _ => {}
    }
    all
}

/// Texts that are no document, or one that parsers stumble over.
fn broken_documents(good: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b""[..],
        b"null",
        b"nul",
        b"{",
        b"}",
        b"[",
        b"\"",
        b"{\"a\":}",
        b"{'a':1}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{\"projectId\":\"\xff\xfe\"}",
        b"{\"projectId\":\"\\ud800\"}",
        b"{} {}",
        b"{\"a\":1,\"a\":2}",
        b"1e999",
        b"\0",
        b"{\"projectId\":\"a\",\"projectId\":\"b\",\"projectId\":{}}",
        b"<xml/>",
        b"a=b&c=d",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    all.push(b"[".repeat(10_000));
    all.push([b"[".repeat(10_000), b"]".repeat(10_000)].concat());
    all.push(
        [
            b"{\"a\":".repeat(10_000),
            b"1".to_vec(),
            b"}".repeat(10_000),
        ]
        .concat(),
    );
    let rules = b"{\"relation\":\"AND\",\"rules\":[".repeat(10_000);
    all.push(
        [
            b"{\"rule\":".to_vec(),
            rules,
            b"]}".repeat(10_000),
            b"}".to_vec(),
        ]
        .concat(),
    );
    all.push([b"{\"a\":\"".to_vec(), b"x".repeat(9 << 20), b"\"}".to_vec()].concat());
    all.push(good[..good.len() / 2].to_vec());
    all.push([good, b"x"].concat());
    all
}

#[test]
fn nasty_documents() {
    with_every_route(|world, row, spot| {
        let good = body_of(&row.call(world, spot));
        let Ok(document) = serde_json::from_slice::<Value>(&good) else {
            return;
        };
        let bare = || row.bare(world, spot);
        for broken in broken_documents(&good) {
            let what = String::from_utf8_lossy(&broken[..broken.len().min(60)]).into_owned();
            say(world, row, &bare().body(&broken), &what);
        }
        for other in variations(&document) {
            let text = other.to_string();
            let what: String = text.chars().take(200).collect();
            say(world, row, &bare().body(&text), &what);
        }
    });
}
