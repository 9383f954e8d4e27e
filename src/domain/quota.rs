//! How much a repository may hold, and how much it holds.
//!
//! **Decision.** No counter of what a repository holds is stored: it would be one more write of every
//! change, and the first forgotten place would make it wrong for ever. What a repository holds is
//! measured, by walking its files in a snapshot when a quota first asks for it. From then on
//! [`Usage`] carries the number in memory, and only ever too high: what a change adds is added by the
//! committer, in the moment in which the change is decided; what is deleted or expires stays counted.
//! So a change that fits by this number fits, whatever happens at the same time: two uploads can not
//! both take the last free byte. One that does not fit by it is not refused yet: the repository is
//! measured anew, outside of the committer, and only what does not fit by that either is refused.
//!
//! A repository without a quota costs one look for it.
//!
//! **Invariant.** For every repository that is known here, `held` is at least the sum of the sizes of
//! its live files in any snapshot from `at` on. What was added behind which commit is remembered, so
//! that a new measurement knows which additions its snapshot has and which it has not.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::DomainError;
use super::lookup::{Address, Entry, entry, is_live};
use super::nodes;
use crate::format::meta::{Mutation, Node, NodeId, NodeKind};
use crate::index::Rows;
use crate::store::Store;

/// Repositories that are known at once; each takes some hundred bytes.
const MAX_REPOS: usize = 10_000;
/// Additions that are remembered one by one; older ones are joined.
const MAX_ADDITIONS: usize = 64;

/// What repositories with a quota hold. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Usage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    repos: HashMap<NodeId, Held>,
    /// Measurements of snapshots up to this commit lack additions that nobody remembers.
    floor: u64,
    /// The newest commit behind which something was added.
    latest: u64,
}

/// What a repository holds, or more.
#[derive(Debug, Default)]
struct Held {
    /// As measured.
    bytes: u64,
    /// The commit that the measured snapshot ends with, by its offset in the pack.
    at: u64,
    /// When files that had expired were not counted, Unix milliseconds.
    measured_ms: u64,
    /// What was added since, each with the commit behind which that was decided.
    added: VecDeque<(u64, u64)>,
}

/// A change that does not fit a quota, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The repository.
    pub repo: String,
    /// How much it may hold, in bytes.
    pub quota_bytes: u64,
    /// By how much the change makes it grow, in bytes; more than the quota stands for all of that.
    pub growth_bytes: u64,
    /// The commit that the change was judged behind.
    at: u64,
    /// When it was judged, Unix milliseconds.
    judged_ms: u64,
}

impl Held {
    fn sum(&self) -> u64 {
        let added = self.added.iter().map(|(_, bytes)| *bytes);
        added.fold(self.bytes, u64::saturating_add)
    }

    fn add(&mut self, at: u64, bytes: u64) {
        match self.added.back_mut() {
            Some((last, sum)) if *last == at => *sum = sum.saturating_add(bytes),
            _ => self.added.push_back((at, bytes)),
        }
        if self.added.len() > MAX_ADDITIONS
            && let Some((_, oldest)) = self.added.pop_front()
            && let Some((_, sum)) = self.added.front_mut()
        {
            // Counted as if it had come later: no snapshot is believed to have it too soon.
            *sum = sum.saturating_add(oldest);
        }
    }

    /// Takes a measurement over, unless a later one is there.
    fn measured(&mut self, bytes: u64, at: u64, now_ms: u64) {
        if at >= self.at {
            // What was decided behind a commit is in the next one: a snapshot that ends with a
            // later one has it, if it was made at all.
            self.added.retain(|(behind, _)| *behind >= at);
            (self.bytes, self.at, self.measured_ms) = (bytes, at, now_ms);
        }
    }
}

impl Usage {
    /// Whether a file of this size may take its place, as far as a snapshot can say; decided again in
    /// the commit.
    ///
    /// # Errors
    /// [`DomainError::Quota`]: to be measured.
    pub fn check(
        &self,
        rows: &dyn Rows,
        file: &Address,
        bytes: u64,
        now_ms: u64,
    ) -> Result<(), DomainError> {
        let Some((quota, root)) = limit(rows, file)? else {
            return Ok(());
        };
        let growth = bytes.saturating_sub(size_at(rows, file, now_ms)?);
        let at = position(rows)?;
        let state = self.0.lock();
        let held = state.repos.get(&root).map(Held::sum);
        match fits(held, growth, quota) {
            true => Ok(()),
            false => Err(DomainError::Quota(excess(
                file,
                quota,
                growth,
                (at, now_ms),
            ))),
        }
    }

    /// The most that a file at an address could have, whatever else is deleted meanwhile, as the
    /// excess of one that has more; `None` without a quota.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn most(
        &self,
        rows: &dyn Rows,
        file: &Address,
        now_ms: u64,
    ) -> Result<Option<Excess>, DomainError> {
        let Some((quota_bytes, _)) = limit(rows, file)? else {
            return Ok(None);
        };
        let growth_bytes = quota_bytes.saturating_add(size_at(rows, file, now_ms)?);
        Ok(Some(excess(file, quota_bytes, growth_bytes, (0, now_ms))))
    }

    /// Decides, in the committer, whether mutations keep to the quota of the repository that they add
    /// to, and counts what they add. `from_elsewhere`: what they move comes from another repository.
    ///
    /// # Errors
    /// [`DomainError::Quota`]: to be measured.
    pub(super) fn admit(
        &self,
        rows: &dyn Rows,
        repo: &Address,
        mutations: &[Mutation],
        from_elsewhere: bool,
        now_ms: u64,
    ) -> Result<(), DomainError> {
        let Some((quota, root)) = limit(rows, repo)? else {
            return Ok(());
        };
        let at = position(rows)?;
        let measured_ms = |state: &State| state.repos.get(&root).map_or(0, |held| held.measured_ms);
        // A file that had expired when all was measured was not counted: replacing it frees nothing.
        let judged_ms = now_ms;
        let now_ms = now_ms.max(measured_ms(&self.0.lock()));
        let growth = growth(rows, mutations, from_elsewhere, quota, now_ms)?;
        if growth == 0 {
            return Ok(());
        }
        let mut state = self.0.lock();
        let as_before = measured_ms(&state) <= now_ms;
        let held = state.repos.get(&root).map(Held::sum);
        if !as_before || !fits(held, growth, quota) {
            return Err(DomainError::Quota(excess(
                repo,
                quota,
                growth,
                (at, judged_ms),
            )));
        }
        state.latest = state.latest.max(at);
        if let Some(held) = state.repos.get_mut(&root) {
            held.add(at, growth);
        }
        Ok(())
    }

    /// Measures a repository for a change that does not fit by what is known. Walks all of it. When
    /// this is fine, the change is to be tried again.
    ///
    /// # Errors
    /// [`DomainError::Quota`]: the change does not fit.
    pub fn measure(
        &self,
        store: &Store,
        repo: &Address,
        doubt: &Excess,
    ) -> Result<(), DomainError> {
        let rows = store.rows()?;
        let Some((quota, root)) = limit(&rows, repo)? else {
            return Ok(());
        };
        // Measured while this change waited: many that do not fit cost one walk.
        let since = (doubt.at, doubt.judged_ms);
        let refusal = |bytes| match fits(Some(bytes), doubt.growth_bytes, quota) {
            true => Ok(()),
            false => Err(DomainError::Quota(excess(
                repo,
                quota,
                doubt.growth_bytes,
                since,
            ))),
        };
        let known = self.0.lock().repos.get(&root).map(|held| {
            let is_later = held.at > since.0 || held.at == since.0 && held.measured_ms > since.1;
            (is_later, held.bytes)
        });
        if let Some((true, bytes)) = known {
            refusal(bytes)?;
        }
        refusal(self.walk(store, &rows, root)?)
    }

    /// How much a repository may hold and how much it holds now, if it has a quota. Walks all of it.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn of(&self, store: &Store, repo: &Address) -> Result<Option<(u64, u64)>, DomainError> {
        let rows = store.rows()?;
        let Some((quota, root)) = limit(&rows, repo)? else {
            return Ok(None);
        };
        Ok(Some((quota, self.walk(store, &rows, root)?)))
    }

    fn walk(&self, store: &Store, rows: &dyn Rows, root: NodeId) -> Result<u64, DomainError> {
        let (at, now_ms) = (position(rows)?, store.now_ms());
        let bytes = nodes::bytes_below(rows, root, u64::MAX, now_ms)?;
        let mut state = self.0.lock();
        if at <= state.floor {
            return Ok(bytes);
        }
        if state.repos.len() >= MAX_REPOS && !state.repos.contains_key(&root) {
            // All are measured again when they are needed.
            state.floor = state.floor.max(state.latest);
            state.repos.clear();
        }
        if at > state.floor {
            state
                .repos
                .entry(root)
                .or_default()
                .measured(bytes, at, now_ms);
        }
        Ok(bytes)
    }

    /// In the commit that sets a quota: what was added while there was none was not counted.
    pub(super) fn forget(&self, rows: &dyn Rows, root: NodeId) -> Result<(), DomainError> {
        let at = position(rows)?;
        let mut state = self.0.lock();
        state.floor = state.floor.max(at);
        state.repos.remove(&root);
        Ok(())
    }
}

fn fits(held: Option<u64>, growth: u64, quota: u64) -> bool {
    // What does not grow is welcome wherever it is already too much.
    growth == 0 || held.is_some_and(|held| held.saturating_add(growth) <= quota)
}

/// `judged`: behind which commit, and when.
fn excess(repo: &Address, quota_bytes: u64, growth_bytes: u64, judged: (u64, u64)) -> Excess {
    Excess {
        repo: format!("{}/{}", repo.project, repo.repo),
        quota_bytes,
        growth_bytes,
        at: judged.0,
        judged_ms: judged.1,
    }
}

/// The quota of a repository, and its root.
fn limit(rows: &dyn Rows, repo: &Address) -> Result<Option<(u64, NodeId)>, DomainError> {
    let Address { project, repo, .. } = repo;
    let Some(quota) = rows.quota(project, repo)? else {
        return Ok(None);
    };
    Ok(rows.repo(project, repo)?.map(|repo| (quota, repo.root)))
}

/// The commit that rows end with. It is older than the changes that are being decided on them.
fn position(rows: &dyn Rows) -> Result<u64, DomainError> {
    let checkpoint = rows.checkpoint()?;
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.position.offset))
}

/// By how much mutations make a repository grow; counting ends beyond `enough`.
fn growth(
    rows: &dyn Rows,
    mutations: &[Mutation],
    from_elsewhere: bool,
    enough: u64,
    now_ms: u64,
) -> Result<u64, DomainError> {
    let (mut more, mut less) = (0_u64, 0_u64);
    let below = |folder, at_ms| nodes::bytes_below(rows, folder, enough, at_ms);
    for mutation in mutations {
        let (parent, name, bytes) = match mutation {
            Mutation::NodePut(put) => (put.parent, &put.name, size(&put.node)),
            Mutation::NodeMove(moved) => {
                let (to, node) = (&moved.to, &moved.to.node);
                let bytes = match (from_elsewhere, node.kind) {
                    (false, _) => 0,
                    (true, NodeKind::File { size, .. }) => size,
                    (true, NodeKind::Folder) => below(node.id, now_ms)?,
                };
                (to.parent, &to.name, bytes)
            }
            Mutation::TreeCopy(copy) => {
                more = more.saturating_add(below(copy.from, copy.at_ms)?);
                continue;
            }
            _ => continue,
        };
        more = more.saturating_add(bytes);
        let replaced = rows
            .node(parent, name)?
            .filter(|node| is_live(node, now_ms));
        less = less.saturating_add(replaced.as_ref().map_or(0, size));
    }
    Ok(more.saturating_sub(less))
}

fn size(node: &Node) -> u64 {
    match node.kind {
        NodeKind::File { size, .. } => size,
        NodeKind::Folder => 0,
    }
}

/// Size of the file at an address; 0 for anything else.
fn size_at(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<u64, DomainError> {
    match entry(rows, address, now_ms) {
        Ok(Entry::Node(_, node)) => Ok(size(&node)),
        Ok(Entry::Root(_)) | Err(DomainError::NotFound(_)) => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
