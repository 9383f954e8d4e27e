//! What must be in the store.

use std::collections::{BTreeMap, BTreeSet};

use super::SelftestReport;
use super::work::{address, change, paths};
use crate::domain::{self, DomainError};
use crate::store::Store;

/// For every path the numbers of the changes that may have been the last: one, unless some were
/// cut off. `None` is that there never was one.
#[derive(Debug, Clone, Default)]
pub struct Model {
    seed: u64,
    last: BTreeMap<String, BTreeSet<Option<u64>>>,
}

impl Model {
    /// Of an empty store.
    pub fn new(seed: u64) -> Self {
        let last = paths().map(|path| (path, BTreeSet::from([None])));
        let last = last.collect();
        Self { seed, last }
    }

    /// A change was begun: from now on it may be there.
    pub fn begun(&mut self, number: u64) {
        let path = change(self.seed, number).path;
        self.last.entry(path).or_default().insert(Some(number));
    }

    /// A change was acknowledged: from now on it must be there.
    pub fn done(&mut self, number: u64) {
        let path = change(self.seed, number).path;
        self.last.insert(path, BTreeSet::from([Some(number)]));
    }

    /// Reads every file, and gives what the store holds; what it must not hold goes into the report.
    pub fn compare(&self, store: &Store, when: &str, report: &mut SelftestReport) -> Self {
        let mut found = Self::new(self.seed);
        for (path, numbers) in &self.last {
            let there = match read(store, path) {
                Ok(there) => there,
                Err(error) => {
                    report.losses.push(format!("{when}: {path}: {error}"));
                    continue;
                }
            };
            report.compared_files += 1;
            report.compared_bytes += there.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let content = |number: &Option<u64>| number.and_then(|n| change(self.seed, n).bytes);
            match numbers.iter().find(|number| content(number) == there) {
                Some(number) => {
                    found.last.insert(path.clone(), BTreeSet::from([*number]));
                }
                None => report.losses.push(format!(
                    "{when}: {path} holds {:?} bytes, and is not what one of the changes {numbers:?} made",
                    there.map(|bytes| bytes.len())
                )),
            }
        }
        found
    }
}

fn read(store: &Store, path: &str) -> Result<Option<Vec<u8>>, DomainError> {
    let rows = store.rows()?;
    let file = match domain::file(&rows, &address(path)?, store.now_ms()) {
        Ok(Some(file)) => file,
        Ok(None) | Err(DomainError::NotFound(_) | DomainError::NoRepository { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut reader = store.read(&file.blob, 0..u64::MAX);
    let mut bytes = Vec::new();
    while reader.remaining() > 0 {
        let window = reader.next_window()?;
        window.iter().for_each(|part| bytes.extend_from_slice(part));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    // A test that finds no losses is worth nothing if it could not find any.
    #[test]
    fn what_is_missing_and_what_is_wrong_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("pack"), Options::default()).unwrap();
        let upload = (0..99).find(|n| change(1, *n).bytes.is_some()).unwrap();
        let mut model = Model::new(1);
        model.begun(upload);
        let losses = |model: &Model| {
            let mut report = SelftestReport::default();
            model.compare(&store, "now", &mut report);
            report.losses.len()
        };
        assert_eq!(losses(&model), 0, "cut off, so it need not be there");
        model.done(upload);
        assert_eq!(losses(&model), 1, "acknowledged, and not there");
    }
}
