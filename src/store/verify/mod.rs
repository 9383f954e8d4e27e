//! Checking everything, or a random part: every checksum and digest, the chain, index against pack both
//! ways, and the content of every file; as fast as can be, or no faster than was said.
//!
//! Nothing waits long for it: what reclaiming would disturb is done in slices, and contents are held
//! while they are read.

mod damage;
mod files;
mod heal;
mod log;
mod repair;
mod rows;
mod sample;
mod scrub;
mod throttle;

use std::sync::Arc;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::{Core, Store};
use crate::index::Rows;
pub(super) use damage::Damaged;
pub use heal::DamageReport;
pub use sample::{Sample, SampleSize};
use sample::{Selection, Urn};
pub use scrub::{Scrub, ScrubStats};
use throttle::Throttle;
pub use throttle::{Rate, Stop};

/// Lines of each kind in a report at most.
const MAX_LINES: usize = 1000;
/// Files that are named at most.
const MAX_FILES: usize = 100_000;
/// Digests of damaged chunks that are named at most.
const MAX_CHUNKS: usize = 1 << 16;

/// How to check.
#[derive(Clone)]
pub struct VerifyOptions {
    /// Record intact copies of damaged chunks.
    pub repair: bool,
    /// Only a random part of the records. Frames, commits and the chain are checked all the same, rows
    /// and files are not.
    pub sample: Option<Sample>,
    /// Bytes read in a second at most.
    pub rate: Option<Rate>,
    /// Asked now and then whether to give up.
    pub stop: Stop,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            repair: false,
            sample: None,
            rate: None,
            stop: Arc::new(|| false),
        }
    }
}

/// A file whose content cannot be read as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// Its project; empty for a software package.
    pub project: String,
    /// Its repository; `sys-package` for a software package.
    pub repo: String,
    /// Its path there.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// What a verification found. Field names are part of the interface (`verify --json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Whether nothing at all is wrong in what was checked.
    pub clean: bool,
    /// Records of the log of which frame, number and place in the chain were checked.
    pub records: u64,
    /// Chunks that were checked.
    pub chunks: u64,
    /// Contents that were read from front to back; none by a sample.
    pub blobs: u64,
    /// Files that were looked at; by a sample only if it found damage.
    pub files: u64,
    /// Software packages that were looked at.
    #[serde(default)]
    pub packages: u64,
    /// Bytes of the pack up to the last commit.
    pub pack_bytes: u64,
    /// Bytes of records that were read and checked, but for their frames.
    #[serde(default)]
    pub checked_bytes: u64,
    /// Bytes of all records, but for frames and for what was freed.
    #[serde(default)]
    pub of_bytes: u64,
    /// Of a sample, what draws the same one again.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Files that are damaged, a hundred thousand at most.
    pub damaged_files: Vec<DamagedFile>,
    /// Damaged files beyond those.
    #[serde(default)]
    pub unlisted_files: u64,
    /// Damaged places of the pack: offset and what is wrong.
    pub damages: Vec<String>,
    /// Differences between the index and the pack; `reindex` mends them.
    pub index_errors: Vec<String>,
    /// Damaged chunks.
    #[serde(default)]
    pub damaged_chunks: u64,
    /// Damaged chunks for which an intact copy is recorded, now or since earlier.
    pub repaired_chunks: u64,
    /// Chunks that were fetched from elsewhere; several damaged ones may be the same.
    #[serde(default)]
    pub fetched_chunks: u64,
    /// Damaged places that are no chunks: frames, tables, manifests, commits.
    #[serde(default)]
    pub damaged_places: u64,
    /// Damaged chunks without an intact copy beyond those that are remembered, of which none is fetched.
    #[serde(default)]
    pub unlisted_chunks: u64,
    /// sha256 of damaged chunks without an intact copy, in hex; 65,536 at most.
    #[serde(default)]
    pub lacking_chunks: Vec<String>,
}

/// What is looked at.
enum Target {
    All,
    Drawn(Selection),
}

struct Run<'s> {
    core: &'s Arc<Core>,
    target: Target,
    throttle: Throttle,
    end: u64,
    chunks_upto: u64,
    report: VerifyReport,
    /// Damaged places other than payloads; the survey and the look at each record find some of them both.
    log_damages: RoaringTreemap,
    /// Damaged payloads without a recorded copy.
    bad: Damaged,
    /// A survey has found where frames are missing.
    is_surveyed: bool,
    /// Chunks that no row leads to.
    unknown: Vec<log::Unknown>,
}

impl Store {
    /// Checks everything up to the last commit that readers see. With `repair`, records an intact
    /// copy for every damaged chunk that has one.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done; what is damaged is in the report.
    pub fn verify(&self, repair: bool) -> Result<VerifyReport, StoreError> {
        self.verify_with(&VerifyOptions {
            repair,
            ..VerifyOptions::default()
        })
    }

    /// Checks what the options say, up to the last commit that readers see.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when it was told to stop; [`StoreError`] when it could not be done.
    /// What is damaged is in the report.
    pub fn verify_with(&self, options: &VerifyOptions) -> Result<VerifyReport, StoreError> {
        let mut run = self.run(options)?;
        run.survey()?;
        if let Some(sample) = options.sample {
            let mut urn = Urn::new(sample.seed);
            run.fill(&mut urn)?;
            run.target = Target::Drawn(urn.draw(sample.size));
            run.report.seed = Some(sample.seed);
        }
        run.records()?;
        run.unknown_chunks()?;
        if options.sample.is_none() {
            run.chunk_rows()?;
            let reader = self.core.reader()?;
            let end = reader.checkpoint()?.map_or(0, |c| c.position.offset);
            run.rows(&reader, end)?;
        }
        self.settle_damage(&mut run, options.repair)?;
        let reasons = match options.sample {
            None => Some(run.contents()?),
            Some(_) if run.is_hit() => {
                let is_bad = |at| run.bad.has(at);
                Some(files::hit(&self.core, &*options.stop, is_bad)?)
            }
            Some(_) => None,
        };
        if let Some(reasons) = reasons {
            let files = files::Found::find(&self.core, &reasons)?;
            run.report.files = files.files;
            run.report.packages = files.packages;
            run.report.damaged_files = files.damaged;
            run.report.unlisted_files = files.unlisted;
        }
        Ok(run.finish())
    }

    fn run(&self, options: &VerifyOptions) -> Result<Run<'_>, StoreError> {
        if self.is_replaced() {
            // Whoever asks means the pack that has the name now.
            return Err(StoreError::Replaced);
        }
        let covered = self.core.reader()?.checkpoint()?;
        Ok(Run {
            core: &self.core,
            target: Target::All,
            throttle: Throttle::new(options.rate, Arc::clone(&options.stop)),
            end: covered.map_or(0, |c| c.position.offset),
            chunks_upto: covered.map_or(0, |c| c.chunks_upto),
            report: VerifyReport::default(),
            log_damages: RoaringTreemap::new(),
            bad: Damaged::default(),
            is_surveyed: true,
            unknown: Vec::new(),
        })
    }

    /// Repairs, if that is wanted, and remembers what stays damaged.
    fn settle_damage(&self, run: &mut Run<'_>, repair: bool) -> Result<(), StoreError> {
        if repair {
            for at in self.repair(&run.bad.all())? {
                run.bad.forget(at);
                run.report.repaired_chunks += 1;
            }
        }
        let bad = run.bad.all();
        let report = &run.report;
        let without = report.damaged_chunks.saturating_sub(report.repaired_chunks);
        run.report.unlisted_chunks = without.saturating_sub(bad.len() as u64);
        let mut known = self.core.damaged.lock();
        for (at, chunk) in &bad {
            known.note(*at, *chunk);
        }
        drop(known);
        run.report.lacking_chunks = heal::names(bad.iter().map(|(_, chunk)| &chunk.entry.sha256));
        Ok(())
    }
}

impl VerifyReport {
    /// Judges anew what is in the report.
    pub fn judge(&mut self) {
        self.clean = self.damaged_files.is_empty()
            && self.index_errors.is_empty()
            && self.damaged_places == 0
            && self.damaged_chunks == self.repaired_chunks;
    }
}

impl Run<'_> {
    /// Whether a file may be damaged.
    fn is_hit(&self) -> bool {
        !self.log_damages.is_empty() || !self.bad.is_empty()
    }

    fn finish(mut self) -> VerifyReport {
        self.report.damaged_places = self.log_damages.len();
        self.report.judge();
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_clean_when_nothing_at_all_is_wrong() {
        let mut clean = VerifyReport::default();
        clean.judge();
        assert!(clean.clean);
        clean.damaged_chunks = 2;
        clean.repaired_chunks = 2;
        clean.judge();
        assert!(clean.clean, "all was repaired");
        let wrong: [fn(&mut VerifyReport); 3] = [
            |report| report.index_errors.push("a row".to_owned()),
            |report| report.damaged_places = 1,
            |report| report.repaired_chunks = 1,
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let mut report = clean.clone();
            change(&mut report);
            report.judge();
            assert!(!report.clean, "{number}");
        }
    }
}
