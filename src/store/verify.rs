//! Checking everything: every checksum and digest, the chain, index against pack both ways, and
//! the content of every file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::blobs::BlobReader;
use super::chunks::is_freed;
use super::core::{Core, Store};
use crate::digest::{Hasher, Wanted, sha256};
use crate::format::Sha256;
use crate::format::meta::{Blob, Mutation, NodeId, NodeKind, Relocated};
use crate::format::record::{Frame, Kind};
use crate::format::scan::{self, Damage, Position, Prefix, Record};
use crate::format::segment::Entry;
use crate::index::{self, Index, Rank, Reader, Rows, prefix};

/// Lines of each kind in a report at most.
const MAX_LINES: usize = 1000;
/// Chunks without a row that are looked into at most.
const MAX_UNKNOWN: usize = 1 << 16;

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
    /// Whether nothing at all is wrong.
    pub clean: bool,
    /// Records of the log that were checked.
    pub records: u64,
    /// Chunks that were checked.
    pub chunks: u64,
    /// Contents that were read from front to back.
    pub blobs: u64,
    /// Files that were looked at.
    pub files: u64,
    /// Software packages that were looked at.
    #[serde(default)]
    pub packages: u64,
    /// Bytes of the pack that were checked.
    pub pack_bytes: u64,
    /// Files that are damaged.
    pub damaged_files: Vec<DamagedFile>,
    /// Damaged places of the pack: offset and what is wrong.
    pub damages: Vec<String>,
    /// Differences between the index and the pack; `reindex` mends them.
    pub index_errors: Vec<String>,
    /// Damaged chunks for which an intact copy is recorded, now or since earlier.
    pub repaired_chunks: u64,
}

struct Run<'s> {
    core: &'s Arc<Core>,
    reader: Reader,
    end: u64,
    chunks_upto: u64,
    report: VerifyReport,
    /// Damaged places other than payloads.
    log_damages: u64,
    /// Damaged payloads without a recorded copy: pack offset → digest of the chunk.
    bad: HashMap<u64, Sha256>,
    /// All damaged payloads.
    bad_offsets: RoaringTreemap,
    /// Chunks that no row leads to: prefix, and where the entry and the payload lie.
    unknown: Vec<(index::Prefix, u64, u64)>,
}

impl Store {
    /// Checks everything up to the last commit that readers see. With `repair`, records an intact
    /// copy for every damaged chunk that has one.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done; what is damaged is in the report.
    pub fn verify(&self, repair: bool) -> Result<VerifyReport, StoreError> {
        // What is freed meanwhile would look damaged.
        let _upkeep = self.core.upkeep.lock();
        if self.is_replaced() {
            // What it would make beside the index is the new store's.
            return Err(StoreError::Replaced);
        }
        let reader = self.core.reader()?;
        let covered = reader.checkpoint()?;
        let end = covered.map_or(0, |c| c.position.offset);
        let mut run = Run {
            core: &self.core,
            reader,
            end,
            chunks_upto: covered.map_or(0, |c| c.chunks_upto),
            report: VerifyReport::default(),
            log_damages: 0,
            bad: HashMap::new(),
            bad_offsets: RoaringTreemap::new(),
            unknown: Vec::new(),
        };
        run.log()?;
        run.unknown_chunks()?;
        run.chunk_rows()?;
        run.rows()?;
        if repair && !run.bad.is_empty() {
            let relocated = run.copies()?;
            run.report.repaired_chunks += relocated.len() as u64;
            self.record(relocated)?;
            run.reader = self.core.reader()?;
        }
        run.files()?;
        let mut report = run.report;
        report.damages.truncate(MAX_LINES);
        report.clean = report.damaged_files.is_empty()
            && report.index_errors.is_empty()
            && run.log_damages == 0
            && run.bad_offsets.len() == report.repaired_chunks;
        Ok(report)
    }

    fn record(&self, relocated: Vec<Relocated>) -> Result<(), StoreError> {
        let mutations: Vec<Mutation> = relocated.into_iter().map(Mutation::Relocated).collect();
        let outcome = self.commit::<(), StoreError>(move |_, _| Ok((mutations.clone(), ())));
        outcome?
    }
}

impl Run<'_> {
    fn view(&self) -> Prefix<'_, dyn crate::pack::Source + '_> {
        Prefix {
            view: self.core.pack.view(),
            len: self.end,
        }
    }

    fn progress(&self, what: &'static str, at: u64, of: u64) {
        (self.core.options.progress)(what, at, of);
    }

    fn damaged(&mut self, damage: &Damage) {
        let line = format!("at offset {}: {}", damage.offset, damage.reason);
        if self.report.damages.len() < MAX_LINES && !self.report.damages.contains(&line) {
            self.report.damages.push(line);
        }
    }

    fn damaged_log(&mut self, damage: &Damage) {
        self.log_damages += 1;
        self.damaged(damage);
    }

    /// The log: frames, chain, digests, payloads.
    fn log(&mut self) -> Result<(), StoreError> {
        let header = self.core.pack.header().clone();
        let start = Position::start(&header.encode());
        let survey = scan::survey(&self.view(), &header.pack_id, start, |_| {})?;
        self.report.records = survey.records;
        self.report.pack_bytes = self.end;
        for damage in survey.corrupt.iter().chain(&survey.torn) {
            self.damaged_log(damage);
        }
        let mut frames = Vec::new();
        scan::each_frame::<_, StoreError>(
            &self.view(),
            &header.pack_id,
            start.offset,
            self.end,
            |frame| {
                frames.push(frame.offset);
                Ok(())
            },
        )?;
        for offset in frames {
            self.record(offset)?;
            self.progress("checking the pack", offset, self.end);
        }
        Ok(())
    }

    /// One record.
    fn record(&mut self, offset: u64) -> Result<(), StoreError> {
        let pack_id = &self.core.pack.header().pack_id;
        let mut found = Vec::new();
        let mut error = None;
        let freed = self.reader.freed(offset)?;
        let mut visit = |frame: &Frame| -> Result<(), StoreError> {
            if freed.is_some() && frame.kind != Kind::Segment {
                return Ok(());
            }
            let is_freed = |place| freed.as_ref().is_some_and(|freed| freed.has(place));
            let check = |at, own, entry: &Entry, bytes: &bytes::Bytes, fits| {
                found.push((at, own, *entry, fits && sha256(bytes) == entry.sha256));
            };
            let checked = scan::check_record_but(&self.view(), frame, is_freed, check)?;
            error = checked.err();
            Ok(())
        };
        scan::each_frame(&self.view(), pack_id, offset, offset + 1, &mut visit)?;
        let bad_payload = found.iter().any(|(_, _, _, good)| !good);
        for (at, own, entry, good) in found {
            self.chunk(at, own, &entry, good)?;
        }
        if let Some(error) = error
            && !bad_payload
        {
            let reason = error.to_string();
            self.damaged_log(&Damage { offset, reason });
        }
        Ok(())
    }

    /// One chunk of a segment, and that the index knows it.
    fn chunk(&mut self, at: u64, own: u64, entry: &Entry, good: bool) -> Result<(), StoreError> {
        self.report.chunks += 1;
        if !good {
            self.bad_offsets.insert(at);
            if self
                .core
                .relocated(&self.reader, &entry.piece(at))?
                .is_some()
            {
                self.report.repaired_chunks += 1;
            } else {
                self.bad.insert(at, entry.sha256);
            }
            let reason = "a chunk fails its checksum".to_owned();
            self.damaged(&Damage { offset: at, reason });
        }
        let key = prefix(&entry.sha256);
        let recent = || self.core.recent.read().get(&key);
        let known = match self.reader.chunk(&key)? {
            Some(row) => Some(row),
            None if own >= self.chunks_upto => recent(),
            None => None,
        };
        let is_unknown = known.is_none_or(|row| row > own) && own < self.chunks_upto;
        if is_unknown && self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push((key, own, at));
        }
        Ok(())
    }

    /// Chunks that no row leads to, but for those whose row led to a lower copy until that was freed.
    fn unknown_chunks(&mut self) -> Result<(), StoreError> {
        let mut unknown = std::mem::take(&mut self.unknown);
        if unknown.is_empty() {
            return Ok(());
        }
        let mut hidden: HashMap<index::Prefix, u64> = HashMap::new();
        let wanted: HashSet<index::Prefix> = unknown.iter().map(|(key, ..)| *key).collect();
        self.reader.each_freed::<StoreError>(|freed| {
            for (key, own) in self.core.freed_entries(&freed) {
                if wanted.contains(&key) {
                    let lowest = hidden.entry(key).or_insert(own);
                    *lowest = own.min(*lowest);
                }
            }
            Ok(())
        })?;
        unknown.retain(|(key, own, _)| hidden.get(key).is_none_or(|lowest| lowest > own));
        for (_, _, at) in unknown {
            self.index_error(format!("the chunk at offset {at} is not in the index"));
        }
        Ok(())
    }

    fn index_error(&mut self, line: String) {
        if self.report.index_errors.len() < MAX_LINES {
            self.report.index_errors.push(line);
        }
    }

    /// Every chunk row leads to such a chunk.
    fn chunk_rows(&mut self) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        self.reader.each_chunk::<StoreError>(|key, own| {
            let there = self.core.locate(own);
            match there.filter(|(_, entry)| prefix(&entry.sha256) == key) {
                None => lines.push(format!("the chunk row {} leads nowhere", hex::encode(key))),
                Some((_, entry)) if is_freed(&self.reader, own, &entry)? => {
                    let key = hex::encode(key);
                    lines.push(format!(
                        "the chunk row {key} leads to a chunk that was freed"
                    ));
                }
                Some(_) => {}
            }
            Ok(())
        })?;
        lines.into_iter().for_each(|line| self.index_error(line));
        Ok(())
    }

    /// All other rows are those that replaying the pack gives.
    fn rows(&mut self) -> Result<(), StoreError> {
        let place = self.core.place.beside();
        let cache = self.core.options.index_cache_bytes / 4;
        let fresh = Index::fresh(&place, cache)?;
        let replayed = self.replay_into(&fresh);
        let lines =
            replayed.and_then(|()| Ok(self.reader.differences(&fresh.reader()?, MAX_LINES)?));
        drop(fresh);
        place.remove()?;
        lines?.into_iter().for_each(|line| self.index_error(line));
        Ok(())
    }

    fn replay_into(&self, fresh: &Index) -> Result<(), StoreError> {
        let header = self.core.pack.header();
        let start = Position::start(&header.encode()).offset;
        let mut waiting = Vec::new();
        scan::replay::<_, StoreError>(&self.view(), &header.pack_id, start, self.end, |record| {
            if let Record::Commit(_, _, mutations) = record {
                waiting.extend(mutations);
                if waiting.len() > 10_000 {
                    write(fresh, &mut waiting)?;
                }
            }
            Ok(())
        })?;
        write(fresh, &mut waiting)
    }

    /// Intact copies of damaged chunks, elsewhere in the pack.
    fn copies(&self) -> Result<Vec<Relocated>, StoreError> {
        let wanted: HashSet<Sha256> = self.bad.values().copied().collect();
        let mut good: HashMap<Sha256, (u64, Entry)> = HashMap::new();
        let header = self.core.pack.header();
        let start = Position::start(&header.encode()).offset;
        scan::replay::<_, StoreError>(&self.view(), &header.pack_id, start, self.end, |record| {
            if let Record::Segment(frame, entries) = record {
                let freed = self.reader.freed(frame.offset)?.unwrap_or_default();
                for (at, _, entry) in crate::format::segment::layout(&frame, entries) {
                    let is_good =
                        !self.bad_offsets.contains(at) && !freed.has(usize::from(entry.index));
                    if wanted.contains(&entry.sha256) && is_good {
                        good.insert(entry.sha256, (at, entry));
                    }
                }
            }
            Ok(())
        })?;
        let relocate = |(from, digest): (&u64, &Sha256)| {
            good.get(digest).map(|(to, entry)| Relocated {
                from: *from,
                to: *to,
                stored_len: entry.stored_len,
                crc32: entry.crc32,
                codec: entry.codec,
            })
        };
        Ok(self.bad.iter().filter_map(relocate).collect())
    }

    /// Reads every content from front to back, and names the files of those that are damaged.
    fn files(&mut self) -> Result<(), StoreError> {
        let mut damaged: HashMap<Sha256, String> = HashMap::new();
        let (mut blobs, mut bytes) = (0, 0);
        self.reader.each_blob::<StoreError>(|blob| {
            blobs += 1;
            bytes += blob.size;
            if let Err(reason) = self.read_back(&blob) {
                damaged.insert(blob.sha256, reason);
            }
            self.progress("reading files", bytes, bytes);
            Ok(())
        })?;
        self.report.blobs = blobs;
        for repo in self.reader.every_repo()? {
            let mut place = DamagedFile {
                project: repo.project.clone(),
                repo: repo.name.clone(),
                path: String::new(),
                reason: String::new(),
            };
            self.folder(repo.root, &mut place, &damaged)?;
        }
        self.packages(&damaged)
    }

    fn packages(&mut self, damaged: &HashMap<Sha256, String>) -> Result<(), StoreError> {
        let report = &mut self.report;
        let reader = &self.reader;
        reader.each_package::<StoreError>(|package| {
            report.packages += 1;
            if let Some(reason) = fault(reader, &package.sha256, damaged)? {
                report.damaged_files.push(DamagedFile {
                    project: String::new(),
                    repo: "sys-package".to_owned(),
                    path: format!("/{}", package.file_name),
                    reason,
                });
            }
            Ok(())
        })
    }

    fn read_back(&self, blob: &Blob) -> Result<(), String> {
        let mut reader = BlobReader::new(Arc::clone(self.core), &blob.manifest, 0..blob.size);
        let mut hasher = Hasher::new(Wanted::Sha256Only);
        while reader.remaining() > 0 {
            let window = reader.next_window().map_err(|e| e.to_string())?;
            window.iter().for_each(|bytes| hasher.update(bytes));
        }
        if hasher.finish().sha256 == blob.sha256 {
            Ok(())
        } else {
            Err("its bytes do not fit its sha256".to_owned())
        }
    }

    /// Looks at the files below a folder; folders nest at most 64 deep.
    fn folder(
        &mut self,
        folder: NodeId,
        place: &mut DamagedFile,
        damaged: &HashMap<Sha256, String>,
    ) -> Result<(), StoreError> {
        let mut after: Option<(Rank, String)> = None;
        loop {
            let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
            let children = self.reader.children(folder, behind, 1000)?;
            let Some((last, node)) = children.last() else {
                return Ok(());
            };
            after = Some((Rank::of(node), last.clone()));
            for (name, node) in children {
                let len = place.path.len();
                place.path.push('/');
                place.path.push_str(&name);
                match node.kind {
                    NodeKind::Folder => self.folder(node.id, place, damaged)?,
                    NodeKind::File { sha256, .. } => self.file(&sha256, place, damaged)?,
                }
                place.path.truncate(len);
            }
        }
    }

    fn file(
        &mut self,
        sha256: &Sha256,
        place: &DamagedFile,
        damaged: &HashMap<Sha256, String>,
    ) -> Result<(), StoreError> {
        self.report.files += 1;
        if let Some(reason) = fault(&self.reader, sha256, damaged)? {
            self.report.damaged_files.push(DamagedFile {
                reason,
                ..place.clone()
            });
        }
        Ok(())
    }
}

/// What is wrong with the content of a file, if anything is.
fn fault(
    reader: &Reader,
    sha256: &Sha256,
    damaged: &HashMap<Sha256, String>,
) -> Result<Option<String>, StoreError> {
    Ok(match damaged.get(sha256) {
        None if reader.blob(sha256)?.is_none() => Some("its content is not known".to_owned()),
        reason => reason.cloned(),
    })
}

fn write(index: &Index, mutations: &mut Vec<Mutation>) -> Result<(), StoreError> {
    let batch = index.begin()?;
    {
        let mut tables = batch.tables()?;
        for mutation in mutations.drain(..) {
            tables.apply(&mutation)?;
        }
    }
    Ok(batch.commit(false)?)
}
