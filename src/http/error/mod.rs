//! Errors on the wire: the only place that knows statuses and codes.
//!
//! Codes are those of bk-repo (observed page, 0.3); those of OCP are in [`ocp`]. What is the server's fault is logged with the
//! trace and told to the client without internals.

pub mod ocp;

use thiserror::Error;
use warp::http::StatusCode;

use super::params::ParamError;
use crate::domain::DomainError;
use crate::domain::packages::PackageError;
use crate::domain::quota::Excess;
use crate::pack::PackError;
use crate::store::StoreError;

/// What a handler can answer instead of a result.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The domain refuses, or failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A header, query or path does not decode.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// No route has this path.
    #[error("Request url [{0}] not found")]
    NoRoute(String),
    /// The route does not have this method.
    #[error("Method not allowed, reason: {method} is not possible here, only {allow}")]
    Method {
        /// The method that was used.
        method: String,
        /// The methods that the route has, as `Allow` lists them.
        allow: String,
    },
    /// Not, or wrongly, authenticated.
    #[error("Failed to authenticate: {0}")]
    Unauthenticated(&'static str),
    /// More logins than are checked: wrong ones, mostly.
    #[error("Too Many Requests: {what}, try again in {retry_after_s} seconds")]
    TooManyLogins {
        /// Of what there were too many.
        what: &'static str,
        /// When it is no longer so, in seconds.
        retry_after_s: u64,
    },
    /// A signed request has a body that cannot be proven before it is used.
    #[error(
        "a signed request may have {limit_bytes} bytes of body at most; log in with a password or a \
         token to send more"
    )]
    SignedTooLong {
        /// How long it may be, in bytes.
        limit_bytes: usize,
    },
    /// Authenticated, and not allowed.
    #[error("Access denied: {0}")]
    Forbidden(String),
    /// A header that must be there is not.
    #[error("Header [{0}] is missing")]
    HeaderMissing(&'static str),
    /// An upload id is blank.
    #[error("The value of UploadId is null or empty")]
    UploadIdBlank,
    /// Where a block belongs, or how large the file is, is missing or not a number.
    #[error("X-BKREPO-OFFSET of a block, or X-BKREPO-SIZE of the file, is missing or not a number")]
    NeitherOffsetNorSize,
    /// A parameter that must be there is not.
    #[error("Parameter [{0}] is missing")]
    Missing(&'static str),
    /// A parameter has a value that it cannot have.
    #[error("Parameter [{0}] is invalid")]
    Parameter(&'static str),
    /// The body is not the JSON document that it must be.
    #[error("Invalid request content: {0}")]
    Content(String),
    /// The body is not the `multipart/form-data` that it must be.
    #[error("Invalid multipart body: {0}")]
    Multipart(String),
    /// A parameter that must name something names nothing.
    #[error("Parameter [{0}] should not be empty")]
    Empty(&'static str),
    /// A parameter of a JSON document has a value that it cannot have.
    #[error("Parameter [{name}] is invalid: {why}")]
    Invalid {
        /// The parameter.
        name: String,
        /// Why.
        why: String,
    },
    /// Packages are not sorted by this.
    #[error("The {0} field cannot be used for sorting.")]
    SortField(String),
    /// Nothing is at the path; of a node that is asked about, not for.
    #[error("Node [{0}] not found")]
    NoNode(String),
    /// Neither chunk nor content has this digest, or none that is known to be damaged.
    #[error("{0} not found")]
    NoDigest(String),
    /// The body is longer than it may be.
    #[error("the request body is longer than {limit_bytes} bytes")]
    TooLong {
        /// How long it may be, in bytes.
        limit_bytes: u64,
    },
    /// The file does not have this range.
    #[error("Requested range not satisfiable")]
    Range {
        /// Length of the file in bytes.
        size: u64,
    },
    /// The file is not in the state that the request is conditional on.
    #[error("the precondition of the request does not hold")]
    Precondition,
    /// The client went away, or its body broke off.
    #[error("Client connection terminated unexpectedly")]
    ClientGone,
    /// The client asks too often.
    #[error("Too Many Requests: the next one is possible in {wait_s} seconds")]
    TooOften {
        /// Seconds until it may ask again.
        wait_s: u64,
    },
    /// More memory is needed than is there for this now.
    #[error("the service is busy")]
    Busy,
    /// A copy of a pack cannot be continued from this one.
    #[error(
        "that is no copy of this store, or one that went its own way: its last commit is not in this \
         store's history; after the store was compacted its copies are made anew, each as a new file"
    )]
    OtherHistory,
    /// The body of the request stood still.
    #[error("no byte of the request body came for {0} seconds")]
    Stalled(u64),
    /// All header fields together are longer than they may be.
    #[error("the header fields are longer than {limit_bytes} bytes")]
    HeadTooLong {
        /// How long they may be, in bytes.
        limit_bytes: usize,
    },
    /// A worker panicked, as the index does where it is damaged; or the service ends.
    #[error("a worker panicked or was stopped")]
    Panicked,
    /// A bug.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<PackageError> for ApiError {
    fn from(error: PackageError) -> Self {
        Self::Domain(error.into())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Domain(error.into())
    }
}

/// Status, code and message of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// bk-repo's code.
    pub code: u32,
    /// What a person is told.
    pub message: String,
}

impl ApiError {
    /// What the client is told.
    pub fn answer(&self) -> Answer {
        let (status, code) = match self {
            Self::Domain(error) => domain(error),
            Self::Param(ParamError::NotANumber { .. }) | Self::Parameter(_) => {
                (StatusCode::BAD_REQUEST, 250_105)
            }
            Self::Param(ParamError::DigestMalformed { .. }) => (StatusCode::BAD_REQUEST, 251_003),
            Self::Param(ParamError::ReservedMetadata { .. }) => (StatusCode::BAD_REQUEST, 251_504),
            Self::Param(ParamError::PathNotUtf8 { .. }) => (StatusCode::BAD_REQUEST, 251_011),
            Self::Content(_) | Self::Multipart(_) => (StatusCode::BAD_REQUEST, 250_106),
            Self::Empty(_) => (StatusCode::BAD_REQUEST, 250_104),
            Self::Missing(_) => (StatusCode::BAD_REQUEST, 250_103),
            Self::Invalid { .. } | Self::SortField(_) => (StatusCode::BAD_REQUEST, 250_105),
            Self::NoNode(_) => (StatusCode::BAD_REQUEST, 251_010),
            Self::NoDigest(_) => (StatusCode::NOT_FOUND, 251_010),
            Self::TooLong { .. } | Self::SignedTooLong { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, 250_106)
            }
            Self::TooManyLogins { .. } => (StatusCode::TOO_MANY_REQUESTS, 250_124),
            Self::NoRoute(_) => (StatusCode::NOT_FOUND, 250_130),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, 250_112),
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, 250_114),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, 250_113),
            Self::HeaderMissing(_) => (StatusCode::BAD_REQUEST, 250_118),
            Self::UploadIdBlank => (StatusCode::BAD_REQUEST, 251_213),
            Self::NeitherOffsetNorSize => (StatusCode::BAD_REQUEST, 251_214),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, 250_120),
            Self::Precondition => (StatusCode::PRECONDITION_FAILED, 250_105),
            Self::OtherHistory => (StatusCode::CONFLICT, 250_105),
            Self::ClientGone => (StatusCode::BAD_REQUEST, 250_132),
            Self::TooOften { .. } => (StatusCode::TOO_MANY_REQUESTS, 250_124),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, 250_102),
            Self::Stalled(_) => (StatusCode::REQUEST_TIMEOUT, 250_132),
            Self::HeadTooLong { .. } => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, 250_106),
            Self::Panicked | Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, 250_102),
        };
        Answer {
            status,
            code,
            message: self.message(status),
        }
    }

    /// Whether a worker panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// Whether the index may be damaged.
    pub fn blames_index(&self) -> bool {
        match self {
            Self::Panicked => true,
            Self::Domain(DomainError::Store(StoreError::Index(error))) => error.is_damage(),
            _ => false,
        }
    }

    fn message(&self, status: StatusCode) -> String {
        match self {
            Self::Domain(DomainError::Store(error)) => store_message(error).to_owned(),
            Self::Domain(DomainError::NoRepository { project, repo }) => {
                format!("Repository [{project}/{repo}] not found")
            }
            Self::Domain(DomainError::NotFound(path)) => format!("Node [{path}] not found"),
            Self::Domain(DomainError::Exists(path)) => format!("Node [{path}] existed"),
            Self::Domain(DomainError::Conflict(path)) => format!("Node [{path}] conflict"),
            Self::Domain(DomainError::NotEmpty(path)) => {
                format!("Folder is not empty: [{path}]")
            }
            Self::Domain(DomainError::NoSession(id)) => format!("Upload id[{id}] not found"),
            Self::Domain(DomainError::Invalid { what, why }) => {
                format!("Parameter [{what}] is invalid: {why}")
            }
            Self::Domain(DomainError::NoProject(name)) => format!("Project [{name}] not found"),
            Self::Domain(DomainError::ProjectExists(name)) => format!("Project [{name}] existed"),
            Self::Domain(DomainError::RepoExists(name)) => format!("Repository [{name}] existed"),
            Self::Domain(DomainError::TokenInvalid(why)) => {
                format!("Temporary token invalid: [{why}]")
            }
            Self::Domain(DomainError::Quota(Excess {
                repo, quota_bytes, ..
            })) => format!("Exceeded repository [{repo}] quota value [{quota_bytes}]"),
            Self::Domain(DomainError::TokenExpired) => "Temporary token expired".to_owned(),
            _ if status.is_server_error() => BUSY.to_owned(),
            other => other.to_string(),
        }
    }
}

const BUSY: &str = "System service is busy, please try again later";

fn domain(error: &DomainError) -> (StatusCode, u32) {
    match error {
        DomainError::Package(error) => (ocp::package(error).0, 250_105),
        DomainError::Path(_) => (StatusCode::BAD_REQUEST, 251_011),
        DomainError::Name(_) | DomainError::Root("replaced") => (StatusCode::BAD_REQUEST, 250_105),
        DomainError::Root(_) => (StatusCode::BAD_REQUEST, 250_112),
        DomainError::Invalid { .. } => (StatusCode::BAD_REQUEST, 250_105),
        DomainError::UserExists(_) => (StatusCode::BAD_REQUEST, 250_201),
        DomainError::NoUser(_) => (StatusCode::BAD_REQUEST, 250_202),
        DomainError::NoAccessToken(_) => (StatusCode::BAD_REQUEST, 250_204),
        DomainError::NoAccessKey(_) => (StatusCode::BAD_REQUEST, 250_213),
        DomainError::AccessTokenExists(_) => (StatusCode::BAD_REQUEST, 250_219),
        DomainError::NoProject(_) => (StatusCode::NOT_FOUND, 251_004),
        DomainError::ProjectExists(_) => (StatusCode::BAD_REQUEST, 251_005),
        DomainError::RepoExists(_) => (StatusCode::BAD_REQUEST, 251_007),
        DomainError::InUse(_) => (StatusCode::BAD_REQUEST, 251_008),
        DomainError::TokenInvalid(_) => (StatusCode::BAD_REQUEST, 251_021),
        DomainError::TokenExpired => (StatusCode::BAD_REQUEST, 251_022),
        DomainError::NoRepository { .. } => (StatusCode::NOT_FOUND, 251_006),
        DomainError::NotFound(_) => (StatusCode::NOT_FOUND, 251_010),
        DomainError::Exists(_) => (StatusCode::BAD_REQUEST, 251_012),
        DomainError::Conflict(_) => (StatusCode::BAD_REQUEST, 251_013),
        DomainError::NotEmpty(_) => (StatusCode::BAD_REQUEST, 251_009),
        DomainError::Digest { .. } => (StatusCode::BAD_REQUEST, 251_003),
        DomainError::TooMany { .. } => (StatusCode::BAD_REQUEST, 251_014),
        DomainError::TooManySessions { .. } => (StatusCode::TOO_MANY_REQUESTS, 250_129),
        DomainError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, 250_106),
        DomainError::Quota(_) => (StatusCode::BAD_REQUEST, 251_025),
        DomainError::Precondition(_) => (StatusCode::PRECONDITION_FAILED, 250_105),
        DomainError::NoSession(_) => (StatusCode::BAD_REQUEST, 251_201),
        DomainError::Coverage(_) => (StatusCode::BAD_REQUEST, 251_204),
        DomainError::Sequence(_) => (StatusCode::BAD_REQUEST, 251_212),
        DomainError::BlockEnd(_) => (StatusCode::BAD_REQUEST, 251_214),
        DomainError::Password(_) => (StatusCode::INTERNAL_SERVER_ERROR, 250_102),
        DomainError::Store(error) => store(error),
    }
}

fn store(error: &StoreError) -> (StatusCode, u32) {
    match error {
        StoreError::Pack(error) if error.is_full() => (StatusCode::INSUFFICIENT_STORAGE, 251_101),
        StoreError::Full => (StatusCode::INSUFFICIENT_STORAGE, 251_101),
        StoreError::Refused(_)
        | StoreError::Closed
        | StoreError::Replaced
        | StoreError::Pack(PackError::ReadOnly(_) | PackError::Poisoned(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, 250_102)
        }
        StoreError::Damaged { .. } => (StatusCode::INTERNAL_SERVER_ERROR, 251_102),
        StoreError::WrongBytes(_) => (StatusCode::BAD_REQUEST, 251_003),
        StoreError::Pack(_)
        | StoreError::Index(_)
        | StoreError::InDoubt(_)
        | StoreError::Rollback { .. }
        | StoreError::OtherHistory { .. }
        | StoreError::Missing(_)
        | StoreError::BeforeHistory
        | StoreError::BrokenOff(_)
        | StoreError::System(_) => (StatusCode::INTERNAL_SERVER_ERROR, 250_102),
    }
}

fn store_message(error: &StoreError) -> &'static str {
    match error {
        StoreError::Pack(error) if error.is_full() => "No space left on the disk of the store",
        StoreError::Full => "No space left on the disk of the store",
        StoreError::Refused(_)
        | StoreError::Pack(PackError::ReadOnly(_) | PackError::Poisoned(_)) => {
            "The store does not accept changes at the moment"
        }
        StoreError::Replaced => "The store was compacted meanwhile; please try again",
        StoreError::Closed => "The service is shutting down",
        StoreError::WrongBytes(_) => "The bytes are not those of this sha256",
        StoreError::Damaged { .. } => "The stored bytes of this file are damaged",
        StoreError::InDoubt(_) => "It is not known whether the change was made",
        StoreError::Pack(_)
        | StoreError::Index(_)
        | StoreError::Rollback { .. }
        | StoreError::OtherHistory { .. }
        | StoreError::Missing(_)
        | StoreError::BeforeHistory
        | StoreError::BrokenOff(_)
        | StoreError::System(_) => BUSY,
    }
}
