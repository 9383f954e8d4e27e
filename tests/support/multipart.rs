//! Bodies of `multipart/form-data`, byte for byte.

use std::fmt::Display;

use crate::wire::Call;

/// A body, and the boundary between its parts.
#[derive(Debug, Clone)]
pub struct Form {
    pub boundary: String,
    /// What is before the first boundary.
    pub preamble: Vec<u8>,
    /// Headers and content of each part.
    pub parts: Vec<Vec<u8>>,
    /// The last boundary, and what is behind it.
    pub end: Vec<u8>,
}

/// A part that has these header lines, which have no line end.
pub fn part(headers: &[&str], content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for header in headers {
        bytes.extend(header.as_bytes());
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    bytes.extend(content.as_ref());
    bytes
}

/// The part with a file; it does not say what type that has.
pub fn file(name: impl Display, content: impl AsRef<[u8]>) -> Vec<u8> {
    let disposition = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
    part(&[&disposition], content)
}

/// The part with the value of a field.
pub fn field(name: impl Display, value: impl AsRef<[u8]>) -> Vec<u8> {
    let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
    part(&[&disposition], value)
}

impl Form {
    /// A body with these parts.
    pub fn new(parts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::with_boundary("0123456789abcdef0123456789abcdef", parts)
    }

    /// A body with these parts and this boundary.
    pub fn with_boundary(boundary: &str, parts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            boundary: boundary.to_owned(),
            preamble: Vec::new(),
            parts: parts.into_iter().collect(),
            end: format!("--{boundary}--\r\n").into_bytes(),
        }
    }

    /// A body with a file and nothing else.
    pub fn of(name: impl Display, content: impl AsRef<[u8]>) -> Self {
        Self::new([file(name, content)])
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.preamble.clone();
        for part in &self.parts {
            bytes.extend(format!("--{}\r\n", self.boundary).as_bytes());
            bytes.extend(part);
            bytes.extend(b"\r\n");
        }
        bytes.extend(&self.end);
        bytes
    }

    /// What `Content-Type` must be.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The request without a body.
    pub fn head(&self, target: &str) -> Call {
        Call::new("POST", target).header("Content-Type", self.content_type())
    }

    /// The request.
    pub fn post(&self, target: &str) -> Call {
        self.head(target).body(self.bytes())
    }
}
