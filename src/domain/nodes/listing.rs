//! A page of a folder, in the order of the index: folders first, each by name.
//!
//! What lies before the page is not read: the index counts the nodes of each folder. Expired files
//! that were not swept yet are in these counts; there are few, if any, so they are taken off one by
//! one.

use std::collections::HashMap;

use super::super::DomainError;
use super::super::lookup::{Address, folder, is_live, repository};
use super::gather::Gather;
use super::walk::{Found, Walk};
use crate::format::meta::{Node, NodeId, NodeKind};
use crate::index::{Rank, Rows};

/// Nodes read at once.
const PAGE: usize = 500;
/// Expired files that are taken off one by one; with more, the folder is walked.
const MAX_GONE: usize = 10_000;

/// Which nodes of a folder are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// All below the folder, not only what is in it.
    pub deep: bool,
    /// Folders too.
    pub folders: bool,
    /// Metadata of the nodes too.
    pub metadata: bool,
    /// Nodes before the page.
    pub skip: u64,
    /// Nodes of the page at most.
    pub limit: usize,
}

/// The nodes of a page of a folder, and how many there are on all pages. Where no folder is, there
/// are none.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::Store`], [`DomainError::Invalid`] when the page
/// would take too much memory.
pub fn page(
    rows: &dyn Rows,
    address: &Address,
    listing: Listing,
    now_ms: u64,
) -> Result<(u64, Vec<Found>), DomainError> {
    repository(rows, address)?;
    let top = match folder(rows, address, now_ms) {
        Ok(id) => id,
        Err(DomainError::NotFound(_)) => return Ok((0, Vec::new())),
        Err(error) => return Err(error),
    };
    let path = match address.path.is_root() {
        true => "/".to_owned(),
        false => format!("{}/", address.path),
    };
    let expired = rows.expired(now_ms, MAX_GONE)?;
    let is_known = expired.len() < MAX_GONE;
    let mut gone: HashMap<NodeId, Vec<String>> = HashMap::new();
    for (_, parent, name) in expired {
        gone.entry(parent).or_default().push(name);
    }
    let mut pager = Pager {
        rows,
        now_ms,
        listing,
        gone,
        total: 0,
        page: Gather::new(listing.limit, listing.metadata),
    };
    match (is_known, listing.deep) {
        (false, _) => pager.walked(top, &path)?,
        (true, true) => pager.deep(top, &path)?,
        (true, false) if listing.folders => pager.window(top, &path, Rank::Folder)?,
        (true, false) => pager.window(top, &path, Rank::File)?,
    }
    Ok((pager.total, pager.page.finish()))
}

struct Pager<'a> {
    rows: &'a dyn Rows,
    now_ms: u64,
    listing: Listing,
    /// Names of expired files, by folder.
    gone: HashMap<NodeId, Vec<String>>,
    /// Nodes so far.
    total: u64,
    page: Gather<Found>,
}

impl Pager<'_> {
    /// All that is below a folder; each folder before what is in it.
    fn deep(&mut self, folder: NodeId, path: &str) -> Result<(), DomainError> {
        let mut left = self.rows.counts(folder)?.folders;
        let mut after: Option<String> = None;
        while left > 0 {
            let behind = after.as_deref().map(|name| (Rank::Folder, name));
            let limit = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
            let page = self.rows.children(folder, behind, limit)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            left = left.saturating_sub(page.len() as u64);
            for (name, node) in page {
                let (id, below) = (node.id, format!("{path}{name}/"));
                if self.listing.folders {
                    self.one(folder, format!("{path}{name}"), node)?;
                }
                self.deep(id, &below)?;
            }
        }
        self.window(folder, path, Rank::File)
    }

    /// The nodes in a folder from a rank on: those on the page are read, the others counted.
    fn window(&mut self, folder: NodeId, path: &str, from: Rank) -> Result<(), DomainError> {
        let mut gone = self.gone.remove(&folder).unwrap_or_default();
        gone.sort_unstable();
        let counts = self.rows.counts(folder)?;
        let folders = match from {
            Rank::Folder => counts.folders,
            Rank::File => 0,
        };
        let live = (folders + counts.files).saturating_sub(gone.len() as u64);
        let start = self.total;
        self.total += live;
        let skip = self.listing.skip.saturating_sub(start);
        if skip >= live || self.page.wanted() == 0 {
            return Ok(());
        }
        let limit = self.page.wanted().min(PAGE);
        let mut nodes = self.rows.children_at(folder, from, skip, limit)?;
        // Expired files before this place were skipped in the stead of live ones.
        let mut ahead = match nodes.first() {
            Some((first, node)) if Rank::of(node) == Rank::File => {
                gone.partition_point(|name| name < first)
            }
            _ => 0,
        };
        while let Some((last, node)) = nodes.last() {
            let after = (Rank::of(node), last.clone());
            for (name, node) in nodes {
                if self.page.wanted() == 0 {
                    return Ok(());
                }
                if !is_live(&node, self.now_ms) {
                    continue;
                }
                if ahead > 0 {
                    ahead -= 1;
                    continue;
                }
                let path = format!("{path}{name}");
                let parent = folder;
                self.page
                    .push(Found { parent, path, node }, |found| found)?;
            }
            nodes = self
                .rows
                .children(folder, Some((after.0, after.1.as_str())), PAGE)?;
        }
        Ok(())
    }

    /// One node.
    fn one(&mut self, parent: NodeId, path: String, node: Node) -> Result<(), DomainError> {
        let at = self.total;
        self.total += 1;
        if at >= self.listing.skip && self.page.wanted() > 0 {
            self.page
                .push(Found { parent, path, node }, |found| found)?;
        }
        Ok(())
    }

    /// The same by walking: more files expired lately than are to be held in memory.
    fn walked(&mut self, folder: NodeId, path: &str) -> Result<(), DomainError> {
        let mut walk = Walk::below(folder, path);
        let deep = self.listing.deep;
        while let Some(found) = walk.next(self.rows, self.now_ms, |_| deep)? {
            if self.listing.folders || found.node.kind != NodeKind::Folder {
                self.one(found.parent, found.path, found.node)?;
            }
        }
        Ok(())
    }
}
