//! Requests signed with access keys, as OCP has them (observed §6).

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use packhold::domain::auth::ADMIN;
use serde_json::json;
use sha1::Digest;

use super::{Pair, data, make_key, make_user, user};
use crate::auth::{self, admin};
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::{START_MS, Service};
use crate::wire::{Answer, Call};

const PACKAGES: &str = "/api/v2/software-packages";
const MINUTE_MS: u64 = 60_000;

/// What is signed of a request.
#[derive(Clone)]
struct Signed<'a> {
    method: &'a str,
    target: &'a str,
    /// The target as it is signed, where that differs.
    canonical: Option<&'a str>,
    content_type: Option<&'a str>,
    date: String,
    host: &'a str,
    /// Of the headers that are OCP's.
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

/// The date of a request that is sent `ms` after a service began.
fn date(ms: i64) -> String {
    let at_ms = START_MS.checked_add_signed(ms).expect("a time");
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at_ms))
}

impl<'a> Signed<'a> {
    fn new(method: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            canonical: None,
            content_type: None,
            date: date(0),
            host: "test",
            headers: Vec::new(),
            body: b"",
        }
    }

    fn signature(&self, secret: &str) -> String {
        let md5 = match self.body {
            b"" => String::new(),
            body => hex::encode_upper(md5::Md5::digest(body)),
        };
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(k, v)| format!("{k}:{v}"))
            .collect();
        let message = [
            self.method,
            &md5,
            self.content_type.unwrap_or_default(),
            &self.date,
            self.host,
            &headers.join("\n"),
            self.canonical.unwrap_or(self.target),
        ];
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(message.join("\n").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// The request, with the signature of another one, perhaps.
    fn call(&self, key: &str, signature: &str) -> Call {
        let authorization = format!("OCP-ACCESS-KEY-HMACSHA1 {key}:{signature}");
        let mut call = Call::new(self.method, self.target)
            .header("Authorization", authorization)
            .header("Date", &self.date);
        if let Some(content_type) = self.content_type {
            call = call.header("Content-Type", content_type);
        }
        for (name, value) in &self.headers {
            call = call.header(name, value);
        }
        match self.body {
            b"" => call,
            body => call.body(body),
        }
    }

    fn by(&self, pair: &Pair) -> Call {
        self.call(&pair.key, &self.signature(&pair.secret))
    }
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let body = answer.json();
    let codes = [&body["code"], &body["error"]["code"]];
    assert!(
        codes.contains(&&json!(250_114)) || codes.contains(&&json!("IAM10000")),
        "{body}"
    );
    let challenge = answer.header("Www-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
}

#[test]
fn the_documented_vectors() {
    let secret = "2fc0c299cc94c6be266f2ceece765d4d";
    let first = Signed {
        content_type: Some("application/json"),
        date: "Tue, 17 Jan 2023 09:13:57 GMT".to_owned(),
        host: "ocp.alibaba.net:8080",
        headers: vec![("x-ocp-data", "A,1")],
        body: br#"{"name":"test01","description":"test","regionId":1}"#,
        ..Signed::new("POST", "/api/v2/compute/idcs")
    };
    assert_eq!(first.signature(secret), "XN8P+O+v3vUabB16ZCooq5wMJoY=");
    let second = Signed {
        content_type: Some("application/json;charset=utf-8"),
        date: "Tue, 17 Jan 2023 04:14:02 GMT".to_owned(),
        host: "ocp.alibaba.net:8080",
        ..Signed::new("GET", "/api/v2/compute/idcs?size=100")
    };
    assert_eq!(second.signature(secret), "TsQD6HDOuZuJ409m0wdnZPmijlc=");
}

#[test]
fn signed_requests_are_understood_in_every_dialect() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let put = Signed {
        body: b"bytes",
        ..Signed::new("PUT", "/generic/project/repo/f")
    };
    let stored = service.send(&put.by(&keys));
    assert_eq!(data(&stored)["createdBy"], "admin");
    let get = Signed::new("GET", "/generic/project/repo/f");
    assert_eq!(service.send(&get.by(&keys)).body, b"bytes");
    let list = Signed {
        content_type: Some("application/json"),
        headers: vec![("x-ocp-origin", "mcp-server")],
        ..Signed::new("GET", "/api/v2/software-packages?page=1&sort=name%2Casc")
    };
    let listed = service.send(&list.by(&keys));
    assert_eq!(listed.json()["successful"], true, "{listed:?}");
    let several = Signed {
        canonical: Some("/api/v2/software-packages?size=10&type=A%2CB"),
        ..Signed::new("GET", "/api/v2/software-packages?type=B&size=10&type=A")
    };
    assert_eq!(service.send(&several.by(&keys)).status, 200);
    let json = br#"{"name": "other"}"#;
    let create = Signed {
        content_type: Some("application/json"),
        body: json,
        ..Signed::new("POST", "/repository/api/project/create")
    };
    assert_eq!(data(&service.send(&create.by(&keys))), "other");
    let delete = Signed::new("DELETE", "/generic/project/repo/f");
    assert_eq!(service.send(&delete.by(&keys)).verdict(), (200, 0));
}

#[test]
fn a_signed_package_is_proven_before_it_is_read() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let form = Form::of("x.rpm", rpm("name", "1", "1.el7", "noarch"));
    let (content_type, body) = (form.content_type(), form.bytes());
    let upload = Signed {
        content_type: Some(&content_type),
        body: &body,
        ..Signed::new("POST", PACKAGES)
    };
    let signature = upload.signature(&keys.secret);
    let mut forged = body.clone();
    let last = forged.len() / 2;
    forged[last] ^= 1;
    let forged = Signed {
        body: &forged,
        ..upload.clone()
    };
    assert_refused(&service.send(&forged.call(&keys.key, &signature)));
    let listed = service.send(&admin(Call::new("GET", PACKAGES))).json();
    assert_eq!(listed["data"]["page"]["totalElements"], 0);
    let stored = service.send(&upload.by(&keys));
    assert_eq!(stored.json()["data"]["name"], "name", "{stored:?}");
}

/// Everything that is signed is changed in turn; the request of the signature itself is let in last.
#[test]
fn whatever_is_changed_is_refused() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let right = Signed {
        content_type: Some("text/plain"),
        headers: vec![("x-ocp-origin", "a")],
        body: b"bytes",
        ..Signed::new("PUT", "/generic/project/repo/f?a=b")
    };
    let signature = right.signature(&keys.secret);
    let changed = [
        Signed {
            method: "POST",
            target: "/generic/project/repo/search",
            ..right.clone()
        },
        Signed {
            target: "/generic/project/repo/g?a=b",
            ..right.clone()
        },
        Signed {
            target: "/generic/project/repo/f?a=c",
            ..right.clone()
        },
        Signed {
            target: "/generic/project/repo/f",
            ..right.clone()
        },
        Signed {
            content_type: None,
            ..right.clone()
        },
        Signed {
            date: date(1000),
            ..right.clone()
        },
        Signed {
            headers: vec![("x-ocp-origin", "b")],
            ..right.clone()
        },
        Signed {
            headers: vec![("x-ocp-origin", "a"), ("x-ocp-more", "b")],
            ..right.clone()
        },
        Signed {
            body: b"other",
            ..right.clone()
        },
        Signed {
            body: b"",
            ..right.clone()
        },
    ];
    for call in changed.map(|signed| signed.call(&keys.key, &signature)) {
        assert_refused(&service.send(&call));
    }
    let host = Signed {
        host: "elsewhere",
        ..right.clone()
    };
    assert_refused(&service.send(&host.by(&keys)));
    let other = make_key(&service, ADMIN);
    assert_refused(&service.send(&right.call(&other.key, &signature)));
    assert_refused(&service.send(&right.call("0123456789abcdef01234567", &signature)));
    assert_refused(&service.send(&right.call(&keys.key, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
    assert_refused(&service.send(&right.call(&keys.key, "***")));
    assert_refused(&service.send(&right.call(&keys.key, "")));
    let nothing = admin(Call::new("GET", "/generic/project/repo/f"));
    assert_eq!(service.send(&nothing).verdict(), (404, 251_006));
    assert_eq!(
        service.send(&right.call(&keys.key, &signature)).verdict(),
        (200, 0)
    );
}

#[test]
fn dates_count_for_fifteen_minutes_both_ways() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let quarter = i64::try_from(15 * MINUTE_MS).expect("it fits");
    // Dates have no milliseconds, and the service begins 394 behind a second.
    for (ms, status) in [
        (606 - quarter, 200),
        (-394 - quarter, 401),
        (quarter, 200),
        (quarter + 1000, 401),
    ] {
        let signed = Signed {
            date: date(ms),
            ..Signed::new("GET", PACKAGES)
        };
        let answer = service.send(&signed.by(&keys));
        assert_eq!(answer.status, status, "{ms}: {answer:?}");
    }
    for date in ["", "yesterday", "0"] {
        let signed = Signed {
            date: date.to_owned(),
            ..Signed::new("GET", PACKAGES)
        };
        assert_refused(&service.send(&signed.by(&keys)));
    }
}

#[test]
fn a_signature_counts_once() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let put = Signed {
        body: b"bytes",
        ..Signed::new("PUT", "/generic/project/repo/f")
    };
    let call = put.by(&keys).header("X-BKREPO-OVERWRITE", "true");
    assert_eq!(service.send(&call).verdict(), (200, 0));
    for _ in 0..2 {
        assert_refused(&service.send(&call));
        service.pass_ms(7 * MINUTE_MS);
    }
    service.pass_ms(2 * MINUTE_MS);
    assert_refused(&service.send(&call));
    let later = Signed {
        date: date(16 * 60_000),
        ..put
    };
    let call = later.by(&keys).header("X-BKREPO-OVERWRITE", "true");
    assert_eq!(service.send(&call).verdict(), (200, 0));
}

#[test]
fn keys_have_the_rights_of_their_user_and_end_with_them() {
    let _turn = auth::turn();
    let service = auth::service();
    make_user(&service, "ann");
    let keys = make_key(&service, "ann");
    let list = |ms| Signed {
        date: date(ms),
        ..Signed::new("GET", PACKAGES)
    };
    let forbidden = service.send(&list(0).by(&keys));
    assert_eq!(forbidden.status, 403);
    assert_eq!(forbidden.json()["error"]["code"], "IAM11000");
    let own = Signed::new("GET", "/auth/api/user/ann");
    assert_eq!(data(&service.send(&own.by(&keys)))["userId"], "ann");
    let delete = format!("/packhold/keys/{}", keys.key);
    data(&service.send(&user(Call::new("DELETE", delete), "ann")));
    assert_refused(&service.send(&list(1000).by(&keys)));

    let keys = make_key(&service, "ann");
    assert_eq!(service.send(&list(2000).by(&keys)).status, 403);
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/ann"))));
    assert_refused(&service.send(&list(3000).by(&keys)));
}

#[test]
fn bodies_are_read_before_they_count_and_so_bounded() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let long = vec![7; 8 << 20];
    let put = |target| Signed {
        body: &long,
        ..Signed::new("PUT", target)
    };
    assert_eq!(
        service
            .send(&put("/generic/project/repo/f").by(&keys))
            .verdict(),
        (200, 0)
    );
    let longer = vec![7; (8 << 20) + 1];
    let put = Signed {
        body: &longer,
        ..Signed::new("PUT", "/generic/project/repo/g")
    };
    let refused = service.send(&put.by(&keys));
    assert_eq!(refused.verdict(), (413, 250_106));
    let message = refused.json()["message"].to_string();
    assert!(
        message.contains("signed") && message.contains("password"),
        "{message}"
    );
    let post = Signed {
        body: &longer,
        ..Signed::new("POST", PACKAGES)
    };
    let refused = service.send(&post.by(&keys));
    assert_eq!(refused.status, 413);
    assert_eq!(refused.json()["error"]["code"], "COM10003");
    // Of unannounced length, too.
    let chunked = Signed::new("PUT", "/generic/project/repo/g").by(&keys);
    let call = chunked.header("Transfer-Encoding", "chunked");
    let mut wire = service.connect();
    wire.write(&call.head()).expect("the server reads");
    for _ in 0..9 {
        wire.write(b"100000\r\n").expect("the server reads");
        wire.write(&vec![7; 1 << 20]).expect("the server reads");
        wire.write(b"\r\n").expect("the server reads");
    }
    wire.write(b"0\r\n\r\n").expect("the server reads");
    let refused = wire.answer("PUT").expect("an answer");
    assert_eq!(refused.verdict(), (413, 250_106));
    let get = Signed::new("GET", "/generic/project/repo/g");
    assert_eq!(service.send(&get.by(&keys)).verdict(), (404, 251_010));
}

/// Places for long bodies are few; a body gives its own back, however its request ends.
#[test]
fn many_long_bodies_come_one_after_the_other() {
    let _turn = auth::turn();
    let service = auth::service();
    let keys = make_key(&service, ADMIN);
    let body = vec![7; 1 << 20];
    std::thread::scope(|scope| {
        for n in 0..24 {
            let (keys, body, service): (&Pair, &[u8], &Service) = (&keys, &body, &service);
            scope.spawn(move || {
                let target = format!("/generic/project/repo/{n}");
                let put = Signed {
                    body,
                    ..Signed::new("PUT", &target)
                };
                let call = put.by(keys);
                if n % 3 == 0 {
                    let mut wire = service.connect();
                    let half = call.bytes().len() / 2;
                    wire.write(&call.bytes()[..half]).expect("the server reads");
                } else {
                    assert_eq!(service.send(&call).verdict(), (200, 0));
                }
            });
        }
    });
}
