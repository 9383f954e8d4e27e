//! What is where in a repository: a plain map, and what each change makes of it.

use std::collections::BTreeMap;

use packhold::domain::nodes::Way;

/// A path as its names, from the root down.
pub type Path = Vec<String>;

/// Reads a path.
pub fn parse(text: &str) -> Path {
    let names = text.split('/').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A path as it is written.
pub fn text(path: &[String]) -> String {
    format!("/{}", path.join("/"))
}

/// Files, and folders (`None`). What was refused has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree<F>(BTreeMap<Path, Option<F>>);

impl<F> Default for Tree<F> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<F: Clone> Tree<F> {
    /// Notes a node that was found.
    pub fn note(&mut self, path: Path, file: Option<F>) {
        assert!(!self.0.contains_key(&path), "{} twice", text(&path));
        self.0.insert(path, file);
    }

    /// All nodes, each folder before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, Option<&F>)> {
        self.0.iter().map(|(path, file)| (path, file.as_ref()))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The path of the node with this number.
    pub fn path(&self, number: usize) -> Option<&Path> {
        self.0.keys().nth(number)
    }

    /// The file there.
    pub fn file(&self, path: &[String]) -> Option<&F> {
        self.0.get(path)?.as_ref()
    }

    fn is_folder(&self, path: &[String]) -> bool {
        path.is_empty() || matches!(self.0.get(path), Some(None))
    }

    /// Makes a folder and those above it; whether there may be one.
    #[must_use]
    pub fn make_folder(&mut self, path: &[String]) -> bool {
        let above = || (1..=path.len()).map(|depth| &path[..depth]);
        if above().any(|path| self.file(path).is_some()) {
            return false;
        }
        for path in above() {
            self.0.insert(path.to_vec(), None);
        }
        true
    }

    /// Puts a file, replacing one; whether there may be one.
    #[must_use]
    pub fn put(&mut self, path: &[String], file: F) -> bool {
        let Some((_, folder)) = path.split_last() else {
            return false;
        };
        let may = !self.is_folder(path) && self.make_folder(folder);
        if may {
            self.0.insert(path.to_vec(), Some(file));
        }
        may
    }

    /// Deletes a file, or a folder without files; whether that could be.
    #[must_use]
    pub fn delete(&mut self, path: &[String]) -> bool {
        let below = |(other, file): (&Path, Option<&F>)| file.is_some() && other.starts_with(path);
        let may = match self.0.get(path) {
            None => false,
            Some(Some(_)) => true,
            Some(None) => !self.iter().any(below),
        };
        if may {
            self.remove(path);
        }
        may
    }

    /// Deletes what is there, with all below; says how many files that were.
    pub fn remove(&mut self, path: &[String]) -> u64 {
        let before = self.0.len();
        let mut folders = 0;
        self.0.retain(|other, file| {
            let goes = other.starts_with(path);
            folders += usize::from(goes && file.is_none());
            !goes
        });
        (before - self.0.len() - folders) as u64
    }

    /// Forgets files.
    pub fn retain_files(&mut self, stays: impl Fn(&F) -> bool) {
        self.0.retain(|_, file| file.as_ref().is_none_or(&stays));
    }

    /// What giving a node another path makes of it; `None` when it is refused.
    pub fn renamed(&self, from: &[String], to: &[String]) -> Option<Self> {
        let is_there = self.0.contains_key(from);
        if !is_there || to.starts_with(from) || to.is_empty() || self.0.contains_key(to) {
            return None;
        }
        let mut after = self.clone();
        if !after.make_folder(&to[..to.len() - 1]) {
            return None;
        }
        after.remove(from);
        for (path, file) in self.0.iter().filter(|(path, _)| path.starts_with(from)) {
            let place = [to, &path[from.len()..]].concat();
            after.0.insert(place, file.clone());
        }
        Some(after)
    }

    /// What a move or copy makes of it; `None` when it is refused.
    pub fn transferred(
        &self,
        from: &[String],
        to: &[String],
        overwrite: bool,
        way: Way,
    ) -> Option<Self> {
        self.0.get(from)?;
        let mut target = to.to_vec();
        if self.is_folder(to) {
            target.extend(from.last().cloned());
        }
        if target == from {
            return Some(self.clone());
        }
        if target.starts_with(from) {
            return None;
        }
        let mut after = self.clone();
        if !after.make_folder(&target[..target.len() - 1]) {
            return None;
        }
        if way == Way::Move {
            after.remove(from);
        }
        for (path, file) in self.0.iter().filter(|(path, _)| path.starts_with(from)) {
            let place = [&target, &path[from.len()..]].concat();
            match (file, self.0.get(&place)) {
                (None, Some(None)) if place == from => return None,
                (_, None) | (None, Some(None)) => {}
                (Some(_), Some(Some(_))) if overwrite => {}
                _ => return None,
            }
            if !(file.is_none() && after.0.contains_key(&place)) {
                after.0.insert(place, file.clone());
            }
        }
        Some(after)
    }
}
