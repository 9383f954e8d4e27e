//! A pack with every mutation that came behind the first seven, kept for ever: what they mean does
//! not change. A copied tree above all, whose ids are not in the pack but follow from it.
//!
//! `PACKHOLD_BLESS=1 cargo test --test store golden` writes the fixture anew.

use packhold::format::meta::{
    Block, BlockPut, Dialect, FolderSweep, Grant, ManifestRef, Mutation, Node, NodeDelete, NodeId,
    NodeKind, NodeMove, NodePut, Prefix, Project, ProjectDelete, Repo, RepoDelete, Session,
    SessionDelete, SessionTouch, Token, TokenDelete, TokenUse, TreeCopy, User, UserDelete,
};
use packhold::index::{Counts, Rows};

use crate::golden::{assert_written_as_ever, fixture};
use crate::support::client::{Client, Clock, new_sim, open};

const FIXTURE: &str = "v1-trees.pack";
/// sha256 of nothing: the content of all files here.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

fn node(id: u64, kind: NodeKind, expires_ms: Option<u64>) -> Node {
    Node {
        id: NodeId(id),
        kind,
        created_by: "maker".into(),
        created_ms: 5,
        modified_by: "maker".into(),
        modified_ms: 5,
        expires_ms,
        metadata: vec![("key".into(), id.to_string())],
    }
}

fn folder(parent: u64, name: &str, id: u64) -> Mutation {
    put(parent, name, node(id, NodeKind::Folder, None))
}

fn file(parent: u64, name: &str, id: u64) -> Mutation {
    put(parent, name, node(id, FILE, None))
}

const FILE: NodeKind = NodeKind::File {
    sha256: EMPTY,
    size: 0,
};

fn put(parent: u64, name: &str, node: Node) -> Mutation {
    Mutation::NodePut(place(parent, name, node))
}

fn place(parent: u64, name: &str, node: Node) -> NodePut {
    NodePut {
        parent: NodeId(parent),
        name: name.into(),
        node,
    }
}

/// A repository with a root of 1000, and folders and files in it.
fn tree() -> Vec<Mutation> {
    let expired = node(1006, FILE, Some(50));
    vec![
        Mutation::RepoPut(repo("trees", 1000)),
        folder(1000, "a", 1001),
        folder(1001, "sub", 1002),
        file(1001, "1", 1003),
        file(1002, "2", 1004),
        file(1001, "z", 1005),
        put(1001, "expired", expired),
        Mutation::NodeMove(NodeMove {
            from_parent: NodeId(1001),
            from_name: "z".into(),
            to: place(1000, "moved", node(1005, FILE, None)),
        }),
        folder(1000, "copy", 1100),
        Mutation::TreeCopy(TreeCopy {
            from: NodeId(1001),
            to: NodeId(1100),
            first_id: NodeId(1101),
            by: "copier".into(),
            at_ms: 100,
        }),
        folder(1000, "gone", 1200),
        folder(1200, "below", 1201),
        file(1200, "x", 1202),
        file(1200, "y", 1203),
        Mutation::NodeDelete(NodeDelete {
            parent: NodeId(1000),
            name: "gone".into(),
        }),
        Mutation::FolderSweep(FolderSweep {
            folder: NodeId(1200),
            count: 2,
        }),
    ]
}

fn repo(name: &str, root: u64) -> Repo {
    Repo {
        project: "project".into(),
        name: name.into(),
        root: NodeId(root),
        public: true,
        description: String::new(),
        created_by: "maker".into(),
        created_ms: 5,
    }
}

fn sessions() -> Vec<Mutation> {
    let session = |id: u8, dialect| Session {
        id: [id; 16],
        suffix: [id; 12],
        dialect,
        project: "project".into(),
        repo: "trees".into(),
        path: "/f".into(),
        created_by: "maker".into(),
        created_ms: 5,
        active_ms: 5,
        blocks: 0,
        replaced: 0,
        prefix: Prefix::default(),
    };
    let block = |key, size, sha256, prefix, at_ms| {
        Mutation::BlockPut(BlockPut {
            session: [1; 16],
            block: Block {
                key,
                size,
                sha256: [sha256; 32],
                manifest: ManifestRef::Empty,
            },
            prefix,
            at_ms,
        })
    };
    let prefix = |blocks, bytes| {
        Some(Prefix {
            blocks,
            bytes,
            state: vec![7],
        })
    };
    vec![
        Mutation::SessionPut(session(1, Dialect::Offset)),
        Mutation::SessionPut(session(2, Dialect::Sequence)),
        Mutation::SessionPut(session(3, Dialect::Sequence)),
        block(0, 10, 1, prefix(1, 10), 6),
        block(10, 10, 2, None, 7),
        block(30, 0, 3, None, 8),
        // The same again changes nothing, another one throws the digests away.
        block(0, 10, 1, None, 9),
        block(0, 10, 4, None, 10),
        Mutation::SessionTouch(SessionTouch {
            session: [2; 16],
            prefix: prefix(3, 9),
            at_ms: 20,
        }),
        Mutation::SessionDelete(SessionDelete { session: [3; 16] }),
    ]
}

fn accounts() -> Vec<Mutation> {
    let user = |name: &str| {
        Mutation::UserPut(User {
            name: name.into(),
            password_phc: "$argon2id$not a hash".into(),
            admin: false,
            created_ms: 5,
        })
    };
    let grant = |user: &str, repo: &str, actions| {
        Mutation::GrantPut(Grant {
            user: user.into(),
            project: "project".into(),
            repo: repo.into(),
            actions,
        })
    };
    let token = |secret: u8| {
        Mutation::TokenPut(Token {
            secret_sha256: [secret; 32],
            project: "project".into(),
            repo: "trees".into(),
            path: "/a".into(),
            good_for: TokenUse::All,
            users: Vec::new(),
            addresses: Vec::new(),
            permits: Some(3),
            expires_ms: None,
            created_by: "stays".into(),
            created_ms: 5,
        })
    };
    vec![
        user("stays"),
        user("goes"),
        grant("stays", "", 15),
        grant("stays", "trees", 1),
        grant("stays", "dropped", 1),
        grant("goes", "trees", 3),
        Mutation::UserDelete(UserDelete {
            name: "goes".into(),
        }),
        Mutation::RepoPut(repo("dropped", 1300)),
        file(1300, "f", 1301),
        Mutation::RepoDelete(RepoDelete {
            project: "project".into(),
            name: "dropped".into(),
        }),
        Mutation::ProjectPut(Project {
            name: "no-more".into(),
            display_name: String::new(),
            description: String::new(),
            created_by: "maker".into(),
            created_ms: 5,
        }),
        Mutation::ProjectDelete(ProjectDelete {
            name: "no-more".into(),
        }),
        token(1),
        token(2),
        Mutation::TokenDelete(TokenDelete {
            secret_sha256: [2; 32],
        }),
    ]
}

fn build() -> Vec<u8> {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_700_000_000_000));
    client.put("/empty", b"");
    for mutations in [tree(), sessions(), accounts()] {
        client.commit(mutations);
    }
    client.store.close();
    drop(client);
    sim.image()
}

/// Name and id of all nodes of a folder, in their order.
fn children(client: &Client, id: u64) -> Vec<(String, u64)> {
    let rows = client.store.rows().unwrap();
    let nodes = rows.children(NodeId(id), None, 100).unwrap();
    nodes
        .into_iter()
        .map(|(name, node)| (name, node.id.0))
        .collect()
}

#[test]
fn the_later_mutations_are_written_as_ever() {
    assert_written_as_ever(FIXTURE, build);
}

#[test]
fn trees_mean_what_they_meant() {
    let client = fixture(FIXTURE);
    let is = |id, expected: &[(&str, u64)]| {
        let found = children(&client, id);
        let found: Vec<(&str, u64)> = found.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        assert_eq!(found, expected, "{id}");
    };
    is(1000, &[("a", 1001), ("copy", 1100), ("moved", 1005)]);
    is(1001, &[("sub", 1002), ("1", 1003), ("expired", 1006)]);
    // Breadth first, folders first, without what has expired.
    is(1100, &[("sub", 1101), ("1", 1102)]);
    is(1101, &[("2", 1103)]);
    // Two of three were swept, and the folder among them waits for its turn.
    is(1200, &[("y", 1203)]);
    let rows = client.store.rows().unwrap();
    let copied = rows.node(NodeId(1100), "1").unwrap().unwrap();
    assert_eq!(
        (copied.created_by.as_str(), copied.created_ms),
        ("copier", 100)
    );
    assert_eq!(copied.metadata, [("key".to_owned(), "1003".to_owned())]);
    let counts = rows.counts(NodeId(1000)).unwrap();
    let (folders, files) = (2, 1);
    assert_eq!(counts, Counts { folders, files });
    assert_eq!(rows.dropped().unwrap(), Some(NodeId(1200)));
    let expired = rows.expired(50, 10).unwrap();
    assert_eq!(expired, [(50, NodeId(1001), "expired".to_owned())]);
    assert_eq!(rows.next_node().unwrap(), 1302);
    client.assert_clean();
}

#[test]
fn sessions_and_accounts_mean_what_they_meant() {
    let client = fixture(FIXTURE);
    let rows = client.store.rows().unwrap();
    let first = rows.session(&[1; 16]).unwrap().unwrap();
    assert_eq!((first.blocks, first.replaced, first.active_ms), (2, 1, 10));
    assert_eq!(first.prefix, Prefix::default());
    let keys: Vec<u64> = rows
        .blocks(&[1; 16], 0, 10)
        .unwrap()
        .iter()
        .map(|block| block.key)
        .collect();
    assert_eq!(keys, [0, 10, 30]);
    let second = rows.session(&[2; 16]).unwrap().unwrap();
    assert_eq!((second.prefix.blocks, second.active_ms), (3, 20));
    assert_eq!(rows.session(&[3; 16]).unwrap(), None);
    let grants = rows.grants("project").unwrap();
    let grants: Vec<(&str, &str, u8)> = grants
        .iter()
        .map(|grant| (grant.repo.as_str(), grant.user.as_str(), grant.actions))
        .collect();
    assert_eq!(grants, [("", "stays", 15), ("trees", "stays", 1)]);
    assert_eq!(rows.user("goes").unwrap(), None);
    assert_eq!(rows.repo("project", "dropped").unwrap(), None);
    assert_eq!(rows.project("no-more").unwrap(), None);
    assert_eq!(rows.token(&[1; 32]).unwrap().unwrap().permits, Some(3));
    assert_eq!(rows.token(&[2; 32]).unwrap(), None);
}
