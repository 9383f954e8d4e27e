//! Reads the header of an RPM from its bytes as they pass.
//!
//! An RPM is a lead, a signature, the header, and a payload that nobody here looks at:
//!
//! ```text
//! lead 96 | signature: intro 16, index 16·n, data, padding to 8 | header: intro, index, data | …
//! ```
//!
//! What an upload claims of itself is hostile until checked: the parser of the `rpm` package believes
//! counts and offsets, and ends in a panic or in gigabytes. So the bounds are checked here, by the
//! rules of librpm (`section.rs`, `entry.rs`), and that parser reads a small file made of the checked
//! values (`reduced.rs`).
//!
//! Invariants: the work is linear in the bytes pushed; what is held stays below 136 KiB, whatever
//! they are, because only an index of at most 8192 entries is kept, and ten short values of it.
//! Digests and signatures are not judged.

mod entry;
mod gather;
mod lead;
mod reduced;
mod section;
mod wanted;

use super::PackageError;
use gather::Gather;
use lead::{LEAD_BYTES, LEAD_MAGIC};
use section::Section;
use wanted::Which;

/// What the header of an RPM says of the package. The strings are as they stand there, and may be
/// anything of at most 255 bytes, before characters that are no UTF-8 were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmHeader {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Release, with the operating system if it is told.
    pub release: String,
    /// Architecture; empty when the header has none.
    pub arch: String,
    /// Whether it is a source package, by its lead or its header.
    pub source: bool,
}

/// What of the file comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Lead,
    Signature,
    /// So many bytes up to the header.
    Padding(usize),
    Header,
    Payload,
}

/// Reads an RPM that is pushed through it in any pieces.
#[derive(Debug)]
pub struct HeaderReader {
    part: Part,
    lead: Gather<LEAD_BYTES>,
    /// The signature, then the header.
    section: Section,
    source: bool,
    passed_bytes: u64,
    /// The least length of the file by its signature.
    told_bytes: u64,
    header: Option<RpmHeader>,
    fault: Option<PackageError>,
}

impl Default for HeaderReader {
    fn default() -> Self {
        Self {
            part: Part::Lead,
            lead: Gather::default(),
            section: Section::new(Which::Signature),
            source: false,
            passed_bytes: 0,
            told_bytes: 0,
            header: None,
            fault: None,
        }
    }
}

impl HeaderReader {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// [`PackageError::Magic`] for what is no RPM, [`PackageError::Unreadable`] for one that lies or
    /// that lacks a name, version or release, [`PackageError::Name`] for one of these with more than
    /// 255 bytes. After an error, every call repeats it.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), PackageError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        while !bytes.is_empty() {
            let stepped = self.step(bytes);
            let taken = stepped.inspect_err(|fault| self.fault = Some(fault.clone()))?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// What the header says, as soon as it has passed.
    pub fn header(&self) -> Option<&RpmHeader> {
        self.header.as_ref()
    }

    /// Ends the file, and gives what its header says.
    ///
    /// # Errors
    /// That of an earlier [`push`](Self::push); [`PackageError::Magic`] for a file of less than 4
    /// bytes; [`PackageError::Unreadable`] for one that ends before its header does, or that is
    /// shorter than its signature tells. A longer one is fine.
    pub fn finish(self) -> Result<RpmHeader, PackageError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let (passed, told) = (self.passed_bytes, self.told_bytes);
        let ends_in = match self.part {
            Part::Lead if self.lead.so_far().len() < LEAD_MAGIC.len() => {
                return Err(PackageError::Magic);
            }
            Part::Lead => "lead",
            Part::Signature | Part::Padding(_) => "signature",
            Part::Header | Part::Payload => "header",
        };
        let unreadable = |why| Err(PackageError::Unreadable(why));
        match self.header {
            None => unreadable(format!(
                "the file ends in the {ends_in}, after {passed} bytes"
            )),
            Some(_) if passed < told => unreadable(format!(
                "the file has {passed} bytes, and its signature tells of {told}"
            )),
            Some(header) => Ok(header),
        }
    }

    /// Takes some of the bytes, at least one, and says how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, PackageError> {
        let taken = match self.part {
            Part::Lead => self.lead.take(bytes),
            Part::Signature | Part::Header => self.section.step(bytes)?,
            Part::Padding(left) => left.min(bytes.len()),
            Part::Payload => bytes.len(),
        };
        self.passed_bytes = self.passed_bytes.saturating_add(taken as u64);
        self.part = match self.part {
            Part::Lead => self.end_of_lead()?,
            Part::Signature if self.section.is_over() => self.end_of_signature(),
            Part::Padding(left) => padding(left - taken),
            Part::Header if self.section.is_over() => self.end_of_header()?,
            part => part,
        };
        Ok(taken)
    }

    fn end_of_lead(&mut self) -> Result<Part, PackageError> {
        if let Some(lead) = self.lead.whole() {
            self.source = lead::check(&lead)?;
            return Ok(Part::Signature);
        }
        // What is no RPM is refused by its first bytes, not by its ninety-sixth.
        let mut both = self.lead.so_far().iter().zip(&LEAD_MAGIC);
        match both.all(|(byte, magic)| byte == magic) {
            true => Ok(Part::Lead),
            false => Err(PackageError::Magic),
        }
    }

    fn end_of_signature(&mut self) -> Part {
        let padding_bytes = self.section.padding_bytes();
        let found = self.next_section();
        if let Some(size) = found.size() {
            let begin = self.passed_bytes.saturating_add(padding_bytes as u64);
            self.told_bytes = begin.saturating_add(size);
        }
        padding(padding_bytes)
    }

    fn end_of_header(&mut self) -> Result<Part, PackageError> {
        let found = self.next_section();
        self.header = Some(reduced::read(&found, self.source)?);
        Ok(Part::Payload)
    }

    /// Drops the index of the section that is over.
    fn next_section(&mut self) -> wanted::Found {
        std::mem::replace(&mut self.section, Section::new(Which::Header)).into_found()
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let header = self.header.as_ref().map_or(0, |header| {
            let RpmHeader {
                name,
                version,
                release,
                arch,
                ..
            } = header;
            name.capacity() + version.capacity() + release.capacity() + arch.capacity()
        });
        size_of::<Self>() + self.section.held_bytes() + header
    }

    /// As [`push`](Self::push), and says in how many steps.
    #[cfg(test)]
    pub(super) fn push_counting(&mut self, mut bytes: &[u8]) -> Result<usize, PackageError> {
        let mut steps = 0;
        while !bytes.is_empty() {
            let taken = self.step(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            steps += 1;
        }
        Ok(steps)
    }
}

/// What comes before so many bytes of padding have passed.
fn padding(left_bytes: usize) -> Part {
    match left_bytes {
        0 => Part::Header,
        left => Part::Padding(left),
    }
}
