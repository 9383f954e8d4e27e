//! Full disks and failing calls: what stops the store, and what does not.

use packhold::domain::{DomainError, Stored};
use packhold::format::meta::{Mutation, User};
use packhold::store::{Outcome, StoreError};

use crate::support::client::{Client, Clock, address, fields, new_sim, open, try_open};
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure, Sim};

fn is_full<T: std::fmt::Debug>(result: &Result<T, DomainError>) -> bool {
    matches!(result, Err(DomainError::Store(StoreError::Full)))
}

fn two_files() -> (Sim, Client) {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/old", &noise(1, 20_000));
    client.put("/older", &noise(2, 20_000));
    (sim, client)
}

/// An upload of a segment, a leaf, a root and a commit.
fn four_writes(client: &Client) -> Result<Stored, DomainError> {
    client.try_put("/new", &noise(3, 60_000))
}

fn assert_goes_on(sim: &Sim, client: Client) {
    assert_eq!(client.get("/new"), None);
    assert_eq!(client.get("/old").unwrap(), noise(1, 20_000));
    four_writes(&client).expect("there is room again");
    client.delete("/older");
    client.assert_clean();
    drop(client);
    let client = open(sim, &Clock::at(2_000));
    assert_eq!(client.store.open_report().torn_bytes, 0);
    assert_eq!(client.get("/new").unwrap(), noise(3, 60_000));
    assert_eq!(client.get("/older"), None);
    client.assert_clean();
}

fn assert_poisoned(sim: &Sim, client: Client) {
    assert!(client.store.writable().is_err());
    let refused = client.try_put("/more", b"x");
    assert!(refused.is_err() && !is_full(&refused), "{refused:?}");
    assert!(client.try_delete("/old").is_err());
    assert_eq!(client.get("/new"), None);
    assert_eq!(client.get("/old").unwrap(), noise(1, 20_000));
    drop(client);
    let client = open(sim, &Clock::at(2_000));
    assert_eq!(client.get("/old").unwrap(), noise(1, 20_000));
    client.put("/new", b"after reopening");
    assert_eq!(client.get("/new").unwrap(), b"after reopening");
    client.assert_clean();
}

// The disk is full at one of the writes of an upload, or takes only a part of it. Half a record must
// not stay: what is appended behind it would be cut off with it at the next start.
// The upload fails as "full", and everything goes on once there is room.
#[test]
fn a_full_disk_at_any_write_stops_nothing() {
    for failure in [
        Failure::Full,
        Failure::Short(0),
        Failure::Short(1),
        Failure::Short(100),
        Failure::Short(70_000),
    ] {
        for after in 0..4 {
            let (sim, client) = two_files();
            sim.fail(Call::Write, after, failure);
            let outcome = four_writes(&client);
            assert!(is_full(&outcome), "{failure:?} {after}: {outcome:?}");
            let length = sim.image().len() as u64;
            assert_eq!(
                length,
                client.pack_bytes(),
                "{failure:?} {after}: a part stayed"
            );
            assert_goes_on(&sim, client);
        }
    }
}

#[test]
fn a_full_disk_when_space_is_asked_for() {
    let (sim, client) = two_files();
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    sim.fail_for_ever(Call::Allocate, Failure::Full);
    assert!(is_full(&four_writes(&client)));
    sim.mend();
    assert_goes_on(&sim, client);
}

#[test]
fn deletes_work_when_only_the_reserve_is_left() {
    let (sim, client) = two_files();
    let package = client.add(fields("old", "1"), b"a package");
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    sim.fail_for_ever(Call::Allocate, Failure::Full);
    client.delete("/older");
    assert!(is_full(&client.try_put("/new", b"x")));
    client.delete("/old");
    assert_eq!((client.get("/older"), client.get("/old")), (None, None));
    assert!(is_full(&client.try_add(fields("new", "1"), b"x")));
    client.try_remove(package.id).expect("it takes no room");
    assert_eq!(client.try_package(&package.file_name).unwrap(), None);
    client.assert_clean();
}

// Deletes and uploads wait together while the disk is full. One commit record for all of them would
// need room that uploads may not take, and the deletes, which give room back, would fail with them.
// The deletes are made; the uploads hear that the disk is full.
#[test]
fn deletes_do_not_fail_with_the_uploads_they_wait_beside() {
    let (sim, client) = two_files();
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    sim.fail_for_ever(Call::Allocate, Failure::Full);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    client.store.submit(
        move |_, _| {
            begun.send(()).expect("somebody waits");
            held.recv().expect("somebody lets go");
            Ok::<_, ()>((Vec::new(), ()))
        },
        |_| {},
    );
    begins.recv().expect("the committer is held up");
    let (tell, told) = std::sync::mpsc::channel();
    for path in ["/old", "/older"] {
        let other = tell.clone();
        client.store.submit(
            move |_, _| Ok::<_, ()>((vec![user(path, 1)], ())),
            move |made| {
                other
                    .send(("put", is_store_full(&made)))
                    .expect("a listener");
            },
        );
        let tell = tell.clone();
        packhold::domain::delete(&client.store, address(path), move |made| {
            tell.send(("delete", made.is_ok())).expect("a listener");
        });
    }
    drop(tell);
    hold.send(()).expect("the committer waits");
    let mut outcomes: Vec<_> = told.iter().collect();
    outcomes.sort_unstable();
    let expected = [
        ("delete", true),
        ("delete", true),
        ("put", true),
        ("put", true),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!((client.get("/older"), client.get("/old")), (None, None));
    client.assert_clean();
}

/// A mutation of so many mebibytes.
fn user(name: &str, mebibytes: usize) -> Mutation {
    Mutation::UserPut(User {
        name: name.to_owned(),
        password_phc: "x".repeat(mebibytes << 20),
        admin: false,
        created_ms: 0,
    })
}

fn is_store_full(made: &Outcome<(), ()>) -> bool {
    matches!(made, Err(StoreError::Full))
}

// One change is larger than a reader would accept back. Once acknowledged, it would be lost with the
// next rebuild of the index. It is refused, and what waits beside it is not.
#[test]
fn a_change_that_no_reader_would_accept_is_refused() {
    let (sim, client) = two_files();
    let huge = |mebibytes: usize| {
        client.store.commit(move |_, _| {
            let list = (0..mebibytes).map(|i| user(&i.to_string(), 1)).collect();
            Ok::<_, ()>((list, ()))
        })
    };
    assert!(matches!(huge(33), Err(StoreError::Refused(_))));
    let one = client
        .store
        .commit(|_, _| Ok::<_, ()>((vec![user("u", 17)], ())));
    assert!(matches!(one, Err(StoreError::Refused(_))));
    assert!(matches!(huge(30), Ok(Ok(()))));
    assert_goes_on(&sim, client);
}

#[test]
fn an_upload_that_surely_does_not_fit_is_refused_at_its_start() {
    let (sim, client) = two_files();
    let before = sim.log().len();
    sim.set_free(Some(1 << 20));
    assert!(is_full(&four_writes(&client)));
    assert_eq!(sim.log().len(), before, "nothing was written");
    sim.set_free(None);
    assert_goes_on(&sim, client);
}

#[test]
fn a_medium_that_promises_no_space_is_good_enough() {
    let (sim, client) = two_files();
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    sim.fail_for_ever(Call::Allocate, Failure::Io);
    four_writes(&client).unwrap();
    assert_eq!(client.get("/new").unwrap(), noise(3, 60_000));
}

// A write fails with an I/O error. Nobody knows what is on the disk; writing on could bury it.
// The store refuses writes until it is opened again, and goes on reading.
#[test]
fn an_io_error_on_any_write_forbids_writing() {
    for after in 0..4 {
        let (sim, client) = two_files();
        sim.fail(Call::Write, after, Failure::Io);
        let outcome = four_writes(&client);
        assert!(
            outcome.is_err() && !is_full(&outcome),
            "{after}: {outcome:?}"
        );
        assert_poisoned(&sim, client);
    }
}

// The disk takes a part of a record, and then the part cannot be cut off. The next record would lie
// behind garbage. The store refuses writes; the next start cuts the garbage and loses nothing.
#[test]
fn a_failed_truncate_forbids_writing() {
    for after in 0..4 {
        let (sim, client) = two_files();
        sim.fail(Call::Write, after, Failure::Short(50));
        sim.fail(Call::Truncate, 0, Failure::Io);
        let outcome = four_writes(&client);
        assert!(
            outcome.is_err() && !is_full(&outcome),
            "{after}: {outcome:?}"
        );
        assert_poisoned(&sim, client);
    }
}

#[test]
fn a_failed_sync_forbids_writing() {
    let (sim, client) = two_files();
    sim.fail(Call::Sync, 0, Failure::Io);
    assert!(four_writes(&client).is_err());
    assert_poisoned(&sim, client);
}

#[test]
fn opening_fails_when_the_tail_cannot_be_made_durable() {
    let (sim, client) = two_files();
    client.store.close();
    drop(client);
    for (call, failure) in [(Call::Write, Failure::Io), (Call::Sync, Failure::Io)] {
        sim.fail(call, 0, failure);
        assert!(try_open(&sim, &Clock::at(3_000)).is_err(), "{call:?}");
        sim.mend();
    }
    let client = open(&sim, &Clock::at(4_000));
    assert_eq!(client.get("/old").unwrap(), noise(1, 20_000));
}
