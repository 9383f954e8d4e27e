//! Software packages, through the OCP API.

use std::io::{Cursor, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{Stretch, Watched, digest, open};
use super::place::encoded;
use super::push::Push;
use super::retry::Persistence;
use super::server::{Body, Call, Method, Server};
use super::{ClientError, Outcome};
use crate::digest::Wanted;

const PACKAGES: &str = "/api/v2/software-packages";
/// Code of the envelope: there is a package of that file name.
const CODE_DUPLICATE: &str = "PKG10012";
/// Packages asked for at once.
const PAGE: usize = 500;

/// A package as a server tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// What the server calls it.
    pub id: u64,
    /// `{name}-{version}-{release}.{arch}.rpm`.
    pub file_name: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it runs on.
    #[serde(default)]
    pub operating_system: String,
    /// Which processors.
    #[serde(default)]
    pub architecture: String,
    /// What kind of package it is.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its size in bytes.
    pub size: u64,
    /// md5 of the file, in hex.
    #[serde(default)]
    pub md5: String,
    /// sha1 of the file, in hex.
    #[serde(default)]
    pub sha1: String,
    /// When it came.
    #[serde(default)]
    pub create_time: String,
}

#[derive(Deserialize)]
struct Paged {
    contents: Vec<Package>,
}

/// The packages that fit a filter.
pub struct Packages<'a> {
    server: &'a Server,
    persistence: Persistence,
    /// Names and values.
    filter: &'a [(&'static str, String)],
    next: Option<u64>,
    page: std::vec::IntoIter<Package>,
}

impl<'a> Packages<'a> {
    /// In the order of their ids.
    #[must_use]
    pub fn new(
        server: &'a Server,
        persistence: Persistence,
        filter: &'a [(&'static str, String)],
    ) -> Self {
        Self {
            server,
            persistence,
            filter,
            next: Some(1),
            page: Vec::new().into_iter(),
        }
    }

    fn turn(&mut self, number: u64) -> Result<(), ClientError> {
        let mut query =
            format!("{PACKAGES}?page={number}&size={PAGE}&sort=id,asc&withInstallationData=false");
        for (name, value) in self.filter {
            query.extend(["&", *name, "=", &encoded(value)]);
        }
        let page: Paged = self.persistence.attempt(|_| {
            let answer = self.server.ask(Call::new(Method::Get, &query))?;
            answer.data()
        })?;
        self.next = (page.contents.len() >= PAGE).then_some(number + 1);
        self.page = page.contents.into_iter();
        Ok(())
    }
}

impl Iterator for Packages<'_> {
    type Item = Result<Package, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(package) = self.page.next() {
                return Some(Ok(package));
            }
            let number = self.next.take()?;
            if let Err(error) = self.turn(number) {
                return Some(Err(error));
            }
        }
    }
}

/// Sends a package, unless one of its name with the same bytes is there.
///
/// # Errors
/// [`ClientError`]; [`ClientError::Exists`] when one of that name has other bytes.
pub fn push_package(with: &Push<'_>, path: &Path) -> Result<Outcome, ClientError> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| ClientError::Invalid(format!("{shown}: the name is not UTF-8")))?;
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '"' | '\\'))
    {
        return Err(ClientError::Invalid(format!(
            "{shown}: not a name of a package"
        )));
    }
    let (file, len) = open(path)?;
    let digests = digest(path, &file, len, Wanted::Md5Sha1)?;
    let (md5, sha1) = (hex::encode(digests.md5), digests.sha1.map(hex::encode));
    let is_same = |there: &Package| there.md5 == md5 && Some(&there.sha1) == sha1.as_ref();
    match there(with, name)? {
        Some(there) if is_same(&there) => return Ok(Outcome::Present),
        Some(_) => return Err(exists(name)),
        None => {}
    }
    let sent: Result<Package, ClientError> = with.gate.pass(|| {
        with.persistence.attempt(|_| {
            let boundary = boundary();
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: application/x-rpm\r\n\r\n"
            );
            let tail = format!("\r\n--{boundary}--\r\n");
            let whole_bytes = head.len() as u64 + len + tail.len() as u64;
            let bytes = Watched {
                bytes: Stretch::new(&file, 0, len),
                observer: with.observer,
            };
            let mut form = Cursor::new(head).chain(bytes).chain(Cursor::new(tail));
            let kind = format!("multipart/form-data; boundary={boundary}");
            let body = Body::Bytes(&mut form, Some(whole_bytes), &kind);
            let call = Call::new(Method::Post, PACKAGES).body(body);
            with.server.ask(call)?.data()
        })
    });
    match sent {
        Ok(stored) if is_same(&stored) => Ok(Outcome::Moved),
        Ok(stored) => Err(ClientError::Differs {
            what: format!("{shown}, as the server stored it: its sha1 counts here;"),
            found: stored.sha1,
            expected: sha1.unwrap_or_default(),
        }),
        // Somebody else was faster, or this did it and did not hear of it; or the server calls it
        // otherwise than its file is called here.
        Err(error) if error.has_code(CODE_DUPLICATE) => match there(with, name)? {
            Some(there) if is_same(&there) => Ok(Outcome::Present),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn exists(name: &str) -> ClientError {
    ClientError::Invalid(format!(
        "a package {name} with other bytes is there; `packhold package rm` takes it away"
    ))
}

/// The package of this file name.
fn there(with: &Push<'_>, name: &str) -> Result<Option<Package>, ClientError> {
    let filter = [("keyword", name.to_owned())];
    for package in Packages::new(with.server, with.persistence, &filter) {
        let package = package?;
        if package.file_name == name {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// Nothing in a file has it by accident.
fn boundary() -> String {
    let mut random = [0; 24];
    // Without chance it is still a boundary.
    let _filled = getrandom::fill(&mut random);
    format!("packhold-{}", hex::encode(random))
}

/// Deletes a package.
///
/// # Errors
/// [`ClientError`].
pub fn remove_package(
    server: &Server,
    persistence: Persistence,
    id: u64,
) -> Result<(), ClientError> {
    let target = format!("{PACKAGES}/{id}");
    persistence.attempt(|_| server.ask(Call::new(Method::Delete, &target)).map(drop))
}
