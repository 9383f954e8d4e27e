//! Certificates for tests, and clients that trust them and nothing else.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::wire::Wire;

/// A connection with TLS.
pub type TlsWire = Wire<StreamOwned<ClientConnection, TcpStream>>;

/// A certificate for `localhost`, and who trusts it.
pub struct Certificate {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A new one.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        Self {
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        }
    }

    /// Writes certificate and key where a server is to find them.
    pub fn write(&self, cert: &Path, key: &Path) {
        std::fs::write(cert, &self.cert).expect("a file");
        std::fs::write(key, &self.key).expect("a file");
    }

    /// A client that trusts this certificate, and speaks one of these protocols.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().into())
            .collect();
        Arc::new(config)
    }

    /// A connection for HTTP/1.1.
    ///
    /// # Errors
    /// When the server has another certificate, or no TLS.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TlsWire> {
        let mut socket = TcpStream::connect(address)?;
        let patience = Some(Duration::from_mins(1));
        socket.set_read_timeout(patience)?;
        socket.set_write_timeout(patience)?;
        let client = self.client(&["http/1.1"]);
        let tls = ClientConnection::new(client, Self::name());
        let mut tls = tls.map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok(Wire::over(StreamOwned::new(tls, socket)))
    }

    /// Whom it is for.
    pub fn name() -> ServerName<'static> {
        "localhost".try_into().expect("a name")
    }
}
