//! Opening a pack: lock, find the good end, cut a torn tail, make durable again.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::PackError;
use super::appender::Log;
use super::file::{self, FileSink};
use super::map::MapSource;
use super::sink::{Sink, Source};
use super::syncer::Syncer;
use crate::format::PackId;
use crate::format::header::{HEADER_BYTES, PackHeader};
use crate::format::scan::{self, Position, Survey, View};

/// Bytes rewritten at once when durability is made again.
const REWRITE_BYTES: u64 = 1 << 20;

/// Where a pack lives: something to write to, something to read from, and what keeps it locked.
#[derive(Clone)]
pub struct Medium {
    /// For writing.
    pub sink: Arc<dyn Sink>,
    /// For reading.
    pub source: Arc<dyn Source>,
}

impl Medium {
    /// Opens the pack at `path` and locks it; `None` when there is none.
    ///
    /// # Errors
    /// [`PackError::Locked`], [`PackError::File`].
    pub fn open_file(path: &Path) -> Result<Option<Self>, PackError> {
        match file::open_locked(path)? {
            Some(file) => Self::of_file(file, path).map(Some),
            None => Ok(None),
        }
    }

    /// Creates a pack at `path`, which must not exist, and locks it.
    ///
    /// # Errors
    /// [`PackError::Locked`], [`PackError::File`].
    pub fn create_file(path: &Path, header: &PackHeader) -> Result<Self, PackError> {
        Self::of_file(file::create_locked(path, &header.encode())?, path)
    }

    fn of_file(file: File, path: &Path) -> Result<Self, PackError> {
        let failed = |source| PackError::File {
            action: "mapping",
            path: path.to_owned(),
            source,
        };
        let len = file.metadata().map_err(failed)?.len();
        let source = MapSource::new(file.try_clone().map_err(failed)?, len).map_err(failed)?;
        Ok(Self {
            sink: Arc::new(FileSink::new(file)),
            source: Arc::new(source),
        })
    }

    /// Reads the pack header.
    ///
    /// # Errors
    /// [`PackError::Format`] when it is none, [`PackError::Io`] when the medium fails.
    pub fn header(&self) -> Result<PackHeader, PackError> {
        let bytes = self.header_bytes()?;
        PackHeader::decode(&bytes).map_err(|source| PackError::Format { offset: 0, source })
    }

    fn header_bytes(&self) -> Result<bytes::Bytes, PackError> {
        let len = self.source.len().min(HEADER_BYTES as u64);
        let len = usize::try_from(len).unwrap_or(HEADER_BYTES);
        self.source.read(0, len).map_err(|source| PackError::Io {
            action: "reading the pack header",
            offset: 0,
            source,
        })
    }

    /// The place behind the pack header.
    ///
    /// # Errors
    /// [`PackError::Io`].
    pub fn start(&self) -> Result<Position, PackError> {
        Ok(Position::start(&self.header_bytes()?))
    }

    /// Whether the commit that `position` names is there, exactly.
    pub fn holds(&self, pack_id: &PackId, position: &Position) -> bool {
        let found = scan::position_behind(self.source.as_ref(), pack_id, position.commit);
        found.is_some_and(|found| {
            (found.offset, found.seq, found.chain)
                == (position.offset, position.seq, position.chain)
        })
    }

    /// The same medium, as if it ended at `end`; for reading only.
    #[must_use]
    pub fn until(self, end: u64) -> Self {
        let source = Until {
            whole: self.source,
            end,
        };
        Self {
            source: Arc::new(source),
            ..self
        }
    }
}

/// The first bytes of another source.
struct Until {
    whole: Arc<dyn Source>,
    end: u64,
}

impl View for Until {
    fn len(&self) -> u64 {
        self.end
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        match offset.checked_add(len as u64) {
            Some(upto) if upto <= self.end => self.whole.read(offset, len),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Source for Until {
    fn publish(&self, _end: u64) {}
}

/// An open pack. See the module `pack` for what it promises.
pub struct Pack {
    pub(super) header: PackHeader,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) source: Arc<dyn Source>,
    pub(super) syncer: Syncer,
    pub(super) log: Mutex<Log>,
    pub(super) read_only: Option<&'static str>,
    /// Another pack has its name.
    pub(super) replaced: AtomicBool,
}

/// An open pack, and what was done to open it.
pub struct Opened {
    /// The pack.
    pub pack: Pack,
    /// Bytes behind the last good commit; cut, unless the pack was opened for reading only.
    pub torn_bytes: u64,
    /// Bytes that were written again, because no commit proves that they are durable.
    pub rewritten_bytes: u64,
}

impl Pack {
    /// Opens the pack on `medium`, of which `survey` found the end.
    ///
    /// Unless `read_only`, cuts a torn tail and makes durable again what may live only in the page
    /// cache. With damage below the proven end the pack opens for reading only.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open(
        medium: Medium,
        header: PackHeader,
        survey: &Survey,
        read_only: bool,
    ) -> Result<Opened, PackError> {
        let end = survey.end.offset;
        let torn_bytes = medium.source.len().saturating_sub(end);
        let mut read_only = read_only.then_some("it was opened so");
        if header.ro_compat != 0 {
            read_only = Some("it carries features that this version does not know");
        }
        if !survey.corrupt.is_empty() {
            read_only = Some("it is damaged; run verify");
        }
        let mut rewritten_bytes = 0;
        if read_only.is_none() {
            cut(&medium, end, torn_bytes)?;
            rewritten_bytes = rewrite(&medium, survey.proven.min(end), end)?;
        }
        medium.source.publish(end);
        let syncer =
            Syncer::start(Arc::clone(&medium.sink), end).map_err(|source| PackError::Io {
                action: "starting the syncer",
                offset: 0,
                source,
            })?;
        let pack = Self {
            header,
            sink: medium.sink,
            source: medium.source,
            syncer,
            log: Log::new(survey.end),
            read_only,
            replaced: AtomicBool::new(false),
        };
        Ok(Opened {
            pack,
            torn_bytes,
            rewritten_bytes,
        })
    }

    /// Another pack has got the name of this one: writes are refused from now on.
    pub fn retire(&self) {
        self.replaced.store(true, Ordering::SeqCst);
    }

    /// Whether another pack has got its name.
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    /// The pack header.
    pub fn header(&self) -> &PackHeader {
        &self.header
    }

    /// The bytes of the pack. Never reaches past what is written in full.
    pub fn view(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// Where its bytes are read, for who outlives a borrow of it.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    /// Bytes of disk that the pack takes.
    ///
    /// # Errors
    /// [`PackError::Io`].
    pub fn allocated(&self) -> Result<u64, PackError> {
        self.sink.allocated().map_err(|source| PackError::Io {
            action: "asking for the size",
            offset: 0,
            source,
        })
    }
}

fn cut(medium: &Medium, end: u64, torn_bytes: u64) -> Result<(), PackError> {
    if torn_bytes == 0 {
        return Ok(());
    }
    tracing::warn!(
        offset = end,
        bytes = torn_bytes,
        "cutting the torn tail of the pack"
    );
    medium.sink.truncate(end).map_err(|source| PackError::Io {
        action: "cutting the torn tail",
        offset: end,
        source,
    })
}

/// Writes `from..to` again in place and syncs. After a failed sync or a kill these bytes may live
/// only in the page cache, marked clean: a sync alone would report success and write nothing.
fn rewrite(medium: &Medium, from: u64, to: u64) -> Result<u64, PackError> {
    let mut at = from;
    while at < to {
        let len = REWRITE_BYTES.min(to.saturating_sub(at));
        let failed = |action| {
            move |source| PackError::Io {
                action,
                offset: at,
                source,
            }
        };
        let bytes = medium
            .source
            .read(at, usize::try_from(len).unwrap_or(0))
            .map_err(failed("reading the unproven tail"))?;
        // Copied first: writing a page from its own mapping may deadlock on its lock.
        let copy = bytes.to_vec();
        medium
            .sink
            .write_at(at, &[IoSlice::new(&copy)])
            .map_err(failed("rewriting the unproven tail"))?;
        at = at.saturating_add(len);
    }
    medium.sink.sync().map_err(|source| PackError::Io {
        action: "syncing the opened pack",
        offset: to,
        source,
    })?;
    Ok(to.saturating_sub(from))
}
