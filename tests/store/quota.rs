//! What a repository with a quota holds, against a model that knows exactly: nothing is let in that
//! does not fit, and nothing refused that does.

use std::collections::BTreeMap;

use packhold::domain::nodes::{self, Transfer, Way};
use packhold::domain::path::NodePath;
use packhold::domain::projects::{self, RepoChange};
use packhold::domain::quota::Usage;
use packhold::domain::{self, Address, DomainError, MayCreate};
use packhold::store::Store;

use crate::support::client::{Client, Clock, address, new_sim, open_busy, upload, wait};
use crate::support::noise::Noise;

/// Files of a repository: top folder and name, and size.
type Files = BTreeMap<(u8, u8), u64>;

/// A name of a few.
fn name(noise: &mut Noise) -> (u8, u8) {
    let mut small = || u8::try_from(noise.below(3)).expect("small");
    (small(), small())
}

fn other(path: &str) -> Address {
    Address::new("project", "other", path).expect("a valid address")
}

/// As the façade does it: what does not fit by what is known is measured and tried again.
fn within<T>(
    usage: &Usage,
    store: &Store,
    repo: &Address,
    mut attempt: impl FnMut() -> Result<T, DomainError>,
) -> Result<T, DomainError> {
    loop {
        match attempt() {
            Err(DomainError::Quota(excess)) => usage.measure(store, repo, &excess)?,
            outcome => return outcome,
        }
    }
}

/// Puts a file.
fn put(client: &Client, usage: &Usage, to: &Address, size: u64) -> Result<(), DomainError> {
    let bytes = vec![7; usize::try_from(size).expect("small")];
    within(usage, &client.store, to, || {
        let mut wish = upload("/");
        wish.address = to.clone();
        let mut ingest = domain::begin(&client.store, &wish, None)?;
        ingest.push(&bytes.clone().into())?;
        let ingested = ingest.finish()?;
        wait(|done| domain::finish(&client.store, usage, wish, ingested, done)).map(drop)
    })
}

fn transfer(
    client: &Client,
    usage: &Usage,
    way: Way,
    from: &Address,
    to: &Address,
) -> Result<(), DomainError> {
    within(usage, &client.store, to, || {
        let transfer = Transfer {
            from: from.clone(),
            to: to.clone(),
            overwrite: true,
            way,
            by: "tester".to_owned(),
            may_create: MayCreate::Project,
        };
        wait(|done| nodes::transfer(&client.store, usage, transfer, done))
    })
}

/// Whether a change is let in that makes these files those.
fn is_let_in(quota: Option<u64>, before: &Files, after: &Files) -> bool {
    let sum = |files: &Files| files.values().sum::<u64>();
    quota.is_none_or(|quota| sum(after) <= quota || sum(after) <= sum(before))
}

/// Asserts that a change was let in exactly if it fits; then it has happened.
fn assert_fits(
    what: &str,
    outcome: &Result<(), DomainError>,
    quota: Option<u64>,
    files: &mut Files,
    after: Files,
) {
    match is_let_in(quota, files, &after) {
        true => {
            assert!(
                outcome.is_ok(),
                "{what}: {outcome:?} of {quota:?} {files:?}"
            );
            *files = after;
        }
        false => assert!(
            matches!(outcome, Err(DomainError::Quota(_))),
            "{what}: {outcome:?} of {quota:?} {files:?}"
        ),
    }
}

fn set_quota(client: &Client, usage: &Usage, quota: Option<u64>) {
    let (usage, change) = (
        usage.clone(),
        RepoChange {
            quota_bytes: Some(quota),
            ..RepoChange::default()
        },
    );
    let outcome = client.store.commit(move |rows, _| {
        let mutations = projects::update_repo(rows, &usage, &address("/"), &change)?;
        Ok::<_, DomainError>((mutations, ()))
    });
    outcome.expect("a store").expect("a quota");
}

#[test]
fn exactly_what_fits_is_let_in() {
    let client = open_busy(&new_sim(), &Clock::at(1));
    let mut noise = Noise::new(5);
    let mut usage = Usage::default();
    let (mut files, mut others, mut quota) = (Files::new(), Files::new(), None);
    put(&client, &usage, &address("/0/0"), 5).expect("no quota yet");
    put(&client, &usage, &other("/0/0"), 5).expect("no quota");
    files.insert((0, 0), 5);
    others.insert((0, 0), 5);
    for _ in 0..2000 {
        let (folder, name) = name(&mut noise);
        let path = format!("/{folder}/{name}");
        let mut after = files.clone();
        match noise.below(12) {
            0..4 => {
                let size = noise.below(30) as u64;
                let outcome = put(&client, &usage, &address(&path), size);
                after.insert((folder, name), size);
                assert_fits("put", &outcome, quota, &mut files, after);
            }
            4 => {
                let size = noise.below(30) as u64;
                put(&client, &usage, &other(&path), size).expect("no quota");
                others.insert((folder, name), size);
            }
            5..7 => {
                let deleted = client.try_delete(&path);
                assert_eq!(deleted.is_ok(), files.remove(&(folder, name)).is_some());
            }
            7 => {
                let top = NodePath::parse(&format!("/{folder}")).expect("a path");
                let repo = address("/");
                wait(|done| nodes::remove(&client.store, &repo, vec![top], done))
                    .expect("a folder, or nothing");
                files.retain(|(top, _), _| *top != folder);
            }
            8 => {
                let from = other(&format!("/{folder}"));
                let theirs = others.iter().filter(|((top, _), _)| *top == folder);
                let theirs: Files = theirs.map(|(name, size)| (*name, *size)).collect();
                if theirs.is_empty() {
                    continue;
                }
                let outcome = transfer(&client, &usage, Way::Copy, &from, &address("/"));
                after.extend(theirs);
                assert_fits("copy", &outcome, quota, &mut files, after);
            }
            9 => {
                let Some(size) = others.get(&(folder, name)).copied() else {
                    continue;
                };
                let to = format!("/{folder}/{}", (name + 1) % 3);
                let outcome = transfer(&client, &usage, Way::Move, &other(&path), &address(&to));
                after.insert((folder, (name + 1) % 3), size);
                assert_fits("move", &outcome, quota, &mut files, after);
                if outcome.is_ok() {
                    others.remove(&(folder, name));
                }
            }
            10 => {
                quota = Some(noise.below(150) as u64).filter(|quota| *quota > 20);
                set_quota(&client, &usage, quota);
            }
            // As after a restart.
            _ => usage = Usage::default(),
        }
    }
    let found = usage
        .of(&client.store, &address("/"))
        .expect("a repository");
    let sum = files.values().sum::<u64>();
    assert_eq!(found, quota.map(|quota| (quota, sum)));
}
