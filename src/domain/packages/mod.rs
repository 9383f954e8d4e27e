//! Software packages: what an RPM says of itself, and what is kept of it.

mod catalogue;
mod error;
mod fields;
mod header;

pub use catalogue::{begin, check, delete, file, finish, package};
pub use error::PackageError;
pub use fields::{Fields, uploaded_name};
pub use header::{HeaderReader, RpmHeader};

#[cfg(test)]
mod tests;
