//! The pack as a real file: creating, locking, writing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FallocateFlags, RenameFlags};

use super::PackError;
use super::sink::Sink;

/// Bytes that one `pwritev` is given at most (`IOV_MAX` is 1,024 parts).
const MAX_PARTS: usize = 1024;

/// Writes to a file.
pub struct FileSink {
    file: File,
}

impl FileSink {
    /// Writes to `file`, which the caller has locked.
    pub fn new(file: File) -> Self {
        Self { file }
    }
}

impl Sink for FileSink {
    fn write_at(&self, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        for group in parts.chunks(MAX_PARTS) {
            let mut list = group.to_vec();
            let mut rest = list.as_mut_slice();
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        offset = offset.saturating_add(n as u64);
                        IoSlice::advance_slices(&mut rest, n);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.file,
            FallocateFlags::KEEP_SIZE,
            offset,
            len,
        )?)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.file, flags, offset, len)?)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks().saturating_mul(512))
    }

    fn free(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Opens an existing pack and locks it; `None` when there is none.
///
/// # Errors
/// [`PackError::Locked`] when somebody has it, [`PackError::File`] for the rest.
pub fn open_locked(path: &Path) -> Result<Option<File>, PackError> {
    let failed = |action, source| failed(action, path, source);
    loop {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("opening", error)),
        };
        lock(&file, path)?;
        if has_name(&file, path).map_err(|e| failed("reading", e))? {
            // Whoever gave it the name may have been killed before that was durable; and a name that goes
            // away with the power takes what is acknowledged from now on with it.
            sync_parent(path)?;
            settle(&file, path)?;
            return Ok(Some(file));
        }
    }
}

/// Whether the file still has the name that it was opened by: a compaction may have put another in its
/// place before it was locked.
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    let mine = file.metadata()?;
    Ok(std::fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (mine.dev(), mine.ino())))
}

/// What is beside a pack while a copy of another is being continued in it: where its own end is.
const INCOMPLETE: &str = ".incomplete";

/// Notes that only what lies below `end` counts until [`complete`] is called. Whoever opens the pack
/// before that cuts what is behind.
///
/// # Errors
/// [`PackError::File`].
pub fn incomplete(path: &Path, end: u64) -> Result<(), PackError> {
    let note = with_suffix(path, INCOMPLETE);
    let failed = |action, source| failed(action, &note, source);
    let mut file = File::create(&note).map_err(|e| failed("creating", e))?;
    file.write_all(end.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| failed("writing", e))?;
    sync_parent(&note)
}

/// Takes the note of [`incomplete`] away.
///
/// # Errors
/// [`PackError::File`].
pub fn complete(path: &Path) -> Result<(), PackError> {
    let note = with_suffix(path, INCOMPLETE);
    match std::fs::remove_file(&note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", &note, error))
        }
        _ => sync_parent(&note),
    }
}

/// Cuts what a continuation that broke off has left behind.
fn settle(file: &File, path: &Path) -> Result<(), PackError> {
    let note = with_suffix(path, INCOMPLETE);
    let end = match std::fs::read_to_string(&note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(|e| failed("reading", &note, e))?,
    };
    // Nothing was appended yet when the note itself is unfinished.
    if let Ok(end) = end.parse::<u64>() {
        let len = file
            .metadata()
            .map_err(|e| failed("reading", path, e))?
            .len();
        if end < len {
            tracing::warn!(path = %path.display(), end, "cutting a continuation that broke off");
            file.set_len(end)
                .and_then(|()| file.sync_all())
                .map_err(|e| failed("cutting", path, e))?;
        }
    }
    complete(path)
}

/// Creates a pack with these first bytes, locked and durable, together with its name.
///
/// # Errors
/// [`PackError::File`]; also when a file of that name came to be in the meantime.
pub fn create_locked(path: &Path, header: &[u8]) -> Result<File, PackError> {
    let temporary = with_suffix(path, ".new");
    let failed = |action, source| failed(action, &temporary, source);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&temporary)
        .map_err(|e| failed("creating", e))?;
    lock(&file, &temporary)?;
    file.set_len(0).map_err(|e| failed("emptying", e))?;
    let sink = FileSink::new(file.try_clone().map_err(|e| failed("opening", e))?);
    sink.write_at(0, &[IoSlice::new(header)])
        .map_err(|e| failed("writing", e))?;
    file.sync_all().map_err(|e| failed("syncing", e))?;
    // ORDER: locked and synced before it gets its name, so that nobody ever sees half a pack.
    rustix::fs::renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE)
        .or_else(|error| match error {
            rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS if !path.exists() => {
                rustix::fs::rename(&temporary, path)
            }
            other => Err(other),
        })
        .map_err(|e| failed("naming", e.into()))?;
    sync_parent(path)?;
    Ok(file)
}

/// Gives the pack `new` the name `path`, in the place of the pack that has it, together with who may
/// read and write that. Whoever calls has locked both, and `new` is durable.
///
/// Until the directory is synced ([`sync_parent`]), a crash leaves either of the two.
///
/// # Errors
/// [`PackError::File`]: nothing was renamed.
pub fn replace(new: &Path, path: &Path) -> Result<(), PackError> {
    take_after(new, path)?;
    // ORDER: the new file is whole, durable and locked before it gets the name.
    std::fs::rename(new, path).map_err(|e| failed("renaming", new, e))
}

/// Gives `file` the owner and the permissions of `like`.
///
/// # Errors
/// [`PackError::File`].
pub fn take_after(file: &Path, like: &Path) -> Result<(), PackError> {
    let failed = |action, source| failed(action, file, source);
    let (ours, theirs) = (std::fs::metadata(file), std::fs::metadata(like));
    let ours = ours.map_err(|e| failed("reading", e))?;
    let theirs = theirs.map_err(|e| failed("reading what is beside", e))?;
    let handle = File::open(file).map_err(|e| failed("opening", e))?;
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
        // Else a compaction by root would take the store from the user whom a service runs as.
        std::os::unix::fs::fchown(&handle, Some(theirs.uid()), Some(theirs.gid()))
            .map_err(|e| failed("giving its owner", e))?;
    }
    handle
        .set_permissions(theirs.permissions())
        .and_then(|()| handle.sync_all())
        .map_err(|e| failed("setting the permissions of", e))
}

/// Syncs the directory that `path` is in, which makes its name durable.
///
/// # Errors
/// [`PackError::File`].
pub fn sync_parent(path: &Path) -> Result<(), PackError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| failed("syncing", parent, source))
}

/// `path` with something behind its whole name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> PackError {
    PackError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

fn lock(file: &File, path: &Path) -> Result<(), PackError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(PackError::Locked {
            path: path.to_owned(),
            holder: holder(file).unwrap_or_else(|| "another process".to_owned()),
        }),
        Err(TryLockError::Error(source)) => Err(failed("locking", path, source)),
    }
}

/// Who holds the lock, as Linux tells it in `/proc/locks`.
fn holder(file: &File) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = holder_of(&locks, file.metadata().ok()?.ino())?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", name.trim()))
}

/// The process that has locked an inode as a whole.
fn holder_of(locks: &str, inode: u64) -> Option<&str> {
    let inode = format!(":{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let is_flock = words.any(|w| w == "FLOCK");
        let pid = words.nth(2)?;
        let place = words.next()?;
        (is_flock && place.ends_with(&inode)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_by_kind_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 fd:00:8 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 fd:00:77 0 EOF\n";
        assert_eq!(holder_of(locks, 77), Some("13"));
        assert_eq!(holder_of(locks, 8), Some("12"));
        assert_eq!(holder_of(locks, 7), None);
    }

    // What cannot be made durable says so: only the kernel knows.
    #[test]
    fn a_sync_asks_the_kernel() {
        let sink = FileSink::new(File::open("/dev/null").unwrap());
        assert!(sink.sync().is_err());
    }

    #[test]
    fn many_parts_are_written_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let file = create_locked(&path, b"header").unwrap();
        let words: Vec<String> = (0..3000).map(|i| format!("{i},")).collect();
        let parts: Vec<IoSlice<'_>> = words.iter().map(|w| IoSlice::new(w.as_bytes())).collect();
        FileSink::new(file).write_at(6, &parts).unwrap();
        let all = std::fs::read_to_string(&path).unwrap();
        assert_eq!(all, format!("header{}", words.concat()));
    }

    #[test]
    fn a_locked_pack_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let first = create_locked(&path, b"x").unwrap();
        let error = open_locked(&path).unwrap_err().to_string();
        assert!(error.contains("is in use by process"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert!(open_locked(&path).unwrap().is_some());
    }

    #[test]
    fn who_locks_a_pack_that_was_replaced_takes_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("p"), dir.path().join("p.compacting"));
        let old = create_locked(&path, b"old").unwrap();
        // Opened before the new one has the name, locked behind that.
        let early = File::open(&path).unwrap();
        let made = create_locked(&new, b"new").unwrap();
        assert!(has_name(&early, &path).unwrap());
        replace(&new, &path).unwrap();
        let error = open_locked(&path).unwrap_err();
        assert!(matches!(error, PackError::Locked { .. }), "{error}");
        drop(old);
        lock(&early, &path).unwrap();
        assert!(!has_name(&early, &path).unwrap());
        drop(made);
        let mut text = String::new();
        let mut now = open_locked(&path).unwrap().unwrap();
        io::Read::read_to_string(&mut now, &mut text).unwrap();
        assert_eq!(text, "new");
    }

    #[test]
    fn a_new_pack_is_for_whom_the_old_one_was() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("p"), dir.path().join("p.compacting"));
        create_locked(&path, b"old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        create_locked(&new, b"new").unwrap();
        replace(&new, &path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(!new.exists());
    }

    #[test]
    fn creating_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, b"precious").unwrap();
        assert!(create_locked(&path, b"x").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn promised_blocks_do_not_lengthen_the_file_and_can_be_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let sink = FileSink::new(create_locked(&dir.path().join("p"), b"x").unwrap());
        assert!(sink.free().unwrap() > 0);
        assert!(sink.allocated().unwrap() < 1 << 20);
        sink.allocate(1, 8 << 20).unwrap();
        assert_eq!(sink.size().unwrap(), 1);
        let promised = sink.allocated().unwrap();
        assert!(promised >= 8 << 20, "{promised}");
        sink.write_at(1, &[IoSlice::new(&vec![1; (1 << 20) - 1])])
            .unwrap();
        sink.punch(4096, (1 << 20) - 4096).unwrap();
        assert_eq!(sink.size().unwrap(), 1 << 20);
        let given_back = sink.allocated().unwrap();
        assert!(given_back <= promised - (1 << 20) + 4096, "{given_back}");
    }

    #[test]
    fn what_is_no_file_is_not_taken_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        assert!(open_locked(&path).unwrap().is_none());
        std::fs::create_dir(&path).unwrap();
        let error = open_locked(&path).unwrap_err().to_string();
        assert!(error.starts_with("opening"), "{error}");
    }

    #[test]
    fn a_note_that_cannot_be_taken_away_or_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        drop(create_locked(&path, b"x").unwrap());
        complete(&path).unwrap();
        incomplete(&path, 1).unwrap();
        complete(&path).unwrap();
        let note = with_suffix(&path, INCOMPLETE);
        assert!(!note.exists());
        std::fs::create_dir(&note).unwrap();
        let error = complete(&path).unwrap_err().to_string();
        assert!(error.starts_with("removing"), "{error}");
        let error = open_locked(&path).unwrap_err().to_string();
        assert!(error.starts_with("reading"), "{error}");
    }

    #[test]
    fn a_new_pack_belongs_to_whom_the_old_one_did() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("p"), dir.path().join("p.compacting"));
        create_locked(&path, b"old").unwrap();
        create_locked(&new, b"new").unwrap();
        let (owner, group) = match rustix::process::geteuid().is_root() {
            true => (Some(12_345), Some(23_456)),
            // Nobody else can give files away.
            false => (None, None),
        };
        std::os::unix::fs::chown(&path, owner, group).unwrap();
        let old = std::fs::metadata(&path).unwrap();
        replace(&new, &path).unwrap();
        let now = std::fs::metadata(&path).unwrap();
        assert_ne!(now.ino(), old.ino());
        assert_eq!((now.uid(), now.gid()), (old.uid(), old.gid()));
    }

    #[test]
    fn a_name_is_made_durable_in_the_folder_that_has_it() {
        sync_parent(Path::new("in the folder that this runs in")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        sync_parent(&dir.path().join("p")).unwrap();
        let error = sync_parent(&dir.path().join("none").join("p")).unwrap_err();
        let name = dir.path().join("none").display().to_string();
        assert!(error.to_string().contains(&name), "{error}");
    }
}
