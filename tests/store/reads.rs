//! Reads that wait for nothing: they give what the others give, or nothing at all.

use std::path::Path;

use bytes::Bytes;
use packhold::domain;
use packhold::format::meta::Blob;
use packhold::store::{Generation, Store};

use crate::support::client::{Client, Clock, address, options};
use crate::support::noise::{Noise, noise};

/// On a disk: where all files are in memory, the system does not say of one whether it is.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// A store on a real file: what is in memory is asked of the system.
fn open(path: &Path) -> Client {
    let store = Store::open(path, options(&Clock::at(1))).expect("it opens");
    Client { store }
}

fn blob(client: &Client, path: &str) -> Blob {
    let rows = client.store.rows().unwrap();
    let found = domain::file(&rows, &address(path), client.store.now_ms());
    found.unwrap().unwrap().blob
}

fn generation(client: &Client) -> Generation {
    let now = client.store.generation();
    now.expect("nothing is being changed")
}

/// The second file's chunks lie in several places: many of them are the first one's.
fn mixed(client: &Client) -> Vec<u8> {
    let (first, own) = (noise(1, 100_000), noise(2, 50_000));
    client.put("/first", &first);
    let file = [&first[50_000..], &own, &first[..50_000]].concat();
    client.put("/mixed", &file);
    file
}

#[test]
fn any_range_that_is_in_memory_is_read_at_once() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    let file = mixed(&client);
    let (blob, generation) = (blob(&client, "/mixed"), generation(&client));
    let mut noise = Noise::new(4);
    for round in 0..500 {
        let start = noise.below(file.len());
        let longest = if round % 4 == 0 { file.len() } else { 9000 };
        let end = (start + noise.below(longest)).min(file.len());
        let read = client
            .store
            .read_now(&blob, start as u64..end as u64, generation);
        assert!(read.unwrap() == file[start..end], "{start}..{end}");
    }
    let all = client
        .store
        .read_now(&blob, 0..file.len() as u64, generation);
    assert!(all.unwrap() == file);
}

#[test]
fn a_range_of_more_pieces_than_are_read_at_once_is_not_cut() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    let file = noise(3, 4 << 20);
    client.put("/large", &file);
    let (blob, generation) = (blob(&client, "/large"), generation(&client));
    let read = |range| client.store.read_now(&blob, range, generation);
    assert!(read(0..100_000).unwrap() == file[..100_000]);
    assert_eq!(read(0..4 << 20), None);
}

#[test]
fn what_was_looked_up_before_a_change_is_not_read_at_once() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    client.put("/f", b"one");
    let (blob, generation) = (blob(&client, "/f"), generation(&client));
    let read = || client.store.read_now(&blob, 0..3, generation);
    assert_eq!(read().unwrap(), "one");
    client.put("/other", b"two");
    assert_eq!(read(), None);
}

#[test]
fn windows_that_are_in_memory_are_read_at_once() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    mixed(&client);
    let file = noise(5, 3_000_000);
    client.put("/large", &file);
    let mut reader = client.store.read(&blob(&client, "/large"), 7..2_999_000);
    let mut read = Vec::new();
    while reader.remaining() > 0 {
        let before = reader.remaining();
        let window = reader.next_window_now().expect("it was just written");
        let len: usize = window.iter().map(Bytes::len).sum();
        assert_eq!(len as u64, before - reader.remaining());
        assert!(
            (1..=260 << 10).contains(&len),
            "{len}: a quarter of a mebibyte, and the rest of a piece"
        );
        window.iter().for_each(|part| read.extend_from_slice(part));
    }
    assert!(read == file[7..2_999_000]);
}

#[test]
fn what_lies_together_is_read_as_one() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    client.put("/f", &noise(6, 200_000));
    let mut reader = client.store.read(&blob(&client, "/f"), 0..200_000);
    assert_eq!(reader.next_window().unwrap().len(), 1);
    assert_eq!(reader.remaining(), 0);
}

#[test]
fn little_is_copied_and_much_is_not() {
    let dir = folder();
    let client = open(&dir.path().join("s"));
    client.put("/f", &noise(7, 200_000));
    let (blob, generation) = (blob(&client, "/f"), generation(&client));
    let read = |len| client.store.read_now(&blob, 0..len, generation).unwrap();
    let (small, again) = (read(100), read(100));
    assert_ne!(small.as_ptr(), again.as_ptr());
    let (large, again) = (read(100_000), read(100_000));
    assert_eq!(large.as_ptr(), again.as_ptr(), "bytes of the map");
}
