//! Software packages: what an RPM says of itself, and what is kept of it.

mod error;
mod fields;
mod header;

pub use error::PackageError;
pub use fields::{Fields, kind_name, kind_of_name, uploaded_name};
pub use header::{HeaderReader, RpmHeader};

#[cfg(test)]
mod tests;
