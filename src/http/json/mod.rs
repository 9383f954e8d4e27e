//! JSON bodies: bounded, and every fault named after the parameter that has it.

mod bounded;

use serde_json::{Map, Value};

use super::body::collect;
use super::error::ApiError;
use super::request::Body;
use crate::store::Grant;

/// Bytes of JSON that an object in a request may have.
const MAX_BYTES: usize = 1 << 20;
/// Bytes of JSON that a list in a request may have: some 100,000 paths.
const MAX_LIST_BYTES: usize = 8 << 20;

/// What a document may take without a share of the memory that all have together.
const FREE_BYTES: usize = 64 << 10;

/// The JSON list in a body, and the memory that it takes.
///
/// # Errors
/// [`ApiError::Content`] for anything else, [`ApiError::TooLong`], [`ApiError::Busy`].
pub async fn list(body: &mut Body) -> Result<(Vec<Value>, Grant), ApiError> {
    match read(body, MAX_LIST_BYTES).await? {
        (Value::Array(values), grant) => Ok((values, grant)),
        _ => Err(ApiError::Content("it is no list".to_owned())),
    }
}

/// The JSON document in a body, and the memory that it takes.
async fn read(body: &mut Body, limit_bytes: usize) -> Result<(Value, Grant), ApiError> {
    let json = collect(body, limit_bytes).await?;
    let parsed = bounded::parse(&json);
    let (value, bytes) = parsed.map_err(|error| ApiError::Content(error.to_string()))?;
    let grant = body.memory().grant(bytes.saturating_sub(FREE_BYTES) as u64);
    Ok((value, grant.ok_or(ApiError::Busy)?))
}

/// The error for a value that is not as it must be.
pub fn wrong(name: &str, must_be: &str) -> ApiError {
    ApiError::Invalid {
        name: name.to_owned(),
        why: format!("it must be {must_be}"),
    }
}

/// The members of a JSON object, whatever their order; unknown ones are ignored.
///
/// A member that is null is one that is not there, as real clients send it.
#[derive(Debug, Default)]
pub struct Fields {
    members: Map<String, Value>,
    /// The memory of the document.
    _grant: Option<Grant>,
}

impl From<Map<String, Value>> for Fields {
    fn from(members: Map<String, Value>) -> Self {
        Self {
            members,
            _grant: None,
        }
    }
}

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ApiError::Content`] for what is no JSON object, [`ApiError::TooLong`], [`ApiError::Busy`].
    pub async fn read(body: &mut Body) -> Result<Self, ApiError> {
        match read(body, MAX_BYTES).await? {
            (Value::Object(members), grant) => Ok(Self {
                members,
                _grant: Some(grant),
            }),
            _ => Err(ApiError::Content("it is no object".to_owned())),
        }
    }

    /// The members of a JSON value.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] naming it, when it is no object.
    pub fn of(name: &str, value: &Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(members.clone().into()),
            _ => Err(wrong(name, "an object")),
        }
    }

    /// All members.
    pub fn into_map(self) -> Map<String, Value> {
        self.members
    }

    /// An object; empty when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything else.
    pub fn object(&self, name: &'static str) -> Result<Self, ApiError> {
        self.get(name)
            .map_or_else(|| Ok(Self::default()), |value| Self::of(name, value))
    }

    /// A list of anything; empty when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Parameter`] for anything else.
    pub fn list(&self, name: &'static str) -> Result<&[Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(ApiError::Parameter(name)),
        }
    }

    /// A member that is not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    ///
    /// # Errors
    /// [`ApiError::Parameter`] for anything else.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::Parameter(name)),
        }
    }

    /// A text that must be there and not be blank.
    ///
    /// # Errors
    /// [`ApiError::Missing`], [`ApiError::Empty`], [`ApiError::Parameter`].
    pub fn required(&self, name: &'static str) -> Result<&str, ApiError> {
        let text = self.text(name)?.ok_or(ApiError::Missing(name))?;
        match text.trim().is_empty() {
            true => Err(ApiError::Empty(name)),
            false => Ok(text),
        }
    }

    /// True or false, also as a text.
    ///
    /// # Errors
    /// [`ApiError::Parameter`] for anything else.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::Parameter(name)),
        }
    }

    /// A whole number, also as a text.
    ///
    /// # Errors
    /// [`ApiError::Parameter`] for anything else.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or(ApiError::Parameter(name))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// [`ApiError::Parameter`] for anything else.
    pub fn texts(&self, name: &'static str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let list = value.as_array().ok_or(ApiError::Parameter(name))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts: Option<Vec<String>> = list.iter().map(text).collect();
        texts.map(Some).ok_or(ApiError::Parameter(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        let members: Map<String, Value> = serde_json::from_str(json).expect("an object");
        members.into()
    }

    #[test]
    fn members_are_read_by_kind() {
        let found = fields(
            r#"{"a": "x", "b": true, "c": "False", "d": 7, "e": "-8", "f": ["x", "y"], "g": null}"#,
        );
        assert_eq!(found.text("a").expect("a text"), Some("x"));
        assert_eq!(found.flag("b").expect("a flag"), Some(true));
        assert_eq!(found.flag("c").expect("a flag"), Some(false));
        assert_eq!(found.number("d").expect("a number"), Some(7));
        assert_eq!(found.number("e").expect("a number"), Some(-8));
        let texts = found.texts("f").expect("a list").expect("it is there");
        assert_eq!(texts, ["x", "y"]);
        for name in ["g", "h"] {
            assert_eq!(found.text(name).expect("nothing"), None);
            assert_eq!(found.flag(name).expect("nothing"), None);
            assert_eq!(found.number(name).expect("nothing"), None);
            assert_eq!(found.texts(name).expect("nothing"), None);
            assert!(matches!(found.required(name), Err(ApiError::Missing(n)) if n == name));
        }
    }

    #[test]
    fn the_wrong_kind_is_named() {
        let found = fields(r#"{"a": {"x": 1}, "b": " ", "c": [1], "d": 1.5, "e": 1e300}"#);
        assert!(matches!(found.text("a"), Err(ApiError::Parameter("a"))));
        assert!(matches!(found.flag("a"), Err(ApiError::Parameter("a"))));
        assert!(matches!(found.texts("a"), Err(ApiError::Parameter("a"))));
        assert!(matches!(found.required("b"), Err(ApiError::Empty("b"))));
        assert!(matches!(found.number("b"), Err(ApiError::Parameter("b"))));
        assert!(matches!(found.texts("c"), Err(ApiError::Parameter("c"))));
        assert!(matches!(found.number("d"), Err(ApiError::Parameter("d"))));
        assert!(matches!(found.number("e"), Err(ApiError::Parameter("e"))));
    }
}
