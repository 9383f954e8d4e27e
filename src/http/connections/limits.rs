//! What connections may cost.

use std::time::Duration;

/// What connections may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. One more, and the one that has been quiet longest is closed.
    pub connections: usize,
    /// Connections at once from one address (IPv6: from one network of 64 bits), in the same way.
    /// Behind a proxy all come from its address, and this is not looked at.
    pub connections_per_address: usize,
    /// Length of all header fields of a request, in bytes.
    pub header_bytes: usize,
    /// From the connection, or the first byte of a later request, to the end of the headers; a TLS
    /// handshake is in this time.
    pub header_timeout: Duration,
    /// A request body may stand still this long.
    pub body_timeout: Duration,
    /// A client may take nothing of its answers this long.
    pub send_timeout: Duration,
    /// A connection may have nothing to do this long.
    pub keep_alive_timeout: Duration,
}

/// Generous to slow clients, and bearable when all are hostile.
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 4_096,
            header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_mins(1),
            send_timeout: Duration::from_mins(1),
            keep_alive_timeout: Duration::from_secs(75),
        }
    }
}
