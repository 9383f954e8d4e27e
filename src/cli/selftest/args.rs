//! What can be typed.

use std::path::PathBuf;

/// `packhold selftest`.
#[derive(Debug, clap::Args)]
pub struct Selftest {
    /// Processes to kill while they write.
    #[arg(
        long,
        value_name = "N",
        env = "PACKHOLD_SELFTEST_CRASH",
        default_value_t = 20
    )]
    pub crash: u64,
    /// Folder on the disk to be tried; a folder is made in it, and deleted if nothing was lost.
    #[arg(long, env = "PACKHOLD_SELFTEST_DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Repeats the work of an earlier run [default: random].
    #[arg(long, env = "PACKHOLD_SELFTEST_SEED")]
    pub seed: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Be the process that is killed, on this store.
    #[arg(long, hide = true)]
    pub child: Option<PathBuf>,
    /// The first number of its work.
    #[arg(long, hide = true, default_value_t = 0)]
    pub from: u64,
}
