//! The same figures of what a store holds: its repositories in the place of releases.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::table::MAX_PAIRED;
use super::{ForecastReport, ReleaseForecast, Setting};
use crate::digest::sha256;
use crate::format::Sha256;
use crate::format::meta::{NodeId, NodeKind};
use crate::index::{Rank, Reader, Rows};
use crate::store::StoreError;
use crate::store::core::Store;
use crate::store::manifests::each_piece;

/// What all software packages together are called.
const PACKAGES: &str = "software packages";
/// Rows read at once.
const PAGE: usize = 1000;

/// What repositories hold, and share. Field names are part of the interface (`stats --dedup --json`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Repositories in the place of releases, the largest first, with all software packages as one; beyond 64
    /// the last stands for the rest.
    #[serde(flatten)]
    pub forecast: ForecastReport,
    /// Bytes of chunks that each one alone has: what deleting it would give back.
    pub own_bytes: Vec<u64>,
}

/// What is counted as one.
enum Group {
    Repo(NodeId),
    Packages,
}

struct Counted {
    group: Group,
    name: String,
    files: u64,
    bytes: u64,
}

impl Store {
    /// What the repositories of the store hold, and what they share. Walks all files, packages and manifests;
    /// takes as much memory as a forecast, and some 40 bytes for every content of a repository.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shares(&self) -> Result<Shares, StoreError> {
        let reader = self.core.reader()?;
        let groups = self.groups(&reader)?;
        let mut setting = Setting::new(self.core.pack.header().chunking);
        let mut releases: Vec<ReleaseForecast> = Vec::new();
        for counted in &groups {
            if releases.len() < MAX_PAIRED {
                setting.new_bytes.push(0);
                releases.push(ReleaseForecast {
                    name: counted.name.clone(),
                    others: 0,
                    files: counted.files,
                    bytes: counted.bytes,
                });
            } else if let Some(rest) = releases.last_mut() {
                rest.others += 1;
                rest.files += counted.files;
                rest.bytes += counted.bytes;
            }
            let release = releases.len() - 1;
            let mut contents = HashSet::new();
            self.each_file(&reader, &counted.group, &mut |sha256, _| {
                contents.insert(sha256);
            })?;
            for sha256 in contents {
                self.count(&reader, &sha256, &mut setting, release)?;
            }
        }
        let bytes = releases.iter().map(|release| release.bytes).sum();
        Ok(Shares {
            own_bytes: setting.table.own(releases.len()),
            forecast: ForecastReport {
                files: releases.iter().map(|release| release.files).sum(),
                bytes,
                settings: vec![setting.report(bytes)],
                releases,
            },
        })
    }

    /// All repositories and the software packages, the largest first; those without files are left out.
    fn groups(&self, reader: &Reader) -> Result<Vec<Counted>, StoreError> {
        let mut groups = vec![Counted {
            group: Group::Packages,
            name: PACKAGES.to_owned(),
            files: 0,
            bytes: 0,
        }];
        let mut project: Option<String> = None;
        while let Some(next) = reader.projects(project.as_deref(), 1)?.pop() {
            let mut after: Option<String> = None;
            while let Some(repo) = reader.repos(&next.name, after.as_deref(), 1)?.pop() {
                groups.push(Counted {
                    group: Group::Repo(repo.root),
                    name: format!("{}/{}", next.name, repo.name),
                    files: 0,
                    bytes: 0,
                });
                after = Some(repo.name);
            }
            project = Some(next.name);
        }
        for counted in &mut groups {
            let (mut files, mut bytes) = (0, 0);
            self.each_file(reader, &counted.group, &mut |_, size| {
                files += 1;
                bytes += size;
            })?;
            (counted.files, counted.bytes) = (files, bytes);
        }
        groups.retain(|counted| counted.files > 0);
        groups.sort_by_key(|counted| std::cmp::Reverse(counted.bytes));
        Ok(groups)
    }

    /// Hands every file that exists now to `visit`: content and size.
    fn each_file(
        &self,
        reader: &Reader,
        group: &Group,
        visit: &mut dyn FnMut(Sha256, u64),
    ) -> Result<(), StoreError> {
        let root = match group {
            Group::Repo(root) => *root,
            Group::Packages => {
                return reader.each_package(|package| {
                    visit(package.sha256, package.size);
                    Ok(())
                });
            }
        };
        let now_ms = self.core.now_ms();
        let mut waiting = vec![root];
        while let Some(folder) = waiting.pop() {
            let mut after: Option<(Rank, String)> = None;
            loop {
                let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
                let page = reader.children(folder, behind, PAGE)?;
                for (_, node) in &page {
                    match node.kind {
                        _ if node.expires_ms.is_some_and(|at| at <= now_ms) => {}
                        NodeKind::Folder => waiting.push(node.id),
                        NodeKind::File { sha256, size } => visit(sha256, size),
                    }
                }
                if page.len() < PAGE {
                    break;
                }
                let last = page.into_iter().next_back();
                after = last.map(|(name, node)| (Rank::of(&node), name));
            }
        }
        Ok(())
    }

    /// Counts the chunks of a content.
    fn count(
        &self,
        reader: &Reader,
        content: &Sha256,
        setting: &mut Setting,
        release: usize,
    ) -> Result<(), StoreError> {
        let Some(blob) = reader.blob(content)? else {
            return Ok(());
        };
        each_piece(&self.core, &blob.manifest, blob.size, |piece| {
            setting.pieces += 1;
            // Its place is known, and its digest would have to be read; the table wants something as even.
            let key = sha256(&piece.pack_offset.to_le_bytes());
            if let Some(weight) = setting.table.is_new(&key, piece.stored_len, release) {
                setting.add(piece.stored_len, weight, release);
            }
        })
    }
}
