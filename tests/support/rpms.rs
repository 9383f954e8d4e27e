//! RPMs to upload: what the `rpm` crate builds, and, entry by entry, what it would refuse to build.

use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

/// A binary package without files; the same arguments give the same bytes.
pub fn rpm(name: &str, version: &str, release: &str, arch: &str) -> Vec<u8> {
    rpm_with(name, version, release, arch, b"")
}

/// A binary package with one file, which is in it as it is: nothing is compressed.
pub fn rpm_with(name: &str, version: &str, release: &str, arch: &str, file: &[u8]) -> Vec<u8> {
    let config = BuildConfig::v4()
        .compression(CompressionType::None)
        .reserved_space(None)
        .source_date(1_600_000_000);
    let mut builder = PackageBuilder::new(name, version, "MIT", arch, "for a test");
    builder.using_config(config).release(release);
    if !file.is_empty() {
        let added = builder.with_file_contents(file, FileOptions::new("/opt/file"));
        added.expect("a file can be added");
    }
    let package = builder.build().expect("a package can be built");
    let mut bytes = Vec::new();
    package.write(&mut bytes).expect("memory takes bytes");
    bytes
}

/// Tags of the header that tests set.
pub mod tag {
    pub const NAME: u32 = 1000;
    pub const VERSION: u32 = 1001;
    pub const RELEASE: u32 = 1002;
    pub const ARCH: u32 = 1022;
    pub const SOURCE_RPM: u32 = 1044;
    pub const SOURCE_PACKAGE: u32 = 1106;
    pub const DIRECTORY_NAMES: u32 = 1118;
}

const SIGNATURE_SIZE: u32 = 1000;
const SIGNATURE_LONG_SIZE: u32 = 270;
const REGION_BYTES: usize = 16;

/// What an entry of a header says.
#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(u32),
    Long(u64),
}

/// How long header and payload are, by the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A number of 32 bits.
    Short,
    /// A number of 64 bits.
    Long,
    /// It does not say.
    Absent,
}

/// A package whose header has exactly the entries that it is given.
#[derive(Debug, Clone)]
pub struct Raw {
    /// 0 for a binary package, 1 for sources; nothing but old tools reads it.
    pub lead_kind: u16,
    pub size: Size,
    header: Vec<(u32, Value)>,
}

impl Raw {
    /// A binary package.
    pub fn new(name: &str, version: &str, release: &str, arch: &str) -> Self {
        let raw = Self {
            lead_kind: 0,
            size: Size::Short,
            header: Vec::new(),
        };
        raw.text(tag::NAME, name)
            .text(tag::VERSION, version)
            .text(tag::RELEASE, release)
            .text(tag::ARCH, arch)
            .text(tag::SOURCE_RPM, "test.src.rpm")
    }

    /// With this entry, instead of the one that there was.
    pub fn with(self, tag: u32, value: Value) -> Self {
        let mut raw = self.without(tag);
        raw.header.push((tag, value));
        raw.header.sort_by_key(|(tag, _)| *tag);
        raw
    }

    /// With this entry.
    pub fn text(self, tag: u32, text: &str) -> Self {
        self.with(tag, Value::Text(text.to_owned()))
    }

    /// Without this entry.
    pub fn without(mut self, tag: u32) -> Self {
        self.header.retain(|(other, _)| *other != tag);
        self
    }

    /// All that is before a payload of this length.
    pub fn head(&self, payload_bytes: u64) -> Vec<u8> {
        let header = section(63, &self.header);
        let len = header.len() as u64 + payload_bytes;
        let size = match self.size {
            Size::Short => vec![(
                SIGNATURE_SIZE,
                Value::Number(u32::try_from(len).expect("a length of 32 bits")),
            )],
            Size::Long => vec![(SIGNATURE_LONG_SIZE, Value::Long(len))],
            Size::Absent => Vec::new(),
        };
        let mut bytes = self.lead();
        bytes.extend(section(62, &size));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(header);
        bytes
    }

    /// All of it.
    pub fn bytes(&self, payload: &[u8]) -> Vec<u8> {
        [&self.head(payload.len() as u64), payload].concat()
    }

    fn lead(&self) -> Vec<u8> {
        let mut lead = vec![0xED, 0xAB, 0xEE, 0xDB, 3, 0];
        lead.extend(self.lead_kind.to_be_bytes());
        lead.resize(76, 0);
        // The system is 1, the kind of signature 5.
        lead.extend([0, 1, 0, 5]);
        lead.resize(96, 0);
        lead
    }
}

/// A header structure: magic, counts, index, data; its first entry is the region of all others.
fn section(region: u32, entries: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in entries {
        let (kind, align, count, bytes) = encode(value);
        data.resize(data.len().next_multiple_of(align), 0);
        push_entry(&mut index, *tag, kind, number(data.len()), count);
        data.extend(bytes);
    }
    let count = number(entries.len() + 1);
    let mut all = Vec::new();
    push_entry(&mut all, region, 7, number(data.len()), 16);
    all.extend(index);
    // The trailer tells, as a negative offset, how long the index is.
    let back = (count * number(REGION_BYTES)).wrapping_neg();
    push_entry(&mut data, region, 7, back, 16);
    let mut out = vec![0x8E, 0xAD, 0xE8, 1, 0, 0, 0, 0];
    out.extend(count.to_be_bytes());
    out.extend(number(data.len()).to_be_bytes());
    out.extend(all);
    out.extend(data);
    out
}

fn push_entry(out: &mut Vec<u8>, tag: u32, kind: u32, offset: u32, count: u32) {
    for field in [tag, kind, offset, count] {
        out.extend(field.to_be_bytes());
    }
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a small header")
}

/// Type, alignment, count and bytes.
fn encode(value: &Value) -> (u32, usize, u32, Vec<u8>) {
    let ended = |text: &String| [text.as_bytes(), b"\0"].concat();
    match value {
        Value::Number(n) => (4, 4, 1, n.to_be_bytes().to_vec()),
        Value::Long(n) => (5, 8, 1, n.to_be_bytes().to_vec()),
        Value::Text(text) => (6, 1, 1, ended(text)),
        Value::Texts(texts) => {
            let bytes = texts.iter().flat_map(ended).collect();
            (8, 1, number(texts.len()), bytes)
        }
    }
}
