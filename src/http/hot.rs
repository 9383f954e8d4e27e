//! Files that were downloaded lately. Who asks again for one gets it at once: nothing is searched, no
//! other thread is asked, and nothing is waited for.
//!
//! **Invariant.** What is answered here is what the long way (`routes`) would answer. So an entry holds
//! only as long as the store is in the very state it was found in, and stands for requests whose
//! answer depends on nothing else: a path, without a query, from somebody who shows no credentials or
//! need not. Everything else, and whatever is not quite as expected, goes the long way: long contents,
//! bytes that are not in memory, an error, a request that is to be logged.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use parking_lot::Mutex;
use warp::http::Method;
use warp::reply::Response;

use super::app::{App, Shared};
use super::audit::Audit;
use super::download::{Artifact, Asked, Labels, decide, respond};
use super::measure::{self, Action};
use super::request::{self, Origin, TraceId};
use super::routes::restrain;
use crate::domain::FileEntry;
use crate::format::meta::ManifestRef;
use crate::metrics;
use crate::store::Generation;

/// The longest answer that is made at once: of more, the time that it takes to check and copy it would
/// be felt by the other requests of this thread.
const MAX_BYTES: u64 = 128 << 10;
/// Shelves, so that threads seldom meet at one.
const SHELVES: usize = 16;
/// Files on each half of a shelf.
const SHELF_FILES: usize = 256;
/// The longest path of a file that is remembered, in bytes.
const MAX_PATH_BYTES: usize = 1 << 10;
/// The longest list of chunks that is remembered with a file, in bytes.
const MAX_LIST_BYTES: usize = 1 << 10;

/// What was downloaded lately: at most 8,192 files, of some KiB each at most.
pub struct Hot {
    shelves: [Mutex<Shelf>; SHELVES],
    hasher: RandomState,
}

/// When the younger half is full, it becomes the older one, and what was there is forgotten.
#[derive(Default)]
struct Shelf {
    younger: HashMap<Box<str>, Arc<Known>>,
    older: HashMap<Box<str>, Arc<Known>>,
}

/// A file that may be read by whoever shows no credentials.
struct Known {
    generation: Generation,
    artifact: Artifact,
    labels: Labels,
}

impl Default for Hot {
    fn default() -> Self {
        Self {
            shelves: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Hot {
    fn shelf(&self, path: &str) -> &Mutex<Shelf> {
        let hash = self.hasher.hash_one(path);
        &self.shelves[usize::try_from(hash % SHELVES as u64).unwrap_or(0)]
    }

    fn get(&self, path: &str) -> Option<Arc<Known>> {
        let mut shelf = self.shelf(path).lock();
        if let Some(known) = shelf.younger.get(path) {
            return Some(Arc::clone(known));
        }
        let (path, known) = shelf.older.remove_entry(path)?;
        shelf.put(path, Arc::clone(&known));
        Some(known)
    }

    /// Remembers a file that may be read without credentials, by the path that it was asked for with.
    /// `generation` was the present one before it was looked up.
    pub fn remember(&self, raw_path: &str, generation: Generation, file: &FileEntry) {
        let list_bytes = match &file.blob.manifest {
            ManifestRef::Inline { pages, .. } => pages.len(),
            ManifestRef::Empty | ManifestRef::Root { .. } => 0,
        };
        let is_small = raw_path.len() <= MAX_PATH_BYTES && list_bytes <= MAX_LIST_BYTES;
        // One that expires is another answer later, though nothing changes.
        if !is_small || file.node.expires_ms.is_some() {
            return;
        }
        let artifact = Artifact::from(file.clone());
        let known = Known {
            generation,
            labels: artifact.labels(),
            artifact,
        };
        let shelf = self.shelf(raw_path);
        shelf.lock().put(raw_path.into(), Arc::new(known));
    }
}

impl Shelf {
    fn put(&mut self, path: Box<str>, known: Arc<Known>) {
        if self.younger.len() >= SHELF_FILES && !self.younger.contains_key(&path) {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(path, known);
    }
}

/// The answer to a request, if it can be given at once.
pub fn answer<B>(shared: &Arc<Shared>, request: &Request<B>, origin: &Origin) -> Option<Response> {
    let began = Instant::now();
    if !is_plain(shared, request) {
        return None;
    }
    let known = shared.hot.get(request.uri().path())?;
    let app = shared.enter_if_open()?;
    let trace = TraceId::fresh();
    let asked = Asked {
        method: request.method(),
        headers: request.headers(),
        query: "",
        trace: &trace,
    };
    let (status, range) = decide(&asked, &known.artifact).ok()?;
    if range.end - range.start > MAX_BYTES {
        return None;
    }
    let sent = match *request.method() {
        Method::HEAD => 0..0,
        _ => range.clone(),
    };
    let generation = known.generation;
    let bytes = app.store.read_now(&known.artifact.blob, sent, generation)?;
    if !may_ask(&app, request, origin) {
        return None;
    }
    metrics::HOT_ANSWERS.add(1);
    measure::answered(Action::DOWNLOAD, request.method(), status, began.elapsed());
    let mut response = respond(
        Response::new(bytes.into()),
        &asked,
        &known.artifact,
        &known.labels,
        (status, range),
    );
    restrain(&mut response);
    Some(response)
}

/// Whether nothing but the path says what is asked for, and nothing is to be written of it.
fn is_plain<B>(shared: &Shared, request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let has_credentials = headers.contains_key("authorization") && !shared.config.no_auth;
    let is_logged = shared.config.audit == Audit::Reads
        || tracing::enabled!(target: "packhold::http::routes", tracing::Level::INFO);
    let limit_bytes = shared.config.connections.header_bytes;
    is_read
        && request.uri().query().is_none()
        && !has_credentials
        && !request::sends_body(headers)
        && !is_logged
        && request::check_head(headers, limit_bytes).is_ok()
}

/// Whether the client has not asked too often.
fn may_ask<B>(app: &App, request: &Request<B>, origin: &Origin) -> bool {
    let peer = request::peer(
        Some(origin.socket),
        request.headers(),
        app.config.behind_proxy,
    );
    let tokens = app.rate.take(peer, app.store.now_ms());
    tokens.is_none_or(|tokens| tokens.wait_s.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{self, Address, Declared, MayCreate, Upload};
    use crate::http::Config;
    use crate::http::connections::{Connections, Limits};
    use crate::store::{Options, Store};
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use warp::http::StatusCode;

    const PATH: &str = "/generic/p/r/f";

    struct Fixture {
        shared: Arc<Shared>,
        store: Store,
        origin: Origin,
        _directory: tempfile::TempDir,
    }

    impl Fixture {
        fn with(change: impl FnOnce(&mut Config)) -> Self {
            let mut config = Config {
                no_auth: true,
                ..Config::default()
            };
            change(&mut config);
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(&directory.path().join("p"), Options::default()).unwrap();
            let app = App::new(store.clone(), config).unwrap();
            let socket: std::net::SocketAddr = "192.0.2.1:1".parse().unwrap();
            let connections = Connections::new(Limits::default());
            let admitted = connections.admit(socket.ip()).unwrap();
            let origin = Origin {
                socket,
                is_secure: false,
                running: admitted.connection().begin(false),
            };
            Self {
                shared: Arc::clone(&app.shared),
                store,
                origin,
                _directory: directory,
            }
        }

        /// Stores a file and remembers it.
        fn remember(&self, name: &str, bytes: &[u8], expires_days: u64) {
            let upload = Upload {
                address: Address::new("p", "r", name).unwrap(),
                overwrite: true,
                expires_days,
                metadata: Vec::new(),
                declared: Declared::default(),
                precondition: Arc::new(|_| true),
                by: "test".to_owned(),
                may_create: MayCreate::Project,
                permit: None,
                max_bytes: None,
            };
            let mut ingest = domain::begin(&self.store, &upload, None).unwrap();
            ingest.push(&Bytes::copy_from_slice(bytes)).unwrap();
            let ingested = ingest.finish().unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();
            let usage = domain::quota::Usage::default();
            domain::finish(&self.store, &usage, upload, ingested, move |stored| {
                sender.send(stored.unwrap().file).unwrap();
            });
            let file = receiver.recv().unwrap();
            let path = format!("/generic/p/r/{name}");
            // The committer has still to end its transaction when it acknowledges.
            let generation = loop {
                if let Some(generation) = self.store.generation() {
                    break generation;
                }
            };
            self.shared.hot.remember(&path, generation, &file);
        }

        fn ask(&self, request: warp::http::request::Builder) -> Option<Response> {
            answer(&self.shared, &request.body(()).unwrap(), &self.origin)
        }

        fn get(&self, path: &str) -> Option<Response> {
            self.ask(Request::get(path))
        }
    }

    async fn body(response: Response) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_file_that_is_remembered_is_answered_at_once() {
        let fixture = Fixture::with(|_| {});
        assert!(fixture.get(PATH).is_none(), "nothing is remembered");
        fixture.remember("f", b"0123456789", 0);
        let whole = fixture.get(PATH).unwrap();
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(whole.headers()["content-length"], "10");
        let etag = whole.headers()["etag"].clone();
        assert_eq!(body(whole).await, "0123456789");
        let head = fixture.ask(Request::head(PATH)).unwrap();
        assert_eq!(head.headers()["content-length"], "10");
        assert_eq!(body(head).await, "");
        let range = fixture.ask(Request::get(PATH).header("range", "bytes=3-5"));
        let range = range.unwrap();
        assert_eq!(range.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(range.headers()["content-range"], "bytes 3-5/10");
        assert_eq!(body(range).await, "345");
        let unchanged = fixture.ask(Request::get(PATH).header("if-none-match", etag));
        let unchanged = unchanged.unwrap();
        assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
        assert!(!unchanged.headers().contains_key("content-type"));
        assert_eq!(body(unchanged).await, "");
    }

    #[test]
    fn everything_else_goes_the_long_way() {
        let fixture = Fixture::with(|_| {});
        fixture.remember("f", b"0123456789", 0);
        for (what, request) in [
            ("a query", Request::get("/generic/p/r/f?download=true")),
            ("a change", Request::delete(PATH)),
            ("another way of writing it", Request::get("/generic/p/r//f")),
            ("a body", Request::get(PATH).header("content-length", "1")),
            (
                "no range",
                Request::get(PATH).header("range", "bytes=10-11"),
            ),
            (
                "a condition that fails",
                Request::get(PATH).header("if-match", "\"a\""),
            ),
            (
                "a long head",
                Request::get(PATH).header("x", "x".repeat(1 << 20)),
            ),
        ] {
            assert!(fixture.ask(request).is_none(), "{what}");
        }
        let with_password = || Request::get(PATH).header("authorization", "Basic YTpi");
        assert!(fixture.ask(with_password()).is_some(), "nobody needs one");
        let fixture = Fixture::with(|config| config.no_auth = false);
        fixture.remember("f", b"0123456789", 0);
        assert!(fixture.get(PATH).is_some());
        assert!(
            fixture.ask(with_password()).is_none(),
            "somebody may be wrong"
        );
        let logged = Fixture::with(|config| config.audit = Audit::Reads);
        logged.remember("f", b"0123456789", 0);
        assert!(logged.get(PATH).is_none(), "it would not be logged");
    }

    #[test]
    fn nothing_is_answered_that_may_have_changed() {
        let fixture = Fixture::with(|_| {});
        fixture.remember("f", b"0123456789", 0);
        assert!(fixture.get(PATH).is_some());
        fixture.remember("g", b"another", 0);
        assert!(fixture.get(PATH).is_none(), "something was changed");
        assert!(fixture.get("/generic/p/r/g").is_some());
        fixture.remember("expires", b"soon", 1);
        assert!(fixture.get("/generic/p/r/expires").is_none());
        fixture.remember("f", b"0123456789", 0);
        let paused = fixture.shared.current.pause();
        assert!(fixture.get(PATH).is_none(), "another store takes its place");
        drop(paused);
        assert!(fixture.get(PATH).is_some());
    }

    #[tokio::test]
    async fn of_a_long_file_only_short_ranges_are() {
        let fixture = Fixture::with(|_| {});
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        fixture.remember("f", &bytes, 0);
        assert!(fixture.get(PATH).is_none());
        for (first, last) in [(0, 9), (100_000, 165_535), (3_999_000, 3_999_999)] {
            let range = format!("bytes={first}-{last}");
            let answer = fixture.ask(Request::get(PATH).header("range", &range));
            let answer = body(answer.expect(&range)).await;
            assert!(answer == bytes[first..=last], "{range}");
        }
    }

    #[test]
    fn who_asks_too_often_is_refused_by_the_long_way() {
        let often = std::num::NonZeroU32::MIN;
        let fixture = Fixture::with(|config| config.limits.max_requests_per_second = Some(often));
        fixture.remember("f", b"0123456789", 0);
        let answered = (0..100).filter(|_| fixture.get(PATH).is_some()).count();
        assert!((10..100).contains(&answered), "{answered}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let fixture = Fixture::with(|_| {});
        fixture.remember("f", b"0123456789", 0);
        let known = fixture.shared.hot.get(PATH).unwrap();
        for n in 0..5 * SHELVES * SHELF_FILES {
            let path: Box<str> = n.to_string().into();
            let shelf = fixture.shared.hot.shelf(&path);
            shelf.lock().put(path.clone(), Arc::clone(&known));
            assert!(fixture.shared.hot.get(&path).is_some(), "the newest");
        }
        for shelf in &fixture.shared.hot.shelves {
            let shelf = shelf.lock();
            assert!(shelf.younger.len() <= SHELF_FILES && shelf.older.len() <= SHELF_FILES);
        }
        let long = "x".repeat(MAX_PATH_BYTES);
        fixture.remember(&long, b"0123456789", 0);
        assert!(fixture.get(&format!("/generic/p/r/{long}")).is_none());
    }
}
