//! Opening for reading only changes nothing, and claims nothing.

use std::fs;
use std::path::Path;

use packhold::domain::DomainError;
use packhold::pack::PackError;
use packhold::store::{Access, Options, Store, StoreError};

use crate::support::client::{Client, Clock, options};
use crate::support::noise::noise;

fn open(pack: &Path, access: Access) -> Client {
    let options = Options {
        access,
        ..options(&Clock::at(1_000))
    };
    let store = Store::open(pack, options).expect("it opens");
    Client { store }
}

/// A pack as a kill leaves it: its last commits are proven by none. And its length without them.
fn killed(dir: &Path) -> (Vec<u8>, usize) {
    let path = dir.join("live.pack");
    let client = open(&path, Access::Create);
    client.put("/first", &noise(1, 20_000));
    let proven = fs::read(&path).unwrap().len();
    client.put("/second", &noise(2, 20_000));
    (fs::read(&path).unwrap(), proven)
}

// A store is killed and then looked at, for reading only: its last commits may live in the page
// cache alone, and nobody wrote them again. If the index file now covered them, a power failure that
// takes them would make the next start refuse, as if acknowledged commits had been lost by a backup.
#[test]
fn an_unproven_tail_is_shown_and_not_vouched_for() {
    let dir = tempfile::tempdir().unwrap();
    let (image, proven) = killed(dir.path());
    let pack = dir.path().join("s.pack");
    fs::write(&pack, &image).unwrap();
    let client = open(&pack, Access::ReadOnly);
    assert_eq!(client.get("/second").unwrap(), noise(2, 20_000));
    client.assert_clean();
    client.store.close();
    drop(client);
    assert!(fs::read(&pack).unwrap() == image, "the pack was changed");
    fs::write(&pack, &image[..proven]).unwrap();
    let client = open(&pack, Access::ReadWrite);
    assert_eq!(client.get("/first").unwrap(), noise(1, 20_000));
    assert_eq!(client.get("/second"), None);
    client.assert_clean();
}

#[test]
fn nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let client = open(&pack, Access::Create);
    client.put("/first", &noise(1, 20_000));
    client.store.close();
    drop(client);
    // A torn tail stays, too.
    let mut image = fs::read(&pack).unwrap();
    image.extend(noise(3, 1_000));
    fs::write(&pack, &image).unwrap();
    let client = open(&pack, Access::ReadOnly);
    assert_eq!(client.store.open_report().torn_bytes, 1_000);
    let refused = client.try_put("/new", b"x");
    assert!(
        matches!(
            refused,
            Err(DomainError::Store(StoreError::Pack(PackError::ReadOnly(_))))
        ),
        "{refused:?}"
    );
    assert!(client.try_delete("/first").is_err());
    assert_eq!(client.get("/first").unwrap(), noise(1, 20_000));
    client.assert_clean();
    client.store.close();
    drop(client);
    assert!(fs::read(&pack).unwrap() == image);
    let client = open(&pack, Access::ReadWrite);
    assert_eq!(client.store.open_report().torn_bytes, 1_000);
    client.assert_clean();
}
