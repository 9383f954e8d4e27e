//! Taking in, finding and deleting software packages.

use super::{Fields, PackageError};
use crate::digest::Wanted;
use crate::domain::DomainError;
use crate::domain::lookup::content;
use crate::domain::submit::submit;
use crate::domain::upload::Content;
use crate::format::meta::{Blob, Mutation, Package, PackageDelete};
use crate::index::Rows;
use crate::store::{Ids, Ingest, Ingested, Store, StoreError};

/// Packages that a store can ever have had.
const MAX_PACKAGES: u64 = u32::MAX as u64;

/// Begins to take in the bytes of a package: `size` is what is known of how many come, at least.
///
/// # Errors
/// [`DomainError::Store`].
pub fn begin(store: &Store, size: Option<u64>) -> Result<Ingest, DomainError> {
    store.accepts(size)?;
    Ok(store.ingest(Wanted::Md5Sha1))
}

/// Refuses a package that is there already.
///
/// # Errors
/// [`PackageError::Exists`], [`DomainError::Store`].
pub fn check(rows: &dyn Rows, fields: &Fields) -> Result<(), DomainError> {
    match rows.package_called(&fields.file_name)? {
        Some(_) => Err(PackageError::Exists(fields.file_name.clone()).into()),
        None => Ok(()),
    }
}

/// Makes a package of bytes that are in. `done` hears when that is durable and visible, or why it is
/// not; of several at once with one file name, one is taken in.
pub fn finish(
    store: &Store,
    fields: Fields,
    by: String,
    ingested: Ingested,
    done: impl FnOnce(Result<Package, DomainError>) + Send + 'static,
) {
    let (md5, sha1) = (ingested.digests.md5, ingested.digests.sha1);
    let (content, sha1) = match (Content::of(ingested), sha1) {
        (Ok(content), Some(sha1)) => (content, sha1),
        (Err(error), _) => return done(Err(error.into())),
        (Ok(_), None) => return done(Err(StoreError::System("a lost sha1".to_owned()).into())),
    };
    let now_ms = store.now_ms();
    let place = move |rows: &dyn Rows, _: &mut Ids| {
        check(rows, &fields)?;
        let id = rows.next_package()?;
        if id > MAX_PACKAGES {
            let why = "no more software packages can be numbered".to_owned();
            return Err(StoreError::Refused(why).into());
        }
        let (mut mutations, blob) = content.made_known(rows)?;
        let Fields {
            name,
            version,
            build_number,
            operating_system,
            architecture,
            kind,
            file_name,
        } = fields.clone();
        let package = Package {
            id,
            name,
            version,
            build_number,
            operating_system,
            architecture,
            kind,
            file_name,
            sha256: blob.sha256,
            size: blob.size,
            md5,
            sha1,
            created_by: by.clone(),
            created_ms: now_ms,
        };
        mutations.push(Mutation::PackagePut(package.clone()));
        Ok((mutations, package))
    };
    submit(store, place, done);
}

/// The package of an id.
///
/// # Errors
/// [`PackageError::NoPackage`], [`DomainError::Store`].
pub fn package(rows: &dyn Rows, id: u64) -> Result<Package, DomainError> {
    let found = rows.package(id)?;
    found.ok_or_else(|| PackageError::NoPackage(id).into())
}

/// The package of a file name, and its content.
///
/// # Errors
/// [`PackageError::NoFile`], [`DomainError::Store`].
pub fn file(rows: &dyn Rows, file_name: &str) -> Result<(Package, Blob), DomainError> {
    let found = rows.package_called(file_name)?;
    let package = found.ok_or_else(|| PackageError::NoFile(file_name.to_owned()))?;
    let blob = content(rows, &package.sha256, &package.file_name)?;
    Ok((package, blob))
}

/// Deletes a package.
///
/// # Errors
/// [`PackageError::NoPackage`], [`DomainError::Store`].
pub fn delete(rows: &dyn Rows, id: u64) -> Result<Vec<Mutation>, DomainError> {
    package(rows, id)?;
    Ok(vec![Mutation::PackageDelete(PackageDelete { id })])
}
