//! The rows of uploads in blocks: two dialects, to who is logged in and to who has a link.

use super::away;
use crate::policy::principals::Need::Write;
use crate::policy::row::{Row, at};
use crate::policy::spots::{World, block_headers};

/// The rows of one dialect: begin, a block, list, complete, abort.
macro_rules! dialect {
    ($word:literal, $base:literal, $put:expr, $folder:literal, $needs:expr) => {
        [
            Row {
                nowhere: "200",
                undo: away,
                ..at(
                    concat!($folder, "new"),
                    concat!("POST ", $base, $word, "/{project}/{repo}/{path..}"),
                    $needs,
                )
            },
            Row {
                dress: |world, spot, call| {
                    let id = world.session(spot, $word);
                    block_headers(call, &id, $word).body("x")
                },
                nowhere: "400/251201",
                ..at(concat!($folder, $word), $put, $needs)
            },
            Row {
                dress: |world, spot, call| {
                    call.header("X-BKREPO-UPLOAD-ID", world.session(spot, $word))
                },
                nowhere: "400/251201",
                ..at(
                    concat!($folder, $word),
                    concat!("GET ", $base, $word, "/{project}/{repo}/{path..}"),
                    $needs,
                )
            },
            Row {
                dress: |world, spot, call| {
                    let id = world.session(spot, $word);
                    let call = call.header("X-BKREPO-UPLOAD-ID", id);
                    call.header("X-BKREPO-SIZE", "1")
                },
                nowhere: "400/251201",
                undo: World::forget_sessions,
                ..at(
                    concat!($folder, $word),
                    concat!("PUT ", $base, $word, "/{project}/{repo}/{path..}"),
                    $needs,
                )
            },
            Row {
                dress: |world, spot, call| {
                    call.header("X-BKREPO-UPLOAD-ID", world.session(spot, $word))
                },
                nowhere: "400/251201",
                undo: World::forget_sessions,
                ..at(
                    concat!($folder, $word),
                    concat!("DELETE ", $base, $word, "/{project}/{repo}/{path..}"),
                    $needs,
                )
            },
        ]
    };
}

/// To who is logged in.
pub fn rows() -> Vec<Row> {
    const PUT: &str = "PUT /generic/{project}/{repo}/{path..}";
    let mut all = Vec::from(dialect!("separate", "/generic/", PUT, "", &[Write]));
    all.extend(dialect!("block", "/generic/", PUT, "", &[Write]));
    all
}

/// To who has a link to what is below `d`.
pub fn links() -> Vec<Row> {
    const PUT: &str = "PUT /generic/temporary/upload/{project}/{repo}/{path..}";
    let mut all = Vec::from(dialect!("separate", "/generic/temporary/", PUT, "d/", &[]));
    all.extend(dialect!("block", "/generic/temporary/", PUT, "d/", &[]));
    all
}
