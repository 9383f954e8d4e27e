//! What is no software package, or not this one.

use thiserror::Error;

/// Why a software package is refused, or not found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackageError {
    /// The uploaded file is not called `*.rpm`.
    #[error("The file suffix check failed. The suffix is {0}, but must be rpm.")]
    Suffix(String),
    /// The file does not begin as an RPM does.
    #[error("The true file type verification failed. The file is no rpm by its first bytes.")]
    Magic,
    /// The lead, signature or header cannot be read, or the file ends early.
    #[error("Failed to parse the software package information: {0}.")]
    Unreadable(String),
    /// A source package.
    #[error("The type source of the software package is not supported. Specify a binary package.")]
    Source,
    /// The uploaded name, or a field of the header, has characters that it cannot have.
    #[error("Software package name {0} is invalid.")]
    Name(String),
    /// There is a package with this file name.
    #[error("Software package \"{0}\" already exists.")]
    Exists(String),
    /// No package has this id.
    #[error("Software package {0} does not exist.")]
    NoPackage(u64),
    /// No package has this file name.
    #[error("The sys-package:{0} file does not exist.")]
    NoFile(String),
}

/// How many characters of a name an error quotes. Fields and good file names are quoted whole.
const QUOTED_CHARS: usize = 255;

impl PackageError {
    /// A bad name, quoted.
    pub(super) fn name(name: &str) -> Self {
        Self::Name(quoted(name))
    }

    /// A bad suffix, quoted.
    pub(super) fn suffix(suffix: &str) -> Self {
        Self::Suffix(quoted(suffix))
    }
}

/// Its first characters, as one line.
fn quoted(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let begin = text.chars().take(QUOTED_CHARS).map(printable);
    let more = text.chars().nth(QUOTED_CHARS).map(|_| '…');
    begin.chain(more).collect()
}
