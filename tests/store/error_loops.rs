//! Every call fails once: the first, the second, and so on to the last, in the pack and in the index,
//! in every way; once, and from then on for ever.
//!
//! Nothing acknowledged is lost, no wrong byte is read, nobody waits for ever, and who is refused hears
//! why.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use packhold::domain::DomainError;
use packhold::store::StoreError;

use crate::support::client::Client;
use crate::support::history::{Allowed, assert_holds};
use crate::support::noise::Noise;
use crate::support::platter::Disk;
use crate::support::sim::{Call, Failure, Fault, File, Sim};
use crate::support::work::Scene;

/// Nobody waits as long as this, even on a busy machine; whoever does is taken to hang.
const HANGS: Duration = Duration::from_mins(5);

const FAILURES: [Failure; 5] = [
    Failure::Io,
    Failure::Full,
    Failure::Short(0),
    Failure::Short(100),
    Failure::Interrupted,
];

/// A fault in one of the files.
#[derive(Debug, Clone, Copy)]
struct Case {
    file: File,
    fault: Fault,
    seed: u64,
}

impl Case {
    fn sim(self, scene: &Scene) -> Sim {
        match self.file {
            File::Pack => scene.pack.clone(),
            File::Index => scene.index.clone(),
        }
    }

    /// Whatever can be read is right.
    fn assert_no_wrong_byte(self, scene: &Scene, client: &Client) {
        let journal = scene.journal();
        let allowed = scene.promised(&scene.history.nothing(), &journal);
        for (name, contents) in &allowed {
            if !name.starts_with('/') {
                continue;
            }
            if let Ok(found) = client.try_get(name) {
                let right = contents.iter().any(|c| c.as_deref() == found.as_ref());
                assert!(right, "{self:?}: {name} holds what it must not");
            }
        }
    }

    /// Works with the fault, mends it, opens the store again. Whether the fault was met.
    fn run(self) -> bool {
        let (scene, mut noise) = (Scene::new(), Noise::new(self.seed));
        let sim = self.sim(&scene);
        let client = scene.open().expect("it opens");
        scene.work(&client, 3, &mut noise);
        sim.fault(self.fault);
        scene.work(&client, 4, &mut noise);
        self.assert_no_wrong_byte(&scene, &client);
        self.assert_clear(&client);
        client.store.close();
        drop(client);
        // The fault may be met by opening, too; what it says is an error or that all is there.
        if let Ok(client) = scene.open() {
            self.assert_no_wrong_byte(&scene, &client);
            scene.work(&client, 1, &mut noise);
        }
        sim.mend();
        let met = sim.injected() > 0;
        let client = scene
            .open()
            .unwrap_or_else(|error| panic!("{self:?}: does not open: {error}"));
        let allowed: Allowed = scene.promised(&scene.history.nothing(), &scene.journal());
        assert_holds(&client, &allowed, &format!("{self:?}"));
        client.assert_clean();
        scene.work(&client, 2, &mut noise);
        met
    }

    /// A store that refuses writes says how to go on.
    fn assert_clear(self, client: &Client) {
        if client.store.writable().is_ok() {
            return;
        }
        let refused = client.try_delete("/d0/f0");
        match refused {
            Err(DomainError::NotFound(_) | DomainError::NoRepository { .. }) => {}
            Err(DomainError::Store(StoreError::Refused(why) | StoreError::InDoubt(why))) => {
                let clear = why.contains("until it is opened again") || why.contains("index");
                assert!(clear, "{self:?}: {why}");
            }
            other => panic!("{self:?}: not refused clearly: {other:?}"),
        }
    }
}

/// Runs a case, but does not wait for ever.
fn met(case: Case) -> bool {
    let (sender, receiver) = channel();
    let thread = std::thread::spawn(move || {
        sender.send(case.run()).expect("somebody waits");
    });
    match receiver.recv_timeout(HANGS) {
        Ok(met) => met,
        Err(RecvTimeoutError::Timeout) => panic!("{case:?}: hangs"),
        Err(RecvTimeoutError::Disconnected) => {
            let why = thread.join().expect_err("it panicked");
            std::panic::resume_unwind(why)
        }
    }
}

/// All faults in a file.
fn loops(file: File, calls: &[Call]) {
    let mut tried = 0_u32;
    for &call in calls {
        for failure in FAILURES {
            let short = matches!(failure, Failure::Short(_));
            if short && call != Call::Write {
                continue;
            }
            for for_ever in [false, true] {
                let mut after = 0;
                loop {
                    let fault = Fault {
                        call,
                        after,
                        failure,
                        for_ever,
                    };
                    let seed = 40 + after % 3;
                    if !met(Case { file, fault, seed }) {
                        break;
                    }
                    tried += 1;
                    // Reads are many; the first of them are tried one by one.
                    after += 1 + if after > 30 { after / 4 } else { 0 };
                }
            }
        }
    }
    println!("faults in the {file:?} tried: {tried}, losses: 0");
    assert!(tried > 60, "only {tried} faults");
}

// The disk of the index is full. A checkpoint would write into a hole of its file, fail, and fail again
// whenever the index is opened anew: nothing would be served any more, deletes least of all.
// No checkpoint is tried before there is room; reads and deletes go on.
#[test]
fn a_full_disk_of_the_index_stops_nothing() {
    let scene = Scene::new();
    let busy = Duration::from_millis(1);
    let client = scene.try_open(busy).expect("it opens");
    client.put("/old", b"old");
    client.put("/older", b"older");
    scene.index.set_free(Some(0));
    scene.index.fail_for_ever(Call::Write, Failure::Full);
    // Those that were on their way when the disk became full.
    client.delete("/older");
    std::thread::sleep(busy * 50);
    let before = scene.index.injected();
    for i in 0..20 {
        client.put(&format!("/new{i}"), b"new");
        client.delete(&format!("/new{i}"));
        std::thread::sleep(busy * 3);
    }
    assert_eq!(client.get("/old").as_deref(), Some(&b"old"[..]));
    assert_eq!(scene.index.injected(), before, "it was written to");
    client.store.close();
    drop(client);
    scene.index.mend();
    scene.index.set_free(None);
    let client = scene.open().expect("it opens");
    assert_eq!(client.get("/old").as_deref(), Some(&b"old"[..]));
    assert_eq!((client.get("/older"), client.get("/new3")), (None, None));
    client.assert_clean();
}

// There is no index, and no room for one. Who wants to make room must be able to look and to delete.
#[test]
fn without_room_for_an_index_it_is_built_in_memory() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    client.put("/old", b"old");
    client.put("/older", b"older");
    client.store.close();
    drop(client);
    let late = Scene::on(&Disk {
        pack: scene.pack.pages(),
        ..Disk::default()
    });
    for call in [Call::Write, Call::Truncate] {
        late.index.fail_for_ever(call, Failure::Full);
        let client = late.open().expect("it opens");
        assert_eq!(client.get("/old").as_deref(), Some(&b"old"[..]));
        client.put("/older", b"older");
        client.delete("/older");
        client.assert_clean();
        client.store.close();
        drop(client);
        late.index.mend();
    }
    let client = late.open().expect("it opens");
    assert!(client.store.open_report().rebuilt);
    assert_eq!(client.get("/older"), None);
    client.assert_clean();
}

#[test]
fn any_failing_call_of_the_pack_loses_nothing() {
    loops(File::Pack, &Call::ALL);
}

#[test]
fn any_failing_call_of_the_index_loses_nothing() {
    loops(
        File::Index,
        &[Call::Write, Call::Sync, Call::Truncate, Call::Read],
    );
}
