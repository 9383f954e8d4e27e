//! Finding software packages: sets of ids for what many share, orders for what hardly two share.
//!
//! A query first becomes the set of the ids that it asks for: unions and intersections of bitmaps, and
//! for a keyword a pass over the file names (some 60 bytes a package). That gives the total. The page
//! is then read in the order asked for: from the sets of a field that packages share, or by walking
//! the order of a field that they do not share; few rows, and those that a walk does not soon come to,
//! are fetched and sorted instead. So the first page of a query over 100,000 packages takes some
//! milliseconds, and memory does not grow with the packages but by a bit or two each.

pub mod names;
mod page;
mod select;

use std::ops::BitOr;

use redb::ReadableTable;
use roaring::RoaringBitmap;

use super::IndexError;
use super::row::{seal_bytes, unseal_bytes};
use super::rows::Rows;
use super::tables::Source;
use crate::format::meta::Package;

pub use page::page;

/// Ids of packages.
pub type Ids = RoaringBitmap;

/// What packages are filtered and sorted by. The number is that of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Its number.
    Id = 0,
    /// Name.
    Name = 1,
    /// What it is for, by its name.
    Kind = 2,
    /// Version.
    Version = 3,
    /// Build number.
    BuildNumber = 4,
    /// Operating system.
    OperatingSystem = 5,
    /// Architecture.
    Architecture = 6,
    /// Name of its file.
    FileName = 7,
    /// sha1 of its file.
    Sha1 = 8,
    /// md5 of its file.
    Md5 = 9,
    /// Length of its file.
    Size = 10,
    /// The second in which it was uploaded: more is not shown.
    Created = 11,
}

impl Field {
    /// Those whose values packages share: there is a set of ids for each value.
    pub const SHARED: [Self; 6] = [
        Self::Name,
        Self::Kind,
        Self::Version,
        Self::BuildNumber,
        Self::OperatingSystem,
        Self::Architecture,
    ];
    /// Those whose values hardly two packages share: there is a row for each package.
    pub const UNIQUE: [Self; 5] = [
        Self::FileName,
        Self::Sha1,
        Self::Md5,
        Self::Size,
        Self::Created,
    ];
}

/// A value that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Exactly this one.
    Is(String),
    /// All that begin so.
    Begins(String),
}

/// Any of these values of one of the shared fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// One of [`Field::SHARED`].
    pub field: Field,
    /// The values; without any, nothing is found.
    pub any: Vec<Match>,
}

/// Which packages are asked for, and which of them first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageQuery {
    /// A part of the file name, in any case.
    pub keyword: Option<String>,
    /// All of them must hold.
    pub filters: Vec<Filter>,
    /// By what they are sorted: numbers as numbers, texts by code point, ties by ascending id.
    pub order: Field,
    /// The greatest first.
    pub descending: bool,
    /// How many to leave out.
    pub skip: u64,
    /// How many to give at most.
    pub limit: usize,
}

/// Some of the packages that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagePage {
    /// How many there are in all.
    pub total: u64,
    /// Those of the page.
    pub packages: Vec<Package>,
}

/// The package with a file name.
pub fn called<S: Source>(source: &S, file_name: &str) -> Result<Option<Package>, IndexError> {
    let (field, name) = (Field::FileName as u8, file_name.as_bytes());
    let mut range = source
        .package_orders()?
        .range((field, name, 0)..=(field, name, u64::MAX))?;
    let Some(row) = range.next() else {
        return Ok(None);
    };
    let (key, ()) = row.map(|(key, _)| (key, ()))?;
    let package = source.package(key.value().2)?;
    Ok(package.filter(|package| package.file_name == file_name))
}

/// Which block of names has that of an id.
pub fn block_of(id: u64) -> u64 {
    id >> 8
}

/// The value of a shared field.
pub fn set_of(field: Field, package: &Package) -> &str {
    match field {
        Field::Name => &package.name,
        Field::Kind => package.kind.name(),
        Field::Version => &package.version,
        Field::BuildNumber => &package.build_number,
        Field::OperatingSystem => &package.operating_system,
        Field::Architecture => &package.architecture,
        Field::Id | Field::FileName | Field::Sha1 => "",
        Field::Md5 | Field::Size | Field::Created => "",
    }
}

/// The value of any field, as bytes that sort as it does.
pub fn order_key(field: Field, package: &Package) -> Vec<u8> {
    match field {
        Field::Id => package.id.to_be_bytes().to_vec(),
        Field::FileName => package.file_name.clone().into_bytes(),
        Field::Sha1 => package.sha1.to_vec(),
        Field::Md5 => package.md5.to_vec(),
        Field::Size => package.size.to_be_bytes().to_vec(),
        Field::Created => (package.created_ms / 1000).to_be_bytes().to_vec(),
        shared => set_of(shared, package).as_bytes().to_vec(),
    }
}

/// The key of a row of sets.
pub type SetKey<'k> = (u8, &'k str, u64);

/// A set as a row.
pub fn set_row((field, value, high): SetKey<'_>, ids: &Ids) -> Result<Vec<u8>, IndexError> {
    let mut bytes = Vec::with_capacity(ids.serialized_size() + size_of::<u32>());
    let written = ids.serialize_into(&mut bytes);
    written.map_err(|_| IndexError::Damaged {
        table: "package_sets",
    })?;
    let key: [&[u8]; 3] = [&[field], value.as_bytes(), &high.to_le_bytes()];
    Ok(seal_bytes(&key, bytes))
}

/// The set of a row.
pub fn unset_row((field, value, high): SetKey<'_>, row: &[u8]) -> Result<Ids, IndexError> {
    let key: [&[u8]; 3] = [&[field], value.as_bytes(), &high.to_le_bytes()];
    let bytes = unseal_bytes("package_sets", &key, row)?;
    Ids::deserialize_from(bytes).map_err(|_| IndexError::Damaged {
        table: "package_sets",
    })
}

/// All that is in any of the sets.
fn union(sets: impl IntoIterator<Item = Ids>) -> Ids {
    sets.into_iter().fold(Ids::new(), BitOr::bitor)
}
