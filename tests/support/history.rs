//! What a test did to a store, and what a crash image of it must therefore hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use packhold::domain::DomainError;

use super::client::{Client, Clock, fields, open, try_open};
use super::sim::{Op, Sim};

/// What a name holds.
pub type Content = Option<Arc<Vec<u8>>>;

/// One change: a name, and its content afterwards. Paths begin with a slash, blocks with a `#`; other
/// names are those of packages.
struct Change {
    name: String,
    content: Content,
}

/// Every change that was begun, in order; a mark in the log of the medium says when it was begun
/// (`2 n`) and when it was acknowledged (`2 n + 1`).
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Vec<Change>>>);

/// For every name, what it may hold; the last one is what it must hold if nothing is in doubt.
pub type Allowed = BTreeMap<String, Vec<Content>>;

impl History {
    /// Notes what names are to hold, and does it, in one commit; whether it was acknowledged.
    pub fn change(
        &self,
        sim: &Sim,
        changed: Vec<(String, Content)>,
        make: impl FnOnce() -> bool,
    ) -> bool {
        let numbers = {
            let mut changes = self.0.lock();
            let first = changes.len();
            changes.extend(
                changed
                    .into_iter()
                    .map(|(name, content)| Change { name, content }),
            );
            let numbers = first..changes.len();
            numbers.clone().for_each(|number| sim.mark(2 * number));
            numbers
        };
        let made = make();
        if made {
            numbers.for_each(|number| sim.mark(2 * number + 1));
        }
        made
    }

    fn one(&self, sim: &Sim, name: &str, content: Content, make: impl FnOnce() -> bool) -> bool {
        self.change(sim, vec![(name.to_owned(), content)], make)
    }

    /// Puts a file; whether it was acknowledged.
    pub fn put(&self, client: &Client, sim: &Sim, name: &str, bytes: Vec<u8>) -> bool {
        let content = Arc::new(bytes);
        let put = || client.try_put(name, &content).is_ok();
        self.one(sim, name, Some(Arc::clone(&content)), put)
    }

    /// Deletes a file; whether it was acknowledged.
    pub fn delete(&self, client: &Client, sim: &Sim, name: &str) -> bool {
        self.one(sim, name, None, || client.try_delete(name).is_ok())
    }

    /// Takes in a package, unless it is there; whether it was acknowledged.
    pub fn add(&self, client: &Client, sim: &Sim, name: &str, bytes: Vec<u8>) -> bool {
        if client
            .try_package(&fields(name, "1").file_name)
            .is_ok_and(|found| found.is_some())
        {
            return false;
        }
        let content = Arc::new(bytes);
        let add = || client.try_add(fields(name, "1"), &content).is_ok();
        self.one(sim, name, Some(Arc::clone(&content)), add)
    }

    /// Deletes a package, if it is there; whether it was acknowledged.
    pub fn remove(&self, client: &Client, sim: &Sim, name: &str) -> bool {
        let found = client.try_package(&fields(name, "1").file_name);
        let Ok(Some((package, _))) = found else {
            return false;
        };
        self.one(sim, name, None, || client.try_remove(package.id).is_ok())
    }

    /// What the disk must hold after a crash behind the first `at` operations of the log.
    pub fn allowed(&self, log: &[Op], at: usize) -> Allowed {
        let mut allowed = self.nothing();
        for op in &log[..at] {
            self.promise(&mut allowed, op);
        }
        allowed
    }

    /// What a store must hold to which nothing was done.
    pub fn nothing(&self) -> Allowed {
        let changes = self.0.lock();
        let names = changes.iter().map(|change| change.name.clone());
        names.map(|name| (name, vec![None])).collect()
    }

    /// What it must hold when one more thing was done.
    pub fn promise(&self, allowed: &mut Allowed, op: &Op) {
        let Op::Mark(mark) = op else { return };
        let changes = self.0.lock();
        let change = &changes[mark / 2];
        let list = allowed.entry(change.name.clone()).or_default();
        if mark % 2 == 1 {
            list.clear();
        }
        list.push(change.content.clone());
    }
}

fn read(client: &Client, name: &str) -> Result<Option<Vec<u8>>, DomainError> {
    if name.starts_with('/') {
        return client.try_get(name);
    }
    if name.starts_with('#') {
        return super::work::read_block(client, name);
    }
    let found = client.try_package(&fields(name, "1").file_name)?;
    Ok(found.map(|(package, bytes)| {
        assert_eq!(package.sha256, packhold::digest::sha256(&bytes), "{name}");
        bytes
    }))
}

/// Asserts that a store holds what it must; gives what it holds.
pub fn assert_holds(client: &Client, allowed: &Allowed, what: &str) -> Allowed {
    let mut found = Allowed::new();
    for (name, contents) in allowed {
        let bytes = read(client, name)
            .unwrap_or_else(|error| panic!("{what}: {name} is unreadable: {error}"));
        let fits = contents
            .iter()
            .find(|content| content.as_deref() == bytes.as_ref());
        let Some(content) = fits else {
            let len = bytes.map(|b| b.len());
            panic!("{what}: {name} holds {len:?} bytes that it must not");
        };
        found.insert(name.clone(), vec![content.clone()]);
    }
    found
}

/// Opens a crash image and asserts that it holds what it must, verifies, takes a new upload and a
/// new package, and opens again.
pub fn assert_survives(image: Vec<u8>, allowed: &Allowed, what: &str) {
    let sim = Sim::of_image(image);
    let clock = Clock::at(5_000_000);
    let client =
        try_open(&sim, &clock).unwrap_or_else(|error| panic!("{what}: does not open: {error}"));
    let report = client.store.open_report().clone();
    assert!(report.corrupt.is_empty(), "{what}: {report:?}");
    let found = assert_holds(&client, allowed, what);
    let verified = client.store.verify(false).expect("it can be verified");
    assert!(verified.clean, "{what}: {verified:?}");
    client.put("/after", b"the crash");
    client.add(fields("after", "1"), b"the crash");
    client.store.close();
    drop(client);
    let client = open(&sim, &clock);
    let report = client.store.open_report();
    assert_eq!((report.torn_bytes, report.corrupt.len()), (0, 0), "{what}");
    assert_holds(&client, &found, what);
    for name in ["/after", "after"] {
        let bytes = read(&client, name).expect("it is readable");
        assert_eq!(bytes.as_deref(), Some(&b"the crash"[..]), "{what}: {name}");
    }
}
