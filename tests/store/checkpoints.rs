//! When the committer seals and makes checkpoints, and what it puts into one commit.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use packhold::domain::DomainError;
use packhold::format::meta::{MAX_MUTATION_BYTES, Mutation, UserDelete};
use packhold::format::record::Kind;
use packhold::store::{Options, StoreError};

use crate::opening::open_as;
use crate::support::client::{Client, Clock, new_sim, open, options};
use crate::support::log::frames_of;
use crate::support::sim::File;
use crate::support::work::Scene;

/// Changes nothing, and takes so many bytes of a commit.
fn of_len(bytes: usize) -> Mutation {
    let of = |len| {
        Mutation::UserDelete(UserDelete {
            name: "x".repeat(len),
        })
    };
    let more = of(1 << 20).encoded_len() - (1 << 20);
    let made = of(bytes - more);
    assert_eq!(made.encoded_len(), bytes);
    made
}

/// Changes nothing.
pub fn nothing() -> Mutation {
    Mutation::UserDelete(UserDelete {
        name: "nobody".to_owned(),
    })
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Commits that a kill at this moment would leave to be replayed.
fn left_to_replay(scene: &Scene) -> u64 {
    // First the index: it must not cover what the copy of the pack lacks.
    let index = scene.index.beside(File::Index, scene.index.pages());
    let copy = Scene {
        pack: scene.pack.beside(File::Pack, scene.pack.pages()),
        index,
        ..Scene::new()
    };
    let client = copy.open().unwrap();
    client.store.open_report().replayed_commits
}

#[test]
fn a_store_also_comes_to_rest_when_each_change_is_to_reach_the_index_then() {
    let scene = Scene::new();
    let options = Options {
        idle: Duration::from_millis(5),
        rest: 0,
        ..options(&scene.clock)
    };
    let client = open_as(&scene, options).unwrap();
    client.put("/f", b"one");
    wait_until("at rest", || left_to_replay(&scene) == 0);
}

#[test]
fn a_store_that_rests_makes_a_checkpoint_and_then_writes_nothing() {
    let scene = Scene::new();
    let client = scene.try_open(Duration::from_millis(5)).unwrap();
    client.put("/f", b"one");
    wait_until("at rest", || left_to_replay(&scene) == 0);
    // The checkpoint may be there before it is known to be: two that rest longer than it takes.
    std::thread::sleep(Duration::from_millis(200));
    let before = scene.journal().len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(scene.journal().len(), before, "it writes while it rests");
}

#[test]
fn checkpoints_are_made_after_many_changes_and_not_after_few() {
    let scene = Scene::new();
    let client = scene.open().unwrap();
    let begin = scene.index.syncs();
    for _ in 0..10 {
        client.commit(vec![nothing(); 4_000]);
    }
    assert_eq!(scene.index.syncs(), begin, "40,000 changes");
    assert_eq!(left_to_replay(&scene), 10);
    for _ in 0..4 {
        client.commit(vec![nothing(); 4_000]);
    }
    wait_until("made", || scene.index.syncs() > begin);
    assert!(left_to_replay(&scene) < 4);
}

#[test]
fn opening_and_closing_writes_nothing_more() {
    let (sim, clock) = (new_sim(), Clock::at(1));
    let mut images = (0..3).map(|_| {
        let client = open(&sim, &clock);
        client.store.close();
        drop(client);
        sim.image()
    });
    let first = images.next().unwrap();
    assert!(images.all(|image| image == first));
}

#[test]
fn changes_that_wait_are_one_commit_until_that_is_large() {
    let (sim, clock) = (new_sim(), Clock::at(1));
    let client = open(&sim, &clock);
    let before = frames_of(&sim.image(), Kind::Commit).len();
    let (sender, receiver) = channel();
    let (enter, entered) = channel();
    let (go, gone) = channel::<()>();
    let mut once = Some((enter, gone));
    let submit = |mutations: Vec<Mutation>, mut first: Box<dyn FnMut() + Send>| {
        let sender = sender.clone();
        client.store.submit(
            move |_, _| {
                first();
                Ok::<_, DomainError>((mutations.clone(), ()))
            },
            move |made| sender.send(made.is_ok()).unwrap(),
        );
    };
    // The others come while the committer is busy with this.
    let busy = Box::new(move || {
        if let Some((enter, gone)) = once.take() {
            enter.send(()).unwrap();
            gone.recv().unwrap();
        }
    });
    submit(vec![], busy);
    entered.recv().unwrap();
    for _ in 0..5 {
        submit(vec![of_len(3 << 20)], Box::new(|| {}));
    }
    go.send(()).unwrap();
    for _ in 0..6 {
        assert!(receiver.recv().unwrap());
    }
    let commits = frames_of(&sim.image(), Kind::Commit).split_off(before);
    let sizes: Vec<u64> = commits.iter().map(|frame| frame.body_bytes >> 20).collect();
    // Closed at eight mebibytes: that which reaches them is still in it.
    assert_eq!(sizes, [9, 6]);
}

fn refused(client: &Client, mutations: Vec<Mutation>) -> Option<String> {
    let made = client
        .store
        .commit::<(), DomainError>(move |_, _| Ok((mutations.clone(), ())));
    match made {
        Ok(Ok(())) => None,
        Err(StoreError::Refused(why)) => Some(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_that_is_too_large_is_refused_and_the_largest_is_not() {
    let (sim, clock) = (new_sim(), Clock::at(1));
    let client = open(&sim, &clock);
    let largest = of_len(MAX_MUTATION_BYTES);
    assert_eq!(refused(&client, vec![largest.clone()]), None);
    assert_eq!(refused(&client, vec![largest.clone(); 2]), None);
    let before = sim.image();
    let too_large = [
        vec![of_len(MAX_MUTATION_BYTES + 1)],
        vec![largest.clone(), largest, nothing()],
        vec![nothing(), of_len(MAX_MUTATION_BYTES + 3), nothing()],
    ];
    for mutations in too_large {
        let why = refused(&client, mutations);
        assert_eq!(why.as_deref(), Some("the change is too large"));
    }
    assert!(sim.image() == before);
}
