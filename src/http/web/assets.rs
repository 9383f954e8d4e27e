//! The files that the page is made of, as they were when the binary was built.

use std::sync::LazyLock;

use crate::digest;

/// A file of the page.
pub struct Asset {
    name: &'static str,
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// Its digest, in hex.
    pub sha256: String,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Rows of a type and the names that have it.
macro_rules! table {
    ($($kind:ident { $($name:literal),* $(,)? })*) => {
        vec![$($(Asset::new($name, $kind, include_bytes!(concat!("assets/", $name)))),*),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    table! {
        HTML { "index.html" }
        STYLE { "style.css" }
        IMAGE { "icon.svg" }
        SCRIPT {
            "theme.js",
            "app.js",
            "api.js",
            "dom.js",
            "icons.js",
            "i18n.js",
            "en.js",
            "zh.js",
            "format.js",
            "ui.js",
            "upload.js",
            "transfers.js",
            "views/login.js",
            "views/projects.js",
            "views/repos.js",
            "views/files.js",
            "views/node.js",
            "views/packages.js",
            "views/space.js",
            "views/users.js",
            "views/account.js",
        }
    }
});

impl Asset {
    fn new(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            name,
            kind,
            bytes,
            sha256: hex::encode(digest::sha256(bytes)),
        }
    }
}

/// The page itself: the first of them.
pub fn page() -> &'static Asset {
    &ASSETS[0]
}

/// The file of a name below `/packhold/web/`.
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that all of them may have together.
    const MAX_BYTES: usize = 200_000;

    #[test]
    fn together_they_are_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(bytes < MAX_BYTES, "{bytes}");
        assert_eq!(page().kind, HTML);
    }

    /// What a page or script of ours refers to is there, and nothing is anybody else's.
    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(asset.bytes).expect("text");
            // The name of a vocabulary is no address.
            let text = text.replace("http://www.w3.org/", "");
            let of_styles = ["url(", "@import"].map(|word| (STYLE, word));
            let of_scripts = ["innerHTML", "eval(", "import("].map(|word| (SCRIPT, word));
            for (kind, far) in [of_styles.as_slice(), &of_scripts].concat() {
                let found = asset.kind == kind && text.contains(far);
                assert!(!found, "{}: {far}", asset.name);
            }
            for far in ["http://", "https://"] {
                assert!(!text.contains(far), "{}: {far}", asset.name);
            }
            let folder = asset.name.rsplit_once('/').map_or("", |(folder, _)| folder);
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let path = line.split('"').nth(1).expect("a path");
                let target = match (path.strip_prefix("./"), path.strip_prefix("../")) {
                    (Some(name), _) if folder.is_empty() => name.to_owned(),
                    (Some(name), _) => format!("{folder}/{name}"),
                    (_, Some(name)) => name.to_owned(),
                    _ => panic!("{}: {path}", asset.name),
                };
                assert!(find(&target).is_some(), "{}: {path}", asset.name);
            }
        }
    }
}
