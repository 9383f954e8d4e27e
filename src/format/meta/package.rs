//! Software packages.

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// What a software package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum PackageKind {
    /// An `OceanBase` server.
    Server,
    /// An agent of OCP.
    OcpAgent,
    /// A proxy.
    Proxy,
    /// Backup and recovery.
    BackupAgent,
    /// An agent of a host.
    Agent,
    /// Any other RPM.
    Other,
}

impl PackageKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Server,
        Self::OcpAgent,
        Self::Proxy,
        Self::BackupAgent,
        Self::Agent,
        Self::Other,
    ];

    /// Its name in OCP's API, by which it is filtered and sorted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "OB_SERVER_INSTALL_PACKAGE",
            Self::OcpAgent => "OCP_AGENT_INSTALL_PACKAGE",
            Self::Proxy => "OBPROXY_INSTALL_PACKAGE",
            Self::BackupAgent => "OB_BACKUP_AGENT_INSTALL_PACKAGE",
            Self::Agent => "OB_AGENT_INSTALL_PACKAGE",
            Self::Other => "OTHERS_RPM",
        }
    }
}

/// A software package. Its fields are those that its upload was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Package {
    /// Its number, from 1 on; never given to another.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The release, without the operating system.
    pub build_number: String,
    /// The operating system; empty for any.
    pub operating_system: String,
    /// The architecture.
    pub architecture: String,
    /// What it is for.
    pub kind: PackageKind,
    /// Its file's name, unique.
    pub file_name: String,
    /// sha256 of the file, and so its content.
    pub sha256: Sha256,
    /// Length of the file in bytes.
    pub size: u64,
    /// md5 of the file.
    pub md5: [u8; 16],
    /// sha1 of the file.
    pub sha1: [u8; 20],
    /// Who uploaded it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// Takes a software package away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PackageDelete {
    /// Its number.
    pub id: u64,
}
