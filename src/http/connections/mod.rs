//! The open connections: how many there may be, which of them goes when there are too many, and how
//! long each may stand still.
//!
//! A connection is *quiet* while no request runs on it and nothing waits to be sent: it is idle, or
//! sends the headers of a request. Quiet ones make room in the order in which they became quiet.
//! Headers that come do not put a connection behind the idle ones: else whoever sends headers
//! slowly on all connections would have every new one closed before its first byte comes. A
//! connection with a running request never makes room: when all are busy, a new one is refused.
//!
//! What happens on a connection is noted in its [`Connection`], and its own task draws the
//! conclusions ([`watch()`]). Lock order: a connection, then the list of all.

mod answered;
mod limits;
mod state;
mod watch;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use answered::Answered;
pub use limits::Limits;
pub use state::{Connection, Running};
pub use watch::watch;
pub use watched::Watched;

use crate::metrics;

/// All open connections.
pub struct Connections {
    limits: Limits,
    list: Mutex<List>,
    /// Told when the last one is gone.
    none_left: Notify,
}

#[derive(Default)]
struct List {
    open: HashMap<u64, Entry>,
    sources: HashMap<IpAddr, Group>,
    all: Group,
    /// Numbers connections, and the moments at which they become quiet.
    next: u64,
}

struct Entry {
    source: IpAddr,
    /// The moment at which it became quiet.
    quiet: Option<u64>,
    /// It was told to make room.
    told: bool,
    connection: Arc<Connection>,
}

/// Connections that share a limit.
#[derive(Default)]
struct Group {
    open: usize,
    /// How many of them were told to make room, and are still there.
    told: usize,
    /// Those that are quiet: by the moment at which they became so.
    quiet: BTreeMap<u64, u64>,
}

impl Group {
    fn has_room(&self, limit: usize) -> bool {
        self.open - self.told < limit
    }
}

impl Connections {
    /// None yet.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            list: Mutex::default(),
            none_left: Notify::new(),
        })
    }

    /// Takes a connection from `peer` up; another one may have to go for it. `None` when all that
    /// could are busy.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let source = source(peer);
        let mut list = self.list.lock();
        let here = list.sources.get(&source);
        let crowded = here.filter(|group| !group.has_room(self.limits.connections_per_address));
        if let Some(group) = crowded {
            let first = group.quiet.first_key_value().map(|(_, id)| *id)?;
            list.tell(first);
        }
        if !list.all.has_room(self.limits.connections) {
            list.tell_first()?;
        }
        let id = list.moment();
        let connection = Arc::new(Connection::new(id, Arc::clone(self)));
        list.insert(id, source, Arc::clone(&connection));
        metrics::ACCEPTED_CONNECTIONS.add(1);
        Some(Admitted {
            connection,
            _counted: metrics::CONNECTIONS.enter(),
        })
    }

    /// Closes the connection that has been idle longest: the process has no descriptors left.
    pub fn make_room(&self) {
        let _told = self.list.lock().tell_first();
    }

    /// Tells all to end: at once those that are quiet, the others when their requests are done.
    pub fn end(&self) {
        let list = self.list.lock();
        for entry in list.open.values() {
            entry.connection.end();
        }
    }

    /// Waits until none is left.
    pub async fn gone(&self) {
        loop {
            let told = self.none_left.notified();
            if self.count() == 0 {
                return;
            }
            told.await;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.lock().open.len()
    }

    /// Notes that a connection is quiet from now on, or is not.
    fn note(&self, id: u64, is_quiet: bool) {
        let mut list = self.list.lock();
        let moment = is_quiet.then(|| list.moment());
        list.note(id, moment);
    }
}

impl List {
    fn moment(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn insert(&mut self, id: u64, source: IpAddr, connection: Arc<Connection>) {
        self.all.open += 1;
        self.sources.entry(source).or_default().open += 1;
        let entry = Entry {
            source,
            quiet: None,
            told: false,
            connection,
        };
        self.open.insert(id, entry);
        self.note(id, Some(id));
    }

    fn remove(&mut self, id: u64) {
        self.note(id, None);
        let Some(entry) = self.open.remove(&id) else {
            return;
        };
        self.all.open -= 1;
        if let Some(group) = self.sources.get_mut(&entry.source) {
            group.open -= 1;
            if group.open == 0 {
                self.sources.remove(&entry.source);
            }
        }
    }

    /// Sets since when a connection is quiet. One that was told to make room and is busy now stays.
    fn note(&mut self, id: u64, moment: Option<u64>) {
        let Some(entry) = self.open.get_mut(&id) else {
            return;
        };
        let group = self.sources.entry(entry.source).or_default();
        if entry.told {
            if moment.is_none() {
                entry.told = false;
                self.all.told -= 1;
                group.told -= 1;
            }
            return;
        }
        if let Some(old) = std::mem::replace(&mut entry.quiet, moment) {
            self.all.quiet.remove(&old);
            group.quiet.remove(&old);
        }
        if let Some(new) = moment {
            self.all.quiet.insert(new, id);
            group.quiet.insert(new, id);
        }
    }

    /// Tells a connection to make room.
    fn tell(&mut self, id: u64) {
        self.note(id, None);
        let Some(entry) = self.open.get_mut(&id) else {
            return;
        };
        entry.told = true;
        self.all.told += 1;
        self.sources.entry(entry.source).or_default().told += 1;
        metrics::EVICTED_CONNECTIONS.add(1);
        entry.connection.leave();
    }

    /// Tells the first of all quiet ones, if there is any.
    fn tell_first(&mut self) -> Option<()> {
        let id = self.all.quiet.first_key_value().map(|(_, id)| *id)?;
        self.tell(id);
        Some(())
    }
}

/// A connection that was taken up; it is off the list when this is dropped.
pub struct Admitted {
    connection: Arc<Connection>,
    _counted: metrics::Entered,
}

impl Admitted {
    /// What is known of it.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let connections = self.connection.connections();
        let mut list = connections.list.lock();
        list.remove(self.connection.id());
        if list.open.is_empty() {
            connections.none_left.notify_waiters();
        }
    }
}

/// What counts as one address: whoever has an IPv6 network has all of its addresses.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
