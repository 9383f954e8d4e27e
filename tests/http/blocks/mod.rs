//! Uploads in blocks: both dialects, by seed 004 and what real clients of the older one do.

mod digests;
mod refusals;
mod separate;
mod sequence;

use std::fmt::Display;

use serde_json::Value;

use crate::service::Service;
use crate::wire::{Answer, Call};

/// The dialect whose blocks go by offsets.
pub const SEPARATE: &str = "separate";
/// The dialect whose blocks go by numbers.
pub const BLOCK: &str = "block";

/// One client's upload in blocks to `/generic/project/repo{path}`.
pub struct Upload<'s> {
    pub service: &'s Service,
    pub dialect: &'static str,
    pub path: String,
    pub id: String,
}

/// A request to the session's own address.
pub fn session(method: &str, dialect: &str, path: &str) -> Call {
    Call::new(method, format!("/generic/{dialect}/project/repo{path}"))
}

impl<'s> Upload<'s> {
    /// Begins.
    pub fn start(service: &'s Service, dialect: &'static str, path: &str) -> Self {
        let answer = service.send(&session("POST", dialect, path));
        assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
        let data = &answer.json()["data"];
        assert_eq!(data["expireSeconds"], 43200);
        Self {
            service,
            dialect,
            path: path.to_owned(),
            id: data["uploadId"].as_str().expect("an id").to_owned(),
        }
    }

    /// The request that sends a block.
    pub fn block(&self, key: impl Display + Copy, bytes: impl AsRef<[u8]>) -> Call {
        let call = Call::new("PUT", format!("/generic/project/repo{}", self.path))
            .header("X-BKREPO-UPLOAD-ID", &self.id);
        let key = key.to_string();
        let call = match self.dialect {
            SEPARATE => call
                .header("UPLOAD-TYPE", "SEPARATE-UPLOAD")
                .header("X-BKREPO-OFFSET", key),
            _ => call.header("X-BKREPO-SEQUENCE", key),
        };
        call.body(bytes)
    }

    /// Sends a block.
    pub fn put(&self, key: impl Display + Copy, bytes: impl AsRef<[u8]>) {
        let answer = self.service.send(&self.block(key, bytes));
        assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
        assert_eq!(answer.json()["data"], Value::Null);
    }

    /// A request about the session.
    pub fn call(&self, method: &str) -> Call {
        session(method, self.dialect, &self.path).header("X-BKREPO-UPLOAD-ID", &self.id)
    }

    /// The blocks.
    pub fn list(&self) -> Value {
        let answer = self.service.send(&self.call("GET"));
        assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
        answer.json()["data"].clone()
    }

    /// Completes, whatever comes of it.
    pub fn complete(&self, size: u64) -> Answer {
        let call = self.call("PUT").header("X-BKREPO-SIZE", size.to_string());
        self.service.send(&call)
    }

    /// Completes.
    pub fn finish(&self, size: u64) {
        let answer = self.complete(size);
        assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
        assert_eq!(answer.json()["data"], Value::Null);
    }

    /// Asserts that the session is not there any more.
    pub fn assert_gone(&self) {
        for call in [
            self.block(1, "x"),
            self.call("GET"),
            self.call("PUT").header("X-BKREPO-SIZE", "1"),
            self.call("DELETE"),
        ] {
            let answer = self.service.send(&call);
            assert_eq!(answer.verdict(), (400, 251_201), "{answer:?}");
        }
    }
}
