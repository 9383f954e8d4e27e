//! The envelope: every answer is held to all of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::wire::Answer;

/// A JSON document whose objects have their keys in alphabetical order; another is an error.
struct Ordered;

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without nulls, keys in order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut last = String::new();
        while let Some((key, Ordered)) = map.next_entry::<String, Ordered>()? {
            if key <= last {
                let why = format!("`{key}` is behind `{last}`");
                return Err(serde::de::Error::custom(why));
            }
            last = key;
        }
        Ok(Ordered)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ordered, A::Error> {
        while seq.next_element::<Ordered>()?.is_some() {}
        Ok(Ordered)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Ordered, E> {
        Ok(Ordered)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Ordered, E> {
        Ok(Ordered)
    }

    fn visit_str<E>(self, _: &str) -> Result<Ordered, E> {
        Ok(Ordered)
    }
}

/// Asserts that keys come in alphabetical order in the text itself, and that nothing is null.
#[track_caller]
pub fn assert_order(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let read: Result<Ordered, _> = serde_json::from_str(&text);
    if let Err(why) = read {
        panic!("{why}: {text}");
    }
}

/// Asserts that a text is a time like the sample, where every 0 stands for a digit.
#[track_caller]
pub fn assert_time(text: &str, sample: &str) {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, sample, "{text}");
    let time: Result<jiff::Timestamp, _> = text.parse();
    assert!(time.is_ok(), "{text}: {time:?}");
}

/// The keys of an object.
#[track_caller]
pub fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object();
    let object = object.unwrap_or_else(|| panic!("an object is expected"));
    object.keys().map(String::as_str).collect()
}

/// The envelope, once it is found to have these keys and the right values.
#[track_caller]
fn envelope(answer: &Answer, expected: &[&str]) -> Value {
    assert_order(&answer.body);
    let json = answer.json();
    assert_eq!(keys(&json), expected, "{json}");
    assert_eq!(json["status"], answer.status, "{json}");
    assert_eq!(json["successful"], answer.status == 200, "{json}");
    assert!(json["duration"].is_u64(), "{json}");
    let server = json["server"].as_str();
    assert!(server.is_some_and(|server| !server.is_empty()), "{json}");
    let time = json["timestamp"].as_str().expect("a time");
    assert_time(time, "0000-00-00T00:00:00.000+00:00");
    let trace = json["traceId"].as_str().expect("a trace");
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    assert!(trace.len() == 16 && trace.bytes().all(hex), "{trace}");
    let content_type = answer.header("Content-Type").expect("a type");
    assert!(
        content_type.starts_with("application/json"),
        "{content_type}"
    );
    json
}

/// The envelope of a success that has data.
#[track_caller]
pub fn success(answer: &Answer) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{text}");
    envelope(
        answer,
        &[
            "data",
            "duration",
            "server",
            "status",
            "successful",
            "timestamp",
            "traceId",
        ],
    )
}

/// What a success has to tell.
#[track_caller]
pub fn data(answer: &Answer) -> Value {
    success(answer)["data"].clone()
}

/// Asserts that something is done, of which there is nothing to tell.
#[track_caller]
pub fn assert_done(answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{text}");
    envelope(
        answer,
        &[
            "duration",
            "server",
            "status",
            "successful",
            "timestamp",
            "traceId",
        ],
    );
}

/// Status and code of a refusal.
#[track_caller]
pub fn refusal(answer: &Answer) -> (u16, String) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status >= 400, "{}: {text}", answer.status);
    let json = envelope(
        answer,
        &[
            "duration",
            "error",
            "server",
            "status",
            "successful",
            "timestamp",
            "traceId",
        ],
    );
    let error = &json["error"];
    assert_eq!(keys(error), ["code", "message"], "{json}");
    let message = error["message"].as_str();
    assert!(message.is_some_and(|message| !message.is_empty()), "{json}");
    let code = error["code"].as_str();
    let code = code.unwrap_or_else(|| panic!("the code is no text: {json}"));
    (answer.status, code.to_owned())
}

/// Asserts that something is refused, with this status and this code.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(refusal(answer), (status, code.to_owned()), "{text}");
}

#[test]
fn the_order_of_keys_is_seen() {
    assert_order(br#"{"a": {"b": [1, true, "x"], "c": {}}, "b": 2}"#);
    for bad in [
        r#"{"b": 1, "a": 2}"#,
        r#"{"a": {"d": 1, "c": 2}}"#,
        r#"[{"a": 1, "a": 1}]"#,
        r#"{"a": null}"#,
    ] {
        assert!(serde_json::from_str::<Ordered>(bad).is_err(), "{bad}");
    }
}
