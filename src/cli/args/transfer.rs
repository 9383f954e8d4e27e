//! What can be typed to send and fetch files.

use std::path::PathBuf;

use clap::Subcommand;

use super::{RemoteArgs, StoreArgs, bytes};
use crate::client::Place;

/// Blocks have at least so many bytes, so that requests cost little beside what they carry.
const MIN_BLOCK_BYTES: u64 = 64 << 10;
/// Each thread holds one in memory.
const MAX_BLOCK_BYTES: u64 = 1 << 30;

/// What all transfers have.
#[derive(Debug, clap::Args)]
pub struct TransferArgs {
    /// The server.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Transfers at once, 1 to 64.
    #[arg(short, long, env = "PACKHOLD_JOBS", value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// How often a lost connection and a server without time (429, 502 to 504) are tried again.
    #[arg(
        long,
        env = "PACKHOLD_RETRIES",
        value_name = "COUNT",
        default_value_t = 5
    )]
    pub retries: u32,
    /// Neither progress nor a summary; failures are told.
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// How files go in blocks.
#[derive(Debug, clap::Args)]
pub struct BlockArgs {
    /// Files with more bytes go in blocks of so many, 64K to 1G (K, M, G are powers of 1024); an
    /// upload that breaks off goes on with the next push of the same file.
    #[arg(long, env = "PACKHOLD_BLOCK_SIZE", value_name = "BYTES", default_value = "16M", value_parser = block_bytes)]
    pub block_size: u64,
}

fn block_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        bytes @ MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES => Ok(bytes),
        _ => Err("must be 64K to 1G".to_owned()),
    }
}

/// `packhold push`.
#[derive(Debug, clap::Args)]
pub struct Push {
    /// Files, and folders, of which all that is below them is sent. Symbolic links are passed over.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub sources: Vec<PathBuf>,
    /// Where to: `PROJECT/REPO/PATH`. A single file goes to this very path, unless it ends with /;
    /// all else goes below it, what is in a folder directly.
    pub place: Place,
    /// Replace files that are there with other content.
    #[arg(long)]
    pub overwrite: bool,
    #[command(flatten)]
    pub blocks: BlockArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold pull`.
#[derive(Debug, clap::Args)]
pub struct Pull {
    /// `PROJECT/REPO/PATH` of files, and of folders, of which all that is below them is fetched. The
    /// last one, of several, says where to: a folder here, or for a single file a file; without it
    /// all goes to the current folder.
    #[arg(required = true, value_name = "PLACE… [DEST]")]
    pub places: Vec<String>,
    /// Replace files that are there with other content.
    #[arg(long)]
    pub overwrite: bool,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Nothing for the projects, PROJECT for its repositories, or PROJECT/REPO/PATH.
    pub place: Option<String>,
    /// All files below it.
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold rm`.
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// PROJECT/REPO/PATH of what is to be deleted.
    #[arg(required = true)]
    pub places: Vec<Place>,
    /// Folders with all that is below them.
    #[arg(short, long)]
    pub recursive: bool,
    /// What is not there is no failure.
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold sync`.
#[derive(Debug, clap::Args)]
pub struct Sync {
    /// The folder here.
    pub dir: PathBuf,
    /// The folder at the server: `PROJECT/REPO/PATH`.
    pub place: Place,
    /// Make the folder here like the one at the server.
    #[arg(long)]
    pub down: bool,
    /// Delete files at the server that are not here.
    #[arg(long, conflicts_with = "down")]
    pub delete: bool,
    #[command(flatten)]
    pub blocks: BlockArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold package`.
#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Send RPMs, each of them once per file name.
    Push(PackagePush),
    /// List the packages.
    Ls(PackageLs),
    /// Delete packages.
    Rm(PackageRm),
}

/// `packhold package push`.
#[derive(Debug, clap::Args)]
pub struct PackagePush {
    /// The RPMs.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold package ls`.
#[derive(Debug, clap::Args)]
pub struct PackageLs {
    /// Part of the name or file name, in any case.
    pub keyword: Option<String>,
    /// Types, separated by commas.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Versions, separated by commas.
    #[arg(long = "package-version", value_name = "VERSION")]
    pub package_version: Option<String>,
    /// Operating systems, or what they begin with, separated by commas.
    #[arg(long)]
    pub os: Option<String>,
    /// Architectures, or what they begin with, separated by commas.
    #[arg(long)]
    pub arch: Option<String>,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold package rm`.
#[derive(Debug, clap::Args)]
pub struct PackageRm {
    /// Ids or file names.
    #[arg(required = true, value_name = "ID|FILE_NAME")]
    pub packages: Vec<String>,
    /// What is not there is no failure.
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `packhold import`.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The folder; all files below it are taken in.
    pub dir: PathBuf,
    /// Where to: `PROJECT/REPO/PATH`; made if it is not there.
    pub place: Place,
    #[command(flatten)]
    pub local: LocalArgs,
}

/// `packhold export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// What: `PROJECT/REPO/PATH` of a folder.
    pub place: Place,
    /// The folder, made if it is not there.
    pub dir: PathBuf,
    #[command(flatten)]
    pub local: LocalArgs,
}

/// What import and export have.
#[derive(Debug, clap::Args)]
pub struct LocalArgs {
    /// The store, closed.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Replace files that are there with other content.
    #[arg(long)]
    pub overwrite: bool,
    /// Files at once, 1 to 64; those that are taken in at once share a sync.
    #[arg(short, long, env = "PACKHOLD_JOBS", value_name = "COUNT", default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Neither progress nor a summary; failures are told.
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
