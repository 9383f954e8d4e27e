//! `packhold user`, `packhold token`, `packhold key`: accounts at a running server, or in a closed
//! store. What is printed as JSON has the names of the API, whichever of the two was asked.
//!
//! Passwords are never arguments: other users of the machine would see them.

pub mod args;
mod key;
mod password;
mod token;
mod user;

pub use key::run as key;
pub use token::run as token;
pub use user::run as user;

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use self::args::At;
use super::CliError;
use super::remote::{self, Method};
use super::report::print_json;
use super::serve::options;
use crate::domain::DomainError;
use crate::format::meta::Mutation;
use crate::index::Rows;
use crate::store::{Access, Store};

/// Where a command finds the accounts.
enum Place<'a> {
    Server(&'a At, &'a str),
    Store(Store),
}

impl At {
    /// For a command that changes something.
    fn writable(&self) -> Result<Place<'_>, CliError> {
        self.open(Access::ReadWrite)
    }

    /// For a command that only looks.
    fn readable(&self) -> Result<Place<'_>, CliError> {
        self.open(Access::ReadOnly)
    }

    fn open(&self, access: Access) -> Result<Place<'_>, CliError> {
        if let Some(server) = &self.remote.server {
            return Ok(Place::Server(self, server));
        }
        let store = Store::open(&self.store.store, options(&self.store, access))?;
        Ok(Place::Store(store))
    }

    /// Prints what came of a command: as JSON, or as `people` wants to read it.
    fn print(&self, value: &Value, people: impl FnOnce(&Value)) -> ExitCode {
        match self.json {
            true => print_json(value),
            false => people(value),
        }
        ExitCode::SUCCESS
    }
}

/// Asks a server.
fn call(
    at: &At,
    server: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CliError> {
    remote::call(&at.remote, server, method, path, body)
}

/// Makes a change in a closed store.
fn commit(
    store: &Store,
    check: impl FnMut(&dyn Rows) -> Result<Vec<Mutation>, DomainError> + Send + 'static,
) -> Result<(), CliError> {
    let mut check = check;
    let made = store.commit::<(), DomainError>(move |rows, _| Ok((check(rows)?, ())))?;
    Ok(made?)
}

/// One segment of a path.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A time as the API writes it, in the zone of this system.
fn local_time(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let time = timestamp.to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// A text in a JSON document; empty when it is not there.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Prints rows below each other.
fn table(value: &Value, row: impl Fn(&Value) -> String) {
    for value in value.as_array().into_iter().flatten() {
        println!("{}", row(value));
    }
}
