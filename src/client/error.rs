//! What goes wrong between here and a server.

use std::time::Duration;

use thiserror::Error;

/// Why something could not be sent or fetched.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server cannot be reached, or broke off: it may be asked again.
    #[error("asking {url}: {why}")]
    Lost {
        /// What was asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The server does not answer as it should.
    #[error("asking {url}: {why}")]
    Wrong {
        /// What was asked.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The server says no.
    #[error("asking {url}: {why}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
        /// The code in its envelope; empty where there is none.
        code: String,
        /// What it said.
        why: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A file here.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something else is there already.
    #[error("{0} is there with other content; --overwrite replaces it")]
    Exists(String),
    /// Bytes are not those that they were said to be.
    #[error("{what}: sha256 is {found}, not {expected}")]
    Differs {
        /// Of what.
        what: String,
        /// What was computed, or answered.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// A name or setting cannot be used.
    #[error("{0}")]
    Invalid(String),
}

impl ClientError {
    /// A failed call to the system.
    pub fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        |source| Self::Io { action, source }
    }

    /// Whether the server refused with this code of its envelope.
    #[must_use]
    pub fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the server refused with this status.
    #[must_use]
    pub fn has_status(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}
