//! Bounds of what is held in memory, kept or given at once, and what happens right at them; and of how
//! often the file of an upload in blocks is tried to be made while blocks come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use packhold::domain::auth::access;
use packhold::domain::blocks::{self, BlockUpload, Digesting, UploadId};
use packhold::domain::nodes::{self, Listing};
use packhold::domain::quota::Usage;
use packhold::domain::{
    self, Cursor, Declared, DomainError, Page, Precondition, State, Stored, Sweeper, Upload,
};
use packhold::format::meta::{
    AccessToken, AccessTokenDelete, Dialect, Mutation, Node, NodeId, NodeKind, NodePut, Repo,
    Token, TokenUse, User,
};
use packhold::index::{Rank, Rows};

use crate::support::client::{Client, Clock, address, new_sim, open, upload};
use crate::support::noise::noise;

/// Where the file of blocks goes.
const FILE: &str = "/dir/file";
const BLOCK_BYTES: usize = 7_000;
/// With so many expired files a listing does not take them off one by one any more.
const TOO_MANY_EXPIRED: usize = 10_000;
/// Access tokens that a user may have.
const MAX_TOKENS: u64 = 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A file that expired before any test begins.
fn expired(parent: NodeId, name: String, id: u64) -> Mutation {
    let node = Node {
        id: NodeId(id),
        kind: NodeKind::File {
            sha256: [0; 32],
            size: 0,
        },
        created_by: "tester".to_owned(),
        created_ms: 1,
        modified_by: "tester".to_owned(),
        modified_ms: 1,
        expires_ms: Some(10),
        metadata: Vec::new(),
    };
    Mutation::NodePut(NodePut { parent, name, node })
}

/// Asserts what the pages of the root have, whether they are deep, and have folders.
fn assert_pages(client: &Client) {
    let rows = client.store.rows().expect("rows");
    let now_ms = client.store.now_ms();
    for (deep, folders, all) in [
        (false, true, &["/a", "/e", "/w"][..]),
        (false, false, &["/w"]),
        (
            true,
            true,
            &["/a", "/a/b", "/a/b/x", "/a/y", "/a/z", "/e", "/w"],
        ),
        (true, false, &["/a/b/x", "/a/y", "/a/z", "/w"]),
    ] {
        for (skip, limit) in [(0, 10), (1, 2), (3, 5), (7, 1)] {
            let listing = Listing {
                deep,
                folders,
                metadata: false,
                skip,
                limit,
            };
            let page = nodes::page(&rows, &address("/"), listing, now_ms);
            let (total, found) = page.expect("a repository");
            let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
            let skipped = usize::try_from(skip).expect("few");
            let expected: Vec<&str> = all.iter().skip(skipped).take(limit).copied().collect();
            assert_eq!(paths, expected, "{listing:?}");
            assert_eq!(total, all.len() as u64, "{listing:?}");
        }
    }
}

#[test]
fn a_folder_is_listed_the_same_when_more_files_expired_than_are_held() {
    let client = open(&new_sim(), &Clock::at(1_000));
    for path in ["/a/b/x", "/a/y", "/a/z", "/w"] {
        client.put(path, b"x");
    }
    client.try_make_folder("/e").expect("a folder");
    let rows = client.store.rows().expect("rows");
    let folder = |path| domain::folder(&rows, &address(path), 1_000).expect("a folder");
    let other = NodeId(1_000_000);
    let mut made = vec![Mutation::RepoPut(Repo {
        project: "project".to_owned(),
        name: "other".to_owned(),
        root: other,
        public: false,
        description: String::new(),
        created_by: "tester".to_owned(),
        created_ms: 1,
    })];
    let places = [("/", "v"), ("/a", "x"), ("/a", "yy"), ("/a/b", "a")];
    let here = places.map(|(path, name)| (folder(path), name.to_owned()));
    // Most of them are elsewhere: they need not be in the folder that is listed.
    let elsewhere = (0..).map(|number: u64| (other, number.to_string()));
    let mut files = here
        .into_iter()
        .chain(elsewhere)
        .zip(other.0 + 1..)
        .map(|((parent, name), id)| expired(parent, name, id));
    made.extend(files.by_ref().take(TOO_MANY_EXPIRED - 1));
    drop(rows);
    client.commit(made);
    assert_pages(&client);
    client.commit(files.take(1).collect());
    let rows = client.store.rows().expect("rows");
    let gone = rows.expired(1_000, usize::MAX).expect("rows");
    assert_eq!(gone.len(), TOO_MANY_EXPIRED);
    assert_pages(&client);
}

#[test]
fn behind_the_end_of_a_folder_there_is_nothing() {
    let client = open(&new_sim(), &Clock::at(1_000));
    client.put("/f", b"x");
    let rows = client.store.rows().expect("rows");
    let root = domain::folder(&rows, &address("/"), 1_000).expect("a folder");
    let list = |at: &Cursor| domain::list(&rows, root, at, 1, 1_000).expect("a page");
    let first = list(&Cursor::Start);
    let names: Vec<&str> = first.nodes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["f"]);
    assert_eq!(first.next, Cursor::After(Rank::File, "f".to_owned()));
    let end = Page {
        nodes: Vec::new(),
        next: Cursor::End,
    };
    assert_eq!(list(&first.next), end);
    assert_eq!(list(&Cursor::End), end);
}

/// A temporary token.
fn token(number: u8, expires_ms: Option<u64>) -> Mutation {
    Mutation::TokenPut(Token {
        secret_sha256: [number; 32],
        project: "project".to_owned(),
        repo: "repo".to_owned(),
        path: "/".to_owned(),
        good_for: TokenUse::Download,
        users: Vec::new(),
        addresses: Vec::new(),
        permits: None,
        expires_ms,
        created_by: "tester".to_owned(),
        created_ms: 1,
    })
}

#[test]
fn an_expired_token_is_forgotten_a_day_after_its_end_and_not_before() {
    let clock = Clock::at(1_000);
    let client = open(&new_sim(), &clock);
    client.commit(vec![
        token(1, Some(5_000)),
        token(2, Some(5_100)),
        token(3, Some(5_101)),
        token(4, Some(u64::MAX)),
        token(5, None),
    ]);
    // Sweeps at some time; gives the tokens that are left.
    let sweep = |at_ms: u64| {
        clock.advance(at_ms - clock.now_ms());
        let mut sweeper = Sweeper::default();
        while sweeper.sweep(&client.store).expect("it can be swept") {}
        let rows = client.store.rows().expect("rows");
        let left = rows.tokens(None, 10).expect("rows");
        left.iter()
            .map(|token| token.secret_sha256[0])
            .collect::<Vec<u8>>()
    };
    assert_eq!(sweep(4_999 + DAY_MS), [1, 2, 3, 4, 5]);
    assert_eq!(sweep(5_100 + DAY_MS), [3, 4, 5]);
    assert_eq!(sweep(5_200 + DAY_MS), [4, 5]);
}

fn access_token(user: &str, number: u64, expires_ms: Option<u64>) -> AccessToken {
    let mut secret_sha256 = [0; 32];
    secret_sha256[..8].copy_from_slice(&number.to_be_bytes());
    AccessToken {
        secret_sha256,
        user: user.to_owned(),
        name: format!("token {number}"),
        created_ms: 1,
        expires_ms,
    }
}

/// Makes an access token known.
fn put(token: &AccessToken) -> Mutation {
    Mutation::AccessTokenPut(token.clone())
}

#[test]
fn a_user_has_so_many_access_tokens_of_which_expired_ones_do_not_count() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let user = |name: &str| {
        Mutation::UserPut(User {
            name: name.to_owned(),
            password_phc: String::new(),
            admin: false,
            created_ms: 1,
        })
    };
    let old = access_token("user", MAX_TOKENS, Some(5_000));
    let mut made = vec![user("user"), user("other"), put(&old)];
    made.extend((1..MAX_TOKENS).map(|number| put(&access_token("user", number, None))));
    client.commit(made);
    let add = |token: &AccessToken, now_ms| {
        let rows = client.store.rows().expect("rows");
        access::add_token(&rows, token, now_ms)
    };
    let assert_refused = |token: &AccessToken, now_ms| {
        let refused = add(token, now_ms);
        let is_right = matches!(
            refused,
            Err(DomainError::TooMany {
                what: "access tokens",
                limit: 1_000,
            })
        );
        assert!(is_right, "{refused:?}");
    };
    let new = access_token("user", MAX_TOKENS + 1, None);
    assert_refused(&new, 4_999);
    let forgotten = Mutation::AccessTokenDelete(AccessTokenDelete {
        secret_sha256: old.secret_sha256,
    });
    let added = add(&new, 5_000).expect("there is room for one");
    assert_eq!(added, [forgotten, put(&new)]);
    client.commit(added);
    let more = access_token("user", MAX_TOKENS + 2, None);
    assert_refused(&more, u64::MAX);
    let others = access_token("other", MAX_TOKENS + 3, None);
    assert_eq!(add(&others, 5_000).expect("the first"), [put(&others)]);
    let rows = client.store.rows().expect("rows");
    let taken = access::delete_token(&rows, "user", "token 1").expect("it is there");
    drop(rows);
    client.commit(taken);
    assert_eq!(add(&more, 5_000).expect("there is room"), [put(&more)]);
}

/// A block of a file.
fn of(bytes: &[u8], number: usize) -> &[u8] {
    &bytes[number * BLOCK_BYTES..(number + 1) * BLOCK_BYTES]
}

/// An upload of two blocks, which are there, by their offsets.
fn two_blocks(client: &Client, bytes: &[u8]) -> UploadId {
    let id = client.start_blocks(FILE, Dialect::Offset);
    let id = id.expect("a session");
    for number in 0..2 {
        put_block(client, &id, number, of(bytes, number));
    }
    id
}

fn put_block(client: &Client, id: &UploadId, number: usize, bytes: &[u8]) {
    let key = (number * BLOCK_BYTES) as u64;
    let put = client.put_block(FILE, id, key, bytes);
    put.expect("the block comes in");
}

/// The keys of the blocks that are there; `None` when the session is not.
fn there(client: &Client, id: &UploadId) -> Option<Vec<u64>> {
    let blocks = client.try_blocks(FILE, id).expect("they can be asked for");
    blocks.map(|blocks| blocks.iter().map(|block| block.key).collect())
}

/// Makes the file of its blocks, as an upload of the test's own.
fn complete_as(
    client: &Client,
    upload: &Upload,
    id: &UploadId,
    size: Option<u64>,
) -> Result<Stored, DomainError> {
    let (digesting, usage) = (Digesting::default(), Usage::default());
    let stored = blocks::complete(&client.store, (&digesting, &usage), upload, id, size)?;
    Ok(stored.expect("nobody else digests the blocks"))
}

/// An upload, and what happens once when it is judged for the first time: behind the look at the blocks,
/// and before anything is made of them.
fn meddled(meddle: impl Fn() + Send + Sync + 'static) -> Upload {
    let is_first = AtomicBool::new(true);
    Upload {
        precondition: Arc::new(move |_| {
            if is_first.swap(false, Ordering::Relaxed) {
                meddle();
            }
            true
        }),
        ..upload(FILE)
    }
}

// The digests of all blocks are there when the file is to be made, and then one of the blocks is
// replaced. Made of what was digested, the file would have the digests of bytes that it does not have.
// It begins anew, reads the blocks again, and the file is that of the blocks that are there now.
#[test]
fn a_block_that_is_replaced_while_the_file_is_made_is_in_the_file() {
    let bytes = noise(34, 2 * BLOCK_BYTES);
    let other = noise(35, BLOCK_BYTES);
    let client = open(&new_sim(), &Clock::at(1_000));
    let id = two_blocks(&client, &bytes);
    let late = {
        let (client, id, other) = (client.clone(), id.clone(), other.clone());
        meddled(move || put_block(&client, &id, 0, &other))
    };
    let size = Some(bytes.len() as u64);
    let stored = complete_as(&client, &late, &id, size).expect("a file");
    let expected = [other.as_slice(), of(&bytes, 1)].concat();
    let sha256 = packhold::digest::sha256(&expected);
    assert_eq!(stored.file.blob.sha256, sha256);
    assert_eq!(client.get(FILE), Some(expected));
    assert_eq!(there(&client, &id), None);
    client.assert_clean();
}

// A block more comes behind the look at the blocks: together they are longer than was said. The
// session goes on, and the file can be made in its new size.
#[test]
fn a_block_too_many_that_comes_while_the_file_is_made_is_refused_with_it() {
    let bytes = noise(36, 3 * BLOCK_BYTES);
    let client = open(&new_sim(), &Clock::at(1_000));
    let id = two_blocks(&client, &bytes);
    let late = {
        let (client, id, more) = (client.clone(), id.clone(), of(&bytes, 2).to_vec());
        meddled(move || put_block(&client, &id, 2, &more))
    };
    let refused = complete_as(&client, &late, &id, Some(2 * BLOCK_BYTES as u64));
    let Err(DomainError::Coverage(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, "the blocks have 21000 bytes, not 14000");
    assert_eq!(client.get(FILE), None);
    assert_eq!(there(&client, &id), Some(vec![0, 7_000, 14_000]));
    let size = Some(bytes.len() as u64);
    complete_as(&client, &upload(FILE), &id, size).expect("a file");
    assert_eq!(client.get(FILE), Some(bytes));
    client.assert_clean();
}

/// What a [`Precondition`] is a handle of.
type Judge = dyn Fn(Option<State>) -> bool + Send + Sync;

/// Blocks that are put in when it is too late for who makes the file: behind their second look at the
/// session, and before the commit that this look leads to.
struct Late {
    client: Client,
    id: UploadId,
    /// Of all blocks.
    bytes: Vec<u8>,
    /// The place of the one that comes next; those from `upto` on never come.
    next: AtomicUsize,
    upto: usize,
    /// What the upload is judged by. Whoever commits it has a second handle.
    judge: OnceLock<Weak<Judge>>,
}

impl Late {
    /// Begins to upload numbered blocks, with the first of them; gives the upload that the others come
    /// too late for.
    fn start(client: &Client, bytes: &[u8], upto: usize) -> (Arc<Self>, Upload) {
        let id = client.start_blocks(FILE, Dialect::Sequence);
        let id = id.expect("a session");
        let first = client.put_block(FILE, &id, 1, of(bytes, 0));
        first.expect("a block");
        let late = Arc::new(Self {
            client: client.clone(),
            id,
            bytes: bytes.to_vec(),
            next: AtomicUsize::new(1),
            upto,
            judge: OnceLock::new(),
        });
        let own = Arc::clone(&late);
        let judge: Precondition = Arc::new(move |_| {
            let number = own.next.fetch_add(1, Ordering::Relaxed);
            if number < own.upto {
                own.come(number);
            }
            true
        });
        assert!(late.judge.set(Arc::downgrade(&judge)).is_ok());
        let upload = Upload {
            precondition: judge,
            ..upload(FILE)
        };
        (late, upload)
    }

    /// Puts a block in, behind a change that waits for who makes the file.
    fn come(&self, number: usize) {
        let judge = self.judge.get().expect("it is set").clone();
        let since = Instant::now();
        self.client.store.submit(
            move |_, _| {
                while judge.strong_count() == 1 && since.elapsed() < Duration::from_secs(10) {
                    thread::yield_now();
                }
                Ok::<_, DomainError>((Vec::new(), ()))
            },
            |_| {},
        );
        let wanted = BlockUpload {
            address: address(FILE),
            id: self.id.clone(),
            key: number as u64 + 1,
            declared: Declared::default(),
        };
        let begun = blocks::begin_block(&self.client.store, wanted, None);
        let (begun, mut ingest) = begun.expect("a session");
        let bytes = Bytes::copy_from_slice(of(&self.bytes, number));
        ingest.push(&bytes).expect("there is room");
        let ingested = ingest.finish_block().expect("there is room");
        // Nobody waits for it here: it is made when the change before it is.
        blocks::finish_block(&self.client.store, begun, ingested, |_| {});
    }
}

// A block comes when the commit that makes the file is on its way. A commit that did not look at the
// session again would end it with that block in it, which was acknowledged and is in no file.
#[test]
fn a_block_that_comes_before_the_commit_is_in_the_file() {
    let bytes = noise(37, 2 * BLOCK_BYTES);
    let client = open(&new_sim(), &Clock::at(1_000));
    let (late, upload) = Late::start(&client, &bytes, 2);
    complete_as(&client, &upload, &late.id, None).expect("a file");
    assert_eq!(client.get(FILE), Some(bytes));
    assert_eq!(there(&client, &late.id), None);
    client.assert_clean();
}

// The same again and again: whoever makes the file does not go on for ever. Nothing is lost: the
// session has all blocks that came, and the file can be made of them.
#[test]
fn a_file_whose_blocks_keep_coming_is_refused_in_the_end() {
    let bytes = noise(38, 9 * BLOCK_BYTES);
    let client = open(&new_sim(), &Clock::at(1_000));
    let (late, upload) = Late::start(&client, &bytes, 9);
    let refused = complete_as(&client, &upload, &late.id, None);
    let Err(DomainError::Coverage(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, "blocks came while the file was being completed");
    assert_eq!(late.next.load(Ordering::Relaxed), 5, "four came too late");
    assert_eq!(client.get(FILE), None);
    assert_eq!(there(&client, &late.id), Some(vec![1, 2, 3, 4, 5]));
    let made = client.complete_blocks(FILE, &late.id, None);
    made.expect("a file");
    assert_eq!(client.get(FILE).as_deref(), Some(&bytes[..5 * BLOCK_BYTES]));
    client.assert_clean();
}
