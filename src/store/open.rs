//! Opening a store: index checkpoint, survey of the pack, replay of what lies behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::StoreError;
use super::budget::Budget;
use super::chunker::Chunker;
use super::chunks::Checked;
use super::commit::Committer;
use super::core::{Core, Store};
use super::gc::{Barrier, Space};
use crate::format::header::{Chunking, PackHeader};
use crate::format::meta::Mutation;
use crate::format::scan::{self, Damage, Position, Record, Survey};
use crate::format::{PackId, segment};
use crate::index::{Batch, Checkpoint, Index, Place, Prefix, Recent, prefix};
use crate::pack::{Medium, Pack};

/// Mutations replayed in one index transaction.
const REPLAY_MUTATIONS: u64 = 20_000;

/// Tells the time, Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Hears of long work: what, how much is done, of how much (bytes).
pub type Progress = Arc<dyn Fn(&'static str, u64, u64) + Send + Sync>;

/// What may be done with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything; a store that is not there is created.
    Create,
    /// Everything, with a store that is there.
    ReadWrite,
    /// The pack is not changed in any way.
    ReadOnly,
}

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// What may be done.
    pub access: Access,
    /// How a new store cuts files; an old one goes on as it began.
    pub chunking: Chunking,
    /// Memory for pages of the index, in bytes.
    pub index_cache_bytes: usize,
    /// Memory that all uploads together may buffer, in bytes.
    pub ingest_memory_bytes: u64,
    /// After this long without a change the pack is sealed and a checkpoint made.
    pub idle: Duration,
    /// Tells the time.
    pub clock: Clock,
    /// Identity of a new pack; random by default.
    pub pack_id: Option<PackId>,
    /// Go on with a pack from which acknowledged commits are missing.
    pub accept_rollback: bool,
    /// Build the index anew from the whole pack.
    pub rebuild: bool,
    /// Hears of long work.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::Create,
            chunking: Chunking::default(),
            index_cache_bytes: 128 << 20,
            ingest_memory_bytes: 256 << 20,
            idle: Duration::from_millis(500),
            clock: Arc::new(system_ms),
            pack_id: None,
            accept_rollback: false,
            rebuild: false,
            progress: Arc::new(|_, _, _| {}),
        }
    }
}

fn system_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// What was found and done when a store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The store is new.
    pub created: bool,
    /// The index was empty or did not fit, and was built from the whole pack.
    pub rebuilt: bool,
    /// Commits that were replayed.
    pub replayed_commits: u64,
    /// Bytes behind the last good commit, which were cut (unless opened for reading only).
    pub torn_bytes: u64,
    /// Bytes written again to make sure that they are durable.
    pub rewritten_bytes: u64,
    /// Damaged places of the log. With a damaged frame or commit the store is open for reading
    /// only; a damaged segment table costs no more than finding its chunks again.
    pub corrupt: Vec<Damage>,
    chunks_upto: u64,
}

impl Store {
    /// Opens the store whose pack is the file `path`; its index is `path` with `.index` behind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let place = Place::File(index_path(path));
        if let Some(medium) = Medium::open_file(path)? {
            return Self::open_on(medium, place, options);
        }
        if options.access != Access::Create {
            return Err(StoreError::Missing(path.to_owned()));
        }
        if let Place::File(index) = &place {
            Index::remove(index)?;
        }
        let pack_id = match options.pack_id {
            Some(id) => id,
            None => random_id()?,
        };
        let header = PackHeader::new(pack_id, (options.clock)(), options.chunking);
        let medium = Medium::create_file(path, &header)?;
        let mut store = Self::open_on(medium, place, options)?;
        Arc::make_mut(&mut store.report).created = true;
        Ok(store)
    }

    /// Opens the store on a medium that holds a pack.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_on(medium: Medium, mut place: Place, options: Options) -> Result<Self, StoreError> {
        let header = medium.header()?;
        let mut index = Index::open(&place, options.index_cache_bytes)?;
        let mut covered = index.checkpoint().unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoint of the index is unreadable");
            None
        });
        let fits = |c: &Checkpoint| {
            let ours = c.pack_id == header.pack_id;
            ours && !options.rebuild && medium.holds(&header.pack_id, &c.position)
        };
        let mut usable = covered.filter(fits);
        let mut from = match &usable {
            Some(checkpoint) => checkpoint.position,
            None => medium.start()?,
        };
        let len = medium.source.len();
        let progress = Arc::clone(&options.progress);
        let survey = scan::survey(medium.source.as_ref(), &header.pack_id, from, |at| {
            progress("reading the log", at, len);
        })
        .map_err(StoreError::from)?;
        covered = covered.filter(|c| c.pack_id == header.pack_id);
        refuse_rollback(covered, &survey, &options)?;
        let read_only = options.access == Access::ReadOnly
            || header.ro_compat != 0
            || !survey.corrupt.is_empty();
        if read_only && from != survey.end {
            // Nobody makes this tail durable, or some of it is missing: an index file that covers
            // it would later claim that all of it is there, or was.
            place = Place::Memory;
            usable = None;
            from = medium.start()?;
        }
        if usable.is_none() && (covered_anything(&index) || matches!(place, Place::Memory)) {
            drop(index);
            index = Index::fresh(&place, options.index_cache_bytes)?;
        }
        let opened = Pack::open(medium, header, &survey, options.access == Access::ReadOnly)?;
        let start = usable.unwrap_or(Checkpoint {
            pack_id: opened.pack.header().pack_id,
            position: from,
            chunks_upto: from.offset,
        });
        let core = Core::new(opened.pack, index, place, options)?;
        let mut report = OpenReport {
            rebuilt: usable.is_none(),
            torn_bytes: opened.torn_bytes,
            rewritten_bytes: opened.rewritten_bytes,
            corrupt: survey.corrupt,
            ..OpenReport::default()
        };
        {
            let index = core.index.read();
            let index = index.as_ref().ok_or(StoreError::Closed)?;
            core.replay(index, &start, survey.end, survey.end.offset, &mut report)?;
        }
        Self::start(core, report)
    }

    fn start(core: Core, report: OpenReport) -> Result<Self, StoreError> {
        let core = Arc::new(core);
        let committer = Committer::start(Arc::clone(&core), report.chunks_upto)?;
        let store = Self {
            core,
            committer: Arc::new(committer),
            report: Arc::new(report),
        };
        store.punch_pending();
        Ok(store)
    }
}

/// The index file of a pack.
#[must_use]
pub fn index_path(pack: &Path) -> PathBuf {
    let mut name = pack.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

fn random_id() -> Result<PackId, StoreError> {
    let mut id = PackId::default();
    getrandom::fill(&mut id).map_err(|e| StoreError::System(format!("no randomness: {e}")))?;
    Ok(id)
}

fn covered_anything(index: &Index) -> bool {
    !matches!(index.checkpoint(), Ok(None))
}

/// An index of this very pack that covers more than is there proves that commits are missing.
fn refuse_rollback(
    covered: Option<Checkpoint>,
    survey: &Survey,
    options: &Options,
) -> Result<(), StoreError> {
    match covered {
        Some(covered)
            if covered.position.offset > survey.end.offset && !options.accept_rollback =>
        {
            Err(StoreError::Rollback {
                indexed: covered.position.offset,
                end: survey.end.offset,
            })
        }
        _ => Ok(()),
    }
}

impl Core {
    fn new(pack: Pack, index: Index, place: Place, options: Options) -> Result<Self, StoreError> {
        let lanes = rayon::ThreadPoolBuilder::new()
            .thread_name(|i| format!("packhold-lane-{i}"))
            .build()
            .map_err(|e| StoreError::System(format!("starting threads: {e}")))?;
        Ok(Self {
            chunker: Chunker::new(&pack.header().chunking),
            pack,
            index: RwLock::new(Some(index)),
            index_failed: AtomicBool::new(false),
            place,
            recent: RwLock::new(Recent::default()),
            segments: Mutex::new(()),
            checked: Mutex::new(Checked::new()),
            space: Arc::new(Space::default()),
            barrier: Barrier::default(),
            upkeep: Mutex::new(()),
            budget: Budget::new(options.ingest_memory_bytes),
            lanes,
            options,
        })
    }

    /// Applies the commits between `from` and `end` to the index, and the segments below
    /// `chunks_end`, where the log may already be longer, to the recent chunks.
    fn replay(
        &self,
        index: &Index,
        from: &Checkpoint,
        end: Position,
        chunks_end: u64,
        report: &mut OpenReport,
    ) -> Result<Checkpoint, StoreError> {
        let mut replay = Replay {
            core: self,
            index,
            from: *from,
            covered: *from,
            waiting: Vec::new(),
            waiting_mutations: 0,
        };
        let start = from.chunks_upto.min(from.position.offset);
        let view = self.pack.view();
        let damages = scan::replay(
            view,
            &self.pack.header().pack_id,
            start,
            chunks_end,
            |record| replay.record(record, end.offset, report),
        )?;
        for damage in damages {
            if !report
                .corrupt
                .iter()
                .any(|known| known.offset == damage.offset)
            {
                report.corrupt.push(damage);
            }
        }
        replay.covered.position = end;
        replay.write(report.replayed_commits > 0)?;
        report.chunks_upto = replay.covered.chunks_upto;
        Ok(replay.covered)
    }

    /// Drops the index, opens it anew and replays what it misses of the commits up to `end`, behind
    /// which a commit may lie whose sync failed.
    pub(super) fn reopen_index(&self, end: Position) -> Result<Checkpoint, StoreError> {
        // Nothing may be appended to a segment's place in `recent` while it is filled anew.
        let _order = self.segments.lock();
        // Until it is complete it lacks acknowledged changes: better no answers than old ones.
        *self.index.write() = None;
        *self.recent.write() = Recent::default();
        let cache = self.options.index_cache_bytes;
        let mut index = Index::open(&self.place, cache)?;
        if index.checkpoint().is_err() {
            drop(index);
            index = Index::fresh(&self.place, cache)?;
        }
        let header = self.pack.header();
        let start = Checkpoint {
            pack_id: header.pack_id,
            position: Position::start(&header.encode()),
            chunks_upto: crate::format::header::HEADER_BYTES as u64,
        };
        let from = index.checkpoint()?.unwrap_or(start);
        let upto = self.pack.end();
        let covered = self.replay(&index, &from, end, upto, &mut OpenReport::default())?;
        *self.index.write() = Some(index);
        Ok(covered)
    }
}

/// A replay in progress.
struct Replay<'c> {
    core: &'c Core,
    index: &'c Index,
    from: Checkpoint,
    covered: Checkpoint,
    waiting: Vec<Mutation>,
    waiting_mutations: u64,
}

impl Replay<'_> {
    fn record(
        &mut self,
        record: Record,
        end: u64,
        report: &mut OpenReport,
    ) -> Result<(), StoreError> {
        match record {
            Record::Segment(frame, entries) if frame.offset >= self.from.chunks_upto => {
                let mut recent = self.core.recent.write();
                for (_, own, entry) in segment::layout(&frame, entries) {
                    recent.insert(prefix(&entry.sha256), own);
                }
                recent.freeze(frame.next_offset(), false);
                if recent.frozen().is_some() {
                    drop(recent);
                    self.write(true)?;
                }
            }
            Record::Commit(frame, head, mutations)
                if (self.from.position.offset..end).contains(&frame.offset) =>
            {
                report.replayed_commits += u64::from(!mutations.is_empty());
                self.waiting_mutations += mutations.len() as u64;
                let frees = mutations.iter().any(|m| matches!(m, Mutation::Freed(_)));
                self.waiting.extend(mutations);
                self.covered.position = Position {
                    offset: frame.next_offset(),
                    seq: frame.seq.saturating_add(1),
                    chain: head.chain,
                    commit: frame.offset,
                    sealed: head.mutations == 0,
                };
                if frees {
                    // Rows that it takes out must be in the table by then.
                    self.core.recent.write().freeze(frame.offset, true);
                }
                if frees || self.waiting_mutations >= REPLAY_MUTATIONS {
                    self.write(false)?;
                }
            }
            _ => return Ok(()),
        }
        (self.core.options.progress)("rebuilding the index", self.covered.position.offset, end);
        Ok(())
    }

    /// Writes what waits into the index.
    fn write(&mut self, durable: bool) -> Result<(), StoreError> {
        let frozen = self.core.recent.read().frozen();
        let batch: Batch = self.index.begin()?;
        {
            let mut tables = batch.tables()?;
            if let Some((rows, upto)) = &frozen {
                let mut rows: Vec<(Prefix, u64)> = rows.iter().map(|(k, v)| (*k, *v)).collect();
                rows.sort_unstable();
                tables.put_chunks(&rows)?;
                self.covered.chunks_upto = *upto;
            }
            // Behind the chunk rows: these mutations may take some of them out.
            for mutation in self.waiting.drain(..) {
                self.core.apply(&mut tables, &mutation)?;
            }
            tables.set_checkpoint(&self.covered)?;
        }
        batch.commit(durable)?;
        self.waiting_mutations = 0;
        if frozen.is_some() {
            self.core.recent.write().thawed();
        }
        Ok(())
    }
}
