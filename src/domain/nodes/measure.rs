//! How much is below a folder.

use super::super::DomainError;
use super::super::lookup::{Address, Entry, entry};
use super::walk::Walk;
use crate::format::meta::{NodeId, NodeKind};
use crate::index::{Rank, Rows};

/// Folders read at once.
const PAGE: usize = 1000;

/// What is at and below a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Folders below it.
    pub folders: u64,
    /// Files below it; for a file, itself.
    pub files: u64,
    /// Sum of the sizes of these files.
    pub bytes: u64,
}

/// Counts what is at an address and below it. Walks all of it.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::NotFound`], [`DomainError::Store`].
pub fn measure(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<Measure, DomainError> {
    let folder = match entry(rows, address, now_ms)? {
        Entry::Root(id) => id,
        Entry::Node(_, node) => match node.kind {
            NodeKind::Folder => node.id,
            NodeKind::File { size, .. } => {
                return Ok(Measure {
                    folders: 0,
                    files: 1,
                    bytes: size,
                });
            }
        },
    };
    let mut sum = Measure::default();
    let mut walk = Walk::below(folder, "/");
    while let Some(found) = walk.next(rows, now_ms, |_| true)? {
        match found.node.kind {
            NodeKind::Folder => sum.folders += 1,
            NodeKind::File { size, .. } => {
                sum.files += 1;
                sum.bytes = sum.bytes.saturating_add(size);
            }
        }
    }
    Ok(sum)
}

/// Sum of the sizes of the files below a folder; counting ends beyond `enough`.
pub(in crate::domain) fn bytes_below(
    rows: &dyn Rows,
    folder: NodeId,
    enough: u64,
    now_ms: u64,
) -> Result<u64, DomainError> {
    let mut sum = 0_u64;
    let mut walk = Walk::below(folder, "/");
    while sum <= enough
        && let Some(found) = walk.next(rows, now_ms, |_| true)?
    {
        if let NodeKind::File { size, .. } = found.node.kind {
            sum = sum.saturating_add(size);
        }
    }
    Ok(sum)
}

/// How far what is below a folder extends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Rows below it, those of expired files included.
    pub rows: u64,
    /// Levels of nodes below it.
    pub height: usize,
}

/// Measures a folder by its folders alone: files are counted, not read.
pub(super) fn extent(rows: &dyn Rows, folder: NodeId) -> Result<Extent, DomainError> {
    let mut extent = Extent::default();
    let mut waiting = vec![(folder, 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let counts = rows.counts(folder)?;
        let nodes = counts.folders.saturating_add(counts.files);
        if nodes == 0 {
            continue;
        }
        extent.rows = extent.rows.saturating_add(nodes);
        extent.height = extent.height.max(depth + 1);
        let mut left = usize::try_from(counts.folders).unwrap_or(usize::MAX);
        let mut after: Option<String> = None;
        while left > 0 {
            let behind = after.as_deref().map(|name| (Rank::Folder, name));
            let page = rows.children(folder, behind, left.min(PAGE))?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            left = left.saturating_sub(page.len());
            waiting.extend(page.iter().map(|(_, node)| (node.id, depth + 1)));
        }
    }
    Ok(extent)
}
