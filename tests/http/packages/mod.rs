//! Software packages: the API of OCP, by seeds 000 to 002 and what real clients of it do.

pub mod answers;
mod companions;
mod concurrent;
mod damage;
mod dedup;
mod delete;
mod download;
mod forms;
mod full;
mod hostile;
mod names;
mod pages;
mod public_url;
mod query;
mod query_model;
mod refusals;
mod refused_rpms;
mod rights;
mod upload;

use std::fmt::Display;

use serde_json::Value;
use sha1::Digest;

use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::Service;
use crate::wire::{Answer, Call};
use answers::data;

/// Where packages are.
pub const PACKAGES: &str = "/api/v2/software-packages";
/// Where their files are.
const FILES: &str = "/api/v2/files/sys-package";

/// sha1 in hex.
pub fn sha1(bytes: &[u8]) -> String {
    hex::encode(sha1::Sha1::digest(bytes))
}

/// md5 in hex.
fn md5(bytes: &[u8]) -> String {
    hex::encode(md5::Md5::digest(bytes))
}

/// Uploads, whatever becomes of it.
fn upload(service: &Service, file_name: &str, bytes: &[u8]) -> Answer {
    service.send(&Form::of(file_name, bytes).post(PACKAGES))
}

/// Uploads a package that is not there yet; gives the answer's `data`.
#[track_caller]
fn add(service: &Service, file_name: &str, bytes: &[u8]) -> Value {
    data(&upload(service, file_name, bytes))
}

/// Uploads an RPM with these fields under its canonical name; gives the answer's `data`.
#[track_caller]
fn add_rpm(service: &Service, name: &str, version: &str, release: &str, arch: &str) -> Value {
    let file_name = format!("{name}-{version}-{release}.{arch}.rpm");
    add(service, &file_name, &rpm(name, version, release, arch))
}

/// Asks for packages; `query` is without the question mark.
fn list(service: &Service, query: &str) -> Answer {
    service.send(&Call::new("GET", format!("{PACKAGES}?{query}")))
}

/// The packages that a query finds, on its page.
#[track_caller]
fn rows(service: &Service, query: &str) -> Vec<Value> {
    let found = data(&list(service, query));
    found["contents"].as_array().expect("an array").clone()
}

/// The ids of the packages that a query finds, on its page.
#[track_caller]
fn ids(service: &Service, query: &str) -> Vec<u64> {
    rows(service, query).iter().map(id).collect()
}

/// How many packages there are.
#[track_caller]
fn total(service: &Service) -> u64 {
    let found = data(&list(service, "page=1&size=1"));
    let total = found["page"]["totalElements"].as_u64();
    total.expect("a number")
}

/// A package's id.
#[track_caller]
pub fn id(package: &Value) -> u64 {
    package["id"].as_u64().expect("an id is a number")
}

/// What a key of a package says.
#[track_caller]
pub fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    let value = package[key].as_str();
    value.unwrap_or_else(|| panic!("no text `{key}`: {package}"))
}

/// Asks for one package, whatever that is.
fn get(service: &Service, id: impl Display) -> Answer {
    service.send(&Call::new("GET", format!("{PACKAGES}/{id}")))
}

/// Deletes, whatever becomes of it.
fn delete(service: &Service, id: impl Display) -> Answer {
    service.send(&Call::new("DELETE", format!("{PACKAGES}/{id}")))
}

/// The request for a package's file, as its `downloadUrl` says.
#[track_caller]
pub fn download(package: &Value) -> Call {
    let url = text(package, "downloadUrl");
    let target = url.strip_prefix("http://test");
    Call::new("GET", target.expect("a URL of this service"))
}

/// Asserts that a package's file has these bytes.
#[track_caller]
fn assert_file(service: &Service, package: &Value, bytes: &[u8]) {
    let answer = service.send(&download(package));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body == bytes, "{package} has other bytes");
}
