//! What happens on one connection. Whoever sees something notes it here; the connection's own task
//! settles what follows from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Connections;

/// One open connection.
pub struct Connection {
    id: u64,
    connections: Arc<Connections>,
    /// Of its task.
    waker: AtomicWaker,
    order: AtomicU8,
    notes: Mutex<Notes>,
}

/// What a connection was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// Nothing.
    None,
    /// To make room for another one.
    Leave,
    /// To end when its requests are done.
    End,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each was noted by somebody else, and all combinations occur"
)]
struct Notes {
    /// Its task is at work, and will settle when it is done.
    is_polled: bool,
    /// Requests that run: until the body was read or given up, and the answer is handed over.
    running: usize,
    speaks_http2: bool,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Bytes came since the last request was done.
    heard: bool,
    /// Answers that have a part ready that nobody takes.
    offered: usize,
    /// The socket takes nothing.
    blocked: bool,
    /// When the client last took something, or something was first offered to it.
    moved: Instant,
    /// It is quiet as far as the list knows.
    listed: bool,
    /// A request was done since the list was told.
    renewed: bool,
    aborted: bool,
}

/// What a connection does while no request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No byte came yet.
    Fresh,
    /// The headers of a request, or a handshake, are not complete.
    Heading,
    /// Requests were answered.
    Idle,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// No request runs, and nothing waits to be sent.
    pub is_quiet: bool,
    /// It understands a farewell.
    pub speaks_http2: bool,
    /// When the phase began that a quiet connection is in.
    pub since: Instant,
    /// When it has stood still too long.
    pub deadline: Option<Instant>,
}

impl Connection {
    pub(super) fn new(id: u64, connections: Arc<Connections>) -> Self {
        let now = Instant::now();
        let notes = Notes {
            is_polled: false,
            running: 0,
            speaks_http2: false,
            phase: Phase::Fresh,
            since: now,
            heard: false,
            offered: 0,
            blocked: false,
            moved: now,
            listed: true,
            renewed: false,
            aborted: false,
        };
        Self {
            id,
            connections,
            waker: AtomicWaker::new(),
            order: AtomicU8::new(Order::None as u8),
            notes: Mutex::new(notes),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>, speaks_http2: bool) -> Running {
        let mut notes = self.notes.lock();
        notes.running += 1;
        notes.speaks_http2 = speaks_http2;
        self.noted(notes);
        Running(Arc::clone(self))
    }

    /// Whether it is to end: who asks once more should do so elsewhere.
    pub fn is_ending(&self) -> bool {
        self.order() == Order::End
    }

    /// Bytes came.
    pub(super) fn heard(&self) {
        self.notes.lock().heard = true;
    }

    /// The socket took something, or takes nothing now.
    pub(super) fn wrote(&self, took: bool) {
        let mut notes = self.notes.lock();
        if took || !(notes.blocked || notes.offered > 0) {
            notes.moved = Instant::now();
        }
        notes.blocked = !took;
    }

    /// The socket is to be closed without waiting for the client to take what it was sent.
    pub(super) fn abort(&self) {
        self.notes.lock().aborted = true;
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.notes.lock().aborted
    }

    pub(super) fn leave(&self) {
        self.tell(Order::Leave);
    }

    pub(super) fn end(&self) {
        self.tell(Order::End);
    }

    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::SeqCst);
        self.waker.wake();
    }

    /// What it was told.
    pub(super) fn order(&self) -> Order {
        match self.order.load(Ordering::SeqCst) {
            0 => Order::None,
            1 => Order::Leave,
            _ => Order::End,
        }
    }

    /// It does not leave, because it is busy.
    pub(super) fn stay(&self) {
        let (leave, none) = (Order::Leave as u8, Order::None as u8);
        let order = &self.order;
        let _was = order.compare_exchange(leave, none, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Its task goes to work.
    pub(super) fn poll(&self, waker: &Waker) {
        self.waker.register(waker);
        self.notes.lock().is_polled = true;
    }

    /// Its task is done for now: where the connection stands, which the list is told.
    pub(super) fn settle(&self) -> Standing {
        let mut notes = self.notes.lock();
        notes.is_polled = false;
        // What comes while nothing runs is the head of a request; but HTTP/2 talks in between.
        if notes.running == 0 && notes.heard && !notes.speaks_http2 && notes.phase != Phase::Heading
        {
            if notes.phase == Phase::Idle {
                notes.since = Instant::now();
            }
            notes.phase = Phase::Heading;
        }
        let is_quiet = notes.running == 0 && !notes.blocked;
        if is_quiet != notes.listed || (is_quiet && notes.renewed) {
            self.connections.note(self.id, is_quiet);
            notes.listed = is_quiet;
        }
        notes.renewed = false;
        Standing {
            is_quiet,
            speaks_http2: notes.speaks_http2,
            since: notes.since,
            deadline: self.deadline(&notes),
        }
    }

    fn deadline(&self, notes: &Notes) -> Option<Instant> {
        let limits = &self.connections.limits;
        if notes.blocked || notes.offered > 0 {
            return Some(notes.moved + limits.send_timeout);
        }
        let limit = match notes.phase {
            Phase::Idle => limits.keep_alive_timeout,
            Phase::Fresh | Phase::Heading => limits.header_timeout,
        };
        (notes.running == 0).then(|| notes.since + limit)
    }

    /// Has the task settle what was noted, unless it is going to anyway.
    fn noted(&self, notes: MutexGuard<'_, Notes>) {
        let is_polled = notes.is_polled;
        drop(notes);
        if !is_polled {
            self.waker.wake();
        }
    }
}

/// A request that runs. It does until the last clone is dropped.
pub struct Running(Arc<Connection>);

impl Running {
    /// Its answer has a part ready that nobody takes, or no longer.
    pub(super) fn offer(&self, offers: bool) {
        let mut notes = self.0.notes.lock();
        if offers {
            if notes.offered == 0 && !notes.blocked {
                notes.moved = Instant::now();
            }
            notes.offered += 1;
        } else {
            notes.offered -= 1;
        }
        self.0.noted(notes);
    }
}

impl Clone for Running {
    fn clone(&self) -> Self {
        self.0.notes.lock().running += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut notes = self.0.notes.lock();
        notes.running -= 1;
        if notes.running == 0 {
            notes.phase = Phase::Idle;
            notes.since = Instant::now();
            notes.heard = false;
            notes.renewed = true;
            self.0.noted(notes);
        }
    }
}
