//! TLS: both protocols, links, reloading, and who does not speak it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use packhold::http::Tls;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::certificate::Certificate;
use crate::http2::{block_on, over, request, told};
use crate::noise::noise;
use crate::service::{DIGITS, Service, get, put};
use crate::wire::Call;

/// A service with a certificate.
struct Secure {
    service: Service,
    certificate: Certificate,
    tls: Arc<Tls>,
    folder: TempDir,
}

impl Secure {
    fn open() -> Self {
        Self::with_header_timeout(Duration::from_secs(30))
    }

    fn with_header_timeout(header_timeout: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        let certificate = Certificate::new();
        certificate.write(&cert, &key);
        let tls = Arc::new(Tls::load(&cert, &key).expect("a good pair"));
        let service = Service::with(|config| {
            config.no_auth = true;
            config.tls = Some(Arc::clone(&tls));
            config.connections.header_timeout = header_timeout;
        });
        Self {
            service,
            certificate,
            tls,
            folder,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn assert_serves(&self, certificate: &Certificate) {
        let mut wire = certificate
            .connect(self.service.address)
            .expect("a handshake");
        let answer = wire.exchange(&Call::new("GET", "/healthz"));
        assert_eq!(answer.expect("an answer").status, 200);
    }
}

#[test]
fn files_go_up_and_down_over_http_1() {
    let secure = Secure::open();
    let mut wire = secure
        .certificate
        .connect(secure.service.address)
        .expect("a handshake");
    for (path, len) in [("/a", 0), ("/b", 9), ("/c", 5_000_000)] {
        let body = noise(1, len);
        let answer = wire.exchange(&put(path).body(&body)).expect("an answer");
        assert_eq!(answer.verdict(), (200, 0));
        let answer = wire.exchange(&get(path)).expect("an answer");
        assert!(answer.status == 200 && answer.body == body, "{path}");
    }
}

#[test]
fn files_go_up_and_down_over_http_2() {
    let secure = Secure::open();
    let body = noise(2, 5_000_000);
    block_on(async {
        let connector = TlsConnector::from(secure.certificate.client(&["h2", "http/1.1"]));
        let stream = tokio::net::TcpStream::connect(secure.service.address).await;
        let stream = stream.expect("the server listens");
        let stream = connector.connect(Certificate::name(), stream).await;
        let stream = stream.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, _connection) = over(stream).await;
        let put = sender.send_request(request("PUT", "/f", &body)).await;
        assert_eq!(told(put.expect("an answer")).await.0, 200);
        let got = sender.send_request(request("GET", "/f", b"")).await;
        assert!(told(got.expect("an answer")).await == (200, body.into()));
    });
}

#[test]
fn links_begin_with_https() {
    let secure = Secure::open();
    let mut wire = secure
        .certificate
        .connect(secure.service.address)
        .expect("a handshake");
    let stored = wire.exchange(&put("/f").body(DIGITS)).expect("an answer");
    assert_eq!(stored.status, 200);
    for (host, base) in [
        ("", "https://test/"),
        (r#""host": "other","#, "https://other/"),
        (r#""host": "http://other","#, "http://other/"),
    ] {
        let wish = format!(
            r#"{{{host} "projectId": "project", "repoName": "repo", "fullPathSet": ["/f"], "type": "DOWNLOAD"}}"#
        );
        let call = Call::new("POST", "/generic/temporary/url/create").body(wish);
        let answer = wire.exchange(&call).expect("an answer").json();
        let url = answer["data"][0]["url"].as_str().expect("a link");
        assert!(url.starts_with(base), "{url}");
    }
}

#[test]
fn another_pair_is_taken_while_connections_are_open() {
    let secure = Secure::open();
    let address = secure.service.address;
    let mut open = secure.certificate.connect(address).expect("a handshake");
    let new = Certificate::new();
    new.write(&secure.file("cert"), &secure.file("key"));
    secure.assert_serves(&secure.certificate);
    secure.tls.reload().expect("a good pair");
    secure.assert_serves(&new);
    assert!(secure.certificate.connect(address).is_err(), "the old one");
    let answer = open.exchange(&Call::new("GET", "/healthz"));
    assert_eq!(answer.expect("the connection goes on").status, 200);
}

#[test]
fn a_bad_pair_is_refused_by_name_and_the_old_one_stays() {
    let secure = Secure::open();
    let (cert, key) = (secure.file("cert"), secure.file("key"));
    let good = |path| std::fs::read(path).expect("a file");
    let (good_cert, good_key) = (good(&cert), good(&key));
    Certificate::new().write(&secure.file("other"), &secure.file("other-key"));
    let other_key = good(&secure.file("other-key"));
    let long = vec![b'x'; (1 << 20) + 1];
    for (file, bytes) in [
        (&cert, &b""[..]),
        (&cert, b"no certificate"),
        (&cert, &good_cert[..good_cert.len() / 2]),
        (&cert, &good_key),
        (&cert, &long),
        (&key, b""),
        (&key, &good_key[..good_key.len() / 2]),
        (&key, &good_cert),
        (&key, &other_key),
    ] {
        std::fs::write(&cert, &good_cert).expect("a file");
        std::fs::write(&key, &good_key).expect("a file");
        std::fs::write(file, bytes).expect("a file");
        let error = secure.tls.reload().expect_err("a bad pair").to_string();
        assert!(error.contains(&*file.to_string_lossy()), "{error}");
        secure.assert_serves(&secure.certificate);
    }
    std::fs::remove_file(&key).expect("it is there");
    assert!(secure.tls.reload().is_err());
    secure.assert_serves(&secure.certificate);
}

/// A client that takes the port for one without TLS hears something, or nothing; it does not wait.
#[test]
fn who_speaks_no_tls_is_hung_up_on() {
    let secure = Secure::open();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 100],
        &[0x16; 10_000],
    ] {
        let mut wire = secure.service.connect();
        let _sent = wire.write(bytes);
        // A reset is as good as an end.
        let _rest = wire.rest();
    }
    secure.assert_serves(&secure.certificate);
}

#[test]
fn a_handshake_that_stands_still_is_broken_off() {
    let secure = Secure::with_header_timeout(Duration::from_millis(300));
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut wire = secure.service.connect();
        wire.write(bytes).expect("the server reads");
        assert_eq!(wire.rest().expect("the server closes"), b"");
    }
    secure.assert_serves(&secure.certificate);
}

/// Who has shaken hands and says nothing is no better off.
#[test]
fn a_connection_without_a_request_is_closed() {
    let secure = Secure::with_header_timeout(Duration::from_millis(300));
    let wire = secure.certificate.connect(secure.service.address);
    let mut wire = wire.expect("a handshake");
    // Without a farewell of TLS, which rustls takes for an error.
    let _rest = wire.rest();
}
