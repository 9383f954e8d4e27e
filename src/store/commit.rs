//! Group commit: one thread takes whatever changes wait, writes one commit, syncs once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::StoreError;
use super::change::{Change, Decision, Ids, Job, Outcome, Pending, Punched, only_frees};
use super::core::Core;
use super::failure::{Failure, GroupError};
use super::open::OpenReport;
use super::queue::{Queue, Work};
use crate::format::meta::Mutation;
use crate::index::{Batch, Checkpoint, GENERATION_ROWS, Index, IndexError, Prefix, Rows, Tables};
use crate::metrics;

/// Bytes of mutations from which on a group is closed.
const GROUP_BYTES: usize = 8 << 20;
/// Mutations after which a checkpoint is made, idle or not.
const CHECKPOINT_MUTATIONS: u64 = 50_000;
/// Chunk rows that reach the index with one group, so that no acknowledgement waits for many.
const SLICE_ROWS: usize = 8192;

/// No change is made while it lives.
pub(super) struct Held {
    _release: SyncSender<()>,
}

/// Handle of the committer thread.
pub(super) struct Committer(Queue<Box<dyn Job>>);

impl Committer {
    /// Starts the thread, for a store that was opened so.
    pub(super) fn start(core: Arc<Core>, opened: &OpenReport) -> Result<Self, StoreError> {
        let started = Queue::start("packhold-commit", Worker::new(core, opened));
        started
            .map(Self)
            .map_err(|e| StoreError::System(format!("starting the committer: {e}")))
    }

    pub(super) fn submit<T, E>(
        &self,
        check: impl FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), E> + Send + 'static,
        done: impl FnOnce(Outcome<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: Send + 'static,
    {
        let refused = self.0.send(Box::new(Change {
            check,
            done,
            decision: Decision::None,
            pending: Pending::new(),
        }));
        if let Err(job) = refused {
            job.done(Err(StoreError::Closed));
        }
    }

    /// Waits until the changes that were submitted before are made, and keeps all others from being made
    /// as long as what it gives lives.
    pub(super) fn hold(&self) -> Result<Held, StoreError> {
        let (there, is_there) = sync_channel(1);
        let (release, released) = sync_channel::<()>(1);
        let mut once = Some((there, released));
        self.submit(
            move |_, _| {
                if let Some((there, released)) = once.take() {
                    // Whoever asked waits for the first, and lets go by dropping the other end.
                    let _waits = there.send(());
                    let _let_go = released.recv();
                }
                Ok::<_, StoreError>((Vec::new(), ()))
            },
            |_| {},
        );
        is_there.recv().map_err(|_| StoreError::Closed)?;
        Ok(Held { _release: release })
    }

    /// Notes that freed bytes of these records are punched, for good.
    pub(super) fn punched(&self, records: Vec<u64>) {
        // If it is lost they are punched once more at the next opening.
        let _closed = self.0.send(Box::new(Punched(records)));
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// Chunk rows on their way into the index, sorted.
struct Flushing {
    rows: Vec<(Prefix, u64)>,
    next: usize,
    upto: u64,
}

struct Worker {
    core: Arc<Core>,
    /// What the open index covers.
    covered: Checkpoint,
    /// Mutations since the last durable checkpoint.
    since_checkpoint: u64,
    /// Mutations since the last generation of chunks ended: opening reads past them to its chunks.
    since_generation: u64,
    flushing: Option<Flushing>,
    /// Of each job of the group: whether it only frees space.
    freeing: Vec<bool>,
}

impl Worker {
    fn new(core: Arc<Core>, opened: &OpenReport) -> Self {
        let covered = Checkpoint {
            pack_id: core.pack.header().pack_id,
            position: core.pack.position(),
            chunks_upto: opened.chunks_upto,
        };
        Self {
            core,
            covered,
            since_checkpoint: 0,
            since_generation: opened.read_again,
            flushing: None,
            freeing: Vec::new(),
        }
    }
}

impl Work<Box<dyn Job>> for Worker {
    fn patience(&self) -> Duration {
        match self.flushing {
            Some(_) => Duration::ZERO,
            None => self.core.options.idle,
        }
    }

    /// Goes on flushing chunk rows, seals, makes a checkpoint.
    fn idle(&mut self) {
        self.mend_index();
        self.end_generation(self.core.options.rest.max(1));
        self.start_flushing();
        if self.flushing.is_some() {
            let flushed = self.in_batch(false, |_, _| Ok(()));
            self.index_result(flushed);
            return;
        }
        self.seal();
        if self.since_checkpoint > 0 {
            self.checkpoint();
        }
    }

    /// Makes a group of changes: one commit and one sync, or a few if they are large.
    fn group(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        self.mend_index();
        self.end_generation(GENERATION_ROWS as u64);
        self.start_flushing();
        while !jobs.is_empty() {
            let outcome = self.try_group(&mut jobs);
            let (count, result) = match outcome {
                Ok(count) => {
                    metrics::COMMIT_GROUPS.add(1);
                    metrics::COMMITS.add(count as u64);
                    (count, Ok(()))
                }
                Err(error) if error.is_full() && self.keep_freeing(&mut jobs) => continue,
                Err(error) => {
                    tracing::error!(%error, "a group of commits failed");
                    // Those behind the group are tried by themselves.
                    let count = match self.freeing.len() {
                        0 => jobs.len(),
                        taken => taken,
                    };
                    (count, Err(Failure::of(error)))
                }
            };
            if matches!(result, Err(Failure::Index(..))) {
                self.replace_index();
            }
            for job in jobs.drain(..count) {
                job.done(result.as_ref().copied().map_err(Failure::error));
            }
        }
        if self.since_checkpoint >= CHECKPOINT_MUTATIONS {
            self.checkpoint();
        }
    }

    fn end(mut self) {
        self.seal();
        self.checkpoint();
    }
}

impl Worker {
    /// The disk is full: tells so to the jobs of the group that free nothing, and keeps those that
    /// do, which may use the reserve. Whether there are any to try again.
    fn keep_freeing(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> bool {
        if !self.freeing.contains(&true) || !self.freeing.contains(&false) {
            return false;
        }
        let freeing = std::mem::take(&mut self.freeing);
        let rest = jobs.split_off(freeing.len());
        for (job, frees) in std::mem::take(jobs).into_iter().zip(freeing) {
            if frees {
                jobs.push(job);
            } else {
                job.done(Err(StoreError::Full));
            }
        }
        jobs.extend(rest);
        true
    }

    /// Commits the first of `jobs`; gives how many.
    fn try_group(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<usize, GroupError> {
        let core = Arc::clone(&self.core);
        self.freeing.clear();
        core.pack.writable().map_err(GroupError::Refused)?;
        let mut count = 0;
        self.in_batch(false, |worker, tables| {
            let freeing = &mut worker.freeing;
            let mutations = check_some(&core, jobs, tables, freeing).map_err(GroupError::Before)?;
            count = mutations.len() as u64;
            if mutations.is_empty() {
                return Ok(());
            }
            let frees = worker.freeing.iter().all(|frees| *frees);
            // ORDER: all segments and leaves that these mutations refer to were appended by those
            // who made them; commit record, sync, index transaction, acknowledgement follow.
            let tail = core.pack.append_commit(&mutations, core.now_ms(), frees)?;
            core.pack.sync(&tail)?;
            worker.covered.position = tail.position;
            Ok(())
        })?;
        self.since_checkpoint += count;
        self.since_generation += count;
        Ok(self.freeing.len())
    }

    /// Runs `work` in an index transaction, adds a slice of chunk rows, and commits it. The one place
    /// where rows are changed; a damaged page must not end the committer.
    fn in_batch(
        &mut self,
        durable: bool,
        work: impl FnOnce(&mut Self, &mut Tables<'_>) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        let core = Arc::clone(&self.core);
        let made = catch_unwind(AssertUnwindSafe(|| self.in_transaction(durable, work)));
        // Whether the commit was written is not known any more.
        let made = made.unwrap_or(Err(GroupError::After(IndexError::Panicked)));
        if let Err(GroupError::Before(error) | GroupError::After(error)) = &made
            && error.is_damage()
        {
            core.doubt_index();
        }
        made
    }

    fn in_transaction(
        &mut self,
        durable: bool,
        work: impl FnOnce(&mut Self, &mut Tables<'_>) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        let core = Arc::clone(&self.core);
        let index = core.index.read();
        let index: &Index = index.as_ref().ok_or(GroupError::Closed)?;
        let batch: Batch = index.begin().map_err(GroupError::Before)?;
        let mut flushed = false;
        {
            let mut tables = batch.tables();
            work(self, &mut tables)?;
            flushed |= self.flush_slice(&mut tables).map_err(GroupError::After)?;
            tables
                .set_checkpoint(&self.covered)
                .map_err(GroupError::After)?;
        }
        let changing = core.generations.change();
        batch.commit(durable).map_err(GroupError::After)?;
        drop(changing);
        if flushed {
            self.flushing = None;
            core.recent.write().thawed();
        }
        Ok(())
    }

    /// Ends the generation of chunks if `least` of them, and of mutations, have come since the last one
    /// did: opening reads all that again.
    fn end_generation(&mut self, least: u64) {
        let core = &self.core;
        let gathered = core.recent.read().gathered() as u64;
        let is_enough = gathered.saturating_add(self.since_generation) >= least;
        let has_room = || core.index.read().as_ref().is_some_and(Index::has_room);
        if self.flushing.is_some() || !is_enough || core.pack.writable().is_err() || !has_room() {
            return;
        }
        // Segments are appended, and their chunks known, under this lock: below this end all are.
        let _order = core.segments.lock();
        let upto = core.pack.end();
        core.recent.write().freeze(upto, 0);
    }

    fn start_flushing(&mut self) {
        if self.flushing.is_some() {
            return;
        }
        let frozen = self.core.recent.read().frozen();
        if let Some((rows, upto)) = frozen {
            self.since_generation = 0;
            if upto > self.covered.position.offset {
                // The table must not know chunks that a crash would cut off the log.
                self.seal();
            }
            if upto > self.covered.position.offset {
                return;
            }
            let mut rows: Vec<(Prefix, u64)> = rows.iter().map(|(k, v)| (*k, *v)).collect();
            rows.sort_unstable();
            self.flushing = Some(Flushing {
                rows,
                next: 0,
                upto,
            });
        }
    }

    /// Puts the next chunk rows into the index; whether these were the last.
    fn flush_slice(&mut self, tables: &mut Tables<'_>) -> Result<bool, IndexError> {
        let Some(flushing) = &mut self.flushing else {
            return Ok(false);
        };
        let end = flushing.rows.len().min(flushing.next + SLICE_ROWS);
        {
            let recent = self.core.recent.read();
            let rows = flushing.rows[flushing.next..end].iter().copied();
            let rows: Vec<_> = rows.filter(|(key, _)| !recent.is_forgotten(key)).collect();
            drop(recent);
            tables.put_chunks(&rows)?;
        }
        flushing.next = end;
        self.since_checkpoint += 1;
        let last = end == flushing.rows.len();
        if last {
            self.covered.chunks_upto = flushing.upto;
        }
        Ok(last)
    }

    /// Appends an empty commit: all before it is then durable, and proven to be.
    fn seal(&mut self) {
        let pack = &self.core.pack;
        if pack.writable().is_err() || pack.is_sealed() {
            return;
        }
        let sealed = pack
            .append_commit(&[], self.core.now_ms(), true)
            .and_then(|tail| pack.sync(&tail).map(|()| tail));
        match sealed {
            Ok(tail) => self.covered.position = tail.position,
            Err(error) => tracing::error!(%error, "sealing the pack failed"),
        }
    }

    /// Makes the index durable as it is; on a full disk later, when there is room.
    fn checkpoint(&mut self) {
        if !self.core.index.read().as_ref().is_none_or(Index::has_room) {
            tracing::debug!("no room for the index on the disk: no checkpoint is made");
            return;
        }
        // ORDER: `covered` names only commits whose sync returned.
        let result = self.in_batch(true, |_, _| Ok(()));
        if result.is_ok() {
            self.since_checkpoint = 0;
        }
        self.index_result(result);
    }

    fn index_result(&mut self, result: Result<(), GroupError>) {
        if let Err(error) = result {
            tracing::error!(%error, "writing the index failed");
            self.replace_index();
        }
    }

    /// Replaces an index that failed somebody who read, or that could not be replaced before.
    fn mend_index(&mut self) {
        if self.core.index_failed.swap(false, Ordering::Relaxed) {
            self.replace_index();
        }
    }

    /// Drops an index that failed, opens it anew and replays the pack behind it.
    fn replace_index(&mut self) {
        self.flushing = None;
        if self.core.pack.is_replaced() {
            // What has the name of the index now is that of another pack.
            return;
        }
        let position = self.covered.position;
        let reopen = || self.core.reopen_index(position);
        let reopened = catch_unwind(AssertUnwindSafe(reopen)).unwrap_or_else(|_| {
            self.core.doubt_index();
            Err(IndexError::Panicked.into())
        });
        match reopened {
            Ok(covered) => {
                self.covered = covered;
                tracing::warn!("the index failed and was opened anew");
            }
            // Without an index nothing is served; it is tried again when somebody asks.
            Err(error) => {
                tracing::error!(%error, "the index cannot be opened anew");
                self.core.index_failed.store(true, Ordering::Relaxed);
            }
        }
        self.since_checkpoint = 0;
    }
}

/// Runs the checks of jobs, each seeing what those before it change, and applies what they decide,
/// until they make a full group. Notes of each job that was taken whether it only frees space.
fn check_some(
    core: &Core,
    jobs: &mut [Box<dyn Job>],
    tables: &mut Tables<'_>,
    freeing: &mut Vec<bool>,
) -> Result<Vec<Mutation>, IndexError> {
    let mut ids = Ids::from(tables.next_node()?);
    let mut all = Vec::new();
    let mut bytes = 0;
    core.barrier.watch(tables);
    for job in jobs {
        let mutations = job.check(tables, &mut ids);
        tables.punched(job.punched())?;
        freeing.push(mutations.iter().all(only_frees));
        for mutation in mutations {
            core.apply(tables, &mutation)?;
            core.barrier.note(tables, &mutation);
            bytes += mutation.encoded_len();
            all.push(mutation);
        }
        if bytes >= GROUP_BYTES {
            break;
        }
    }
    Ok(all)
}
