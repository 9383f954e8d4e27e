//! A damaged pack: wrong bytes are never sent.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::noise::noise;
use crate::service::{Service, get, put};
use crate::wire::Call;

/// Flips one bit of the pack where it holds `bytes`.
pub fn damage(service: &Service, bytes: &[u8]) {
    let pack = std::fs::read(service.pack()).expect("the pack");
    let at = pack.windows(bytes.len()).position(|window| window == bytes);
    let at = at.expect("the pack holds these bytes") as u64;
    let file = OpenOptions::new().write(true).open(service.pack());
    let flipped = [bytes[0] ^ 1];
    file.and_then(|file| file.write_all_at(&flipped, at))
        .expect("the pack can be written");
}

#[test]
fn a_small_damaged_file_is_an_error_and_the_others_are_fine() {
    let service = Service::open();
    let (bad, good) = (noise(1, 3000), noise(2, 3000));
    service.store("/bad", &bad);
    service.store("/good", &good);
    damage(&service, &bad[1000..1032]);
    for range in [None, Some("bytes=0-0"), Some("bytes=1000-1000")] {
        let call = range.map_or(get("/bad"), |range| get("/bad").header("Range", range));
        let answer = service.send(&call);
        assert_eq!(answer.verdict(), (500, 251_102), "{range:?}");
    }
    service.assert_file("/good", &good);
    let report = service.send(&Call::new("POST", "/packhold/verify")).json();
    assert_eq!(report["clean"], false);
    let damaged = report["damaged_files"].as_array().expect("a list");
    assert_eq!(damaged.len(), 1, "{report}");
    assert_eq!(damaged[0]["path"], "/bad");
    assert_eq!(damaged[0]["project"], "project");
}

#[test]
fn a_download_breaks_off_before_the_damaged_bytes() {
    let service = Service::open();
    let body = noise(3, 6_000_000);
    service.store("/f", &body);
    let at = 4_000_000;
    damage(&service, &body[at..at + 32]);
    let mut wire = service.connect();
    wire.write(&get("/f").bytes()).expect("the server reads");
    let heard = wire.rest().unwrap_or_default();
    let head = heard.windows(4).position(|window| window == b"\r\n\r\n");
    let sent = &heard[head.map_or(heard.len(), |at| at + 4)..];
    assert!(
        sent.len() <= at && sent == &body[..sent.len()],
        "wrong bytes"
    );
    let whole = get("/f").try_send(service.address);
    assert!(whole.is_err(), "a client that counts notices: {whole:?}");
    let before = get("/f").header("Range", "bytes=0-1999999");
    assert!(service.send(&before).body == body[..2_000_000]);
    let behind = get("/f").header("Range", "bytes=5000000-5999999");
    assert!(service.send(&behind).body == body[5_000_000..]);
}

#[test]
fn the_same_bytes_uploaded_again_mend_the_file() {
    let service = Service::open();
    let body = noise(4, 200_000);
    service.store("/f", &body);
    damage(&service, &body[100_000..100_032]);
    assert_eq!(service.get("/f").verdict(), (500, 251_102));
    let call = put("/again").header("X-BKREPO-SHA256", crate::service::sha256(&body));
    assert_eq!(service.send(&call.body(&body)).verdict(), (200, 0));
    service.assert_file("/again", &body);
    service.assert_file("/f", &body);
}
