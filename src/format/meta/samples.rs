//! Samples for the tests of mutations, frozen in `tests/fixtures/mutations.hex`.

use super::*;

/// One mutation of every kind.
pub fn samples() -> Vec<Mutation> {
    [first(), later(), packages(), access(), space()].concat()
}

fn first() -> Vec<Mutation> {
    vec![
        Mutation::ProjectPut(Project {
            name: "p".into(),
            display_name: "P".into(),
            description: "d".into(),
            created_by: "admin".into(),
            created_ms: 1,
        }),
        Mutation::RepoPut(Repo {
            project: "p".into(),
            name: "r".into(),
            root: NodeId(1),
            public: true,
            description: String::new(),
            created_by: "admin".into(),
            created_ms: 2,
        }),
        Mutation::NodePut(NodePut {
            parent: NodeId(1),
            name: "f".into(),
            node: node(NodeKind::File {
                sha256: [0xAA; 32],
                size: 70_000,
            }),
        }),
        Mutation::NodeDelete(NodeDelete {
            parent: NodeId(1),
            name: "é".into(),
        }),
        Mutation::BlobPut(Blob {
            sha256: [0xAA; 32],
            size: 70_000,
            md5: [0xBB; 16],
            crc64: u64::MAX,
            sha1: Some([0xCC; 20]),
            manifest: ManifestRef::Root {
                offset: 4096,
                tag: 9,
                entries: 1,
            },
        }),
        Mutation::UserPut(User {
            name: "u".into(),
            password_phc: "$argon2id$x".into(),
            admin: true,
            created_ms: 3,
        }),
        Mutation::Relocated(Relocated {
            from: 4096,
            to: 8192,
            stored_len: 10,
            crc32: 0x0102_0304,
            codec: 0,
        }),
    ]
}

fn later() -> Vec<Mutation> {
    vec![
        Mutation::NodeMove(NodeMove {
            from_parent: NodeId(1),
            from_name: "a".into(),
            to: NodePut {
                parent: NodeId(2),
                name: "b".into(),
                node: node(NodeKind::Folder),
            },
        }),
        Mutation::TreeCopy(TreeCopy {
            from: NodeId(2),
            to: NodeId(5),
            first_id: NodeId(6),
            by: "ci".into(),
            at_ms: 4,
        }),
        Mutation::FolderSweep(FolderSweep {
            folder: NodeId(2),
            count: 1000,
        }),
        Mutation::RepoDelete(RepoDelete {
            project: "p".into(),
            name: "r".into(),
        }),
        Mutation::ProjectDelete(ProjectDelete { name: "p".into() }),
        Mutation::SessionPut(Session {
            id: [1; 16],
            suffix: [2; 12],
            dialect: Dialect::Sequence,
            project: "p".into(),
            repo: "r".into(),
            path: "/f".into(),
            created_by: "ci".into(),
            created_ms: 5,
            active_ms: 6,
            blocks: 2,
            replaced: 1,
            prefix: prefix(),
        }),
        Mutation::SessionTouch(SessionTouch {
            session: [1; 16],
            prefix: Some(prefix()),
            at_ms: 7,
        }),
        Mutation::SessionDelete(SessionDelete { session: [1; 16] }),
        Mutation::BlockPut(BlockPut {
            session: [1; 16],
            block: Block {
                key: 3,
                size: 9,
                sha256: [0xAA; 32],
                manifest: ManifestRef::Inline {
                    tag: 8,
                    entries: 1,
                    pages: vec![1, 2, 3],
                },
            },
            prefix: None,
            at_ms: 8,
        }),
        Mutation::TokenPut(Token {
            secret_sha256: [0xDD; 32],
            project: "p".into(),
            repo: "r".into(),
            path: "/f".into(),
            good_for: TokenUse::All,
            users: vec!["u".into()],
            addresses: vec!["127.0.0.1".into()],
            permits: Some(1),
            expires_ms: Some(9),
            created_by: "ci".into(),
            created_ms: 10,
        }),
        Mutation::TokenDelete(TokenDelete {
            secret_sha256: [0xDD; 32],
        }),
        Mutation::UserDelete(UserDelete { name: "u".into() }),
        Mutation::GrantPut(Grant {
            user: "u".into(),
            project: "p".into(),
            repo: String::new(),
            actions: 15,
        }),
    ]
}

fn packages() -> Vec<Mutation> {
    vec![
        Mutation::PackagePut(Package {
            id: 26,
            name: "t-oceanbase-ocp-agent".into(),
            version: "3.1.2".into(),
            build_number: "20210812221645".into(),
            operating_system: "alios7".into(),
            architecture: "x86_64".into(),
            kind: PackageKind::OcpAgent,
            file_name: "t-oceanbase-ocp-agent-3.1.2-20210812221645.alios7.x86_64.rpm".into(),
            sha256: [0xEE; 32],
            size: 38_400_132,
            md5: [0xAB; 16],
            sha1: [0xCD; 20],
            created_by: "ci".into(),
            created_ms: 11,
        }),
        Mutation::PackageDelete(PackageDelete { id: 26 }),
    ]
}

fn access() -> Vec<Mutation> {
    vec![
        Mutation::AccessTokenPut(AccessToken {
            secret_sha256: [0xDD; 32],
            user: "u".into(),
            name: "ci".into(),
            created_ms: 12,
            expires_ms: Some(13),
        }),
        Mutation::AccessTokenDelete(AccessTokenDelete {
            secret_sha256: [0xDD; 32],
        }),
        Mutation::AccessKeyPut(AccessKey {
            key: "ak".into(),
            secret: "sk".into(),
            user: "u".into(),
            created_ms: 14,
        }),
        Mutation::AccessKeyDelete(AccessKeyDelete { key: "ak".into() }),
        Mutation::QuotaPut(Quota {
            project: "p".into(),
            repo: "r".into(),
            bytes: Some(1 << 40),
        }),
    ]
}

fn space() -> Vec<Mutation> {
    vec![Mutation::Freed(Freed {
        records: vec![
            FreedRecord {
                offset: 4096,
                bytes: 70_000,
                chunks: vec![0b1000_0001, 1],
            },
            FreedRecord {
                offset: 80_000,
                bytes: 4_096,
                chunks: Vec::new(),
            },
        ],
        blobs: vec![[0xAA; 32]],
        relocated: vec![4_216],
    })]
}

fn node(kind: NodeKind) -> Node {
    Node {
        id: NodeId(300),
        kind,
        created_by: "admin".into(),
        created_ms: 1_700_000_000_123,
        modified_by: "ci".into(),
        modified_ms: 1_700_000_000_124,
        expires_ms: Some(1_700_086_400_123),
        metadata: vec![("k".into(), "v".into())],
    }
}

fn prefix() -> Prefix {
    Prefix {
        blocks: 1,
        bytes: 9,
        state: vec![1, 2, 3],
    }
}
