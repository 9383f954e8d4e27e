//! Compacting: a new pack that says all that the old one says, and nothing that is gone.

use packhold::domain::{DomainError, Sweeper};
use packhold::format::meta::{
    AccessKey, AccessKeyDelete, AccessToken, AccessTokenDelete, Dialect, FolderSweep, Grant,
    Mutation, NodeDelete, NodeMove, NodePut, Project, Quota, Repo, RepoDelete, Session,
    SessionTouch, Token, TokenDelete, TokenUse, TreeCopy, User, UserDelete,
};
use packhold::index::{Place, Rows};
use packhold::store::{CompactReport, Ids};

use crate::support::client::{Client, Clock, another_sim, fields, new_sim, open, rewritten};
use crate::support::crash;
use crate::support::noise::{Noise, noise};
use crate::support::sim::{Call, Failure, Fault, Sim};
use crate::support::telling;
use crate::support::work::Scene;

/// Rewrites a store onto another medium, and asserts that it says the same there.
fn assert_carried(client: &Client, what: &str) -> (Sim, CompactReport) {
    let before = telling::all(client);
    let (sim, report) = rewritten(client, Place::Memory);
    let made = open(&sim, &Clock::at(9_000_000));
    let after = telling::all(&made);
    for (old, new) in before.lines().zip(after.lines()) {
        assert_eq!(old, new, "{what}");
    }
    assert_eq!(before.len(), after.len(), "{what}");
    (sim, report)
}

fn name(noise: &mut Noise, kind: &str) -> String {
    format!("{kind}{}", noise.below(4))
}

/// Something that an administrator does, or undoes.
pub fn setting(noise: &mut Noise) -> Mutation {
    let (user, project, repo) = (
        name(noise, "user"),
        name(noise, "project"),
        name(noise, "repo"),
    );
    let secret_sha256 = [u8::try_from(noise.below(5)).unwrap(); 32];
    let (key, some) = (name(noise, "key"), noise.below(2) == 1);
    match noise.below(13) {
        0 | 1 => Mutation::UserPut(User {
            name: user,
            password_phc: format!("$argon2id${}", noise.next()),
            admin: some,
            created_ms: noise.next(),
        }),
        2 => Mutation::UserDelete(UserDelete { name: user }),
        3 | 4 => Mutation::GrantPut(Grant {
            user,
            project: if some { project } else { String::new() },
            repo: if some { repo } else { String::new() },
            actions: u8::try_from(noise.below(16)).unwrap(),
        }),
        5 => Mutation::TokenPut(Token {
            secret_sha256,
            project,
            repo,
            path: "/a/b".to_owned(),
            good_for: TokenUse::Upload,
            users: vec![user],
            addresses: vec!["10.0.0.1".to_owned()],
            permits: some.then_some(7),
            expires_ms: Some(noise.next()),
            created_by: "admin".to_owned(),
            created_ms: noise.next(),
        }),
        6 => Mutation::TokenDelete(TokenDelete { secret_sha256 }),
        7 => Mutation::AccessTokenPut(AccessToken {
            secret_sha256,
            user,
            name: key,
            created_ms: noise.next(),
            expires_ms: some.then_some(5),
        }),
        8 => Mutation::AccessTokenDelete(AccessTokenDelete { secret_sha256 }),
        9 => Mutation::AccessKeyPut(AccessKey {
            key,
            secret: format!("secret{}", noise.next()),
            user,
            created_ms: noise.next(),
        }),
        10 => Mutation::AccessKeyDelete(AccessKeyDelete { key }),
        11 => Mutation::QuotaPut(Quota {
            project,
            repo,
            bytes: some.then(|| noise.next()),
        }),
        _ => Mutation::ProjectPut(Project {
            name: project,
            display_name: "Some project".to_owned(),
            description: format!("{}", noise.next()),
            created_by: user,
            created_ms: noise.next(),
        }),
    }
}

/// Moves, copies and deletes folders, and changes what is known of a file, as `domain` would decide it.
pub fn tree(rows: &dyn Rows, ids: &mut Ids, choice: usize, number: u64) -> Vec<Mutation> {
    let Ok(Some(repo)) = rows.repo("project", "repo") else {
        return Vec::new();
    };
    let children = rows.children(repo.root, None, 10).expect("rows");
    let Some((first, node)) = children.first().cloned() else {
        return Vec::new();
    };
    let (from, parent) = (node.id, repo.root);
    match choice {
        0 => vec![Mutation::NodeDelete(NodeDelete {
            parent,
            name: first,
        })],
        1 => vec![Mutation::NodeMove(NodeMove {
            from_parent: parent,
            from_name: first,
            to: NodePut {
                parent,
                name: format!("moved{number}"),
                node,
            },
        })],
        2 => {
            let mut copy = node.copied(ids.fresh(), "somebody", 77);
            copy.metadata = vec![("key".to_owned(), format!("{number}"))];
            copy.expires_ms = Some(u64::MAX - number);
            let to = copy.id;
            let put = NodePut {
                parent,
                name: format!("copied{number}"),
                node: copy,
            };
            let tree = TreeCopy {
                from,
                to,
                first_id: ids.reserve(1_000),
                by: "somebody".to_owned(),
                at_ms: 78,
            };
            vec![Mutation::NodePut(put), Mutation::TreeCopy(tree)]
        }
        3 => vec![
            Mutation::RepoPut(Repo {
                project: "project".to_owned(),
                name: "another".to_owned(),
                root: ids.fresh(),
                public: number.is_multiple_of(2),
                description: String::new(),
                created_by: "somebody".to_owned(),
                created_ms: number,
            }),
            Mutation::QuotaPut(Quota {
                project: "project".to_owned(),
                repo: "another".to_owned(),
                bytes: Some(number),
            }),
        ],
        4 => vec![Mutation::RepoDelete(RepoDelete {
            project: "project".to_owned(),
            name: "another".to_owned(),
        })],
        _ => {
            let folder = rows.dropped().expect("rows");
            let sweep = |folder| Mutation::FolderSweep(FolderSweep { folder, count: 2 });
            folder.map(sweep).into_iter().collect()
        }
    }
}

/// What is left of an upload whose blocks go by numbers, and which was used again since.
pub fn session(noise: &mut Noise) -> Vec<Mutation> {
    let session = Session {
        id: [u8::try_from(noise.below(3)).unwrap(); 16],
        suffix: [3; 12],
        dialect: Dialect::Sequence,
        project: "project".to_owned(),
        repo: "repo".to_owned(),
        path: "/in/blocks".to_owned(),
        created_by: "tester".to_owned(),
        created_ms: noise.next(),
        active_ms: noise.below(1_000) as u64,
        blocks: 0,
        replaced: noise.below(5) as u64,
        prefix: packhold::format::meta::Prefix::default(),
    };
    let touch = SessionTouch {
        session: session.id,
        prefix: None,
        at_ms: 5_000,
    };
    vec![Mutation::SessionPut(session), Mutation::SessionTouch(touch)]
}

fn some_history(scene: &Scene, client: &Client, noise: &mut Noise) {
    for number in 0..40 {
        scene.work(client, 1, noise);
        client.commit(vec![setting(noise)]);
        let choice = noise.below(6);
        let made = client
            .store
            .commit::<(), DomainError>(move |rows, ids| Ok((tree(rows, ids, choice, number), ())));
        made.expect("it is taken").expect("nobody objects");
        if noise.below(6) == 0 {
            client.commit(session(noise));
        }
        if noise.below(10) == 0 {
            client.try_gc().expect("space is given back");
        }
    }
}

#[test]
fn whatever_was_done_is_carried_over_twice() {
    for seed in 0..12 {
        let (scene, mut noise) = (Scene::new(), Noise::new(seed));
        let client = scene.open().expect("it opens");
        some_history(&scene, &client, &mut noise);
        // A deleted folder that is not swept yet is no state to carry.
        sweep(&client);
        let (sim, report) = assert_carried(&client, "the first time");
        assert_eq!((report.damaged_chunks, report.healed_chunks), (0, 0));
        let again = open(&sim, &Clock::at(9_000_000));
        again.assert_clean();
        again.put("/more", &noise.bytes(70_000));
        again.add(fields("more", "1"), &noise.bytes(5_000));
        again.commit(vec![setting(&mut noise)]);
        let (sim, second) = assert_carried(&again, "the second time");
        assert!(second.contents >= report.contents);
        open(&sim, &Clock::at(9_100_000)).assert_clean();
    }
}

#[test]
fn only_what_is_alive_is_carried_over() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (kept, gone) = (noise(1, 100_000), noise(2, 400_000));
    client.put("/kept", &kept);
    // Shares its first half with what stays.
    let mut half = gone.clone();
    half[..50_000].copy_from_slice(&kept[..50_000]);
    client.put("/gone", &half);
    for i in 0..50 {
        client.put("/often", &noise(10 + i, 3_000));
    }
    client.delete("/gone");
    client.delete("/often");
    let (_, report) = assert_carried(&client, "deleted");
    assert_eq!(report.contents, 1);
    assert_eq!(report.chunk_bytes, 100_000);
    assert_eq!(report.before_bytes, client.pack_bytes());
    assert!(report.before_bytes > 600_000, "{report:?}");
    assert!(report.after_bytes < 130_000, "{report:?}");
    // Given back before, the same is left.
    client.gc();
    let (_, again) = assert_carried(&client, "and given back");
    assert_eq!(again.chunk_bytes, 100_000);
    assert_eq!(again.after_bytes, report.after_bytes);
}

// A compaction says that the new pack may take the name of the old one, and the power fails behind the
// rename. What was only in the page cache of the new pack would be lost, and the old one is gone.
// Whatever of the unsynced writes is lost, the new pack has everything, and takes new work.
#[test]
fn the_new_pack_is_durable_before_it_gets_the_name() {
    let (scene, mut noise) = (Scene::new(), Noise::new(77));
    let client = scene.open().expect("it opens");
    some_history(&scene, &client, &mut noise);
    client.put("/large", &noise.bytes(3 << 20));
    sweep(&client);
    let before = telling::all(&client);
    let sim = another_sim();
    let start = sim.image();
    let made = client.store.rewrite(sim.medium(), Place::Memory);
    // What is done to it from here on is not part of what was promised.
    let log = sim.log();
    drop(made.expect("it can be rewritten"));
    let durable = crash::durable(&start, &log);
    let mut images = vec![durable.clone()];
    images.extend((0..40).map(|seed| crash::one(&start, &log, &mut Noise::new(seed))));
    for image in images {
        assert!(image == durable, "something was not synced");
    }
    let client = open(&Sim::of_image(durable), &Clock::at(9_000_000));
    assert_eq!(client.store.open_report().torn_bytes, 0);
    assert_eq!(telling::all(&client), before);
    client.put("/after", b"the crash");
    client.assert_clean();
}

fn sweep(client: &Client) {
    let mut sweeper = Sweeper::default();
    while sweeper.sweep(&client.store).expect("it sweeps") {}
}

// The disk fails, or is full, at one of the calls. A compaction that takes no notice puts a pack without
// a file in the place of the one that has it.
// It either says so, or everything is in the new pack.
#[test]
fn whichever_call_fails_it_is_told_or_nothing_is_missing() {
    let client = open(&new_sim(), &Clock::at(1_000));
    client.put("/dir/large", &noise(1, 300_000));
    client.put("/small", &noise(2, 900));
    client.add(fields("package", "1"), &noise(3, 5_000));
    let before = telling::all(&client);
    let mut told = 0;
    for call in [
        Call::Write,
        Call::Sync,
        Call::Allocate,
        Call::Truncate,
        Call::Read,
    ] {
        for failure in [Failure::Io, Failure::Full, Failure::Short(50)] {
            for after in 0.. {
                let sim = another_sim();
                let (start, for_ever) = (sim.image(), after % 2 == 1);
                sim.fault(Fault {
                    call,
                    after,
                    failure,
                    for_ever,
                });
                let made = client.store.rewrite(sim.medium(), Place::Memory);
                let (log, met) = (sim.log(), sim.injected() > 0);
                sim.mend();
                match made {
                    Ok(made) => {
                        drop(made);
                        let image = crash::durable(&start, &log);
                        let made = open(&Sim::of_image(image), &Clock::at(9_000_000));
                        assert_eq!(telling::all(&made), before, "{call:?} {after} {failure:?}");
                    }
                    Err(_) => told += 1,
                }
                if !met {
                    break;
                }
            }
        }
    }
    assert!(told > 20, "{told}");
    assert_eq!(telling::all(&client), before);
    client.assert_clean();
}
