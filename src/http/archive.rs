//! Files as a zip, streamed: nothing but the directory of the archive is kept in memory, and it is
//! made as the client takes it. The only home of the zip crate.

use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use warp::http::header::{CONTENT_DISPOSITION, HeaderValue};
use warp::reply::Response;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::app::App;
use super::artifact;
use super::entry_names::EntryNames;
use super::error::ApiError;
use super::folder::headers;
use super::request::Request;
use super::stream::{Steps, respond};
use crate::domain::{Address, Leaf, Tree};
use crate::format::meta::{Node, NodeId, NodeKind};
use crate::index::Rows;
use crate::store::{BlobReader, StoreError};

/// A step gives at least this much, but for the last.
const STEP_BYTES: usize = 256 << 10;
/// From this size on an entry needs Zip64; some room for what deflate may add.
const ZIP64_BYTES: u64 = 0xF000_0000;

/// What is compressed already: deflating it again costs time and gains nothing.
const COMPRESSED: [&str; 24] = [
    "7z", "apk", "br", "bz2", "crate", "deb", "gif", "gz", "jar", "jpeg", "jpg", "lz4", "mp3",
    "mp4", "png", "rpm", "tgz", "war", "webp", "whl", "woff2", "xz", "zip", "zst",
];

/// The files below a folder as a zip.
pub fn folder(app: &Arc<App>, request: &Request, address: &Address, folder: NodeId) -> Response {
    let name = match address.path.name() {
        Some(name) => format!("{name}.zip"),
        None => format!("{}-{}.zip", address.project, address.repo),
    };
    zip(app, request, &name, Tree::files(folder))
}

/// What a tree gives as a zip of this name.
pub fn zip(app: &Arc<App>, request: &Request, name: &str, tree: Tree) -> Response {
    let out = Out::default();
    let mut response = respond(Archive {
        app: Arc::clone(app),
        tree,
        names: EntryNames::default(),
        file: None,
        zip: Some(ZipWriter::new_stream(out.clone())),
        out,
    });
    headers(&mut response, request, "application/zip");
    if let Ok(value) = HeaderValue::try_from(artifact::content_disposition(name)) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// What the archive writes and the client has not got yet.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<BytesMut>>);

impl Out {
    fn with<T>(&self, work: impl FnOnce(&mut BytesMut) -> T) -> T {
        let mut bytes = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        work(&mut bytes)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.with(|out| out.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Archive {
    app: Arc<App>,
    tree: Tree,
    names: EntryNames,
    /// The entry that is being written.
    file: Option<BlobReader>,
    zip: Option<ZipWriter<StreamWriter<Out>>>,
    out: Out,
}

impl Steps for Archive {
    fn step(&mut self) -> Result<Option<Bytes>, ApiError> {
        while self.zip.is_some() && self.out.with(|out| out.len()) < STEP_BYTES {
            self.write_some()?;
        }
        let bytes = self.out.with(|out| out.split().freeze());
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Archive {
    /// Writes the next window of the entry in hand, begins the next entry, or ends the archive.
    fn write_some(&mut self) -> Result<(), ApiError> {
        let Some(zip) = &mut self.zip else {
            return Ok(());
        };
        if let Some(reader) = &mut self.file {
            for bytes in reader.next_window()? {
                zip.write_all(&bytes).map_err(|_| BROKEN)?;
            }
            if reader.remaining() == 0 {
                self.file = None;
            }
            return Ok(());
        }
        let rows = self.app.store.rows()?;
        match self.tree.next(&rows, self.app.store.now_ms())? {
            Some(Leaf::File(path, node)) => {
                let name = self.names.name(&path);
                self.file = Some(begin(&self.app, &rows, zip, &name, &node)?);
            }
            Some(Leaf::EmptyFolder(path)) => {
                let options = SimpleFileOptions::default();
                let name = self.names.name(&path);
                zip.add_directory(name, options).map_err(|_| BROKEN)?;
            }
            None => {
                if let Some(zip) = self.zip.take() {
                    zip.finish().map_err(|_| BROKEN)?;
                }
            }
        }
        Ok(())
    }
}

const BROKEN: ApiError = ApiError::Internal("writing a zip");

fn begin(
    app: &App,
    rows: &dyn Rows,
    zip: &mut ZipWriter<StreamWriter<Out>>,
    path: &str,
    node: &Node,
) -> Result<BlobReader, ApiError> {
    let NodeKind::File { sha256, size } = node.kind else {
        return Err(ApiError::Internal("a folder in a zip"));
    };
    let unknown = || StoreError::Damaged {
        offset: 0,
        why: "a content is not known".to_owned(),
    };
    let blob = rows.blob(&sha256).map_err(StoreError::from)?;
    let blob = blob.ok_or_else(unknown)?;
    let extension = path.rsplit('.').next().unwrap_or_default();
    let compressed = COMPRESSED.contains(&extension.to_ascii_lowercase().as_str());
    let mut options = SimpleFileOptions::default()
        .large_file(size >= ZIP64_BYTES)
        .compression_method(match compressed {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        });
    if let Some(time) = zip_time(node.modified_ms, app) {
        options = options.last_modified_time(time);
    }
    zip.start_file(path, options).map_err(|_| BROKEN)?;
    Ok(app.store.read(&blob, 0..blob.size))
}

/// The time of an entry: local, to two seconds, from 1980 to 2107; else it has none.
fn zip_time(unix_ms: u64, app: &App) -> Option<zip::DateTime> {
    let ms = i64::try_from(unix_ms).ok()?;
    let time = Timestamp::from_millisecond(ms).ok()?;
    let time = time.to_zoned(app.config.zone.clone());
    let small = |n: i8| u8::try_from(n).ok();
    zip::DateTime::from_date_and_time(
        u16::try_from(time.year()).ok()?,
        small(time.month())?,
        small(time.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
    )
    .ok()
}
