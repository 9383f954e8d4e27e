//! Reading a JSON document into values, in bounded memory.
//!
//! A value takes many times the bytes that it is written with: `{"":0}` has seven, and a map takes some
//! hundred. So what is made is counted while it is made.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a value takes in the list that it is in, with what lists reserve.
const VALUE_BYTES: usize = 2 * size_of::<Value>();
/// What a text takes beside its bytes.
const TEXT_BYTES: usize = 16;
/// What a list that is not empty takes beside its values.
const LIST_BYTES: usize = 4 * size_of::<Value>();
/// What a map that is not empty takes beside its values: one node of its tree.
const MAP_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 128;
/// What an entry of a map takes beside its texts, where nodes are half full.
const ENTRY_BYTES: usize = MAP_BYTES / 5;

/// A document of so many bytes may take eight times that, and this.
const FREE_BYTES: usize = 1 << 20;

/// The document, and about how many bytes it takes.
///
/// # Errors
/// What is wrong with it; also when it takes much more than it has.
pub fn parse(json: &[u8]) -> Result<(Value, usize), serde_json::Error> {
    let most = FREE_BYTES + 8 * json.len();
    let mut left = most;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Counted { left: &mut left }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, most - left))
}

/// Makes a value, and takes what it needs.
struct Counted<'l> {
    left: &'l mut usize,
}

impl Counted<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.left.checked_sub(bytes);
        *self.left = left.ok_or_else(|| E::custom("it has too many values"))?;
        Ok(())
    }

    fn again(&mut self) -> Counted<'_> {
        Counted { left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Value, D::Error> {
        self.take(VALUE_BYTES)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Value, E> {
        self.take(TEXT_BYTES + text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.again())? {
            if values.is_empty() {
                self.take(LIST_BYTES)?;
            }
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.take(if values.is_empty() {
                MAP_BYTES
            } else {
                ENTRY_BYTES
            })?;
            self.take(key.len())?;
            let value = map.next_value_seed(self.again())?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        for json in [
            "null",
            r#""a\u00e9\n""#,
            r#"[1, -2, 1.5, 18446744073709551615, true, [], {}, ""]"#,
            r#"{"a": {"b": [{"c": null}]}, "a": 1}"#,
        ] {
            let (value, bytes) = parse(json.as_bytes()).expect(json);
            let expected: Value = serde_json::from_str(json).expect(json);
            assert_eq!(value, expected, "{json}");
            assert!(bytes < 5000, "{json}: {bytes}");
        }
        let paths: Vec<String> = (0..100_000).map(|n| format!("/folder/file-{n}")).collect();
        let json = serde_json::to_vec(&paths).expect("a list");
        assert!(parse(&json).is_ok());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for json in ["", "[", "{]", "1 2", r#"{"a"}"#, "nul", &"[".repeat(200)] {
            assert!(parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn what_grows_when_it_is_read_is_refused() {
        for (open, one, close) in [
            ("[", "0", "]"),
            ("[", "[]", "]"),
            ("[", "{}", "]"),
            ("[", "[0]", "]"),
            ("[", r#"{"":0}"#, "]"),
            ("[", r#""""#, "]"),
        ] {
            let many = vec![one; (1 << 20) / (one.len() + 1)].join(",");
            let error = parse(format!("{open}{many}{close}").as_bytes()).expect_err(one);
            assert!(error.to_string().contains("too many values"), "{error}");
        }
    }
}
