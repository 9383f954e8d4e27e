//! Opening a store: index checkpoint, survey of the pack; what lies behind is replayed.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
use super::compact::remove_leftovers;
use super::copies::Transfers;
use super::core::{Core, Store};
use super::gc::{Barrier, Space};
use super::generation::Generations;
use crate::format::PackId;
use crate::format::header::{Chunking, PackHeader};
use crate::format::scan::{self, Damage, Prefix, Survey};
use crate::index::{Checkpoint, Index, IndexError, Place, Recent};
use crate::pack::{Medium, Pack};

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

/// A moment of a store's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Behind the last commit up to this sequence number.
    Seq(u64),
    /// Behind the last commit up to this time, Unix milliseconds.
    Time(u64),
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
    /// So many new chunks and changes go to the index then: whoever opens the store next reads no more
    /// than that of them again.
    pub rest: u64,
    /// Tells the time.
    pub clock: Clock,
    /// Identity of a new pack; random by default.
    pub pack_id: Option<PackId>,
    /// Go on with a pack from which acknowledged commits are missing.
    pub accept_rollback: bool,
    /// Build the index anew from the whole pack.
    pub rebuild: bool,
    /// Open it as it was then, for reading only, with an index in memory.
    pub as_of: Option<AsOf>,
    /// Hears of long work.
    pub progress: Progress,
}

impl Options {
    /// What may be done: an earlier moment is for reading only.
    fn access(&self) -> Access {
        match self.as_of {
            Some(_) => Access::ReadOnly,
            None => self.access,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::Create,
            chunking: Chunking::default(),
            index_cache_bytes: 128 << 20,
            ingest_memory_bytes: 256 << 20,
            idle: Duration::from_millis(500),
            rest: 1 << 14,
            clock: Arc::new(system_ms),
            pack_id: None,
            accept_rollback: false,
            rebuild: false,
            as_of: None,
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
    /// Records that were read or stepped over, and chunks in them, because the index did not have all chunks
    /// from there on.
    pub read_again: u64,
    /// Bytes behind the last good commit, which were cut (unless opened for reading only).
    pub torn_bytes: u64,
    /// Bytes written again to make sure that they are durable.
    pub rewritten_bytes: u64,
    /// Damaged places of the log. With a damaged frame or commit the store is open for reading
    /// only; a damaged segment table costs no more than finding its chunks again.
    pub corrupt: Vec<Damage>,
    pub(super) chunks_upto: u64,
}

impl Store {
    /// Opens the store whose pack is the file `path`; its index is `path` with `.index` behind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let place = Place::File(index_path(path));
        let access = options.access();
        if let Some(medium) = Medium::open_file(path)? {
            if access != Access::ReadOnly {
                remove_leftovers(path);
            }
            return Self::open_on(medium, place, options);
        }
        if access != Access::Create {
            return Err(StoreError::Missing(path.to_owned()));
        }
        place.remove()?;
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
    pub fn open_on(
        medium: Medium,
        mut place: Place,
        mut options: Options,
    ) -> Result<Self, StoreError> {
        options.access = options.access();
        if options.as_of.is_some() {
            place = Place::Memory;
        }
        let once = || Self::open_once(medium.clone(), place.clone(), options.clone());
        catch_unwind(AssertUnwindSafe(once)).unwrap_or_else(|_| {
            // The database believes its pages, and panics where a flipped bit leads it astray. It can
            // be had anew; if something else panics, it does so again.
            tracing::error!("opening the index panicked: it is damaged, and is built anew");
            place.remove()?;
            Self::open_once(medium, place, options)
        })
    }

    fn open_once(
        mut medium: Medium,
        mut place: Place,
        options: Options,
    ) -> Result<Self, StoreError> {
        let header = medium.header()?;
        let mut index = index_at(&mut place, options.index_cache_bytes, Index::open)?;
        let mut covered = index.checkpoint().unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoint of the index is unreadable");
            None
        });
        if covered.is_some_and(|c| c.pack_id != header.pack_id) {
            tracing::warn!("the index is of another pack, and is built anew");
        }
        let fits = |c: &Checkpoint| {
            c.pack_id == header.pack_id && medium.holds(&header.pack_id, &c.position)
        };
        let held = covered.filter(fits);
        let mut usable = held.filter(|_| !options.rebuild);
        let mut from = match &usable {
            Some(checkpoint) => checkpoint.position,
            None => medium.start()?,
        };
        let len = medium.source.len();
        let progress = Arc::clone(&options.progress);
        let mut survey = scan::survey(medium.source.as_ref(), &header.pack_id, from, |at| {
            progress("reading the log", at, len);
        })
        .map_err(StoreError::from)?;
        if let Some(moment) = options.as_of {
            medium = as_of(medium, &header.pack_id, moment, &mut survey)?;
        }
        if usable.is_none() {
            refuse_ruin(covered.as_ref(), &survey, &options)?;
        }
        covered = covered.filter(|c| c.pack_id == header.pack_id);
        refuse_rollback(covered, &survey, &options)?;
        if held.is_none() {
            refuse_other_history(covered, &survey, &options)?;
        }
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
            index = index_at(&mut place, options.index_cache_bytes, Index::fresh)?;
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
        let committer = Committer::start(Arc::clone(&core), &report)?;
        let store = Self {
            core,
            committer: Arc::new(committer),
            report: Arc::new(report),
        };
        store.punch_pending();
        Ok(store)
    }
}

/// The medium, and what was found of it, as it was at a moment. It is judged by what came later: chunks
/// of that time may have been given back since.
fn as_of(
    medium: Medium,
    pack_id: &PackId,
    moment: AsOf,
    survey: &mut Survey,
) -> Result<Medium, StoreError> {
    let log = Prefix {
        view: medium.source.as_ref(),
        len: survey.end.offset,
    };
    let found = scan::last_commit(&log, pack_id, |frame, head| match moment {
        AsOf::Seq(seq) => frame.seq <= seq,
        AsOf::Time(ms) => head.time_ms <= ms,
    })?;
    let found = found.ok_or(StoreError::BeforeHistory)?;
    survey.end = found;
    survey.proven = found.offset;
    survey.torn = None;
    survey.corrupt.retain(|damage| damage.offset < found.offset);
    Ok(medium.until(found.offset))
}

/// The index file of a pack.
#[must_use]
pub fn index_path(pack: &Path) -> PathBuf {
    let mut name = pack.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

pub(super) fn random_id() -> Result<PackId, StoreError> {
    let mut id = PackId::default();
    getrandom::fill(&mut id).map_err(|e| StoreError::System(format!("no randomness: {e}")))?;
    Ok(id)
}

/// An index that covers commits lies beside a pack without a single good record: that is not what a
/// crash leaves. A header that was exchanged does it, and cutting "the torn tail" would be the end.
fn refuse_ruin(
    covered: Option<&Checkpoint>,
    survey: &Survey,
    options: &Options,
) -> Result<(), StoreError> {
    let had_commits = covered.is_some_and(|covered| covered.position.commit > 0);
    match &survey.torn {
        Some(torn) if had_commits && survey.records == 0 && !options.accept_rollback => {
            Err(StoreError::Damaged {
                offset: torn.offset,
                why: format!("no record fits the header of the pack ({})", torn.reason),
            })
        }
        _ => Ok(()),
    }
}

/// Opens the index; in memory, if there is no room for it on the disk: reading and deleting must go
/// on there.
fn index_at(
    place: &mut Place,
    cache_bytes: usize,
    open: impl Fn(&Place, usize) -> Result<Index, IndexError>,
) -> Result<Index, IndexError> {
    match open(place, cache_bytes) {
        Err(error) if error.is_full() => {
            tracing::warn!(%error, "no room for the index on the disk: it is built in memory");
            *place = Place::Memory;
            open(place, cache_bytes)
        }
        other => other,
    }
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

/// An index of this very pack covers a commit that the log does not have, and damage is not why: two
/// copies of the pack were both written to, and this is the index of the other one.
fn refuse_other_history(
    covered: Option<Checkpoint>,
    survey: &Survey,
    options: &Options,
) -> Result<(), StoreError> {
    let Some(indexed) = covered.map(|covered| covered.position.offset) else {
        return Ok(());
    };
    let is_damaged = survey.corrupt.iter().any(|at| at.offset < indexed);
    match is_damaged || options.accept_rollback {
        true => Ok(()),
        false => Err(StoreError::OtherHistory { indexed }),
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
            index_doubted: AtomicBool::new(false),
            generations: Generations::new(),
            place,
            recent: RwLock::new(Recent::default()),
            segments: Mutex::new(()),
            checked: Mutex::new(Checked::new()),
            damaged: Mutex::default(),
            scrub: Mutex::default(),
            space: Arc::new(Space::default()),
            barrier: Barrier::default(),
            upkeep: Mutex::new(()),
            transfers: Transfers::default(),
            budget: Budget::new(options.ingest_memory_bytes),
            lanes: Arc::new(lanes),
            options,
        })
    }
}
