//! The read-only map of the pack: the crate's only `unsafe`, and the only home of memmap2.
//!
//! The map covers reserved address space far beyond the end of the file, so that it sees the file
//! grow without being made anew. It hands out nothing past the written end, and touches no page
//! before the kernel has said that it could be read.

#![expect(
    unsafe_code,
    reason = "a file can only be mapped, and a raw map only be sliced, with unsafe"
)]

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::{Advice, MmapOptions, MmapRaw};
use parking_lot::RwLock;
use rustix::io::{ReadWriteFlags, preadv2};

use super::sink::Source;
use crate::format::scan::View;

/// Address space reserved at first, in bytes; halved until the system grants it.
const RESERVE_BYTES: u64 = 1 << 42;

/// The mapped pack.
pub struct MapSource {
    file: File,
    map: RwLock<Arc<Area>>,
    end: AtomicU64,
    /// The kernel knows `MADV_POPULATE_READ` (Linux 5.14); else bytes are read into memory.
    populate: AtomicBool,
}

struct Area {
    map: MmapRaw,
    len: u64,
}

impl Area {
    /// Whether all pages of a stretch, which is inside the area, are in memory.
    fn is_resident(&self, start: usize, len: usize) -> bool {
        let page_bytes = rustix::param::page_size();
        // Sizes of pages are powers of two.
        let within = start & page_bytes.wrapping_sub(1);
        let first = start.saturating_sub(within);
        let len = len.saturating_add(within);
        let mut pages = vec![0_u8; len.div_ceil(page_bytes)];
        let address = self.map.as_ptr().wrapping_add(first);
        // SAFETY: the stretch is inside the map, which lives as long as the area, and there is a byte for
        // each of its pages; nothing else is written.
        let asked = unsafe { libc::mincore(address as *mut _, len, pages.as_mut_ptr()) };
        asked == 0 && pages.iter().all(|page| page & 1 == 1)
    }
}

/// A stretch of the map that keeps the map alive.
struct Slice {
    area: Arc<Area>,
    start: usize,
    len: usize,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start + len` was checked against the area's length and the written end of the
        // file when the slice was made. The bytes below the written end are never changed while a
        // slice of them lives: the log is append-only, it is only truncated to the start of a
        // record that was never published, and holes are punched only in what was freed, which no
        // slice that anybody keeps leads to (the store's guards see to that). The file is locked
        // exclusively against other processes.
        unsafe {
            std::slice::from_raw_parts(self.area.map.as_ptr().wrapping_add(self.start), self.len)
        }
    }
}

impl MapSource {
    /// Maps `file`, of which `end` bytes are written.
    ///
    /// # Errors
    /// When the system grants no map at all.
    pub fn new(file: File, end: u64) -> io::Result<Self> {
        let area = reserve(&file, end)?;
        Ok(Self {
            file,
            map: RwLock::new(Arc::new(area)),
            end: AtomicU64::new(end),
            populate: AtomicBool::new(true),
        })
    }

    /// The area that holds everything below `upto`; a new and larger one if the file has outgrown
    /// the old one, which lives on as long as slices of it do.
    fn area(&self, upto: u64) -> io::Result<Arc<Area>> {
        let area = Arc::clone(&self.map.read());
        if upto <= area.len {
            return Ok(area);
        }
        let larger = Arc::new(reserve(&self.file, upto)?);
        *self.map.write() = Arc::clone(&larger);
        Ok(larger)
    }

    /// The end of a stretch, unless that is past the written end.
    fn upto(&self, offset: u64, len: usize) -> Option<u64> {
        let upto = offset.checked_add(len as u64)?;
        (upto <= self.len()).then_some(upto)
    }

    fn read_copy(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; len];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }
}

fn reserve(file: &File, at_least: u64) -> io::Result<Area> {
    let (map, len) = reserved(at_least, |bytes| {
        MmapOptions::new().len(bytes).map_raw_read_only(file)
    })?;
    Ok(Area { map, len })
}

/// What `map` gives, and for how many bytes: as many as it grants, with room to grow.
fn reserved<T>(at_least: u64, map: impl Fn(usize) -> io::Result<T>) -> io::Result<(T, u64)> {
    let mut len = RESERVE_BYTES.max(at_least.saturating_mul(2));
    loop {
        match map(usize::try_from(len).unwrap_or(usize::MAX)) {
            Ok(map) => return Ok((map, len)),
            Err(error) if len / 2 < at_least.max(1) => return Err(error),
            Err(_) => len /= 2,
        }
    }
}

impl View for MapSource {
    fn len(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    fn read_now(&self, offset: u64, len: usize) -> Option<Bytes> {
        let upto = self.upto(offset, len)?;
        let area = self.area(upto).ok()?;
        match area.is_resident(usize::try_from(offset).ok()?, len) {
            true => self.read(offset, len).ok(),
            false => None,
        }
    }

    fn copy_now(&self, offset: u64, len: usize) -> Option<Bytes> {
        self.upto(offset, len)?;
        let mut buffer = vec![0; len];
        let mut parts = [IoSliceMut::new(&mut buffer)];
        // A file system that cannot say whether it would wait refuses.
        let read = preadv2(&self.file, &mut parts, offset, ReadWriteFlags::NOWAIT);
        (read == Ok(len)).then(|| buffer.into())
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let Some(upto) = self.upto(offset, len) else {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{len} bytes at offset {offset} are past the written end"),
            ));
        };
        if len == 0 {
            return Ok(Bytes::new());
        }
        if !self.populate.load(Ordering::Relaxed) {
            return self.read_copy(offset, len);
        }
        let area = self.area(upto)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        match area.map.advise_range(Advice::PopulateRead, start, len) {
            Ok(()) => Ok(Bytes::from_owner(Slice { area, start, len })),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.populate.store(false, Ordering::Relaxed);
                self.read_copy(offset, len)
            }
            // The kernel says EFAULT for a page that could not be read; a plain read names the
            // true error, or gives the bytes after all.
            Err(_) => self.read_copy(offset, len),
        }
    }
}

impl Source for MapSource {
    fn publish(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn it_sees_the_file_grow_and_nothing_past_the_written_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 10_000]).unwrap();
        let map = MapSource::new(file.try_clone().unwrap(), 10_000).unwrap();
        let early = map.read(9_000, 1_000).unwrap();
        assert!(early.iter().all(|b| *b == 1));
        assert!(map.read(9_001, 1_000).is_err());
        file.write_all(&vec![2; 100_000]).unwrap();
        assert!(map.read(10_000, 1).is_err(), "not published yet");
        map.publish(110_000);
        assert!(map.read(10_000, 100_000).unwrap().iter().all(|b| *b == 2));
        assert!(map.read(u64::MAX, 2).is_err());
        assert_eq!(early.len(), 1_000);
    }

    #[test]
    fn what_is_in_memory_is_read_without_waiting() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let map = MapSource::new(file, 10).unwrap();
        for read in [MapSource::read_now, MapSource::copy_now] {
            assert_eq!(read(&map, 3, 4).unwrap(), "3456");
            assert_eq!(read(&map, 3, 0).unwrap(), "");
            assert_eq!(read(&map, 7, 4), None, "past the written end");
            assert_eq!(read(&map, u64::MAX, 2), None);
        }
    }

    #[test]
    fn what_is_not_in_memory_is_not_read_now() {
        const LEN: usize = 1 << 20;
        // Where files are in memory at all times, nothing can be seen.
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![1; LEN]).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let map = MapSource::new(file, LEN as u64).unwrap();
        assert_eq!(map.read_now(0, LEN), None);
        assert_eq!(map.copy_now(0, LEN), None);
        map.read(0, LEN).unwrap();
        assert_eq!(map.read_now(0, LEN).unwrap().len(), LEN);
        assert_eq!(map.copy_now(5000, 5000).unwrap().len(), 5000);
    }

    #[test]
    fn without_populate_it_reads_the_same_bytes_and_copies_them() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let map = MapSource::new(file, 10).unwrap();
        let mapped = map.area(10).unwrap().map.as_ptr().wrapping_add(3);
        assert_eq!(map.read(3, 4).unwrap().as_ptr(), mapped);
        map.populate.store(false, Ordering::Relaxed);
        let copy = map.read(3, 4).unwrap();
        assert_eq!(copy, "3456");
        assert_ne!(copy.as_ptr(), mapped);
    }

    #[test]
    fn a_new_area_is_made_only_for_what_has_outgrown_the_old_one() {
        let map = MapSource::new(tempfile::tempfile().unwrap(), 10).unwrap();
        let area = map.area(10).unwrap();
        assert!(Arc::ptr_eq(&map.area(area.len).unwrap(), &area));
        let larger = map.area(area.len + 1).unwrap();
        assert_eq!(larger.len, (area.len + 1) * 2);
        assert!(Arc::ptr_eq(&map.area(area.len).unwrap(), &larger));
    }

    #[test]
    fn where_room_to_grow_is_not_granted_less_is_taken_but_no_less_than_is_needed() {
        let granting = |most: u64| {
            move |bytes: usize| match bytes as u64 <= most {
                true => Ok(()),
                false => Err(io::ErrorKind::OutOfMemory.into()),
            }
        };
        let of = |at_least, most| reserved(at_least, granting(most)).map(|((), len)| len);
        assert_eq!(of(10, u64::MAX).unwrap(), RESERVE_BYTES);
        assert_eq!(of(RESERVE_BYTES, u64::MAX).unwrap(), RESERVE_BYTES * 2);
        assert_eq!(of(RESERVE_BYTES, RESERVE_BYTES).unwrap(), RESERVE_BYTES);
        assert!(of(RESERVE_BYTES, RESERVE_BYTES - 1).is_err());
        assert_eq!(of(1000, 4096).unwrap(), 4096);
        assert!(of(0, 0).is_err());
    }

    #[test]
    fn a_file_cut_under_the_map_is_an_error_and_no_crash() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 100_000]).unwrap();
        let map = MapSource::new(file.try_clone().unwrap(), 100_000).unwrap();
        file.set_len(10).unwrap();
        assert!(map.read(50_000, 1_000).is_err());
        assert!(map.populate.load(Ordering::Relaxed), "it can be had");
    }
}
