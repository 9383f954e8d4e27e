//! Software packages: what an RPM says of itself, and what is kept of it.

mod error;

pub use error::PackageError;
