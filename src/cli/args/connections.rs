//! What can be typed about connections.

use std::time::Duration;

use super::bytes;
use crate::http::ConnectionLimits;

/// What connections may cost.
#[derive(Debug, Clone, clap::Args)]
pub struct ConnectionArgs {
    /// Connections at once, or as many as there are file descriptors for, if these are fewer; for
    /// one more, the one that has been without a request longest is closed.
    #[arg(long, env = "PACKHOLD_MAX_CONNECTIONS", value_name = "COUNT", default_value = "16384", value_parser = count)]
    pub max_connections: usize,
    /// The same for one address (of IPv6: one /64); with --trust-proxy not looked at.
    #[arg(long, env = "PACKHOLD_MAX_CONNECTIONS_PER_ADDRESS", value_name = "COUNT", default_value = "4096", value_parser = count)]
    pub max_connections_per_address: usize,
    /// Length of all header fields of a request in bytes (K, M, G are powers of 1024).
    #[arg(long, env = "PACKHOLD_MAX_HEADER_SIZE", value_name = "BYTES", default_value = "64K", value_parser = header_bytes)]
    pub max_header_size: usize,
    /// Seconds in which the headers of a request, and a TLS handshake, must be complete.
    #[arg(long, env = "PACKHOLD_HEADER_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub header_timeout: Duration,
    /// Seconds that a request body may stand still.
    #[arg(long, env = "PACKHOLD_BODY_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub body_timeout: Duration,
    /// Seconds that a client may take nothing of its answer.
    #[arg(long, env = "PACKHOLD_SEND_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub send_timeout: Duration,
    /// Seconds that a connection may have nothing to do.
    #[arg(long, env = "PACKHOLD_KEEP_ALIVE_TIMEOUT", value_name = "SECONDS", default_value = "75", value_parser = seconds)]
    pub keep_alive_timeout: Duration,
}

impl ConnectionArgs {
    /// What they mean, whatever the system has.
    pub fn limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            header_bytes: self.max_header_size,
            header_timeout: self.header_timeout,
            body_timeout: self.body_timeout,
            send_timeout: self.send_timeout,
            keep_alive_timeout: self.keep_alive_timeout,
        }
    }
}

/// One or more.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must not be 0".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// No more than a mebibyte: it is buffered for every connection that sends headers.
fn header_bytes(text: &str) -> Result<usize, String> {
    match usize::try_from(bytes(text)?) {
        Ok(bytes @ 1..=0x10_0000) => Ok(bytes),
        _ => Err("must be 1 to 1M".to_owned()),
    }
}

/// Seconds, perhaps a fraction of one; a day at most.
fn seconds(text: &str) -> Result<Duration, String> {
    let day = Duration::from_hours(24);
    let seconds: Option<f64> = text.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| !duration.is_zero() && *duration <= day)
        .ok_or_else(|| "must be a number of seconds, more than 0, at most 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, clap::Parser)]
    struct Alone {
        #[command(flatten)]
        args: ConnectionArgs,
    }

    #[test]
    fn defaults_are_those_of_the_library() {
        let limits = Alone::parse_from(["packhold"]).args.limits();
        assert_eq!(
            format!("{limits:?}"),
            format!("{:?}", ConnectionLimits::default())
        );
    }

    #[test]
    fn numbers() {
        assert_eq!(count("7"), Ok(7));
        assert!(count("0").is_err() && count("-1").is_err() && count("x").is_err());
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "x", "NaN", "inf", "86401", "1e300", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(header_bytes("64K"), Ok(65_536));
        assert!(header_bytes("0").is_err() && header_bytes("2M").is_err());
    }
}
