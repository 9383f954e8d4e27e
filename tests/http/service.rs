//! A server for one test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use packhold::http::{App, Config, serve};
use packhold::index::Place;
use packhold::pack::Medium;
use packhold::store::{Options, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::openapi;
use crate::wire::{Answer, Call, Wire};

/// The time at which every service begins: 2020-07-27T16:02:31.394Z, as in seed 003.
pub const START_MS: u64 = 1_595_865_751_394;

/// Nine bytes whose digests are everywhere.
pub const DIGITS: &[u8] = b"123456789";
/// Their sha256.
pub const DIGITS_SHA256: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
/// Their md5.
pub const DIGITS_MD5: &str = "25f9e794323b453885f5181f1b624d0b";
/// Their CRC-64/XZ, `0x995d_c9bb_df19_39fa`.
pub const DIGITS_CRC64: &str = "11051210869376104954";

/// sha256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(packhold::digest::sha256(bytes))
}

/// A server on a store of its own; it stops when this is dropped.
pub struct Service {
    runtime: Option<Runtime>,
    directory: Option<TempDir>,
    now_ms: Arc<AtomicU64>,
    config: Config,
    pub store: Store,
    pub address: SocketAddr,
}

impl Service {
    /// A service to which everybody is the administrator.
    pub fn open() -> Self {
        Self::with(|config| config.no_auth = true)
    }

    /// A service with passwords, UTC, and what `change` does to that.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let directory = tempfile::tempdir().expect("a directory");
        Self::in_directory(directory, Arc::new(AtomicU64::new(START_MS)), config)
    }

    /// A service to which everybody is the administrator, and that can put another pack in the place of its
    /// own. [`Service::store`] is the store from before.
    pub fn replaceable() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config {
            no_auth: true,
            pack: Some(directory.path().join("pack")),
            ..Config::default()
        };
        Self::in_directory(directory, Arc::new(AtomicU64::new(START_MS)), config)
    }

    /// Stops, closes the store, and begins again with what is on the disk.
    pub fn restart(mut self) -> Self {
        let directory = self.directory.take().expect("a directory");
        let (now_ms, config) = (Arc::clone(&self.now_ms), self.config.clone());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_mins(1));
        }
        drop(self);
        Self::in_directory(directory, now_ms, config)
    }

    fn in_directory(directory: TempDir, now_ms: Arc<AtomicU64>, config: Config) -> Self {
        let clock = Arc::clone(&now_ms);
        let options = Options {
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            index_cache_bytes: 4 << 20,
            ..Options::default()
        };
        let store = Store::open(&directory.path().join("pack"), options).expect("a store");
        Self::on(store, directory, now_ms, config)
    }

    /// A service without passwords on a medium that a test simulates.
    pub fn on_medium(medium: Medium) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open_on(medium, Place::Memory, Options::default()).expect("a store");
        let config = Config {
            no_auth: true,
            ..Config::default()
        };
        Self::on(store, directory, Arc::default(), config)
    }

    fn on(store: Store, directory: TempDir, now_ms: Arc<AtomicU64>, config: Config) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let bound = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = bound.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Arc::new(App::new(store.clone(), config.clone()).expect("an app"));
        runtime.spawn(serve(app, listener, std::future::pending()));
        Self {
            runtime: Some(runtime),
            directory: Some(directory),
            now_ms,
            config,
            store,
            address,
        }
    }

    /// The pack file.
    pub fn pack(&self) -> PathBuf {
        let directory = self.directory.as_ref().expect("a directory");
        directory.path().join("pack")
    }

    /// Lets time pass.
    pub fn pass_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// A connection.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address).expect("the server listens")
    }

    /// Says something; the answer is as the API is described.
    pub fn send(&self, call: &Call) -> Answer {
        let answer = call.send(self.address);
        openapi::judge(call, &answer);
        answer
    }

    /// Uploads, whatever becomes of it.
    pub fn put(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(&put(path).body(body))
    }

    /// Uploads a file that is not there yet.
    pub fn store(&self, path: &str, body: impl AsRef<[u8]>) {
        let answer = self.put(path, body);
        assert_eq!(answer.verdict(), (200, 0), "{path}: {answer:?}");
    }

    /// Downloads.
    pub fn get(&self, path: &str) -> Answer {
        self.send(&get(path))
    }

    /// Downloads from anywhere.
    pub fn get_target(&self, target: &str) -> Answer {
        self.send(&Call::new("GET", target))
    }

    /// Asserts that a file has these bytes.
    pub fn assert_file(&self, path: &str, bytes: &[u8]) {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(answer.body == bytes, "{path} has other bytes");
    }

    /// Asserts that there is no such file.
    pub fn assert_none(&self, path: &str) {
        let (status, code) = self.get(path).verdict();
        assert_eq!(status, 404, "{path}");
        // The repository is not there before its first file.
        assert!([251_006, 251_010].contains(&code), "{path}: {code}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.store.close();
    }
}

/// A request to the repository that tests use; `path` begins with a slash.
pub fn call(method: &str, path: &str) -> Call {
    Call::new(method, format!("/generic/project/repo{path}"))
}

/// An upload.
pub fn put(path: &str) -> Call {
    call("PUT", path)
}

/// A download.
pub fn get(path: &str) -> Call {
    call("GET", path)
}
