//! Files below a folder here, under names that somebody else chose.
//!
//! Invariant: nothing outside of the folder is made, changed or looked at. Every name is one
//! component (no `/`, `..`, NUL), and every step down goes by descriptor and through no symbolic
//! link, so that not even a link that appears meanwhile leads out.

use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::ClientError;
use crate::digest::sha256;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// Whatever the umask leaves of it.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// What the name of a file begins and ends with that is not whole yet.
const PARTIAL: (&str, &str) = (".packhold-", ".part");
/// What may be in the way of somebody who takes the place of a partial file again and again.
const LOCK_ATTEMPTS: usize = 16;

/// Whether a file is one that is not whole yet.
#[must_use]
pub fn is_partial(name: &str) -> bool {
    name.starts_with(PARTIAL.0) && name.ends_with(PARTIAL.1)
}

/// A folder in which files are made.
#[derive(Debug)]
pub struct Dest {
    folder: OwnedFd,
    shown: PathBuf,
}

/// A place for a file.
pub struct Spot {
    folder: OwnedFd,
    name: String,
    shown: PathBuf,
}

/// A file that is not whole yet, beside its place. Nobody else writes it.
pub struct Partial {
    /// What is there of it.
    pub file: File,
    name: String,
}

impl Dest {
    /// A folder, made with those above it where they are missing. The path to it is this user's own:
    /// it may go through symbolic links.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let failed = || ClientError::io(format!("making {}", path.display()));
        std::fs::create_dir_all(path).map_err(failed())?;
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty());
        Ok(Self {
            folder: folder.map_err(|error| failed()(error.into()))?,
            shown: path.to_owned(),
        })
    }

    /// The place of a file below, by the names that lead there. The folders on the way are made.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for what is no name, [`ClientError::Io`] also for what is in the way.
    pub fn spot(&self, names: &[&str]) -> Result<Spot, ClientError> {
        let shown = self.shown.join(names.join("/"));
        for name in names {
            if name.is_empty() || matches!(*name, "." | "..") || name.contains(['/', '\0']) {
                let why = format!("{:?}: {name:?} is no name", names.join("/"));
                return Err(ClientError::Invalid(why));
            }
        }
        let Some((name, folders)) = names.split_last() else {
            return Err(ClientError::Invalid("no name for a file".to_owned()));
        };
        let action = format!("making the folder of {}", shown.display());
        let failed = || ClientError::io(action.as_str());
        let mut folder = self.folder.try_clone().map_err(failed())?;
        for name in folders {
            let next = below(folder.as_fd(), name);
            folder = next.map_err(|error| failed()(error.into()))?;
        }
        Ok(Spot {
            folder,
            name: (*name).to_owned(),
            shown,
        })
    }
}

/// A folder in a folder, made if it is missing.
fn below(above: std::os::fd::BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::openat(above, name, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) => {}
        opened => return opened,
    }
    match rustix::fs::mkdirat(above, name, FOLDER_MODE) {
        // Another thread needs it, too.
        Ok(()) | Err(Errno::EXIST) => rustix::fs::openat(above, name, FOLDER, Mode::empty()),
        Err(error) => Err(error),
    }
}

impl Spot {
    /// As a person knows it.
    #[must_use]
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    fn failed(&self, action: &str) -> impl FnOnce(Errno) -> ClientError + use<> {
        let action = format!("{action} {}", self.shown.display());
        |error| ClientError::io(action)(error.into())
    }

    /// The file that is there, to be read, and its length.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when something else than a file is there, a symbolic link, say.
    pub fn there(&self) -> Result<Option<(File, u64)>, ClientError> {
        // What it is comes first: opening a pipe or a device may do something.
        let about = match rustix::fs::statat(&self.folder, &*self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => about,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.failed("reading")(error)),
        };
        if rustix::fs::FileType::from_raw_mode(about.st_mode) != rustix::fs::FileType::RegularFile {
            let shown = self.shown.display();
            return Err(ClientError::Invalid(format!(
                "{shown} is there, and no file"
            )));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &*self.name, flags, Mode::empty());
        let file = File::from(file.map_err(self.failed("opening"))?);
        let len = file
            .metadata()
            .map_err(ClientError::io(format!("reading {}", self.shown.display())))?;
        Ok(Some((file, len.len())))
    }

    /// What is there of a content that is on its way; an empty file, if nothing is. The name depends
    /// on the content, so that a new one does not go on with an old one's bytes.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when somebody else is fetching it.
    pub fn partial(&self, content: &[u8; 32]) -> Result<Partial, ClientError> {
        let of_name = hex::encode(&sha256(self.name.as_bytes())[..8]);
        let of_content = hex::encode(&content[..8]);
        let name = format!("{}{of_name}-{of_content}{}", PARTIAL.0, PARTIAL.1);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..LOCK_ATTEMPTS {
            let file = rustix::fs::openat(&self.folder, &*name, flags, FILE_MODE);
            let file = File::from(file.map_err(self.failed("making a file beside"))?);
            if file.try_lock().is_err() {
                let shown = self.shown.display();
                let why = format!("{shown} is being fetched by another process");
                return Err(ClientError::Invalid(why));
            }
            // Whoever had the lock may have renamed it into its place meanwhile.
            let now = rustix::fs::statat(&self.folder, &*name, AtFlags::SYMLINK_NOFOLLOW);
            let mine = rustix::fs::fstat(&file);
            if let (Ok(now), Ok(mine)) = (now, mine)
                && (now.st_dev, now.st_ino) == (mine.st_dev, mine.st_ino)
            {
                return Ok(Partial { file, name });
            }
        }
        let why = format!("{} is being fetched by others", self.shown.display());
        Err(ClientError::Invalid(why))
    }

    /// Puts a file that is whole in its place.
    ///
    /// # Errors
    /// [`ClientError::Exists`] when one is there that may not be replaced.
    pub fn put(&self, partial: &Partial, overwrite: bool) -> Result<(), ClientError> {
        let flags = match overwrite {
            true => RenameFlags::empty(),
            false => RenameFlags::NOREPLACE,
        };
        let (folder, name) = (&self.folder, &*self.name);
        match rustix::fs::renameat_with(folder, &*partial.name, folder, name, flags) {
            // A file system that cannot refuse: whoever comes in between is lost.
            Err(Errno::INVAL | Errno::NOSYS) if !overwrite => {
                if self.there()?.is_some() {
                    return Err(ClientError::Exists(self.shown.display().to_string()));
                }
                rustix::fs::renameat(folder, &*partial.name, folder, name)
                    .map_err(self.failed("making"))
            }
            Err(Errno::EXIST) => Err(ClientError::Exists(self.shown.display().to_string())),
            renamed => renamed.map_err(self.failed("making")),
        }
    }

    /// Takes away what is there of a content.
    pub fn drop_partial(&self, partial: &Partial) {
        // What is left is passed over by name, and used by nobody unless its bytes are right.
        let _gone = rustix::fs::unlinkat(&self.folder, &*partial.name, AtFlags::empty());
    }
}

impl Partial {
    /// Begins anew.
    ///
    /// # Errors
    /// What the system says.
    pub fn empty(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    fn write(dest: &Dest, names: &[&str], overwrite: bool) -> Result<(), ClientError> {
        let spot = dest.spot(names)?;
        spot.there()?;
        let mut partial = spot.partial(&[7; 32])?;
        partial.file.write_all(b"new").expect("it can be written");
        spot.put(&partial, overwrite)
    }

    #[test]
    fn no_name_leads_out() {
        let room = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (room.path().join("in"), room.path().join("out"));
        std::fs::create_dir_all(&outside).expect("a folder");
        std::fs::write(outside.join("f"), "old").expect("a file");
        let dest = Dest::open(&inside).expect("a folder");
        symlink(&outside, inside.join("link")).expect("a link");
        symlink(outside.join("f"), inside.join("file")).expect("a link");
        for names in [
            &["..", "f"][..],
            &["..", "out", "f"],
            &["link", "f"],
            &["link", "new", "f"],
            &["/tmp/x"],
            &["a/../../x"],
            &[""],
            &["."],
            &[".."],
            &["a", ".."],
            &["a\0b"],
            &[],
            &["file"],
        ] {
            assert!(write(&dest, names, true).is_err(), "{names:?}");
        }
        let there = std::fs::read(outside.join("f")).expect("it is there");
        assert_eq!(there, b"old");
        assert_eq!(std::fs::read_dir(&outside).expect("a folder").count(), 1);
        write(&dest, &["a", "b", "f"], false).expect("a file");
        let made = std::fs::read(inside.join("a/b/f")).expect("it is there");
        assert_eq!(made, b"new");
    }

    #[test]
    fn files_are_replaced_only_if_they_may_be() {
        let room = tempfile::tempdir().expect("a folder");
        let dest = Dest::open(room.path()).expect("a folder");
        std::fs::write(room.path().join("f"), "old").expect("a file");
        std::fs::create_dir(room.path().join("d")).expect("a folder");
        let refused = write(&dest, &["f"], false).expect_err("it is there");
        assert!(matches!(refused, ClientError::Exists(_)), "{refused}");
        let old = std::fs::read(room.path().join("f")).expect("a file");
        assert_eq!(old, b"old");
        write(&dest, &["f"], true).expect("it may be");
        let new = std::fs::read(room.path().join("f")).expect("a file");
        assert_eq!(new, b"new");
        assert!(write(&dest, &["d"], true).is_err(), "a folder is no file");
    }

    #[test]
    fn one_process_writes_a_partial_file() {
        let room = tempfile::tempdir().expect("a folder");
        let dest = Dest::open(room.path()).expect("a folder");
        let spot = dest.spot(&["f"]).expect("a place");
        let mut first = spot.partial(&[1; 32]).expect("a file");
        first.file.write_all(b"abc").expect("it can be written");
        assert!(spot.partial(&[1; 32]).is_err(), "it is locked");
        assert!(spot.partial(&[2; 32]).is_ok(), "another content");
        drop(first);
        let again = spot.partial(&[1; 32]).expect("it is free");
        assert_eq!(again.file.metadata().expect("a file").len(), 3);
        let names = std::fs::read_dir(room.path()).expect("a folder");
        for name in names {
            let name = name.expect("a name").file_name();
            assert!(is_partial(&name.to_string_lossy()), "{name:?}");
        }
    }
}
