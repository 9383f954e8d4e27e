//! The crate's only use of the `rpm` package: it reads a small RPM, written here of checked values.
//!
//! What a name or a source package is stays that package's matter; no byte of an upload that was not
//! checked gets to it.

use rpm::PackageMetadata;

use super::super::PackageError;
use super::RpmHeader;
use super::entry::ENTRY_BYTES;
use super::lead::{HEADER_SIGNATURE, LEAD_BYTES, LEAD_MAGIC};
use super::wanted::{Found, Wanted};

const HEADER_MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// Types of entries.
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;

/// Reads what was kept of a header. `source` is what the lead says.
///
/// # Errors
/// [`PackageError::Unreadable`], when there is no name, version or release.
pub fn read(found: &Found, source: bool) -> Result<RpmHeader, PackageError> {
    let metadata = PackageMetadata::parse(&mut write(found).as_slice())
        .map_err(|error| PackageError::Unreadable(error.to_string()))?;
    let text = |tag: &str, text: Result<&str, rpm::Error>| {
        let missing = |_| PackageError::Unreadable(format!("the header has no {tag}"));
        text.map(str::to_owned).map_err(missing)
    };
    Ok(RpmHeader {
        name: text("NAME", metadata.get_name())?,
        version: text("VERSION", metadata.get_version())?,
        release: text("RELEASE", metadata.get_release())?,
        arch: metadata.get_arch().unwrap_or_default().to_owned(),
        source: source || metadata.is_source_package(),
    })
}

/// An RPM of a lead, an empty signature and a header of the values that were kept.
fn write(found: &Found) -> Vec<u8> {
    let mut entries = Vec::new();
    for (tag, wanted) in [
        (1000, Wanted::Name),
        (1001, Wanted::Version),
        (1002, Wanted::Release),
        (1022, Wanted::Arch),
    ] {
        if let Some(text) = found.kept(wanted) {
            entries.push((tag, STRING, [text, &[0]].concat()));
        }
    }
    if found.kept(Wanted::SourcePackage).is_some() {
        entries.push((1106, INT32, vec![0, 0, 0, 1]));
    }
    if found.kept(Wanted::SourceRpm).is_some() {
        entries.push((1044, STRING, vec![0]));
    }
    if found.has_one_empty_folder() {
        entries.push((1118, STRING_ARRAY, vec![0]));
    }
    // What needs alignment comes first.
    entries.sort_by_key(|(_, kind, _)| *kind);
    let mut file = LEAD_MAGIC.to_vec();
    file.extend([3, 0]);
    file.resize(LEAD_BYTES - 17, 0);
    file.push(HEADER_SIGNATURE);
    file.resize(LEAD_BYTES, 0);
    write_header(&mut file, &[]);
    write_header(&mut file, &entries);
    file
}

/// Appends a header of `(tag, type, data)`, each with one item.
fn write_header(file: &mut Vec<u8>, entries: &[(u32, u32, Vec<u8>)]) {
    let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let mut index = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    let mut data = Vec::<u8>::new();
    for (tag, kind, bytes) in entries {
        for field in [tag.to_be_bytes(), kind.to_be_bytes(), number(data.len())] {
            index.extend(field);
        }
        index.extend(number(1));
        data.extend(bytes);
    }
    file.extend(HEADER_MAGIC);
    file.extend(number(entries.len()));
    file.extend(number(data.len()));
    file.extend(index);
    file.extend(data);
}
