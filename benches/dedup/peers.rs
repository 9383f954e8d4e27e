//! Programs that people use instead, started as people start them: once to make the repository, then once for
//! every release. Their durability is what they do by default.

use std::path::Path;
use std::process::Command;

/// Another program, in one of its modes.
pub struct Peer {
    pub name: &'static str,
    /// It compresses what it stores.
    pub compresses: bool,
    /// What makes the repository, if something must.
    init: &'static [&'static str],
    /// What stores a file. `{repo}`, `{file}`, `{name}`, `{out}` are put in.
    store: &'static [&'static str],
    /// What gives a file again: to its standard output, or to `{out}`.
    restore: &'static [&'static str],
}

const BORG_NONE: &[&str] = &[
    "borg",
    "create",
    "--compression",
    "none",
    "{repo}::{name}",
    "{file}",
];
const BORG_RESTORE: &[&str] = &[
    "borg",
    "extract",
    "--stdout",
    "{repo}::{name}",
    "{relative}",
];
const RESTIC_RESTORE: &[&str] = &["restic", "-r", "{repo}", "dump", "latest", "{file}"];
const RUSTIC_RESTORE: &[&str] = &["rustic", "-r", "{repo}", "dump", "latest:{file}"];

/// All of them. casync cannot but compress; what its chunks would take else is computed (`casync.rs`).
pub const PEERS: [Peer; 7] = [
    Peer {
        name: "restic, no compression",
        compresses: false,
        init: &["restic", "-r", "{repo}", "init"],
        store: &[
            "restic",
            "-r",
            "{repo}",
            "backup",
            "--compression",
            "off",
            "{file}",
        ],
        restore: RESTIC_RESTORE,
    },
    Peer {
        name: "restic",
        compresses: true,
        init: &["restic", "-r", "{repo}", "init"],
        store: &["restic", "-r", "{repo}", "backup", "{file}"],
        restore: RESTIC_RESTORE,
    },
    Peer {
        name: "borg, no compression, no encryption",
        compresses: false,
        init: &["borg", "init", "-e", "none", "{repo}"],
        store: BORG_NONE,
        restore: BORG_RESTORE,
    },
    Peer {
        name: "borg",
        compresses: true,
        init: &["borg", "init", "-e", "repokey", "{repo}"],
        store: &["borg", "create", "{repo}::{name}", "{file}"],
        restore: BORG_RESTORE,
    },
    Peer {
        name: "casync",
        compresses: true,
        init: &[],
        store: &[
            "casync",
            "make",
            "--store={repo}/store.castr",
            "{repo}/{name}.caibx",
            "{file}",
        ],
        restore: &[
            "casync",
            "extract",
            "--store={repo}/store.castr",
            "{repo}/{name}.caibx",
            "{out}",
        ],
    },
    Peer {
        name: "rustic, no compression",
        compresses: false,
        init: &["rustic", "-r", "{repo}", "init", "--set-compression", "0"],
        store: &["rustic", "-r", "{repo}", "backup", "{file}"],
        restore: RUSTIC_RESTORE,
    },
    Peer {
        name: "rustic",
        compresses: true,
        init: &["rustic", "-r", "{repo}", "init"],
        store: &["rustic", "-r", "{repo}", "backup", "{file}"],
        restore: RUSTIC_RESTORE,
    },
];

/// Where a program works.
pub struct Work<'a> {
    pub repo: &'a Path,
    /// Its home, with its caches.
    pub home: &'a Path,
}

impl Peer {
    pub fn init(&self, work: &Work<'_>) -> Option<Command> {
        let none = Path::new("");
        (!self.init.is_empty()).then(|| command(self.init, work, none, "", none))
    }

    pub fn store(&self, work: &Work<'_>, file: &Path, name: &str) -> Command {
        command(self.store, work, file, name, Path::new(""))
    }

    pub fn restore(&self, work: &Work<'_>, file: &Path, name: &str, out: &Path) -> Command {
        command(self.restore, work, file, name, out)
    }
}

fn command(words: &[&str], work: &Work<'_>, file: &Path, name: &str, out: &Path) -> Command {
    let file = file.to_string_lossy();
    let mut words = words.iter().map(|word| {
        word.replace("{repo}", &work.repo.to_string_lossy())
            .replace("{relative}", file.trim_start_matches('/'))
            .replace("{file}", &file)
            .replace("{name}", name)
            .replace("{out}", &out.to_string_lossy())
    });
    let program = words.next().unwrap_or_default();
    // What `benches/peers` built itself.
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/peers/bin")
        .join(&program);
    let mut command = match built.exists() {
        true => Command::new(built),
        false => Command::new(program),
    };
    command
        .args(words)
        .env("HOME", work.home)
        .env("XDG_CACHE_HOME", work.home.join("cache"))
        .env("XDG_CONFIG_HOME", work.home.join("config"))
        .env("RESTIC_PASSWORD", "bench")
        .env("RUSTIC_PASSWORD", "bench")
        .env("BORG_PASSPHRASE", "bench")
        .env("BORG_BASE_DIR", work.home)
        .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
    command
}
