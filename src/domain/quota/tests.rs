//! What is known of what repositories hold, held against what is added to them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::format::meta::{NodePut, Quota, Repo};
use crate::store::Options;

const NOW_MS: u64 = 1_000;
const QUOTA: u64 = 100;
/// Roots of the repositories `a` and `b`.
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

/// A store with two empty repositories that have a quota.
struct Site {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Site {
    fn open() -> Self {
        let directory = tempfile::tempdir().expect("a folder");
        let options = Options {
            // No commit is made that no test makes.
            idle: Duration::from_hours(1),
            clock: Arc::new(|| NOW_MS),
            ..Options::default()
        };
        let store = Store::open(&directory.path().join("p"), options).expect("a store");
        let site = Self {
            store,
            _directory: directory,
        };
        for (name, root) in [("a", A), ("b", B)] {
            site.commit(vec![
                Mutation::RepoPut(Repo {
                    project: "p".to_owned(),
                    name: name.to_owned(),
                    root,
                    public: false,
                    description: String::new(),
                    created_by: String::new(),
                    created_ms: 0,
                }),
                Mutation::QuotaPut(Quota {
                    project: "p".to_owned(),
                    repo: name.to_owned(),
                    bytes: Some(QUOTA),
                }),
            ]);
        }
        site
    }

    fn commit(&self, mutations: Vec<Mutation>) {
        let made = self
            .store
            .commit::<(), DomainError>(move |_, _| Ok((mutations.clone(), ())));
        made.expect("the store takes it").expect("nobody objects");
    }

    fn rows(&self) -> impl Rows + use<> {
        self.store.rows().expect("rows")
    }

    /// Measures a repository.
    fn measure(&self, usage: &Usage, name: &str) -> u64 {
        let found = usage.of(&self.store, &at(name, "/")).expect("rows");
        let (quota, bytes) = found.expect("a quota");
        assert_eq!(quota, QUOTA);
        bytes
    }
}

fn at(repo: &str, path: &str) -> Address {
    Address::new("p", repo, path).expect("an address")
}

/// Puts a file of so many bytes.
fn file(root: NodeId, bytes: u64) -> Mutation {
    Mutation::NodePut(NodePut {
        parent: root,
        name: "f".to_owned(),
        node: Node::bare(
            NodeId(root.0 + 10),
            NodeKind::File {
                sha256: [0; 32],
                size: bytes,
            },
        ),
    })
}

/// Makes as many repositories known as there may be.
fn fill(usage: &Usage) {
    let mut state = usage.0.lock();
    let mut root = 1_000_000;
    while state.repos.len() < MAX_REPOS {
        state.repos.insert(NodeId(root), Held::default());
        root += 1;
    }
}

/// The roots of the repositories that are known.
fn known(usage: &Usage) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = usage.0.lock().repos.keys().copied().collect();
    roots.sort_unstable();
    roots
}

#[test]
fn of_many_additions_the_oldest_count_as_if_they_had_come_later() {
    let mut held = Held::default();
    held.measured(100, 1, 5);
    let last = MAX_ADDITIONS as u64;
    for behind in 1..=last {
        // Two behind one commit are one addition.
        held.add(behind, 1);
        held.add(behind, 1);
    }
    assert_eq!(held.added.front(), Some(&(1, 2)));
    assert_eq!(
        (held.added.len(), held.sum()),
        (MAX_ADDITIONS, 100 + 2 * last)
    );
    held.add(last + 1, 1);
    assert_eq!(held.added.front(), Some(&(2, 4)));
    assert_eq!(held.added.back(), Some(&(last + 1, 1)));
    let all = 100 + 2 * last + 1;
    assert_eq!((held.added.len(), held.sum()), (MAX_ADDITIONS, all));
    // This snapshot has what was added behind the first commit; that is not known any more.
    held.measured(102, 2, 6);
    assert_eq!(held.sum(), all + 2);
    // What was measured in an older one is no news.
    held.measured(0, 1, 7);
    assert_eq!((held.sum(), held.at, held.measured_ms), (all + 2, 2, 6));
    held.measured(104, 3, 8);
    assert_eq!((held.sum(), held.at, held.measured_ms), (all, 3, 8));
    assert_eq!(held.added.front(), Some(&(3, 2)));
}

proptest! {
    #[test]
    fn what_is_known_is_never_less_than_what_was_added(
        steps in proptest::collection::vec(
            (0_u64..3, 0_u64..100, proptest::option::weighted(0.1, 0_u64..150)),
            0..150,
        ),
    ) {
        let mut held = Held::default();
        // What was added behind which commit.
        let mut made: Vec<(u64, u64)> = Vec::new();
        let (mut newest, mut commits) = (1, 0);
        for (gap, bytes, measured) in steps {
            newest += gap;
            commits += usize::from(gap > 0 || made.is_empty());
            held.add(newest, bytes);
            made.push((newest, bytes));
            if let Some(age) = measured {
                let at = newest.saturating_sub(age);
                let there = made.iter().filter(|(behind, _)| *behind < at);
                held.measured(there.map(|(_, bytes)| bytes).sum(), at, NOW_MS);
            }
            let all: u64 = made.iter().map(|(_, bytes)| bytes).sum();
            prop_assert!(held.sum() >= all, "{} of {all}", held.sum());
            prop_assert!(held.added.len() <= MAX_ADDITIONS);
            if commits <= MAX_ADDITIONS {
                prop_assert_eq!(held.sum(), all);
            }
        }
    }
}

#[test]
fn one_repository_too_many_makes_all_others_be_measured_anew() {
    let (site, usage) = (Site::open(), Usage::default());
    assert_eq!(site.measure(&usage, "a"), 0);
    fill(&usage);
    // One that is known already makes none of them go.
    assert_eq!(site.measure(&usage, "a"), 0);
    assert_eq!(usage.0.lock().repos.len(), MAX_REPOS);
    assert_eq!(site.measure(&usage, "b"), 0);
    assert_eq!(known(&usage), [B]);
    site.commit(vec![file(A, 5)]);
    assert_eq!(site.measure(&usage, "a"), 5);
    assert_eq!(known(&usage), [A, B]);
}

// What is known of a repository is thrown away with all else when an addition to it was decided, but
// is in no commit yet. A snapshot without it would make the quota seem to have more room than it has.
#[test]
fn a_snapshot_that_lacks_forgotten_additions_is_not_believed() {
    let (site, usage) = (Site::open(), Usage::default());
    assert_eq!(site.measure(&usage, "a"), 0);
    let admitted = usage.admit(&site.rows(), &at("a", "/"), &[file(A, 5)], false, NOW_MS);
    admitted.expect("it fits");
    fill(&usage);
    assert_eq!(site.measure(&usage, "b"), 0);
    assert_eq!(site.measure(&usage, "a"), 0);
    assert!(known(&usage).is_empty());
    site.commit(vec![file(A, 5)]);
    assert_eq!(site.measure(&usage, "a"), 5);
    assert_eq!(known(&usage), [A]);
    let rows = site.rows();
    let takes = |bytes| match usage.check(&rows, &at("a", "/g"), bytes, NOW_MS) {
        Ok(()) => true,
        Err(DomainError::Quota(_)) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(takes(QUOTA - 5));
    assert!(!takes(QUOTA - 4));
}

// Somebody measures a repository for long, in a snapshot from before its quota was set anew. What was
// added since is not counted anywhere, and must not be missed because other repositories were
// forgotten in the meantime.
#[test]
fn a_snapshot_from_before_a_quota_was_set_is_never_believed() {
    let (site, usage) = (Site::open(), Usage::default());
    let old = site.rows();
    usage.forget(&old, A).expect("rows");
    site.commit(vec![file(A, 5)]);
    fill(&usage);
    assert_eq!(site.measure(&usage, "b"), 0);
    assert_eq!(known(&usage), [B]);
    let measured = usage.walk(&site.store, &old, A).expect("rows");
    assert_eq!(measured, 0, "it lacks the file");
    assert_eq!(known(&usage), [B]);
    assert_eq!(site.measure(&usage, "a"), 5);
    assert_eq!(known(&usage), [A, B]);
}
