//! Software packages: what an RPM says of itself, and what is kept of it.

mod error;
mod header;

pub use error::PackageError;
pub use header::{HeaderReader, RpmHeader};

#[cfg(test)]
mod tests;
