//! The files below a folder here, in the order of their names. Memory grows with the names of one
//! folder, not with those of all.
//!
//! Symbolic links are not followed: they may lead anywhere, and in circles.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::ClientError;
use super::dest::is_partial;

/// Something below a folder.
#[derive(Debug)]
pub enum Found {
    /// A file, and its path below the folder with `/` between the names.
    File {
        /// Where it is.
        path: PathBuf,
        /// How it is called below the folder.
        name: String,
        /// Its length in bytes.
        bytes: u64,
    },
    /// A symbolic link, a socket, or the like.
    Other(PathBuf),
}

/// Walks a folder.
pub struct Walk {
    /// On the way down: a folder, its path below the top, and its names that are left, last first.
    levels: Vec<(PathBuf, String, Vec<OsString>)>,
}

impl Walk {
    /// All below a folder.
    ///
    /// # Errors
    /// [`ClientError::Io`] when it cannot be read.
    pub fn new(top: &Path) -> Result<Self, ClientError> {
        Ok(Self {
            levels: vec![(top.to_owned(), String::new(), names(top)?)],
        })
    }

    fn found(
        &mut self,
        path: PathBuf,
        prefix: &str,
        name: &OsString,
    ) -> Result<Option<Found>, ClientError> {
        let about = std::fs::symlink_metadata(&path);
        let about = about.map_err(ClientError::io(format!("reading {}", path.display())))?;
        if !about.is_file() && !about.is_dir() {
            return Ok(Some(Found::Other(path)));
        }
        let Some(name) = name.to_str() else {
            let why = format!("{}: the name is not UTF-8", path.display());
            return Err(ClientError::Invalid(why));
        };
        let below = format!("{prefix}{name}");
        if about.is_dir() {
            let names = names(&path)?;
            self.levels.push((path, format!("{below}/"), names));
            return Ok(None);
        }
        if is_partial(name) {
            return Ok(None);
        }
        Ok(Some(Found::File {
            path,
            name: below,
            bytes: about.len(),
        }))
    }
}

/// The names in a folder, last first.
fn names(folder: &Path) -> Result<Vec<OsString>, ClientError> {
    let failed = || ClientError::io(format!("reading {}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        names.push(entry.map_err(failed())?.file_name());
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

impl Iterator for Walk {
    type Item = Result<Found, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (folder, prefix, names) = self.levels.last_mut()?;
            let Some(name) = names.pop() else {
                self.levels.pop();
                continue;
            };
            let (path, prefix) = (folder.join(&name), prefix.clone());
            if let Some(found) = self.found(path, &prefix, &name).transpose() {
                return Some(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn files_come_in_order_links_and_bad_names_are_told() {
        let room = tempfile::tempdir().expect("a folder");
        let top = room.path();
        for folder in ["b/c", "empty"] {
            std::fs::create_dir_all(top.join(folder)).expect("a folder");
        }
        for file in ["z", "b/c/1", "b/2", "a", ".packhold-1-2.part"] {
            std::fs::write(top.join(file), file).expect("a file");
        }
        std::os::unix::fs::symlink(top, top.join("loop")).expect("a link");
        std::fs::write(top.join(OsStr::from_bytes(b"\xff")), "x").expect("a file");
        let (mut files, mut others, mut faults) = (Vec::new(), 0, Vec::new());
        for found in Walk::new(top).expect("a folder") {
            match found {
                Ok(Found::File { name, bytes, .. }) => {
                    assert_eq!(bytes, name.len() as u64);
                    files.push(name);
                }
                Ok(Found::Other(path)) => {
                    assert!(path.ends_with("loop"));
                    others += 1;
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        assert_eq!(files, ["a", "b/2", "b/c/1", "z"]);
        assert_eq!((others, faults.len()), (1, 1));
        assert!(faults[0].contains("UTF-8"), "{faults:?}");
    }
}
