//! `packhold push`, `pull`, `ls`, `rm`, `sync`, `package`, `import`, `export`: files to and from a
//! server, or a closed store.
//!
//! One failure does not stop the others: exit status 4 says that some of several failed. Only when
//! the server cannot be asked any more, or does not know who asks, it is given up.

mod list;
mod local;
mod package;
mod pull;
mod push;
mod remove;
mod sync;
mod watch;

pub use list::run as ls;
pub use local::{export, import};
pub use package::run as package;
pub use pull::run as pull;
pub use push::run as push;
pub use remove::run as rm;
pub use sync::run as sync;

use std::path::PathBuf;

use self::watch::Telling;
use super::CliError;
use super::args::TransferArgs;
use super::remote::connect;
use crate::client::{Patience, Persistence, Server, Sessions};

/// Milliseconds are of no use to people.
const TIME_CHARS: usize = "2026-01-31T12:00:00".len();

impl TransferArgs {
    /// The server.
    fn connect(&self) -> Result<Server, CliError> {
        let url = self.remote.server.as_deref();
        let url = url.ok_or_else(|| {
            let why = "which server? --server URL, or the variable PACKHOLD_SERVER";
            CliError::Usage(why.to_owned())
        })?;
        connect(&self.remote, url, Patience::Transfer)
    }

    fn persistence(&self) -> Persistence {
        Persistence {
            retries: self.retries,
        }
    }

    fn telling(&self) -> Telling {
        Telling::of(self.quiet, self.json)
    }

    fn threads(&self) -> usize {
        usize::from(self.jobs)
    }
}

/// Where unfinished uploads are noted: `$XDG_STATE_HOME/packhold/uploads`, by default below
/// `~/.local/state`.
fn sessions() -> Sessions {
    let given = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = given
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    Sessions::at(state.map(|state| state.join("packhold/uploads")))
}
