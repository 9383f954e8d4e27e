//! The same errors in the words of OCP. Source: the package contract ("Errors"), and OCP's error table.

use warp::http::StatusCode;

use super::{ApiError, store_message};
use crate::domain::DomainError;
use crate::domain::packages::PackageError;

/// A bad argument.
const ARGUMENT: &str = "COM10001";
/// Any other request that cannot be answered.
const REQUEST: &str = "COM10003";
/// The server's fault.
const UNEXPECTED: &str = "COM10999";

/// Status, code and message of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status: the same in every dialect.
    pub status: StatusCode,
    /// OCP's code.
    pub code: &'static str,
    /// What a person is told.
    pub message: String,
}

/// Status and code of what is no software package, or not this one.
pub fn package(error: &PackageError) -> (StatusCode, &'static str) {
    match error {
        PackageError::Suffix(_) => (StatusCode::BAD_REQUEST, "PKG10003"),
        PackageError::Magic => (StatusCode::BAD_REQUEST, "PKG10004"),
        PackageError::Unreadable(_) => (StatusCode::BAD_REQUEST, "PKG10006"),
        PackageError::Exists(_) => (StatusCode::CONFLICT, "PKG10012"),
        PackageError::Source => (StatusCode::BAD_REQUEST, "PKG10013"),
        PackageError::NoPackage(_) => (StatusCode::NOT_FOUND, "PKG10014"),
        PackageError::Name(_) => (StatusCode::BAD_REQUEST, "PKG10016"),
        PackageError::NoFile(_) => (StatusCode::NOT_FOUND, "PKG10000"),
    }
}

impl ApiError {
    /// What a client of OCP's API is told.
    pub fn ocp_answer(&self) -> Answer {
        let generic = self.answer();
        let (code, message) = match self {
            Self::Domain(error) => domain(error, generic.status),
            Self::Parameter(name) | Self::Missing(name) | Self::Empty(name) => argument(name),
            Self::HeaderMissing(name) => argument(name),
            Self::Invalid { name, .. } => argument(name),
            Self::Multipart(_) => (ARGUMENT, generic.message),
            Self::Param(_) => (ARGUMENT, generic.message),
            Self::SortField(_) => ("COM10011", generic.message),
            Self::Method { .. } => ("COM10008", "The method is not supported.".to_owned()),
            Self::Unauthenticated(_) => ("IAM10000", LOG_ON.to_owned()),
            Self::Forbidden(_) => ("IAM11000", NOT_AUTHORIZED.to_owned()),
            // OCP has a text for this, but no code; its code for blocked logins is the nearest.
            Self::TooManyLogins { .. } => ("IAM10007", EXCESSIVE.to_owned()),
            Self::NoRoute(_)
            | Self::NoNode(_)
            | Self::NoDigest(_)
            | Self::Content(_)
            | Self::TooLong { .. }
            | Self::SignedTooLong { .. }
            | Self::UploadIdBlank
            | Self::NeitherOffsetNorSize
            | Self::Range { .. }
            | Self::Precondition
            | Self::OtherHistory
            | Self::Stalled(_)
            | Self::HeadTooLong { .. }
            | Self::ClientGone => request(&generic.message),
            // OCP's own has no code; its clients want a text.
            Self::TooOften { .. } => (REQUEST, THROTTLED.to_owned()),
            Self::Busy | Self::Panicked | Self::Internal(_) => unexpected(&generic.message),
        };
        Answer {
            status: generic.status,
            code,
            message,
        }
    }
}

const LOG_ON: &str = "The current user has not logged on or a logon error has occurred. Please log on and try again.";
const EXCESSIVE: &str = "Excessive number of requests. You have exceeded the request limit for the current throttling window.";
const NOT_AUTHORIZED: &str =
    "You are not authorized to perform the corresponding operation. Contact the administrator.";

const THROTTLED: &str = "Excessive number of requests. You have exceeded the request limit for the current throttling window.";

fn argument(name: &str) -> (&'static str, String) {
    let message =
        format!("The input parameter {name} is empty or invalid. Please check and try again.");
    (ARGUMENT, message)
}

fn request(cause: &str) -> (&'static str, String) {
    (REQUEST, format!("Invalid request. Cause: {cause}"))
}

fn unexpected(cause: &str) -> (&'static str, String) {
    let message =
        format!("An unknown error has occurred. Cause: {cause}. Contact the administrator.");
    (UNEXPECTED, message)
}

fn domain(error: &DomainError, status: StatusCode) -> (&'static str, String) {
    match error {
        DomainError::Package(error) => (package(error).1, error.to_string()),
        DomainError::Store(error) => unexpected(store_message(error)),
        other if status.is_server_error() => {
            tracing::debug!(%other, "not told");
            unexpected("the service failed")
        }
        other => request(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn what_is_at_fault_is_named() {
        let answer = ApiError::Parameter("file").ocp_answer();
        assert_eq!((answer.status.as_u16(), answer.code), (400, "COM10001"));
        assert!(answer.message.contains("file"), "{}", answer.message);
        let answer = ApiError::SortField("colour".to_owned()).ocp_answer();
        assert_eq!((answer.status.as_u16(), answer.code), (400, "COM10011"));
        assert!(answer.message.contains("colour"), "{}", answer.message);
    }

    #[test]
    fn a_full_disk_and_a_bug_have_codes_too() {
        let full = ApiError::from(StoreError::Full).ocp_answer();
        assert_eq!((full.status.as_u16(), full.code), (507, "COM10999"));
        assert!(full.message.contains("No space left"), "{}", full.message);
        let bug = ApiError::Internal("secret").ocp_answer();
        assert_eq!((bug.status.as_u16(), bug.code), (500, "COM10999"));
        assert!(!bug.message.contains("secret"), "{}", bug.message);
    }
}
