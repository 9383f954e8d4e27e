//! What can be typed.

use std::path::PathBuf;

/// `packhold dedup`.
#[derive(Debug, clap::Args)]
pub struct Dedup {
    /// Files and folders, each a release, in the order in which they would be stored; of a single folder each
    /// file or folder in it is a release, in the order of their names and the numbers in them.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// How much of it this store, closed, has not yet.
    #[arg(long, value_name = "PACK")]
    pub store: Option<PathBuf>,
    /// Write a page with plots there, too.
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
