//! `CodeCC`: blocks with sequence numbers, and JSON where no body is wanted.

use serde_json::json;

use super::{Site, json};
use crate::service::sha256;
use crate::wire::Call;

const FILE: &str = "/generic/bkcodecc/defects/report.zip";
const BLOCK: &str = "/generic/block/bkcodecc/defects/report.zip";

#[test]
fn codecc() {
    let site = Site::open();
    site.data(Call::new("PUT", FILE).body("an older report"));
    let start = json("POST", BLOCK, &json!({})).header("X-BKREPO-OVERWRITE", "true");
    let started = site.data(start);
    let id = started["uploadId"].as_str().expect("an id");
    let part = |sequence: &str, body: &str| {
        let call = Call::new("PUT", FILE)
            .header("Content-Type", "application/octet-stream")
            .header("X-BKREPO-OVERWRITE", "true")
            .header("X-BKREPO-UPLOAD-ID", id)
            .header("X-BKREPO-SEQUENCE", sequence);
        site.data(call.body(body));
    };
    let complete = || {
        json("PUT", BLOCK, &json!({}))
            .header("X-BKREPO-UPLOAD-ID", id)
            .header("X-BKREPO-OVERWRITE", "true")
    };
    part("1", "thrown away");
    part("3", "three");
    // What is refused can be mended.
    site.assert(complete(), 400, 251_212);
    part("2", "two, ");
    part("1", "one, ");
    let list = Call::new("GET", BLOCK).header("X-BKREPO-UPLOAD-ID", id);
    let expected: Vec<_> = [(1, "one, "), (2, "two, "), (3, "three")]
        .iter()
        .map(|(sequence, body)| {
            json!({"size": 5, "sha256": sha256(body.as_bytes()), "sequence": sequence})
        })
        .collect();
    assert_eq!(site.data(list), json!(expected));
    site.assert_file(FILE, b"an older report");
    site.data(complete());
    site.assert_file(FILE, b"one, two, three");
    let get = Call::new("GET", format!("{FILE}?download=true"));
    let answer = site.send(get);
    let disposition = answer
        .header("Content-Disposition")
        .expect("it is attached");
    assert!(disposition.contains("report.zip"), "{disposition}");
    assert_eq!(answer.body, b"one, two, three");
    site.data(json("DELETE", FILE, &json!({})));
    site.assert_none(FILE);
}
