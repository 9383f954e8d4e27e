//! Collects a record of fixed length from bytes that come in any pieces.

/// Room for the next `N` bytes.
#[derive(Debug)]
pub struct Gather<const N: usize> {
    held: [u8; N],
    filled: usize,
}

impl<const N: usize> Default for Gather<N> {
    fn default() -> Self {
        Self {
            held: [0; N],
            filled: 0,
        }
    }
}

impl<const N: usize> Gather<N> {
    /// Takes as many bytes as there is room for, and says how many; at least one, if there are any.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let room = self.held.get_mut(self.filled..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.filled += taken;
        taken
    }

    /// What has been taken so far.
    pub fn so_far(&self) -> &[u8] {
        self.held.get(..self.filled).unwrap_or_default()
    }

    /// The record, once it is whole. The room is free again then.
    pub fn whole(&mut self) -> Option<[u8; N]> {
        (self.filled == N).then(|| {
            self.filled = 0;
            self.held
        })
    }
}

/// The big-endian number at `offset_bytes` of a record; 0 past its end, where no caller looks.
pub fn u16_at(record: &[u8], offset_bytes: usize) -> u16 {
    let bytes = record.get(offset_bytes..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// The big-endian number at `offset_bytes` of a record; 0 past its end, where no caller looks.
pub fn u32_at(record: &[u8], offset_bytes: usize) -> u32 {
    let bytes = record.get(offset_bytes..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
