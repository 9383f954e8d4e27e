//! A simulated medium: what a file, its page cache and its disk do, with failures on demand.
//!
//! Reads see every write at once (the page cache). What the disk holds after a crash is another
//! matter: [`Sim::log`] remembers every write, truncate and sync, and [`super::crash`] makes the
//! images from it that a crash may leave behind.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use packhold::format::header::PackHeader;
use packhold::format::scan::View;
use packhold::pack::{Medium, Sink, Source};
use parking_lot::Mutex;

const BLOCK_BYTES: u64 = 4096;

/// What was done to the medium, or (marks) around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Bytes were written.
    Write(u64, Bytes),
    /// The file was cut.
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

#[derive(Default)]
struct State {
    image: Vec<u8>,
    visible: u64,
    log: Vec<Op>,
    faults: Vec<Fault>,
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
    pub fn of_image(image: Vec<u8>) -> Self {
        let sim = Self::default();
        {
            let mut state = sim.0.lock();
            state.visible = image.len() as u64;
            state.image = image;
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
        self.0.lock().image.clone()
    }

    /// All that was done so far.
    pub fn log(&self) -> Vec<Op> {
        self.0.lock().log.clone()
    }

    /// Notes something in the log.
    pub fn mark(&self, mark: usize) {
        self.0.lock().log.push(Op::Mark(mark));
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
        Some(failure)
    }

    /// Whether the last write was that of a commit that begins with a `Freed` with records.
    fn is_freeing(&self) -> bool {
        let Some(Op::Write(_, bytes)) = self.log.last() else {
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

    fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        let end = (offset + bytes.len() as u64).div_ceil(BLOCK_BYTES);
        (offset / BLOCK_BYTES..end).for_each(|block| {
            self.holes.remove(&block);
        });
        apply(&mut self.image, &Op::Write(offset, bytes.clone().into()));
        self.log.push(Op::Write(offset, bytes.into()));
    }
}

/// Does to an image what an operation does to the file.
pub fn apply(image: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write(offset, bytes) => {
            let start = usize::try_from(*offset).expect("images are small");
            let end = start + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[start..end].copy_from_slice(bytes);
        }
        Op::Punch(offset, len) => {
            let start = usize::try_from(*offset).expect("images are small");
            let end = start + usize::try_from(*len).expect("images are small");
            // What lies behind the end of the file is not there to be cleared.
            let end = end.min(image.len());
            image[start.min(end)..end].fill(0);
        }
        Op::Truncate(len) => image.resize(usize::try_from(*len).expect("images are small"), 0),
        Op::Sync | Op::FailedSync | Op::Mark(_) => {}
    }
}

fn error(failure: Failure) -> io::Error {
    match failure {
        Failure::Io => io::Error::from_raw_os_error(5),
        Failure::Full | Failure::Short(_) => io::Error::from_raw_os_error(28),
    }
}

impl Sink for Sim {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut state = self.0.lock();
        let due = state.due(Call::Write);
        if let Some(failure) = due {
            if let Failure::Short(len) = failure {
                bytes.truncate(len);
                state.write(offset, bytes);
            }
            return Err(error(failure));
        }
        state.write(offset, bytes);
        Ok(())
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
        let mut state = self.0.lock();
        if let Some(failure) = state.due(Call::Sync) {
            state.log.push(Op::FailedSync);
            return Err(error(failure));
        }
        state.log.push(Op::Sync);
        state.syncs += 1;
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.due(Call::Truncate) {
            return Err(error(failure));
        }
        apply(&mut state.image, &Op::Truncate(len));
        state.log.push(Op::Truncate(len));
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        match state.due(Call::Allocate) {
            Some(failure) => Err(error(failure)),
            None if state
                .capacity
                .is_some_and(|all| state.taken(offset + len) > all) =>
            {
                Err(error(Failure::Full))
            }
            None => Ok(()),
        }
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.due(Call::Punch) {
            return Err(error(failure));
        }
        let op = Op::Punch(offset, len);
        apply(&mut state.image, &op);
        state.log.push(op);
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
        let state = self.0.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start
            .checked_add(len)
            .filter(|e| *e as u64 <= state.visible);
        match end.and_then(|end| state.image.get(start..end)) {
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Source for Sim {
    fn publish(&self, end: u64) {
        self.0.lock().visible = end;
    }
}
