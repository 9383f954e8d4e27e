//! What a server has below a folder, a page at a time.
//!
//! Nothing that it says is believed: a name that is not below the folder, or not as a server writes
//! it, ends the listing.

use serde::Deserialize;

use super::ClientError;
use super::place::target;
use super::retry::Persistence;
use super::server::{Call, Method, Server};
use crate::domain::Address;
use crate::domain::path::NodePath;

/// Nodes asked for at once.
const PAGE: usize = 1000;

/// A file or folder as a server tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteNode {
    /// It is a folder.
    pub folder: bool,
    /// Its path in the repository.
    pub full_path: String,
    /// Its size in bytes; 0 for a folder.
    pub size: u64,
    /// sha256 of a file, in hex.
    pub sha256: Option<String>,
    /// When it was changed last, as the server writes times.
    #[serde(default)]
    pub last_modified_date: String,
}

/// A file at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it is.
    pub address: Address,
    /// Its size in bytes.
    pub size: u64,
    /// sha256 of its content.
    pub sha256: [u8; 32],
}

impl RemoteNode {
    /// The file that it is.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when it is none, or none with a sha256.
    pub fn file(&self, address: Address) -> Result<RemoteFile, ClientError> {
        let digest = self.sha256.as_deref().and_then(|hex| hex::decode(hex).ok());
        match digest.and_then(|digest| digest.try_into().ok()) {
            Some(sha256) if !self.folder => Ok(RemoteFile {
                address,
                size: self.size,
                sha256,
            }),
            _ => Err(ClientError::Invalid(format!(
                "{address}: the server tells no sha256 of it"
            ))),
        }
    }
}

/// The node at an address; `None` when there is none.
///
/// # Errors
/// [`ClientError`].
pub fn node(
    server: &Server,
    persistence: Persistence,
    at: &Address,
) -> Result<Option<RemoteNode>, ClientError> {
    let target = target("/repository/api/node/detail", at);
    let asked = persistence.attempt(|_| server.ask(Call::new(Method::Get, &target))?.data());
    match asked {
        Ok(node) => Ok(Some(node)),
        Err(error) if error.has_code("251010") || error.has_code("251006") => Ok(None),
        Err(error) => Err(error),
    }
}

/// A page as a server gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    total_records: u64,
    records: Vec<RemoteNode>,
}

/// The nodes below a folder, each with its path below that.
pub struct Listing<'a> {
    server: &'a Server,
    persistence: Persistence,
    folder: &'a Address,
    deep: bool,
    next: Option<u64>,
    total: Option<u64>,
    page: std::vec::IntoIter<RemoteNode>,
}

impl<'a> Listing<'a> {
    /// All files below a folder, or only what is in it, folders too.
    #[must_use]
    pub fn new(
        server: &'a Server,
        persistence: Persistence,
        folder: &'a Address,
        deep: bool,
    ) -> Self {
        Self {
            server,
            persistence,
            folder,
            deep,
            next: Some(1),
            total: None,
            page: Vec::new().into_iter(),
        }
    }

    fn turn(&mut self, number: u64) -> Result<(), ClientError> {
        let target = target("/repository/api/node/page", self.folder);
        let (deep, folders) = (self.deep, !self.deep);
        let query = format!(
            "{target}?pageNumber={number}&pageSize={PAGE}&deep={deep}&includeFolder={folders}"
        );
        let page: Page = self.persistence.attempt(|_| {
            let answer = self.server.ask(Call::new(Method::Get, &query))?;
            answer.data()
        })?;
        if page.records.len() > PAGE {
            let why = format!(
                "{}: the server lists more than it was asked for",
                self.folder
            );
            return Err(ClientError::Invalid(why));
        }
        // Pages are counted off: what is taken away before a page pulls unseen nodes before it.
        if self.total.is_some_and(|total| page.total_records < total) {
            let why = format!("{}: files were deleted while it was listed", self.folder);
            return Err(ClientError::Invalid(why));
        }
        self.total = Some(page.total_records);
        self.next = (page.records.len() == PAGE).then_some(number + 1);
        self.page = page.records.into_iter();
        Ok(())
    }

    /// Where a node is; what leads out of the folder is refused.
    fn place(&self, node: &RemoteNode) -> Result<(String, Address), ClientError> {
        let wrong = |why: &str| {
            let path = &node.full_path;
            ClientError::Invalid(format!("{}: it lists {path:?}, {why}", self.folder))
        };
        let path = NodePath::parse(&node.full_path).map_err(|e| wrong(&e.to_string()))?;
        if path.to_string() != node.full_path {
            return Err(wrong("which is no normal path"));
        }
        let depth = self.folder.path.segments().len();
        let (above, below) = path.segments().split_at_checked(depth).unwrap_or_default();
        if above != self.folder.path.segments() || below.is_empty() {
            return Err(wrong("which is not below it"));
        }
        Ok((below.join("/"), self.folder.at(path.clone())))
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<(String, Address, RemoteNode), ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(node) = self.page.next() {
                let placed = self.place(&node);
                if placed.is_err() {
                    (self.page, self.next) = (Vec::new().into_iter(), None);
                }
                return Some(placed.map(|(name, address)| (name, address, node)));
            }
            let number = self.next.take()?;
            if let Err(error) = self.turn(number) {
                return Some(Err(error));
            }
        }
    }
}
