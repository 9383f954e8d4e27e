//! Software packages among the rest: of a file name there is one at a time, ids are given once, and a
//! row and its file are of one upload.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use packhold::format::Sha256;
use packhold::format::meta::Package;
use serde_json::Value;

use super::{Change, Client, digest};
use crate::auth::{admin, login};
use crate::multipart::Form;
use crate::noise::noise;
use crate::packages::answers::{assert_done, data, refusal};
use crate::packages::{PACKAGES, download, id, sha1, text};
use crate::rpms::rpm_with;
use crate::service::Service;
use crate::wire::Call;

const NAMES: u64 = 4;
/// Contents of each name, so that many clients upload the same bytes, and many others.
const CONTENTS: u64 = 3;

struct Rpm {
    file_name: String,
    sha1: String,
    content: Sha256,
    bytes: Vec<u8>,
}

static RPMS: LazyLock<Vec<Rpm>> = LazyLock::new(|| {
    let all = (0..NAMES).flat_map(|name| (0..CONTENTS).map(move |seed| (name, seed)));
    let rpm = |(name, seed)| {
        let name = format!("package{name}");
        let bytes = rpm_with(&name, "1", "1", "noarch", &noise(seed, 30_000));
        Rpm {
            file_name: format!("{name}-1-1.noarch.rpm"),
            sha1: sha1(&bytes),
            content: digest(&bytes),
            bytes,
        }
    };
    all.map(rpm).collect()
});

/// The upload that a row tells of.
fn rpm_of(row: &Value) -> &'static Rpm {
    let (file_name, sha1) = (text(row, "fileName"), text(row, "sha1"));
    let found = RPMS
        .iter()
        .find(|rpm| rpm.file_name == file_name && rpm.sha1 == sha1);
    let rpm = found.unwrap_or_else(|| panic!("nobody uploaded {row}"));
    assert_eq!(row["size"], rpm.bytes.len(), "{row}");
    rpm
}

/// Lets the clients change packages.
pub fn permit(service: &Service, client: &str) {
    let body = serde_json::json!({"userId": client, "role": "PACKAGE_MANAGER"});
    let call = Call::new("PUT", "/packhold/grants").header("Content-Type", "application/json");
    let call = call.body(body.to_string());
    assert_eq!(service.send(&admin(call)).verdict(), (200, 0));
}

impl Client<'_> {
    pub fn add_package(&mut self) {
        let rpm = &RPMS[self.noise.below(RPMS.len())];
        let call = Form::of("x.rpm", &rpm.bytes).post(PACKAGES);
        // What is there already is refused before all of it has come, and the connection with it.
        let answer = login(call, &self.name, &self.name).send(self.address);
        if answer.status == 200 {
            let row = data(&answer);
            assert_eq!(rpm_of(&row).content, rpm.content, "{row}");
            let file_name = rpm.file_name.clone();
            let content = rpm.content;
            let id = id(&row);
            self.done.push(Change::Add {
                id,
                file_name,
                content,
            });
        } else {
            assert_eq!(refusal(&answer), (409, "PKG10012".to_owned()));
            self.refused += 1;
        }
    }

    /// All rows: of each name one at most, since they are of one moment.
    pub fn list_packages(&mut self) -> Vec<Value> {
        let target = format!("{PACKAGES}?size=100&sort=fileName");
        let found = data(&self.say("GET", Call::new("GET", target)));
        let rows = found["contents"].as_array().expect("an array").clone();
        assert_eq!(found["page"]["totalElements"], rows.len(), "{found}");
        let names: Vec<_> = rows.iter().map(|row| &rpm_of(row).file_name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        rows
    }

    fn any_package(&mut self) -> Option<Value> {
        let rows = self.list_packages();
        (!rows.is_empty()).then(|| rows[self.noise.below(rows.len())].clone())
    }

    pub fn remove_package(&mut self) {
        let Some(row) = self.any_package() else {
            return;
        };
        let call = Call::new("DELETE", format!("{PACKAGES}/{}", id(&row)));
        let answer = self.say("DELETE", call);
        if answer.status == 200 {
            assert_done(&answer);
            self.done.push(Change::Remove { id: id(&row) });
        } else {
            assert_eq!(refusal(&answer), (404, "PKG10014".to_owned()));
            self.refused += 1;
        }
    }

    /// The file may by now be that of a later package, but of one whole.
    pub fn download_package(&mut self) {
        let Some(row) = self.any_package() else {
            return;
        };
        let answer = self.say("GET", download(&row));
        if answer.status != 200 {
            assert_eq!(refusal(&answer), (404, "PKG10000".to_owned()));
            return;
        }
        let file_name = text(&row, "fileName");
        let sent = RPMS
            .iter()
            .find(|rpm| rpm.file_name == file_name && rpm.bytes == answer.body);
        let sent = sent.expect("somebody sent exactly this");
        let etag = answer.header("X-Checksum-Sha256");
        assert!(etag.is_none_or(|etag| etag == hex::encode(sent.content)));
        self.read += 1;
    }
}

/// The packages as the log says.
#[derive(Default)]
pub struct Shelf {
    packages: BTreeMap<u64, (String, Sha256)>,
    last_id: u64,
    /// Deletes that were acknowledged, and are not met in the log yet.
    removed: HashSet<u64>,
}

impl Shelf {
    pub fn expect_removal(&mut self, id: u64) {
        assert!(self.removed.insert(id), "package {id} was deleted twice");
    }

    /// A package of the log, and what its uploader was told.
    pub fn add(&mut self, package: Package, told: &Change) {
        let (id, file_name, content) = (package.id, package.file_name, package.sha256);
        assert!(id > self.last_id, "{id} is no new id");
        self.last_id = id;
        let is_there = self.packages.values().any(|(name, _)| *name == file_name);
        assert!(!is_there, "{file_name} is there twice");
        self.packages.insert(id, (file_name.clone(), content));
        let logged = Change::Add {
            id,
            file_name,
            content,
        };
        assert_eq!(*told, logged);
    }

    pub fn remove(&mut self, id: u64) {
        assert!(self.removed.remove(&id), "nobody deleted package {id}");
        let gone = self.packages.remove(&id);
        assert!(gone.is_some(), "only what is there is deleted: {id}");
    }

    /// Asserts that all was met, and that the service shows what is left.
    pub fn assert_shown(&self, service: &Service) {
        assert!(self.last_id > 20, "only {} packages", self.last_id);
        assert!(
            self.removed.is_empty(),
            "not in the log: {:?}",
            self.removed
        );
        let target = format!("{PACKAGES}?size=100&sort=id");
        let found = data(&service.send(&admin(Call::new("GET", target))));
        let rows = found["contents"].as_array().expect("an array");
        let shown = rows
            .iter()
            .map(|row| (id(row), text(row, "fileName"), rpm_of(row).content));
        let left = self.packages.iter();
        let left = left.map(|(id, (file_name, content))| (*id, file_name.as_str(), *content));
        assert!(shown.eq(left), "{found}\n{:?}", self.packages);
        for row in rows {
            let answer = service.send(&admin(download(row)));
            assert!(answer.body == rpm_of(row).bytes, "{row}");
        }
    }
}
