//! A pack with software packages, kept for ever: what their mutations mean does not change, in
//! whatever way the pack is opened.
//!
//! `PACKHOLD_BLESS=1 cargo test --test store golden` writes the fixture anew.

use std::fs;
use std::path::Path;

use md5::Md5;
use packhold::domain::packages::Fields;
use packhold::format::meta::{
    Grant, Mutation, Package, PackageDelete, PackageKind, User, UserDelete,
};
use packhold::index::{Field, Filter, Index, Match, Place, Rows};
use packhold::store::{Access, Options, Store};
use sha1::{Digest, Sha1};

use crate::golden::{assert_written_as_ever, fixture, image};
use crate::support::client::{Client, Clock, fields, new_sim, options};
use crate::support::noise::noise;
use crate::support::sim::Sim;

const FIXTURE: &str = "v1-packages.pack";

/// The file `/first`, which is a package later.
fn first() -> Vec<u8> {
    noise(1, 3_000)
}

/// A package, which is the file `/later` later; its manifest is a root.
fn later() -> Vec<u8> {
    noise(2, 24_000)
}

const TWICE: &[u8] = b"what two packages have";

/// A package that was never uploaded.
fn placed(id: u64, name: &str, version: &str, kind: PackageKind) -> Package {
    let Fields {
        name,
        version,
        build_number,
        operating_system,
        architecture,
        file_name,
        ..
    } = fields(name, version);
    Package {
        id,
        name,
        version,
        build_number,
        operating_system,
        architecture,
        kind,
        file_name,
        sha256: packhold::digest::sha256(TWICE),
        size: TWICE.len() as u64,
        md5: Md5::digest(TWICE).into(),
        sha1: Sha1::digest(TWICE).into(),
        created_by: "placer".to_owned(),
        created_ms: 5_999,
    }
}

/// What came in by an upload.
fn uploaded(id: u64, name: &str, kind: PackageKind, bytes: &[u8]) -> Package {
    Package {
        sha256: packhold::digest::sha256(bytes),
        size: bytes.len() as u64,
        md5: Md5::digest(bytes).into(),
        sha1: Sha1::digest(bytes).into(),
        created_by: "tester".to_owned(),
        // The clock moves at each look.
        created_ms: 1_700_000_000_001 + 2 * id,
        ..placed(id, name, "1.0", kind)
    }
}

/// Two packages whose ids are far from the others, so that they lie in other rows of the index; the
/// second of them takes the place of one that has its id, and the last is gone.
fn far() -> Vec<Mutation> {
    let put = |package| Mutation::PackagePut(package);
    vec![
        put(placed(300, "far", "1", PackageKind::Other)),
        put(placed(70_000, "before", "1", PackageKind::Agent)),
        put(placed(70_000, "farther", "2", PackageKind::Other)),
        put(placed(70_001, "gone", "1", PackageKind::Other)),
        Mutation::PackageDelete(PackageDelete { id: 70_001 }),
        // There never was one.
        Mutation::PackageDelete(PackageDelete { id: 299 }),
    ]
}

fn rights() -> Vec<Mutation> {
    let user = |name: &str| {
        Mutation::UserPut(User {
            name: name.into(),
            password_phc: "$argon2id$not a hash".into(),
            admin: false,
            created_ms: 5,
        })
    };
    let grant = |user: &str, actions| {
        Mutation::GrantPut(Grant {
            user: user.into(),
            project: String::new(),
            repo: String::new(),
            actions,
        })
    };
    vec![
        user("viewer"),
        user("manager"),
        user("neither"),
        user("goes"),
        grant("viewer", 1),
        grant("manager", 9),
        grant("neither", 1),
        grant("neither", 0),
        grant("goes", 9),
        Mutation::UserDelete(UserDelete {
            name: "goes".into(),
        }),
    ]
}

fn fill(client: &Client) {
    let add = |name, bytes: &[u8]| client.add(fields(name, "1.0"), bytes).id;
    client.put("/first", &first());
    assert_eq!(add("obproxy", &first()), 1);
    assert_eq!(add("oceanbase", TWICE), 2);
    assert_eq!(add("oceanbase-libs", TWICE), 3);
    assert_eq!(add("not-for-long", b"gone"), 4);
    assert_eq!(add("ocp-agent", &later()), 5);
    client.put("/later", &later());
    client.try_remove(4).unwrap();
    client.commit(far());
    client.commit(rights());
}

fn build() -> Vec<u8> {
    let sim = new_sim();
    let client = open_at(&sim, Place::Memory);
    fill(&client);
    client.store.close();
    drop(client);
    sim.image()
}

/// Opens a simulated pack at the time at which the fixture was written.
fn open_at(sim: &Sim, place: Place) -> Client {
    let clock = Clock::at(1_700_000_000_000);
    let medium = sim.reopened().medium();
    let store = Store::open_on(medium, place, options(&clock)).unwrap();
    Client { store }
}

/// The packages that are left, by id.
fn left() -> [(Package, Vec<u8>); 6] {
    let twice = TWICE.to_vec();
    [
        (
            uploaded(1, "obproxy", PackageKind::Proxy, &first()),
            first(),
        ),
        (
            uploaded(2, "oceanbase", PackageKind::Server, TWICE),
            twice.clone(),
        ),
        (
            uploaded(3, "oceanbase-libs", PackageKind::Other, TWICE),
            twice.clone(),
        ),
        (
            uploaded(5, "ocp-agent", PackageKind::OcpAgent, &later()),
            later(),
        ),
        (placed(300, "far", "1", PackageKind::Other), twice.clone()),
        (placed(70_000, "farther", "2", PackageKind::Other), twice),
    ]
}

fn assert_means_what_it_meant(client: &Client) {
    let rows = client.store.rows().unwrap();
    for (package, bytes) in left() {
        assert_eq!(rows.package(package.id).unwrap().as_ref(), Some(&package));
        let found = client.try_package(&package.file_name).unwrap();
        assert!(found == Some((package, bytes)), "{found:?}");
    }
    for gone in [4, 299, 70_001] {
        assert_eq!(rows.package(gone).unwrap(), None, "{gone}");
    }
    for (name, version) in [("not-for-long", "1.0"), ("before", "1"), ("gone", "1")] {
        let gone = fields(name, version).file_name;
        assert_eq!(rows.package_called(&gone).unwrap(), None, "{gone}");
    }
    assert_eq!(rows.next_package().unwrap(), 70_002);
    // The content of a package has a sha1 of its own, unless it was known before without one.
    let sha1_of = |bytes: &[u8]| {
        let blob = rows.blob(&packhold::digest::sha256(bytes)).unwrap();
        blob.unwrap().sha1.is_some()
    };
    assert_eq!(
        (sha1_of(&first()), sha1_of(TWICE), sha1_of(&later())),
        (false, true, true)
    );
    assert_finds(client);
    let grants = rows.grants("").unwrap();
    let grants: Vec<(&str, u8)> = grants
        .iter()
        .map(|grant| (grant.user.as_str(), grant.actions))
        .collect();
    assert_eq!(grants, [("manager", 9), ("viewer", 1)]);
    let stats = client.store.stats().unwrap();
    assert_eq!((stats.files, stats.packages, stats.blobs), (2, 6, 3));
    client.assert_clean();
}

fn assert_finds(client: &Client) {
    let all = |order| client.package_ids(None, Vec::new(), order);
    assert_eq!(all(Field::Id), [1, 2, 3, 5, 300, 70_000]);
    assert_eq!(all(Field::Name), [300, 70_000, 1, 2, 3, 5]);
    assert_eq!(all(Field::Version), [300, 1, 2, 3, 5, 70_000]);
    assert_eq!(all(Field::Size), [2, 3, 300, 70_000, 1, 5]);
    assert_eq!(all(Field::Created), [300, 70_000, 1, 2, 3, 5]);
    let keyword = |keyword| client.package_ids(Some(keyword), Vec::new(), Field::Id);
    assert_eq!(keyword("OceanBase"), [2, 3]);
    assert_eq!(keyword("far"), [300, 70_000]);
    assert!(keyword("before").is_empty());
    let only = |field, any| client.package_ids(None, vec![Filter { field, any }], Field::Id);
    let kind = |kind: PackageKind| vec![Match::Is(kind.name().to_owned())];
    assert_eq!(
        only(Field::Kind, kind(PackageKind::Other)),
        [3, 300, 70_000]
    );
    assert!(only(Field::Kind, kind(PackageKind::Agent)).is_empty());
    let begins = |text: &str| vec![Match::Begins(text.to_owned())];
    assert_eq!(only(Field::Version, begins("1")), [1, 2, 3, 5, 300]);
    assert_eq!(only(Field::OperatingSystem, begins("el")).len(), 6);
}

#[test]
fn packages_are_written_as_ever() {
    assert_written_as_ever(FIXTURE, build);
}

#[test]
fn packages_mean_what_they_meant() {
    let client = fixture(FIXTURE);
    assert_means_what_it_meant(&client);
    let next = client.add(fields("next", "1"), TWICE);
    assert_eq!(next.id, 70_002, "an id is never given again");
}

#[test]
fn packages_mean_the_same_when_nothing_may_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    fs::write(&pack, image(FIXTURE)).unwrap();
    let open = |access| {
        let options = Options {
            access,
            ..options(&Clock::at(1_800_000_000_000))
        };
        let store = Store::open(&pack, options).unwrap();
        Client { store }
    };
    // Without an index, then one is made, then with it.
    for access in [Access::ReadOnly, Access::ReadWrite, Access::ReadOnly] {
        let before = fs::read(&pack).unwrap();
        let client = open(access);
        assert_means_what_it_meant(&client);
        client.store.close();
        drop(client);
        let is_changed = fs::read(&pack).unwrap() != before;
        assert!(!is_changed || access != Access::ReadOnly, "{access:?}");
    }
}

#[test]
fn an_index_from_scratch_is_the_one_that_grew_with_the_pack() {
    let dir = tempfile::tempdir().unwrap();
    let grown = dir.path().join("grown");
    let client = open_at(&new_sim(), Place::File(grown.clone()));
    fill(&client);
    client.store.close();
    drop(client);
    let scratch = dir.path().join("scratch");
    let client = open_at(&Sim::of_image(image(FIXTURE)), Place::File(scratch.clone()));
    assert!(client.store.open_report().rebuilt);
    client.store.close();
    drop(client);
    let reader = |index: &Path| {
        let index = Index::open(&Place::File(index.to_path_buf()), 4 << 20).unwrap();
        index.reader().unwrap()
    };
    let differences = reader(&grown).differences(&reader(&scratch), 100).unwrap();
    assert_eq!(differences, Vec::<String>::new());
}
