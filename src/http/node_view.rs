//! A node on the wire (observed page, 1.1: `NodeDetail` and `NodeInfo`).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::error::ApiError;
use super::view::local_time;
use crate::domain::{Address, DomainError, FileEntry};
use crate::format::meta::{Blob, Node, NodeKind, Repo};
use crate::index::Rows;

/// Something that upstream has and this server has not.
type Nothing = Option<()>;

/// What both views of a node have in common; the first of them are those of seed 003.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Common<'a> {
    created_by: &'a str,
    created_date: String,
    last_modified_by: &'a str,
    last_modified_date: String,
    last_access_date: Nothing,
    folder: bool,
    path: &'a str,
    name: &'a str,
    full_path: &'a str,
    size: u64,
    node_num: Nothing,
    sha256: Option<String>,
    md5: Option<String>,
    crc64ecma: Option<String>,
    metadata: BTreeMap<&'a str, &'a str>,
    node_metadata: Vec<Pair<'a>>,
    project_id: &'a str,
    repo_name: &'a str,
    expire_date: Option<String>,
    cluster_names: Nothing,
    archived: Nothing,
    compressed: Nothing,
    federated_source: Nothing,
}

/// One metadata value, as upstream's newer clients read it.
#[derive(Debug, Clone, Serialize)]
struct Pair<'a> {
    key: &'a str,
    value: &'a str,
    system: bool,
    description: Nothing,
    link: Nothing,
    color: Nothing,
}

/// A node in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo<'a> {
    id: String,
    #[serde(flatten)]
    common: Common<'a>,
    copy_from_credentials_key: Nothing,
    copy_into_credentials_key: Nothing,
}

/// A node by itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView<'a> {
    node_info: NodeInfo<'a>,
    #[serde(flatten)]
    common: Common<'a>,
}

/// Where a node is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its project.
    pub project: &'a str,
    /// Its repository.
    pub repo: &'a str,
    /// Its full path.
    pub path: &'a str,
}

impl<'a> NodeInfo<'a> {
    /// A node, and its content if it is a file.
    pub fn new(place: Place<'a>, node: &'a Node, blob: Option<&Blob>, zone: &TimeZone) -> Self {
        let pairs = || node.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let name_at = place.path.rfind('/').map_or(0, |slash| slash + 1);
        let (sha256, size) = match node.kind {
            NodeKind::Folder => (None, 0),
            NodeKind::File { sha256, size } => (Some(hex::encode(sha256)), size),
        };
        Self {
            // As long as the ids that upstream's clients know.
            id: format!("{:024x}", node.id.0),
            common: Common {
                created_by: &node.created_by,
                created_date: local_time(node.created_ms, zone),
                last_modified_by: &node.modified_by,
                last_modified_date: local_time(node.modified_ms, zone),
                last_access_date: None,
                folder: node.kind == NodeKind::Folder,
                path: &place.path[..name_at],
                name: &place.path[name_at..],
                full_path: place.path,
                size,
                node_num: None,
                sha256,
                md5: blob.map(|blob| hex::encode(blob.md5)),
                crc64ecma: blob.map(|blob| blob.crc64.to_string()),
                metadata: pairs().collect(),
                node_metadata: pairs().map(Pair::of).collect(),
                project_id: place.project,
                repo_name: place.repo,
                expire_date: node.expires_ms.map(|at| local_time(at, zone)),
                cluster_names: None,
                archived: None,
                compressed: None,
                federated_source: None,
            },
            copy_from_credentials_key: None,
            copy_into_credentials_key: None,
        }
    }

    /// The same by itself.
    pub fn detail(self) -> NodeView<'a> {
        NodeView {
            common: self.common.clone(),
            node_info: self,
        }
    }
}

impl<'a> Pair<'a> {
    fn of((key, value): (&'a str, &'a str)) -> Self {
        Self {
            key,
            value,
            system: false,
            description: None,
            link: None,
            color: None,
        }
    }
}

/// The content of a node; `None` for a folder.
///
/// # Errors
/// [`ApiError`] when the index cannot be read.
pub fn blob_of(rows: &dyn Rows, node: &Node) -> Result<Option<Blob>, ApiError> {
    match node.kind {
        NodeKind::Folder => Ok(None),
        NodeKind::File { sha256, .. } => Ok(rows.blob(&sha256).map_err(DomainError::from)?),
    }
}

/// The root of a repository as a folder.
pub fn root_node(repo: &Repo) -> Node {
    Node {
        id: repo.root,
        kind: NodeKind::Folder,
        created_by: repo.created_by.clone(),
        created_ms: repo.created_ms,
        modified_by: repo.created_by.clone(),
        modified_ms: repo.created_ms,
        expires_ms: None,
        metadata: Vec::new(),
    }
}

/// Hands the view of a file to `with`.
pub fn with_file<T>(file: &FileEntry, zone: &TimeZone, with: impl FnOnce(&NodeView<'_>) -> T) -> T {
    let Address {
        project,
        repo,
        path,
    } = &file.address;
    let path = path.to_string();
    let place = Place {
        project,
        repo,
        path: &path,
    };
    with(&NodeInfo::new(place, &file.node, Some(&file.blob), zone).detail())
}
