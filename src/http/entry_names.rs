//! What files are called in an archive.
//!
//! Invariant: wherever a name is unpacked, it stays below the folder that it is unpacked into, and no
//! two entries have the same name. Paths of a repository have no `..`, no `\` and no empty segment
//! already; what is left is what Windows reads into names, and the longest name that a zip can have.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::digest;

/// The longest name, in bytes: a zip counts them in 16 bits, with some room for what stands beside.
const MAX_BYTES: usize = 65_000;
/// Where files are whose path is longer.
const LONG: &str = "_long";

/// The names that an archive has given.
#[derive(Debug, Default)]
pub struct EntryNames {
    /// Names that are not those of the files; all others are told apart by the repository.
    changed: HashSet<String>,
}

impl EntryNames {
    /// The name of the entry for a path below the top of the archive; a folder's ends with `/`.
    pub fn name<'p>(&mut self, path: &'p str) -> Cow<'p, str> {
        let mut name = harmless(path);
        while self.changed.contains(name.as_ref()) {
            name = Cow::Owned(longer(&name));
        }
        if name != path {
            self.changed.insert(name.clone().into_owned());
        }
        name
    }
}

/// A name that differs.
fn longer(name: &str) -> String {
    match name.strip_suffix('/') {
        Some(folder) => format!("{folder}_/"),
        None => format!("{name}_"),
    }
}

fn harmless(path: &str) -> Cow<'_, str> {
    if path.len() > MAX_BYTES {
        let (folder, slash) = match path.strip_suffix('/') {
            Some(folder) => (folder, "/"),
            None => (path, ""),
        };
        let last = folder.rsplit('/').next().unwrap_or_default();
        let digest = hex::encode(digest::sha256(path.as_bytes()));
        let short = format!("{LONG}/{digest}/{last}{slash}");
        return Cow::Owned(harmless(&short).into_owned());
    }
    if !path
        .split('/')
        .any(|segment| is_drive(segment) || is_dots(segment))
    {
        return Cow::Borrowed(path);
    }
    let mend = |segment: &str| match segment {
        drive if is_drive(drive) => drive.replacen(':', "_", 1),
        dots if is_dots(dots) => format!("_{dots}"),
        name => name.to_owned(),
    };
    let segments: Vec<String> = path.split('/').map(mend).collect();
    Cow::Owned(segments.join("/"))
}

/// `C:`, with or without something behind it, begins anew at the top of a drive.
fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Windows forgets blanks and dots at the end of a name: of these nothing, or `..`, would be left.
fn is_dots(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c == '.' || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_harmless_stay() {
        let mut names = EntryNames::default();
        for name in [
            "a", "a/b.txt", "a/", "文/é", ".hidden", "a..b", "ab:c", "a./b", "1:2", "..a",
        ] {
            assert_eq!(names.name(name), name);
        }
    }

    #[test]
    fn names_cannot_leave_the_target() {
        for (path, name) in [
            ("C:", "C_"),
            ("C:/evil", "C_/evil"),
            ("c:evil", "c_evil"),
            ("a/Z:/", "a/Z_/"),
            ("...", "_..."),
            ("a/.. ./b", "a/_.. ./b"),
        ] {
            assert_eq!(EntryNames::default().name(path), name);
        }
    }

    #[test]
    fn no_two_are_the_same() {
        let mut names = EntryNames::default();
        let given = ["C:", "C_", "C__", "D:/", "D_/"].map(|path| names.name(path).into_owned());
        assert_eq!(given, ["C_", "C__", "C___", "D_/", "D__/"]);
    }

    #[test]
    fn names_that_no_zip_can_have_are_short() {
        let long = "a/".repeat(40_000);
        for path in [format!("{long}x"), format!("{long}C:x"), long.clone()] {
            let name = EntryNames::default().name(&path).into_owned();
            assert!(name.len() < 200 && name.starts_with("_long/"), "{name}");
            assert_eq!(name.ends_with('/'), path.ends_with('/'), "{name}");
            assert!(!name.contains(':'), "{name}");
        }
    }
}
