//! What can be typed about what clients may take.

use std::num::NonZeroU32;

use super::bytes;
use crate::domain::auth;
use crate::http::Limits;

/// What clients may take.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// Bytes that one upload may have (K, M, G are powers of 1024) [default: as many as fit on the disk].
    #[arg(long, env = "PACKHOLD_MAX_UPLOAD_BYTES", value_name = "BYTES", value_parser = bytes)]
    pub max_upload_bytes: Option<u64>,
    /// Requests per second of one client's address, and ten times as many at once; 0: any number.
    #[arg(
        long,
        env = "PACKHOLD_MAX_REQUESTS_PER_SECOND",
        value_name = "COUNT",
        default_value_t = 5000
    )]
    pub max_requests_per_second: u32,
    /// Uploads in blocks that one user may have open.
    #[arg(
        long,
        env = "PACKHOLD_MAX_SESSIONS_PER_USER",
        value_name = "COUNT",
        default_value_t = 10_000
    )]
    pub max_sessions_per_user: u64,
    /// Failed logins within about a minute, from one address, beyond which more are answered late, with 429.
    #[arg(
        long,
        env = "PACKHOLD_MAX_FAILED_LOGINS_PER_ADDRESS",
        value_name = "COUNT",
        default_value_t = 50
    )]
    pub max_failed_logins_per_address: u32,
    /// The same for one user or key, from wherever.
    #[arg(
        long,
        env = "PACKHOLD_MAX_FAILED_LOGINS_PER_USER",
        value_name = "COUNT",
        default_value_t = 20
    )]
    pub max_failed_logins_per_user: u32,
    /// Memory of the JSON documents that are being received, together (K, M, G as above).
    #[arg(long, env = "PACKHOLD_REQUEST_MEMORY", value_name = "BYTES", default_value = "128M", value_parser = bytes)]
    pub request_memory: u64,
    /// Memory of the lists that clients have not taken yet, together (K, M, G as above).
    #[arg(long, env = "PACKHOLD_ANSWER_MEMORY", value_name = "BYTES", default_value = "256M", value_parser = bytes)]
    pub answer_memory: u64,
}

impl LimitArgs {
    /// What they mean.
    pub fn limits(&self) -> Limits {
        Limits {
            max_upload_bytes: self.max_upload_bytes,
            max_requests_per_second: NonZeroU32::new(self.max_requests_per_second),
            max_sessions_per_user: self.max_sessions_per_user,
            request_bytes: self.request_memory,
            answer_bytes: self.answer_memory,
        }
    }

    /// Those of failed logins.
    pub fn failed_logins(&self) -> auth::Limits {
        auth::Limits {
            per_address: self.max_failed_logins_per_address,
            per_user: self.max_failed_logins_per_user,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        limits: LimitArgs,
    }

    #[test]
    fn what_is_not_typed_is_as_in_the_service_but_for_the_rate() {
        let Typed { limits } = Typed::parse_from(["packhold"]);
        let expected = Limits {
            max_requests_per_second: NonZeroU32::new(5000),
            ..Limits::default()
        };
        assert_eq!(format!("{:?}", limits.limits()), format!("{expected:?}"));
        assert_eq!(limits.failed_logins(), auth::Limits::default());
    }
}
