//! Where a node lies in its repository, and which names projects and repositories may bear.
//!
//! A [`NodePath`] is always normal: there is one value for every place in a tree, however a client
//! wrote it. Source: the generic contract, "Common" (paths, names), and observed §0.1. Traversal is
//! normalised, not refused: `..` at the root stays at the root.
//!
//! Invariant: no segment is empty, `.`, `..`, holds a `/`, a `\` or a NUL, begins or ends with
//! whitespace, or is longer than [`MAX_SEGMENT_CHARS`]; there are at most [`MAX_SEGMENTS`]. Hence
//! parsing what a path displays gives the same path again.

use std::fmt;

/// The most segments a path may have, once normal.
pub const MAX_SEGMENTS: usize = 64;

/// The most characters (Unicode scalar values) of one segment.
pub const MAX_SEGMENT_CHARS: usize = 1024;

/// The most bytes of a project's or repository's name (all ASCII).
pub const MAX_NAME_BYTES: usize = 100;

/// Names that no project may bear, because they would be shadowed by the service's own addresses.
/// Case counts.
pub const RESERVED_PROJECTS: [&str; 9] = [
    "batch",
    "block",
    "separate",
    "temporary",
    "delta",
    "detail",
    "compressed",
    "allow",
    "publicKey",
];

/// How many characters of an over-long segment an error quotes.
const QUOTED_CHARS: usize = 32;

/// Why a text is not the path of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// More than [`MAX_SEGMENTS`] segments remain after normalisation.
    #[error("path has {segments} segments, at most {MAX_SEGMENTS} are possible")]
    TooDeep {
        /// How many there are.
        segments: usize,
    },
    /// A segment has more than [`MAX_SEGMENT_CHARS`] characters.
    #[error("segment `{begins}…` has {chars} characters, at most {MAX_SEGMENT_CHARS} are possible")]
    SegmentTooLong {
        /// The first characters of the segment.
        begins: String,
        /// How many characters it has.
        chars: usize,
    },
    /// The text holds a NUL character.
    #[error("path has a NUL character at byte {offset_bytes}")]
    Nul {
        /// Where the first one is, in bytes of the text as it was given.
        offset_bytes: usize,
    },
}

/// The place of a file or folder in its repository, from the root down. The root has no segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePath {
    segments: Vec<String>,
}

impl NodePath {
    /// Reads a path that is already decoded, in whichever way it is written.
    ///
    /// `\` separates as `/` does; segments are trimmed of whitespace; empty ones and `.` are dropped,
    /// and `..` takes back the one before it, if any. Limits apply to what is left.
    ///
    /// # Errors
    /// [`PathError`], when the normal path is over a limit, or when there is a NUL anywhere.
    pub fn parse(decoded: &str) -> Result<Self, PathError> {
        if let Some(offset_bytes) = decoded.find('\0') {
            return Err(PathError::Nul { offset_bytes });
        }
        let mut segments = Vec::new();
        for segment in decoded.split(['/', '\\']).map(str::trim) {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push(name),
            }
        }
        Self::within_limits(&segments)
    }

    fn within_limits(segments: &[&str]) -> Result<Self, PathError> {
        if segments.len() > MAX_SEGMENTS {
            return Err(PathError::TooDeep {
                segments: segments.len(),
            });
        }
        for segment in segments {
            let chars = segment.chars().count();
            if chars > MAX_SEGMENT_CHARS {
                let begins = segment.chars().take(QUOTED_CHARS).collect();
                return Err(PathError::SegmentTooLong { begins, chars });
            }
        }
        let segments = segments.iter().copied().map(str::to_owned).collect();
        Ok(Self { segments })
    }

    /// Whether this is the repository's own root folder.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }

    /// The names from the root down to the node itself; none for the root.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The node's own name; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.segments.last().map(String::as_str)
    }

    /// The folder that holds the node; the root lies in none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, folders) = self.segments.split_last()?;
        Some(Self {
            segments: folders.to_vec(),
        })
    }

    /// The folder that holds the node, as nodes are described in seed 003 (`path`): `/` or `/a/b/`.
    /// For the root, which lies in no folder, it is `/` as well.
    #[must_use]
    pub fn parent_display(&self) -> String {
        let folders = self
            .segments
            .split_last()
            .map_or(&[][..], |(_, folders)| folders);
        let mut text = String::from("/");
        for folder in folders {
            text.push_str(folder);
            text.push('/');
        }
        text
    }
}

/// The full path (`fullPath` in seed 003): `/a/b`, or `/` for the root.
impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.segments
            .iter()
            .try_for_each(|segment| write!(f, "/{segment}"))
    }
}

/// Whether a project or repository may bear `name`: `[A-Za-z0-9_][A-Za-z0-9._-]{0,99}`.
///
/// Projects must also not be [reserved](reserved_project).
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let starts_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(starts_a_name)
        && name.len() <= MAX_NAME_BYTES
        && name
            .bytes()
            .all(|byte| starts_a_name(byte) || byte == b'.' || byte == b'-')
}

/// Whether `name` is one of [`RESERVED_PROJECTS`].
#[must_use]
pub fn reserved_project(name: &str) -> bool {
    RESERVED_PROJECTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::{
        MAX_SEGMENT_CHARS, MAX_SEGMENTS, NodePath, PathError, RESERVED_PROJECTS, reserved_project,
        valid_name,
    };
    use proptest::prelude::*;

    fn parse(text: &str) -> NodePath {
        NodePath::parse(text).expect("a path")
    }

    #[test]
    fn paths_are_normalised() {
        for (text, normal) in [
            ("", "/"),
            ("/", "/"),
            ("///", "/"),
            (" ", "/"),
            ("a", "/a"),
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b"),
            ("a\\b\\\\c", "/a/b/c"),
            (" a / b c /\td\n", "/a/b c/d"),
            ("/a/./b/.", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/../..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("a/ .. /b", "/b"),
            ("a/ . /b", "/a/b"),
            ("..\\..\\x", "/x"),
            ("/a/.../.b/b.", "/a/.../.b/b."),
            ("/a/. ./b", "/a/. ./b"),
            ("/\u{3000}目录\u{a0}/文件 1.txt", "/目录/文件 1.txt"),
            ("/a%2Fb", "/a%2Fb"),
        ] {
            assert_eq!(parse(text).to_string(), normal, "{text:?}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        let path = parse("/a/b/c.txt");
        assert_eq!(path.segments(), ["a", "b", "c.txt"]);
        assert_eq!(path.name(), Some("c.txt"));
        assert_eq!(path.parent(), Some(parse("/a/b")));
        assert_eq!(path.parent_display(), "/a/b/");
        assert!(!path.is_root());
    }

    #[test]
    fn parts_of_a_path_at_the_top() {
        let path = parse("/test.json");
        assert_eq!(path.name(), Some("test.json"));
        assert_eq!(path.parent(), Some(NodePath::default()));
        assert_eq!(path.parent_display(), "/");
    }

    #[test]
    fn the_root_has_no_parts() {
        let root = parse("/a/..");
        assert_eq!(root, NodePath::default());
        assert!(root.is_root());
        assert!(root.segments().is_empty());
        assert_eq!(root.name(), None);
        assert_eq!(root.parent(), None);
        assert_eq!(root.parent_display(), "/");
    }

    #[test]
    fn depth_is_limited_after_normalisation() {
        let deepest = "/a".repeat(MAX_SEGMENTS);
        assert_eq!(parse(&deepest).segments().len(), MAX_SEGMENTS);
        let segments = MAX_SEGMENTS + 1;
        let error = NodePath::parse(&format!("{deepest}/b"));
        assert_eq!(error, Err(PathError::TooDeep { segments }));
        assert_eq!(parse(&format!("{deepest}/b/..")).to_string(), deepest);
        assert_eq!(parse(&"/./x/..".repeat(1000)).to_string(), "/");
    }

    #[test]
    fn segments_are_limited_in_characters() {
        let longest = "文".repeat(MAX_SEGMENT_CHARS);
        assert_eq!(
            parse(&format!("/a/ {longest} /b")).segments().get(1),
            Some(&longest)
        );
        let error = NodePath::parse(&format!("/a/{longest}x/b"));
        let begins = "文".repeat(super::QUOTED_CHARS);
        let chars = MAX_SEGMENT_CHARS + 1;
        assert_eq!(error, Err(PathError::SegmentTooLong { begins, chars }));
    }

    #[test]
    fn nul_is_refused_wherever_it_is() {
        for (text, offset_bytes) in [("\0", 0), ("/é\0/b", 3), ("/a\0/..", 2)] {
            assert_eq!(
                NodePath::parse(text),
                Err(PathError::Nul { offset_bytes }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn errors_name_what_is_at_fault() {
        let error = NodePath::parse(&"x".repeat(2000)).expect_err("too long");
        let text = error.to_string();
        assert!(
            text.contains("`xxxx") && text.contains("2000") && text.contains("1024"),
            "{text}"
        );
        let text = PathError::TooDeep { segments: 70 }.to_string();
        assert!(text.contains("70") && text.contains("64"), "{text}");
        assert!(
            PathError::Nul { offset_bytes: 7 }
                .to_string()
                .contains("byte 7")
        );
    }

    #[test]
    fn names_of_projects_and_repositories() {
        let longest = "x".repeat(100);
        for name in [
            "a",
            "0",
            "_",
            "test",
            "generic-local",
            "A.b_c-9",
            "a..",
            "_-.",
            &longest,
        ] {
            assert!(valid_name(name), "{name}");
        }
        let too_long = "x".repeat(101);
        for name in [
            "", ".", "..", "-a", ".a", "a b", "a/b", "a%", "é", "aé", "a\0", " a", "a\n", &too_long,
        ] {
            assert!(!valid_name(name), "{name:?}");
        }
    }

    #[test]
    fn reserved_names() {
        assert!(RESERVED_PROJECTS.into_iter().all(reserved_project));
        assert!(RESERVED_PROJECTS.into_iter().all(valid_name));
        for name in ["Batch", "publickey", "block1", "test", ""] {
            assert!(!reserved_project(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_path_is_normal_and_parses_to_itself(text in r"([ab. \\/文\t\x00]|\.\./){0,80}") {
            let Ok(path) = NodePath::parse(&text) else {
                return Ok(());
            };
            prop_assert_eq!(&parse(&path.to_string()), &path);
            for segment in path.segments() {
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
                prop_assert!(!segment.contains(['/', '\\', '\0']) && segment.trim() == segment);
            }
        }

        #[test]
        fn folder_and_name_make_up_the_path(text: String) {
            let Ok(path) = NodePath::parse(&text) else {
                return Ok(());
            };
            let joined = format!("{}{}", path.parent_display(), path.name().unwrap_or_default());
            prop_assert_eq!(joined, path.to_string());
        }
    }
}
