//! The chunk store: pack + index, the only place where they meet.
//!
//! **Order of a write** (`// ORDER:` comments mark it in the code): append segments and leaves →
//! append the commit → sync → commit the index transaction → acknowledge.
//!
//! **Locks**, in the order in which they may be taken: `Core::upkeep` → `Core::transfers` →
//! `Core::segments` → `Core::index` → the pack's log → the syncer's state. `Core::recent`, `Core::checked`,
//! `Core::damaged`, `Core::scrub`, `Core::barrier` and those of guards, holds and the committer's queue are
//! leaves: nothing is locked while one of them is held. None is held across I/O, but `upkeep` by who reclaims, compacts
//! or verifies, `transfers` by who punches, `segments` and the log for their own append, and `index`,
//! for reading, by the committer through its transaction, its sync and the hold of a compaction
//! included: only the committer itself ever takes it for writing, to replace a failed index.

mod blobs;
mod budget;
mod change;
mod chunker;
mod chunks;
mod commit;
mod compact;
mod copies;
mod core;
mod digests;
mod error;
mod failure;
mod forecast;
mod gc;
mod generation;
mod ingest;
mod leaves;
mod line;
mod manifests;
mod open;
mod queue;
mod replay;
mod segments;
mod stats;
mod verify;
mod vitals;

pub use blobs::BlobReader;
pub use budget::{Budget, Grant};
pub use change::{Ids, Outcome};
pub use chunker::Chunker;
pub use compact::CompactReport;
pub use copies::{Copy, CopyEnd, Stretch};
pub use core::Store;
pub use error::StoreError;
pub use forecast::{Bin, Forecast, ForecastReport, ReleaseForecast, SettingForecast, Shares};
pub use gc::{ChunkUse, ContentUse, Explained, GcAt, GcOptions, GcReport, Pins, WouldFree};
pub use generation::Generation;
pub use ingest::{Ingest, Ingested, IngestedBlock};
pub use leaves::Join;
pub use open::{Access, AsOf, Clock, OpenReport, Options, Progress, index_path};
pub use stats::Stats;
pub use verify::{
    DamageReport, DamagedFile, Rate, Sample, SampleSize, Scrub, ScrubStats, Stop, VerifyOptions,
    VerifyReport,
};
pub use vitals::Vitals;
