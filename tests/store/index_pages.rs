//! The index rots while it is open. The database believes its pages, and panics where a flipped bit
//! leads it astray. Whatever is asked then: no wrong byte, no end of the process, and in the end an index
//! that is built anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use packhold::index::{Place, Rows};
use packhold::store::{Options, Store};

use crate::live::flip;
use crate::support::client::{Client, Clock, fields, new_sim, options};
use crate::support::noise::noise;
use crate::support::sim::{File, Paged};

const PAGE: u64 = 4096;
const FILES: usize = 40;

fn content(i: usize) -> Vec<u8> {
    noise(500 + i as u64, 700 + 100 * i)
}

fn path(i: usize) -> String {
    format!("/d{}/f{i}", i % 5)
}

/// Opens with the smallest cache, so that pages are read from the file again.
fn open(pack: &std::path::Path) -> Client {
    let options = Options {
        index_cache_bytes: 0,
        idle: Duration::from_millis(1),
        ..options(&Clock::at(1_000))
    };
    let store = Store::open(pack, options).expect("it opens");
    Client { store }
}

/// What the façade does with who asks: a panic is an error, after which the index is doubted.
fn ask<T>(client: &Client, question: impl FnOnce() -> T) -> Option<T> {
    let answer = catch_unwind(AssertUnwindSafe(question));
    answer.inspect_err(|_| client.store.doubt_index()).ok()
}

/// Asks everything; gives whether all of it was answered as it should be.
fn ask_all(client: &Client, page: u64) -> bool {
    let mut fine = true;
    for i in 0..FILES {
        match ask(client, || client.try_get(&path(i))) {
            Some(Ok(Some(bytes))) => assert!(bytes == content(i), "page {page}: wrong bytes"),
            Some(Ok(None) | Err(_)) | None => fine = false,
        }
    }
    let counted = ask(client, || client.store.stats());
    fine &= matches!(counted, Some(Ok(stats)) if stats.files >= FILES as u64);
    let listed = ask(client, || {
        let rows = client.store.rows().map_err(|_| ())?;
        rows.users(None, 10).map_err(|_| ())?;
        rows.projects(None, 10).map_err(|_| ())?;
        rows.next_package().map_err(|_| ())
    });
    fine &= matches!(listed, Some(Ok(_)));
    fine
}

/// Whether everything is answered, changes are taken, and a verification finds nothing.
fn is_mended(client: &Client, page: u64) -> bool {
    let is_taken = || ask(client, || client.try_put("/new", b"new").is_ok()) == Some(true);
    let is_clean = || {
        let verified = ask(client, || client.store.verify(false));
        matches!(verified, Some(Ok(report)) if report.clean)
    };
    ask_all(client, page) && is_taken() && is_clean()
}

#[test]
fn every_page_of_a_live_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack");
    let client = open(&pack);
    for i in 0..FILES {
        client.put(&path(i), &content(i));
    }
    client.add(fields("package", "1"), &content(3));
    client.store.close();
    drop(client);
    let index = folder.path().join("pack.index");
    let (whole_pack, whole_index) = (
        std::fs::read(&pack).expect("the pack"),
        std::fs::read(&index).expect("the index"),
    );
    let used = |page: &u64| {
        let at = usize::try_from(page * PAGE).expect("it fits");
        whole_index[at..].iter().take(4096).any(|byte| *byte != 0)
    };
    let pages: Vec<u64> = (0..whole_index.len() as u64 / PAGE).filter(used).collect();
    let (mut met, mut tried) = (0, 0);
    for page in pages {
        // The head of a page says what it is, what follows where its rows lie.
        for at in [[0, 2, 9][tried % 3], 40 + 8 * page % 2000] {
            std::fs::write(&pack, &whole_pack).expect("written");
            std::fs::write(&index, &whole_index).expect("written");
            let client = open(&pack);
            flip(&index, page * PAGE + at);
            tried += 1;
            met += usize::from(!ask_all(&client, page));
            // Changes go on, or are refused; the committer lives.
            let _refused = ask(&client, || client.try_put("/new", b"new").is_ok());
            client.store.doubt_index();
            while !is_mended(&client, page) {
                std::thread::sleep(Duration::from_millis(1));
            }
            client.store.close();
        }
    }
    assert!(met > 0, "no flip was ever met, of {tried}");
    println!("flips tried: {tried}, met: {met}, wrong bytes: 0");
}

// Nothing is wrong with it: who doubts it costs time, and loses nothing.
#[test]
fn a_doubted_index_is_built_anew() {
    let clock = Clock::at(1_000);
    let sim = new_sim();
    let shelf = sim.beside(File::Index, Paged::default());
    let place = Place::Shelf(Arc::new(shelf));
    let store = Store::open_on(sim.reopened().medium(), place, options(&clock));
    let client = Client {
        store: store.expect("it opens"),
    };
    client.put("/f", &content(1));
    client.store.doubt_index();
    client.put("/g", &content(2));
    assert!(client.get("/f") == Some(content(1)));
    client.assert_clean();
}
