//! A simulated medium: what a file, its page cache and its disk do, with failures on demand.
//!
//! Reads see every write at once (the page cache). What the disk holds after a crash is another
//! matter: [`Sim::log`] remembers every write, truncate and sync, and [`super::crash`] makes the
//! images from it that a crash may leave behind.

#[path = "paged.rs"]
mod paged;

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use packhold::format::header::PackHeader;
use packhold::format::scan::View;
use packhold::index::Shelf;
use packhold::pack::{Medium, Sink, Source};
use parking_lot::Mutex;
use redb::StorageBackend;

pub use paged::Paged;

const BLOCK_BYTES: u64 = 4096;

/// What was done to the medium, or (marks) around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Bytes were written.
    Write(u64, Bytes),
    /// The file was cut, or grew by zeros.
    Truncate(u64),
    /// So many bytes from an offset on were given back; they read as zeros.
    Punch(u64, u64),
    /// Everything before is durable, unless an earlier sync failed to write it.
    Sync,
    /// A sync failed: what was written since the last good one stays in the cache, marked clean,
    /// and no later sync writes it.
    FailedSync,
    /// The test notes something.
    Mark(usize),
}

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `write_at`.
    Write,
    /// `sync`.
    Sync,
    /// `truncate`.
    Truncate,
    /// `allocate`.
    Allocate,
    /// `punch`.
    Punch,
    /// A read.
    Read,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Write,
        Self::Sync,
        Self::Truncate,
        Self::Allocate,
        Self::Punch,
        Self::Read,
    ];
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// EIO.
    Io,
    /// ENOSPC.
    Full,
    /// ENOSPC, after so many bytes were written.
    Short(usize),
    /// EINTR.
    Interrupted,
}

/// A failure to come.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What fails.
    pub call: Call,
    /// How many such calls go well before.
    pub after: u64,
    /// How it fails.
    pub failure: Failure,
    /// Every later call fails as well.
    pub for_ever: bool,
}

/// One of the files of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum File {
    /// The pack.
    #[default]
    Pack,
    /// The index.
    Index,
}

/// What was done to the files of a store, in order.
pub type Journal = Vec<(File, Op)>;

#[derive(Default)]
struct State {
    image: Paged,
    visible: u64,
    file: File,
    journal: Arc<Mutex<Journal>>,
    faults: Vec<Fault>,
    injected: u64,
    free: Option<u64>,
    syncs: u64,
    /// Numbers of blocks that were given back.
    holes: BTreeSet<u64>,
    /// Bytes that the file may take on the disk.
    capacity: Option<u64>,
    /// Told when the commit is to be synced that frees bytes of records; and what it waits for then.
    gate: Option<(Sender<()>, Receiver<()>)>,
}

/// The simulated medium; clones share it.
#[derive(Clone, Default)]
pub struct Sim(Arc<Mutex<State>>);

impl Sim {
    /// A medium with a new pack on it.
    pub fn create(header: &PackHeader) -> Self {
        Self::of_image(header.encode())
    }

    /// A medium that holds these bytes, durably.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who made an image has no use for it any more"
    )]
    pub fn of_image(image: Vec<u8>) -> Self {
        Self::of_pages(Paged::of(&image))
    }

    /// The same.
    pub fn of_pages(image: Paged) -> Self {
        let sim = Self::default();
        {
            let mut state = sim.0.lock();
            state.visible = image.len() as u64;
            state.image = image;
        }
        sim
    }

    /// Another file of the same store: what is done to it comes into the same journal.
    pub fn beside(&self, file: File, image: Paged) -> Self {
        let sim = Self::of_pages(image);
        {
            let mut state = sim.0.lock();
            state.file = file;
            state.journal = Arc::clone(&self.0.lock().journal);
        }
        sim
    }

    /// The medium as a store takes it.
    pub fn medium(&self) -> Medium {
        Medium {
            sink: Arc::new(self.clone()),
            source: Arc::new(self.clone()),
        }
    }

    /// Everything as readers of the file see it now.
    pub fn image(&self) -> Vec<u8> {
        self.0.lock().image.bytes()
    }

    /// The same.
    pub fn pages(&self) -> Paged {
        self.0.lock().image.clone()
    }

    /// All that was done to this file so far.
    pub fn log(&self) -> Vec<Op> {
        let state = self.0.lock();
        let journal = state.journal.lock();
        let own = journal.iter().filter(|(file, _)| *file == state.file);
        own.map(|(_, op)| op.clone()).collect()
    }

    /// All that was done to the files of the store so far.
    pub fn journal(&self) -> Journal {
        self.0.lock().journal.lock().clone()
    }

    /// Notes something in the log.
    pub fn mark(&self, mark: usize) {
        self.0.lock().note(Op::Mark(mark));
    }

    /// Failures so far.
    pub fn injected(&self) -> u64 {
        self.0.lock().injected
    }

    /// Successful syncs so far.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Makes something fail.
    pub fn fail(&self, call: Call, after: u64, failure: Failure) {
        self.fault(Fault {
            call,
            after,
            failure,
            for_ever: false,
        });
    }

    /// Makes something fail now and for ever.
    pub fn fail_for_ever(&self, call: Call, failure: Failure) {
        self.fault(Fault {
            call,
            after: 0,
            failure,
            for_ever: true,
        });
    }

    /// Makes something fail.
    pub fn fault(&self, fault: Fault) {
        self.0.lock().faults.push(fault);
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.0.lock().faults.clear();
    }

    /// The next sync of a commit that frees bytes of records tells that it is there, and waits to be
    /// told to go on.
    pub fn hold_freeing(&self) -> (Receiver<()>, Sender<()>) {
        let (tell, told) = channel();
        let (go, goes) = channel();
        self.0.lock().gate = Some((tell, goes));
        (told, go)
    }

    /// Says how many bytes the file may take on the disk.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.0.lock().capacity = capacity;
    }

    /// Says how many bytes are free on the file system.
    pub fn set_free(&self, free: Option<u64>) {
        self.0.lock().free = free;
    }

    /// The file as opening finds it: readers see all of it, whatever was published.
    pub fn reopened(&self) -> Self {
        {
            let mut state = self.0.lock();
            state.visible = state.image.len() as u64;
        }
        self.clone()
    }
}

impl State {
    /// The failure of this call, if it is to fail.
    fn due(&mut self, call: Call) -> Option<Failure> {
        let at = self.faults.iter().position(|fault| fault.call == call)?;
        let fault = &mut self.faults[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let failure = fault.failure;
        if !fault.for_ever {
            self.faults.remove(at);
        }
        self.injected += 1;
        Some(failure)
    }

    fn check(&mut self, call: Call) -> io::Result<()> {
        self.due(call).map_or(Ok(()), |failure| Err(error(failure)))
    }

    fn note(&self, op: Op) {
        self.journal.lock().push((self.file, op));
    }

    /// Does it, and notes it.
    fn change(&mut self, op: Op) {
        apply(&mut self.image, &op);
        self.note(op);
    }

    fn write(&mut self, offset: u64, mut bytes: Vec<u8>) -> io::Result<()> {
        let due = self.due(Call::Write);
        match due {
            Some(Failure::Short(len)) => bytes.truncate(len),
            Some(failure) => return Err(error(failure)),
            None => {}
        }
        self.fill(offset, bytes.len());
        self.change(Op::Write(offset, bytes.into()));
        due.map_or(Ok(()), |failure| Err(error(failure)))
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(failure) = self.due(Call::Sync) {
            self.note(Op::FailedSync);
            return Err(error(failure));
        }
        self.note(Op::Sync);
        self.syncs += 1;
        Ok(())
    }

    fn resize(&mut self, len: u64) -> io::Result<()> {
        self.check(Call::Truncate)?;
        self.change(Op::Truncate(len));
        Ok(())
    }

    /// Whether the last write was that of a commit that begins with a `Freed` with records.
    fn is_freeing(&self) -> bool {
        let journal = self.journal.lock();
        let mut own = journal.iter().rev().filter(|(file, _)| *file == self.file);
        let Some((_, Op::Write(_, bytes))) = own.next() else {
            return false;
        };
        // Behind the frame and the head of the commit: tag, version, flags, length, how many records.
        let mutation = bytes.get(72 + 64..).unwrap_or_default();
        mutation.starts_with(&[40, 0, 1, 1]) && mutation.get(8).is_some_and(|count| *count > 0)
    }

    /// Bytes of disk that a file of this length takes.
    fn taken(&self, len: u64) -> u64 {
        (len.div_ceil(BLOCK_BYTES) - self.holes.len() as u64) * BLOCK_BYTES
    }

    /// What is written is no hole any more.
    fn fill(&mut self, offset: u64, len: usize) {
        let end = (offset + len as u64).div_ceil(BLOCK_BYTES);
        (offset / BLOCK_BYTES..end).for_each(|block| {
            self.holes.remove(&block);
        });
    }
}

/// Does to an image what an operation does to the file.
pub fn apply(image: &mut Paged, op: &Op) {
    let at = |offset: &u64| usize::try_from(*offset).expect("images are small");
    match op {
        Op::Write(offset, bytes) => image.write(at(offset), bytes),
        Op::Truncate(len) => image.resize(at(len)),
        Op::Punch(offset, len) => {
            let end = at(&(offset + len)).min(image.len());
            let zeros = vec![0; end.saturating_sub(at(offset))];
            image.write(at(offset), &zeros);
        }
        Op::Sync | Op::FailedSync | Op::Mark(_) => {}
    }
}

fn error(failure: Failure) -> io::Error {
    match failure {
        Failure::Io => io::Error::from_raw_os_error(5),
        Failure::Full | Failure::Short(_) => io::Error::from_raw_os_error(28),
        Failure::Interrupted => io::Error::from_raw_os_error(4),
    }
}

impl Sink for Sim {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = parts.iter().flat_map(|part| part.iter().copied());
        self.0.lock().write(offset, bytes.collect())
    }

    fn sync(&self) -> io::Result<()> {
        let gate = {
            let mut state = self.0.lock();
            match state.is_freeing() {
                true => state.gate.take(),
                false => None,
            }
        };
        if let Some((tell, goes)) = gate {
            // Whoever does not wait any more has failed already.
            let _waits = tell.send(());
            let _told = goes.recv();
        }
        self.0.lock().sync()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.lock().resize(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Allocate)?;
        let lacks = |all| state.taken(offset + len) > all;
        match state.capacity.is_some_and(lacks) {
            true => Err(error(Failure::Full)),
            false => Ok(()),
        }
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Punch)?;
        state.change(Op::Punch(offset, len));
        let blocks = offset / BLOCK_BYTES..(offset + len) / BLOCK_BYTES;
        state.holes.extend(blocks);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().image.len() as u64)
    }

    fn allocated(&self) -> io::Result<u64> {
        let state = self.0.lock();
        Ok(state.taken(state.image.len() as u64))
    }

    fn free(&self) -> Option<u64> {
        self.0.lock().free
    }
}

impl View for Sim {
    fn len(&self) -> u64 {
        self.0.lock().visible
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut state = self.0.lock();
        state.check(Call::Read)?;
        let end = offset.checked_add(len as u64);
        let mut out = vec![0; len];
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        if end.is_some_and(|end| end <= state.visible) && state.image.read(start, &mut out) {
            return Ok(out.into());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Source for Sim {
    fn publish(&self, end: u64) {
        self.0.lock().visible = end;
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a simulated file")
    }
}

/// The index, as redb sees it.
impl StorageBackend for Sim {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Call::Read)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        match state.image.read(start, out) {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().resize(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().write(offset, data.to_vec())
    }
}

impl Shelf for Sim {
    fn database(&self, builder: &redb::Builder) -> Result<redb::Database, redb::DatabaseError> {
        builder.create_with_backend(self.clone())
    }

    fn remove(&self) -> io::Result<()> {
        // A new file takes the place of the old one, and none of its bytes are the old one's. That
        // the old file may come back is another thing: see `Crash`.
        let mut state = self.0.lock();
        if state.image.len() > 0 {
            state.change(Op::Truncate(0));
            state.note(Op::Sync);
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0.lock().image.len() as u64
    }

    fn has_room(&self) -> bool {
        self.0.lock().free != Some(0)
    }
}
