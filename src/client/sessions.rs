//! Which uploads in blocks were begun and not ended: one small file for each, so that a push that
//! was killed goes on where it ended. Losing them costs bytes, never a file.

use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::domain::Address;

/// No note is longer.
const MAX_NOTE_BYTES: u64 = 4096;

/// Where the notes are; nowhere, if there is no place for them.
#[derive(Debug)]
pub struct Sessions(Option<PathBuf>);

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the server calls it.
    pub upload_id: String,
    /// Length of its blocks.
    pub block_bytes: u64,
}

impl Sessions {
    /// Notes in a folder, which is made when there is something to note.
    #[must_use]
    pub fn at(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// The note of one content on its way to one place.
    pub fn slot(&self, server: &str, address: &Address, content: &[u8; 32]) -> Slot {
        let name = format!("{server}\0{address}\0{}", hex::encode(content));
        let name = hex::encode(sha256(name.as_bytes()));
        Slot(self.0.as_ref().map(|folder| folder.join(name + ".json")))
    }
}

/// The place of a note.
pub struct Slot(Option<PathBuf>);

impl Slot {
    /// The note, if there is one that can be read.
    pub fn read(&self) -> Option<Note> {
        let file = std::fs::File::open(self.0.as_ref()?).ok()?;
        let mut text = String::new();
        file.take(MAX_NOTE_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes the note. Without it only this run can go on with the upload.
    pub fn write(&self, note: &Note) {
        if let Some(path) = &self.0
            && let Err(error) = write(path, note)
        {
            let path = path.display();
            tracing::warn!(%error, "{path}: an upload that breaks off will begin anew");
        }
    }

    /// Takes the note away.
    pub fn clear(&self) {
        if let Some(path) = &self.0 {
            // It may never have been there; a note of an upload that has ended does no harm.
            let _gone = std::fs::remove_file(path);
        }
    }
}

/// Whole or not at all: it is renamed into its place.
fn write(path: &std::path::Path, note: &Note) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside)?;
    file.write_all(serde_json::to_string(note)?.as_bytes())?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_for_one_content_and_one_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("not/yet");
        let sessions = Sessions::at(Some(path.clone()));
        let address = Address::new("p", "r", "f").expect("an address");
        let slot = sessions.slot("http://a", &address, &[1; 32]);
        assert_eq!(slot.read(), None);
        let note = Note {
            upload_id: "u".to_owned(),
            block_bytes: 7,
        };
        slot.write(&note);
        let again = Sessions::at(Some(path.clone()));
        assert_eq!(
            again.slot("http://a", &address, &[1; 32]).read().as_ref(),
            Some(&note)
        );
        assert_eq!(again.slot("http://b", &address, &[1; 32]).read(), None);
        assert_eq!(again.slot("http://a", &address, &[2; 32]).read(), None);
        let file = std::fs::read_dir(&path).expect("it is there").next();
        let file = file.expect("one").expect("one").path();
        std::fs::write(&file, "{").expect("it can be written");
        assert_eq!(slot.read(), None, "a torn note is none");
        slot.clear();
        assert!(!file.exists());
        slot.clear();
        Sessions::at(None)
            .slot("s", &address, &[1; 32])
            .write(&note);
    }
}
