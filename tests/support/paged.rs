//! The bytes of a simulated file, in pages that copies of it share: a crash image costs what differs.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use packhold::format::scan::View;

const PAGE: usize = 4096;

/// A file's bytes.
#[derive(Clone, Default)]
pub struct Paged {
    /// `None` is a page of zeros.
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    len: usize,
}

impl Paged {
    /// The same bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut paged = Self::default();
        paged.write(0, bytes);
        paged
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Writes, and grows if need be.
    pub fn write(&mut self, mut at: usize, mut bytes: &[u8]) {
        if self.len < at + bytes.len() {
            self.resize(at + bytes.len());
        }
        while !bytes.is_empty() {
            let (page, start) = (at / PAGE, at % PAGE);
            let count = bytes.len().min(PAGE - start);
            let page = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[start..start + count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            at += count;
        }
    }

    /// Cuts or grows; what is new is zeros.
    pub fn resize(&mut self, len: usize) {
        if len < self.len && !len.is_multiple_of(PAGE) {
            // What grows back later must read as zeros.
            if let Some(Some(page)) = self.pages.get_mut(len / PAGE) {
                Arc::make_mut(page)[len % PAGE..].fill(0);
            }
        }
        self.pages.resize(len.div_ceil(PAGE), None);
        self.len = len;
    }

    /// Fills `out` from `at` on; false when that is past the end.
    pub fn read(&self, mut at: usize, mut out: &mut [u8]) -> bool {
        if at.checked_add(out.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        while !out.is_empty() {
            let (page, start) = (at / PAGE, at % PAGE);
            let count = out.len().min(PAGE - start);
            let (part, rest) = out.split_at_mut(count);
            match &self.pages[page] {
                Some(page) => part.copy_from_slice(&page[start..start + count]),
                None => part.fill(0),
            }
            out = rest;
            at += count;
        }
        true
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; self.len];
        assert!(self.read(0, &mut out));
        out
    }

    /// Hashes where the pages are: equal hashes are equal bytes, the other way round need not be.
    pub fn hash_pages(&self, hasher: &mut impl Hasher) {
        self.len.hash(hasher);
        for page in &self.pages {
            page.as_ref()
                .map(|page| Arc::as_ptr(page) as usize)
                .hash(hasher);
        }
    }

    /// Hashes the bytes.
    pub fn hash_bytes(&self, hasher: &mut impl Hasher) {
        self.len.hash(hasher);
        for page in self.pages.iter().flatten() {
            page.as_slice().hash(hasher);
        }
    }
}

impl View for Paged {
    fn len(&self) -> u64 {
        self.len as u64
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let mut out = vec![0; len];
        match Paged::read(self, start, &mut out) {
            true => Ok(out.into()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
