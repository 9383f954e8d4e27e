//! A damaged pack: of a package, too, wrong bytes are never sent.

use super::answers::assert_refused;
use super::{add, assert_file, download, id, text};
use crate::damage::damage;
use crate::noise::noise;
use crate::rpms::rpm_with;
use crate::service::{Service, put, sha256};
use crate::wire::Call;

fn package(seed: u64, len: usize) -> Vec<u8> {
    rpm_with("name", &seed.to_string(), "1", "noarch", &noise(seed, len))
}

#[test]
fn a_small_damaged_package_is_an_error_and_the_others_are_fine() {
    let service = Service::open();
    let (bytes, other) = (package(1, 3_000), package(2, 3_000));
    let (bad, good) = (
        add(&service, "x.rpm", &bytes),
        add(&service, "x.rpm", &other),
    );
    damage(&service, &noise(1, 3_000)[1_000..1_032]);
    for range in [None, Some("bytes=0-0"), Some("bytes=-1")] {
        let call = download(&bad);
        let call = range.map_or(call.clone(), |range| call.header("Range", range));
        assert_refused(&service.send(&call), 500, "COM10999");
    }
    assert_file(&service, &good, &other);
    // What is known of it is right: only its bytes are not.
    assert_eq!(
        super::data(&super::get(&service, id(&bad)))["md5"],
        bad["md5"]
    );
    let report = service.send(&Call::new("POST", "/packhold/verify")).json();
    assert_eq!(report["clean"], false);
    assert_eq!(report["packages"], 2);
    let damaged = report["damaged_files"].as_array().expect("a list");
    assert_eq!(damaged.len(), 1, "{report}");
    let path = format!("/{}", text(&bad, "fileName"));
    for (key, value) in [
        ("path", &path[..]),
        ("repo", "sys-package"),
        ("project", ""),
    ] {
        assert_eq!(damaged[0][key], value, "{key}");
    }
}

#[test]
fn a_download_of_a_package_breaks_off_before_the_damaged_bytes() {
    let service = Service::open();
    let bytes = package(3, 6_000_000);
    let added = add(&service, "x.rpm", &bytes);
    let at = 4_000_000;
    damage(&service, &bytes[at..at + 32]);
    let mut wire = service.connect();
    wire.write(&download(&added).bytes())
        .expect("the server reads");
    let heard = wire.rest().unwrap_or_default();
    let head = heard.windows(4).position(|window| window == b"\r\n\r\n");
    let sent = &heard[head.map_or(heard.len(), |at| at + 4)..];
    assert!(
        sent.len() <= at && sent == &bytes[..sent.len()],
        "wrong bytes"
    );
    let whole = download(&added).try_send(service.address);
    assert!(whole.is_err(), "a client that counts notices: {whole:?}");
    let before = download(&added).header("Range", "bytes=0-1999999");
    assert!(service.send(&before).body == bytes[..2_000_000]);
}

/// By the generic API, and by that of packages under another name.
#[test]
fn the_same_bytes_uploaded_again_mend_the_package() {
    let service = Service::open();
    for seed in [4, 5] {
        let bytes = package(seed, 200_000);
        let added = add(&service, "x.rpm", &bytes);
        damage(&service, &noise(seed, 200_000)[100_000..100_032]);
        assert_refused(&service.send(&download(&added)), 500, "COM10999");
        if seed == 4 {
            let call = put("/again").header("X-BKREPO-SHA256", sha256(&bytes));
            assert_eq!(service.send(&call.body(&bytes)).verdict(), (200, 0));
            service.assert_file("/again", &bytes);
        } else {
            let other = rpm_with("other", "1", "1", "noarch", &noise(seed, 200_000));
            let other = (add(&service, "x.rpm", &other), other);
            assert_file(&service, &other.0, &other.1);
        }
        assert_file(&service, &added, &bytes);
    }
    let report = service.send(&Call::new("POST", "/packhold/verify")).json();
    assert_eq!(report["damaged_files"], serde_json::json!([]), "{report}");
}
