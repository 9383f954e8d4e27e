//! Programs of block operations, in both dialects, against blocks as byte strings: what is completed
//! is the file, and what is not whole is refused.
//!
//! Input: the program.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use packhold::domain::DomainError;
use packhold::domain::blocks::UploadId;
use packhold::format::meta::Dialect;

use crate::support::client::{Client, Clock, new_sim, open};
use crate::support::noise::noise;
use crate::support::sim::Sim;

const FILE: &str = "/dir/file";
/// Steps of a program.
const STEPS: usize = 60;
/// Blocks are at multiples of this, mostly.
const GRID_BYTES: u64 = 1000;

#[derive(Debug, Arbitrary)]
enum Step {
    Start {
        by_offset: bool,
    },
    Put {
        upload: u8,
        key: Key,
        bytes: Len,
        seed: u8,
    },
    Complete {
        upload: u8,
        size: Size,
    },
    Abort {
        upload: u8,
    },
    Read {
        from: u16,
        bytes: u16,
    },
    Reopen,
    Gc,
}

#[derive(Debug, Arbitrary)]
enum Key {
    /// Behind what is there without a gap.
    Next,
    Grid(u8),
    Exactly(u64),
    /// So many bytes before the end of all offsets.
    Last(u16),
}

#[derive(Debug, Arbitrary)]
enum Len {
    Grid,
    Short(u8),
    Middle(u16),
}

#[derive(Debug, Arbitrary)]
enum Size {
    /// What all blocks together have.
    Sum,
    Untold,
    Exactly(u16),
}

struct Upload {
    id: UploadId,
    dialect: Dialect,
    /// `None` behind its end.
    blocks: Option<BTreeMap<u64, Vec<u8>>>,
}

struct World {
    sim: Sim,
    clock: Clock,
    client: Client,
    uploads: Vec<Upload>,
    file: Option<Vec<u8>>,
}

/// Runs one input.
pub fn check(data: &[u8]) {
    let Ok(program) = Vec::<Step>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let (sim, clock) = (new_sim(), Clock::at(1_000));
    let client = open(&sim, &clock);
    let mut world = World {
        sim,
        clock,
        client,
        uploads: Vec::new(),
        file: None,
    };
    program.iter().take(STEPS).for_each(|step| world.step(step));
    world.reopen();
    world.compare();
    world.client.assert_clean();
    world.client.store.close();
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Start { by_offset } => {
                let dialect = match by_offset {
                    true => Dialect::Offset,
                    false => Dialect::Sequence,
                };
                let id = self.client.start_blocks(FILE, dialect).expect("it begins");
                self.uploads.push(Upload {
                    id,
                    dialect,
                    blocks: Some(BTreeMap::new()),
                });
            }
            Step::Put {
                upload,
                key,
                bytes,
                seed,
            } => self.put(*upload, key, bytes, *seed),
            Step::Complete { upload, size } => self.complete(*upload, size),
            Step::Abort { upload } => {
                if let Some(upload) = chosen(&mut self.uploads, *upload) {
                    let aborted = self.client.abort_blocks(FILE, &upload.id);
                    assert_eq!(aborted.is_ok(), upload.blocks.take().is_some());
                }
            }
            Step::Read { from, bytes } => self.read((*from).into(), (*bytes).into()),
            Step::Reopen => self.reopen(),
            Step::Gc => drop(self.client.gc()),
        }
    }

    fn put(&mut self, upload: u8, key: &Key, len: &Len, seed: u8) {
        let Some(upload) = chosen(&mut self.uploads, upload) else {
            return;
        };
        let key = match key {
            Key::Next => upload.next(),
            Key::Grid(at) if upload.dialect == Dialect::Offset => u64::from(*at % 8) * GRID_BYTES,
            Key::Grid(number) => u64::from(*number % 8),
            Key::Exactly(key) => *key,
            Key::Last(before) => u64::MAX - u64::from(*before),
        };
        let len = match len {
            Len::Grid => 1000,
            Len::Short(len) => usize::from(*len),
            Len::Middle(len) => usize::from(*len),
        };
        let bytes = noise(seed.into(), len);
        let put = self.client.put_block(FILE, &upload.id, key, &bytes);
        let beyond = upload.dialect == Dialect::Offset && key.checked_add(len as u64).is_none();
        match &mut upload.blocks {
            None => assert!(matches!(put, Err(DomainError::NoSession(_))), "{put:?}"),
            Some(_) if beyond => assert!(matches!(put, Err(DomainError::BlockEnd(_))), "{put:?}"),
            Some(blocks) => {
                put.expect("the block comes in");
                blocks.insert(key, bytes);
            }
        }
    }

    fn complete(&mut self, upload: u8, size: &Size) {
        let Some(upload) = chosen(&mut self.uploads, upload) else {
            return;
        };
        let size = match size {
            Size::Sum => Some(upload.sum()),
            Size::Untold => None,
            Size::Exactly(size) => Some(u64::from(*size)),
        };
        let made = self.client.complete_blocks(FILE, &upload.id, size);
        match upload.whole(size) {
            Some(file) => {
                let stored = made.expect("it is whole");
                assert_eq!(stored.file.blob.size, file.len() as u64);
                self.file = Some(file);
                upload.blocks = None;
            }
            None => assert!(made.is_err(), "{made:?}"),
        }
        self.compare();
    }

    fn read(&self, from: u64, bytes: u64) {
        let read = self.client.try_range(FILE, from..from + bytes);
        let read = read.expect("it can be read");
        let at = |end: u64, file: &Vec<u8>| usize::try_from(end).expect("small").min(file.len());
        let file = self.file.as_ref();
        let expected = file.map(|file| file[at(from, file)..at(from + bytes, file)].to_vec());
        assert!(read == expected, "{bytes} bytes from {from}");
    }

    fn reopen(&mut self) {
        self.client.store.close();
        self.client = open(&self.sim, &self.clock);
    }

    /// The file, and the blocks of every upload.
    fn compare(&self) {
        assert!(self.client.get(FILE) == self.file, "the file differs");
        for upload in &self.uploads {
            let found = self.client.try_blocks(FILE, &upload.id);
            let found = found.expect("they can be asked for");
            let found = found.map(|blocks| {
                let bytes = |block| self.client.try_block(block).expect("it can be read");
                let blocks = blocks.iter().map(|block| (block.key, bytes(block)));
                blocks.collect::<BTreeMap<_, _>>()
            });
            assert!(found == upload.blocks, "the blocks of {} differ", upload.id);
        }
    }
}

fn chosen(uploads: &mut [Upload], which: u8) -> Option<&mut Upload> {
    let count = uploads.len();
    uploads.get_mut(usize::from(which).checked_rem(count)?)
}

impl Upload {
    fn blocks(&self) -> impl Iterator<Item = (u64, &Vec<u8>)> {
        self.blocks
            .iter()
            .flatten()
            .map(|(key, bytes)| (*key, bytes))
    }

    fn sum(&self) -> u64 {
        self.blocks().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The key of the block that goes on where those from the start on end.
    fn next(&self) -> u64 {
        let mut next = u64::from(self.dialect == Dialect::Sequence);
        for (key, bytes) in self.blocks() {
            if key == next {
                next += match self.dialect {
                    Dialect::Offset => bytes.len() as u64,
                    Dialect::Sequence => 1,
                };
            }
        }
        next
    }

    /// The file that the blocks make, of which the client says that it has so many bytes.
    fn whole(&self, size: Option<u64>) -> Option<Vec<u8>> {
        let blocks = self.blocks.as_ref()?;
        let mut file = Vec::new();
        for (place, (key, bytes)) in blocks.iter().enumerate() {
            let fits = match self.dialect {
                Dialect::Offset => bytes.is_empty() || *key == file.len() as u64,
                Dialect::Sequence => *key == place as u64 + 1,
            };
            if !fits {
                return None;
            }
            file.extend_from_slice(bytes);
        }
        let size = match self.dialect {
            // Who goes by offsets has to say it.
            Dialect::Offset => Some(size.unwrap_or(0)),
            // Nothing at all has to be meant.
            Dialect::Sequence if blocks.is_empty() => Some(size.filter(|size| *size == 0)?),
            Dialect::Sequence => size,
        };
        let fits = size.is_none_or(|size| size == file.len() as u64);
        fits.then_some(file)
    }
}
