//! JSON documents that requests bring, and the values of their fields.
//!
//! Every document is bounded; unknown keys are ignored, `null` is as good as missing, and what has
//! another type than it must have is named.

use serde_json::{Map, Value};

use super::body::collect;
use super::error::ApiError;
use super::request::Body;

/// Bytes of JSON that a request may have.
const MAX_BYTES: usize = 8 << 20;

/// A JSON object.
#[derive(Debug, Clone, Default)]
pub struct Fields(Map<String, Value>);

/// The JSON document in a body.
///
/// # Errors
/// [`ApiError::TooLong`], [`ApiError::Content`] for what is no JSON.
pub async fn document(body: &mut Body) -> Result<Value, ApiError> {
    let bytes = collect(body, MAX_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::Content(error.to_string()))
}

/// The error for a value of the wrong kind.
pub fn wrong(name: &str, must_be: &str) -> ApiError {
    ApiError::Invalid {
        name: name.to_owned(),
        why: format!("it must be {must_be}"),
    }
}

impl Fields {
    /// The JSON object in a body.
    ///
    /// # Errors
    /// [`ApiError::Content`] for anything else.
    pub async fn read(body: &mut Body) -> Result<Self, ApiError> {
        Self::of(document(body).await?)
    }

    /// A JSON object.
    ///
    /// # Errors
    /// [`ApiError::Content`] for anything else.
    pub fn of(value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(ApiError::Content("it must be a JSON object".to_owned())),
        }
    }

    /// A value that is neither missing nor `null`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that need not be there.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything but a text.
    pub fn text_or_none(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a text")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`ApiError::Missing`], [`ApiError::Invalid`].
    pub fn text(&self, name: &'static str) -> Result<&str, ApiError> {
        self.text_or_none(name)?.ok_or(ApiError::Missing(name))
    }

    /// Whether a value is true, or the text `true` in any case.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything but a truth value or a text.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) => Ok(text.trim().eq_ignore_ascii_case("true")),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// A whole number, or a text of one; `None` when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything else.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_i64(),
        };
        number
            .map(Some)
            .ok_or_else(|| wrong(name, "a whole number"))
    }

    /// A list; empty when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything but a list.
    pub fn list(&self, name: &str) -> Result<&[Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    /// A list of texts; `None` when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything else.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let texts = self.list(name)?.iter().map(|value| value.as_str());
        let texts: Option<Vec<String>> = texts.map(|text| text.map(str::to_owned)).collect();
        texts
            .map(Some)
            .ok_or_else(|| wrong(name, "a list of texts"))
    }

    /// An object; empty when it is missing.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for anything else.
    pub fn object(&self, name: &str) -> Result<Self, ApiError> {
        match self.get(name) {
            None => Ok(Self::default()),
            Some(Value::Object(map)) => Ok(Self(map.clone())),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// All keys and values.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}
