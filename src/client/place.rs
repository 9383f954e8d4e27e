//! `PROJECT/REPO/PATH`.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ClientError;
use crate::domain::Address;
use crate::domain::path::NodePath;

/// What of a name is written as it is in a URL (RFC 3986, unreserved characters).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A place at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub address: Address,
    /// It was written with a `/` at the end.
    pub is_folder: bool,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/');
        let (project, repo) = (parts.next().unwrap_or_default(), parts.next());
        let repo = repo.filter(|repo| !repo.is_empty());
        let repo = repo.ok_or_else(|| "must be PROJECT/REPO/PATH".to_owned())?;
        let rest = parts.next();
        let path = rest.unwrap_or_default();
        let address = Address::new(project, repo, path).map_err(|error| error.to_string())?;
        let plain = path.strip_suffix('/').unwrap_or(path);
        if !is_normal(&address.path, plain) {
            let normal = &address.path;
            return Err(format!("the path is to be written `{normal}`"));
        }
        Ok(Self {
            is_folder: rest.is_some_and(|path| path.is_empty() || path.ends_with('/')),
            address,
        })
    }
}

/// Whether a path is written as the server would write it, but for the `/` at the beginning.
fn is_normal(path: &NodePath, text: &str) -> bool {
    match path.is_root() {
        true => text.is_empty(),
        false => path.to_string().strip_prefix('/') == Some(text),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Place {
    /// The file of this name below the folder. A name that the server would take for another one is
    /// refused.
    ///
    /// # Errors
    /// [`ClientError::Invalid`].
    pub fn below(&self, name: &str) -> Result<Address, ClientError> {
        let folder = self.address.path.to_string();
        let folder = folder.trim_end_matches('/');
        let path = NodePath::parse(&format!("{folder}/{name}"))
            .map_err(|error| ClientError::Invalid(format!("{name:?}: {error}")))?;
        match is_normal(&path, format!("{folder}/{name}").trim_start_matches('/')) {
            true => Ok(self.address.at(path)),
            false => Err(ClientError::Invalid(format!(
                "{name:?}: the server would name it `{path}`"
            ))),
        }
    }
}

/// `{prefix}/{project}/{repo}/{path}`, encoded.
pub fn target(prefix: &str, address: &Address) -> String {
    let mut target = format!("{prefix}/{}/{}", address.project, address.repo);
    for segment in address.path.segments() {
        target.push('/');
        target.extend(utf8_percent_encode(segment, SEGMENT));
    }
    target
}

/// One segment or value, encoded.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, path, is_folder) in [
            ("p/r", "/", false),
            ("p/r/", "/", true),
            ("p/r/a", "/a", false),
            ("p/r/a/b/", "/a/b", true),
            ("p/r/a b/ü%2F.txt", "/a b/ü%2F.txt", false),
        ] {
            let place: Place = text.parse().expect(text);
            assert_eq!(place.address.path.to_string(), path, "{text}");
            assert_eq!(place.is_folder, is_folder, "{text}");
        }
        for text in [
            "",
            "p",
            "p/",
            "/p/r/a",
            "p//a",
            "p/r/../x",
            "p/r/a//b",
            "p/r/./a",
            "p/r//a",
            "p/r/a\\b",
            "p/r/ a",
            "p/r/a//",
            "p/r/\0",
            "p q/r/a",
            "batch/r/a/..",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_the_server_would_change_are_refused() {
        let place: Place = "p/r/folder/".parse().expect("a place");
        let at = |name| place.below(name).map(|address| address.path.to_string());
        assert_eq!(at("a/b").expect("a name"), "/folder/a/b");
        let root: Place = "p/r".parse().expect("a place");
        let at_root = root.below("x").expect("a name");
        assert_eq!(target("/generic", &at_root), "/generic/p/r/x");
        for name in [
            "", "../x", "a/../b", "a\\b", " a", "a ", "a/", "/a", "a\0b", ".", "..",
        ] {
            assert!(at(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn targets_are_encoded() {
        let place: Place = "p/r/a b/ü?#%/+&".parse().expect("a place");
        let encoded = target("/generic", &place.address);
        assert_eq!(encoded, "/generic/p/r/a%20b/%C3%BC%3F%23%25/%2B%26");
    }
}
