//! How files would be stored, without storing them: they are cut as an upload is, under several
//! settings in one pass, and what is equal is counted once.
//!
//! **Invariant:** memory is bounded, whatever comes: a buffer, and for each setting a table of a
//! fixed size (see [`Table`]). Nothing is written.

mod report;
mod stored;
mod table;

use rayon::prelude::*;

use super::StoreError;
use super::chunker::Chunker;
use super::chunks::Found;
use super::core::Store;
use super::gc::Pins;
use crate::digest::sha256;
use crate::format::header::Chunking;
use crate::format::{Sha256, manifest, segment};
use crate::index::Reader;

pub use report::{Bin, ForecastReport, ReleaseForecast, SettingForecast};
pub use stored::Shares;
use table::{MAX_PAIRED, Table};

/// Bytes that are collected before all settings cut them, side by side.
const BATCH_BYTES: usize = 4 << 20;
/// Releases told of on their own; what comes behind them is told of as one.
const MAX_RELEASES: usize = 1000;
/// Bars of the histogram of chunk sizes.
const BINS: usize = 32;
/// Bytes of the index for a chunk: what a store that grew to millions of them has (README).
const INDEX_BYTES: u64 = 40;

/// Foretells how releases (of one file or more) would be stored, one behind the other.
pub struct Forecast {
    settings: Vec<Setting>,
    releases: Vec<ReleaseForecast>,
    /// What is not cut yet under every setting.
    buffer: Vec<u8>,
    /// The store that has some of the chunks already.
    store: Option<Store>,
}

impl Forecast {
    /// Settings that show how much finer and coarser chunks than the default would save or cost.
    #[must_use]
    pub fn settings() -> Vec<Chunking> {
        [8, 16, 32, 64, 256].map(Self::sizes).to_vec()
    }

    /// Chunks of this many KiB on average; a quarter of it at least, four times as much at most.
    fn sizes(avg_kib: u32) -> Chunking {
        let avg_bytes = avg_kib << 10;
        Chunking {
            min_bytes: avg_bytes / 4,
            avg_bytes,
            max_bytes: avg_bytes * 4,
            ..Chunking::default()
        }
    }

    /// A forecast for an empty store, under these settings (see [`Chunking::is_valid`]).
    #[must_use]
    pub fn new(settings: &[Chunking]) -> Self {
        Self {
            settings: settings.iter().copied().map(Setting::new).collect(),
            releases: Vec::new(),
            buffer: Vec::new(),
            store: None,
        }
    }

    /// A forecast for a store that has something already; it goes on cutting as it began.
    #[must_use]
    pub fn against(store: &Store) -> Self {
        Self {
            store: Some(store.clone()),
            ..Self::new(&[store.core.pack.header().chunking])
        }
    }

    /// The files that come now belong to this release.
    pub fn release(&mut self, name: &str) {
        if self.releases.len() < MAX_RELEASES {
            self.releases.push(ReleaseForecast {
                name: name.to_owned(),
                ..ReleaseForecast::default()
            });
            for setting in &mut self.settings {
                setting.new_bytes.push(0);
            }
        } else if let Some(last) = self.releases.last_mut() {
            last.others += 1;
        }
    }

    /// The next bytes of a file.
    ///
    /// # Errors
    /// [`StoreError`] of the store that is asked.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = (BATCH_BYTES + self.largest()).saturating_sub(self.buffer.len());
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = rest;
            if now.len() == room {
                self.cut(false)?;
            }
        }
        Ok(())
    }

    /// The file is complete.
    ///
    /// # Errors
    /// As of [`Self::push`].
    pub fn end_file(&mut self) -> Result<(), StoreError> {
        if self.releases.is_empty() {
            self.release("");
        }
        self.cut(true)?;
        if let Some(release) = self.releases.last_mut() {
            release.files += 1;
        }
        Ok(())
    }

    /// Bytes of files so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.releases.iter().map(|r| r.bytes).sum()
    }

    fn largest(&self) -> usize {
        let all = self.settings.iter().map(|s| s.chunker.max());
        all.max().unwrap_or_default()
    }

    /// Cuts what is complete of the buffer; all of it, if it is the `last` of a file.
    fn cut(&mut self, last: bool) -> Result<(), StoreError> {
        if self.releases.is_empty() {
            self.release("");
        }
        let release = self.releases.len() - 1;
        let (buffer, store) = (self.buffer.as_slice(), self.store.as_ref());
        self.settings
            .par_iter_mut()
            .try_for_each(|setting| setting.cut(buffer, last, release, store))?;
        let done = self.settings.iter().map(|s| s.at).min();
        let done = done.unwrap_or(self.buffer.len());
        for setting in &mut self.settings {
            setting.at -= done;
        }
        self.buffer.drain(..done);
        self.releases[release].bytes += done as u64;
        Ok(())
    }

    /// What all files so far would come to.
    #[must_use]
    pub fn report(&self) -> ForecastReport {
        ForecastReport {
            files: self.releases.iter().map(|r| r.files).sum(),
            bytes: self.bytes(),
            settings: self
                .settings
                .iter()
                .map(|s| s.report(self.bytes()))
                .collect(),
            releases: self.releases.clone(),
        }
    }
}

/// One way to cut, and what it came to so far.
struct Setting {
    chunking: Chunking,
    chunker: Chunker,
    /// Where in the buffer the next chunk begins.
    at: usize,
    table: Table,
    /// Pieces of all files.
    pieces: u64,
    /// New in each release.
    new_bytes: Vec<u64>,
    /// Of distinct chunks: those that the store has.
    known_bytes: u64,
    chunks: u64,
    bins: [u64; BINS],
}

impl Setting {
    fn new(chunking: Chunking) -> Self {
        Self {
            chunking,
            chunker: Chunker::new(&chunking),
            at: 0,
            table: Table::default(),
            pieces: 0,
            new_bytes: Vec::new(),
            known_bytes: 0,
            chunks: 0,
            bins: [0; BINS],
        }
    }

    fn cut(
        &mut self,
        buffer: &[u8],
        last: bool,
        release: usize,
        store: Option<&Store>,
    ) -> Result<(), StoreError> {
        let known = store.map(Known::new).transpose()?;
        loop {
            let rest = &buffer[self.at..];
            if rest.is_empty() || (rest.len() < self.chunker.max() && !last) {
                return Ok(());
            }
            let len = self.chunker.cut(rest);
            self.take(&rest[..len], release, known.as_ref())?;
            self.at += len;
        }
    }

    fn take(
        &mut self,
        chunk: &[u8],
        release: usize,
        known: Option<&Known<'_>>,
    ) -> Result<(), StoreError> {
        self.pieces += 1;
        let digest = sha256(chunk);
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        // Each chunk that is kept stands for so many.
        let Some(weight) = self.table.is_new(&digest, len, release) else {
            return Ok(());
        };
        let bytes = u64::from(len) * weight;
        if let Some(known) = known
            && known.has(&digest)?
        {
            self.known_bytes += bytes;
            return Ok(());
        }
        self.add(len, weight, release);
        Ok(())
    }

    /// Counts a chunk that is stored, and stands for `weight` of its kind.
    fn add(&mut self, len: u32, weight: u64, release: usize) {
        self.chunks += weight;
        self.new_bytes[release] += u64::from(len) * weight;
        let max = u64::from(self.chunking.max_bytes).max(1);
        let bin = (u64::from(len) * BINS as u64).div_ceil(max).max(1) - 1;
        let bin = usize::try_from(bin).unwrap_or(usize::MAX).min(BINS - 1);
        self.bins[bin] += weight;
    }

    fn report(&self, bytes: u64) -> SettingForecast {
        let stored_bytes = self.new_bytes.iter().sum();
        let max = u64::from(self.chunking.max_bytes);
        let bins = (1..=BINS as u64).zip(self.bins);
        SettingForecast {
            min_bytes: self.chunking.min_bytes,
            avg_bytes: self.chunking.avg_bytes,
            max_bytes: self.chunking.max_bytes,
            normalization: self.chunking.normalization,
            counted_share: 1.0 / report::figure(self.table.weight()),
            chunks: self.chunks,
            pieces: self.pieces,
            stored_bytes,
            known_bytes: self.known_bytes,
            metadata_bytes: self.chunks * segment::ENTRY_BYTES as u64
                + self.pieces * manifest::ENTRY_BYTES as u64,
            index_bytes: self.chunks * INDEX_BYTES,
            ratio: report::ratio(bytes, stored_bytes),
            new_bytes: self.new_bytes.clone(),
            shared_bytes: self.table.shared(self.new_bytes.len().min(MAX_PAIRED)),
            sizes: bins
                .map(|(n, chunks)| Bin {
                    upto_bytes: max * n / BINS as u64,
                    chunks,
                })
                .collect(),
        }
    }
}

/// What a store has, as it is while this lives.
struct Known<'a> {
    store: &'a Store,
    reader: Reader,
    pins: Pins,
}

impl<'a> Known<'a> {
    fn new(store: &'a Store) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            reader: store.core.reader()?,
            pins: store.core.space.guard(),
        })
    }

    /// Whether an upload would share the chunk, which a damaged one cannot be.
    fn has(&self, digest: &Sha256) -> Result<bool, StoreError> {
        let found = self
            .store
            .core
            .find_chunk(&self.reader, digest, &self.pins)?;
        Ok(matches!(found, Some(Found::Sound(_))))
    }
}

#[cfg(test)]
mod tests;
