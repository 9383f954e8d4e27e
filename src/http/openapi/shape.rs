//! Words for JSON Schemas.
#![expect(
    clippy::needless_pass_by_value,
    reason = "schemas are made where they are used"
)]

use serde_json::{Map, Value, json};

/// A text.
pub fn text() -> Value {
    json!({"type": "string"})
}

/// One of these texts.
pub fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A number of things, or of bytes.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// True or false.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A digest in lower-case hex, of so many digits.
pub fn hex(digits: usize) -> Value {
    json!({"type": "string", "pattern": format!("^[0-9a-f]{{{digits}}}$")})
}

/// A date and time of day in the server's zone, with milliseconds and no offset.
pub fn date() -> Value {
    json!({
        "type": "string",
        "pattern": r"^[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}$",
        "examples": ["2020-07-27T16:02:31.394"],
    })
}

/// Always null: something that upstream has and this server has not.
pub fn nothing() -> Value {
    json!({"type": "null"})
}

/// The value, or null.
pub fn nullable(schema: Value) -> Value {
    json!({"oneOf": [schema, nothing()]})
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// An object with any keys.
pub fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// One of the schemas that have names.
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The schema with a description.
pub fn told(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// An object that has these members, and perhaps those.
pub fn object<const N: usize, const M: usize>(
    required: [(&str, Value); N],
    optional: [(&str, Value); M],
) -> Value {
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    let members = required.into_iter().chain(optional);
    let members: Map<String, Value> = members.map(|(name, v)| (name.to_owned(), v)).collect();
    match names.is_empty() {
        true => json!({"type": "object", "properties": members}),
        false => json!({"type": "object", "properties": members, "required": names}),
    }
}
