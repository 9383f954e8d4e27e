//! Folders of thousands of files: one small commit, whatever is done with them.

use packhold::format::meta::{FolderSweep, Mutation};
use packhold::index::Rows;
use packhold::store::StoreError;

use super::{api, ask, data, from_to, send, verdict};
use crate::service::Service;

/// Bytes that a commit takes which names a node or two.
const ONE_COMMIT: u64 = 2_000;

/// Bytes that the pack grows by.
fn growth(service: &Service, change: impl FnOnce()) -> u64 {
    let bytes = || service.store.stats().expect("stats").pack_bytes;
    let before = bytes();
    change();
    bytes() - before
}

/// Forgets all that was deleted, as the server does by and by.
fn sweep(service: &Service) {
    let dropped = || {
        service
            .store
            .rows()
            .expect("rows")
            .dropped()
            .expect("a row")
    };
    while let Some(folder) = dropped() {
        let count = 1000;
        let swept = service.store.commit::<(), StoreError>(move |_, _| {
            let sweep = FolderSweep { folder, count };
            Ok((vec![Mutation::FolderSweep(sweep)], ()))
        });
        swept.expect("a commit").expect("a sweep");
    }
}

fn total(service: &Service, path: &str) -> u64 {
    let path = format!("/node/page/project/repo{path}?pageSize=3");
    let page = ask(service, &path);
    assert_eq!(page["records"].as_array().map(Vec::len), Some(3), "{path}");
    page["totalRecords"].as_u64().expect("a number")
}

/// 5,000 files in 100 folders, and the 50 that they are copies of.
fn filled() -> Service {
    let service = Service::open();
    for i in 0..50 {
        service.store(&format!("/seed/{i}"), format!("{i}"));
    }
    for i in 0..100 {
        let copied = send(
            &service,
            "POST",
            "/node/copy",
            &from_to("/seed", &format!("/big/{i}"), false),
        );
        assert_eq!(copied.verdict(), (200, 0));
    }
    service
}

#[test]
fn trees_are_moved_renamed_copied_and_deleted_in_one_small_commit() {
    let service = filled();
    let post = |path: &str, from: &str, to: &str| {
        let answer = send(&service, "POST", path, &from_to(from, to, false));
        assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    };
    let copied = growth(&service, || post("/node/copy", "/big", "/copy"));
    assert!(copied < ONE_COMMIT, "{copied}");
    let moved = growth(&service, || post("/node/move", "/copy", "/far/away"));
    assert!(moved < ONE_COMMIT, "{moved}");
    let renamed = growth(&service, || {
        let path = "/node/rename/project/repo/far/away?newFullPath=/near";
        assert_eq!(verdict(&service, "POST", path), (200, 0));
    });
    assert!(renamed < ONE_COMMIT, "{renamed}");
    assert_eq!(
        (total(&service, "/near"), total(&service, "/near/99")),
        (100, 50)
    );
    service.assert_file("/near/42/17", b"17");
    let size = ask(&service, "/node/size/project/repo/near");
    assert_eq!(size["subNodeWithoutFolderCount"], 5000);
    let deleted = growth(&service, || {
        let deleted = api("DELETE", "/node/delete/project/repo/big");
        assert_eq!(data(&service.send(&deleted))["deletedNumber"], 5000);
    });
    // The sweeper may have begun: some commits that name folders, none that names files.
    assert!(deleted < 10 * ONE_COMMIT, "{deleted}");
    service.assert_none("/big/42/17");
    sweep(&service);
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.files, stats.blobs), (5050, 50));
    let report = service.store.verify(false).expect("it can be verified");
    assert!(report.clean, "{report:?}");
    assert_eq!(report.files, 5050);
}

#[test]
fn merges_are_bounded() {
    let service = filled();
    // Folders that meet nothing go as they are: that is cheap whatever is in them.
    let copy = |from: &str, to: &str, overwrite: bool| {
        send(
            &service,
            "POST",
            "/node/copy",
            &from_to(from, to, overwrite),
        )
        .verdict()
    };
    for i in 1..=4 {
        assert_eq!(copy("/big", &format!("/more/{i}"), false), (200, 0));
    }
    assert_eq!(copy("/more", "/twin", false), (200, 0));
    assert_eq!(
        copy("/more", "/", false),
        (200, 0),
        "onto itself is nothing"
    );
    // Into /twin/more: there is none yet. Then file by file, 20,000 of them.
    assert_eq!(copy("/more", "/twin", false), (200, 0));
    assert_eq!(copy("/more", "/twin", true), (400, 251_014));
    assert_eq!(copy("/more/1", "/twin/more", true), (200, 0));
    let report = service.store.verify(false).expect("it can be verified");
    assert!(report.clean, "{report:?}");
}
