//! Bodies of several parts: the same parts come out however the body is cut into frames, what was
//! written comes out as it was, and what no reader may guess at is refused.
//!
//! Input: the first byte says whether the rest is a body as it comes, or the parts of one.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use packhold::domain::packages::HeaderReader;
use packhold::http::probe::{Part, parts};

const TYPE: &str = "multipart/form-data; boundary=0123456789abcdef";
const BOUNDARY: &str = "0123456789abcdef";

#[derive(Debug, Arbitrary)]
struct Field {
    name: String,
    file_name: Option<String>,
    bytes: Vec<u8>,
    /// Bytes that look like a boundary.
    nearly: bool,
}

/// Runs one input.
pub fn check(data: &[u8]) {
    let Some(([kind, piece], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    if kind % 2 == 0 {
        same_however_cut(rest, *piece);
    } else if let Ok(fields) = Vec::<Field>::arbitrary_take_rest(Unstructured::new(rest)) {
        comes_out(&fields, *piece);
    }
}

fn read(body: &[u8], piece: usize) -> Result<Vec<Part>, (Vec<Part>, String)> {
    let frames = body.chunks(piece).map(Bytes::copy_from_slice).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(parts(Some(TYPE), frames))
}

fn same_however_cut(body: &[u8], piece: u8) {
    let whole = read(body, body.len().max(1));
    let cut = read(body, usize::from(piece).max(1));
    // What a broken body is told to be broken by depends on how far the reader has seen.
    let told_apart = |read: &Result<Vec<Part>, (Vec<Part>, String)>| match read {
        Ok(parts) => (true, parts.clone()),
        Err((parts, _)) => (false, parts.clone()),
    };
    assert_eq!(told_apart(&whole), told_apart(&cut));
    for (_, file_name, bytes) in whole.unwrap_or_default() {
        // An RPM or not: whoever reads the part must not fall over it.
        let mut reader = HeaderReader::default();
        if file_name.is_some() && reader.push(&bytes).is_ok() {
            let _what_it_is = reader.finish();
        }
    }
}

fn comes_out(fields: &[Field], piece: u8) {
    // What clients escape, each in its own way, and what no header can have.
    let plain = |text: &String| {
        !text.contains(['"', '\\', '%']) && !text.chars().any(|c| c.is_ascii_control())
    };
    let fields: Vec<_> = fields.iter().filter(|field| plain(&field.name)).collect();
    let mut body = Vec::new();
    let mut expected = Vec::new();
    for field in fields.into_iter().take(100) {
        let file_name = field.file_name.clone().filter(plain);
        let mut bytes = field.bytes.clone();
        if field.nearly {
            bytes.extend_from_slice(&format!("\r\n--{BOUNDARY}").as_bytes()[..BOUNDARY.len()]);
        }
        let whole = format!("\r\n--{BOUNDARY}");
        let as_written = [b"\r\n", &bytes[..], b"\r\n--"].concat();
        let mut windows = as_written.windows(whole.len());
        if windows.any(|window| window == whole.as_bytes()) {
            // A client would take another boundary.
            continue;
        }
        let file = file_name.as_ref().map_or_else(String::new, |name| {
            format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream")
        });
        let name = &field.name;
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&bytes);
        body.extend_from_slice(b"\r\n");
        expected.push((Some(name.clone()), file_name, bytes));
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    assert_eq!(read(&body, usize::from(piece).max(1)), Ok(expected));
}
