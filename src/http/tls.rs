//! TLS: a certificate and its key, which can be exchanged while connections are open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// What is spoken within, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// A file of certificates or keys is not longer than this, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Why a certificate and a key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not have what it must have.
    #[error("{}: no {wanted} in PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it must have.
        wanted: &'static str,
        /// Why it has none.
        source: pem::Error,
    },
    /// The certificate and the key are unusable, or do not belong together.
    #[error("{} with {}: {source}", cert.display(), key.display())]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// A stream that is encrypted.
pub(super) type Encrypted<S> = tokio_rustls::server::TlsStream<S>;

/// A certificate and its key, from two files in PEM.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads both files. The first has the server's certificate, then those that vouch for it.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(read(cert, key)?),
        })
    }

    /// Reads both files again, for connections to come.
    ///
    /// # Errors
    /// [`TlsError`]; what was read before stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = read(&self.cert, &self.key)?;
        *self.current.write() = config;
        Ok(())
    }

    /// Takes connections with what was read last.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read()).into()
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        debug.field("cert", &self.cert).field("key", &self.key);
        debug.finish_non_exhaustive()
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pem = |path: &Path, wanted, source| TlsError::Pem {
        path: path.to_owned(),
        wanted,
        source,
    };
    let bytes = contents(cert)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|source| pem(cert, "certificate", source))?;
    if chain.is_empty() {
        return Err(pem(cert, "certificate", pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_slice(&contents(key)?);
    let secret = secret.map_err(|source| pem(key, "private key", source))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        });
    let mut config = config.map_err(|source| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let metadata = std::fs::metadata(path)?;
        // A pipe or a device might never come to an end.
        if !metadata.is_file() || metadata.len() > FILE_BYTES {
            return Err(io::Error::other("not a file of at most a mebibyte"));
        }
        std::fs::read(path)
    };
    read().map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}
