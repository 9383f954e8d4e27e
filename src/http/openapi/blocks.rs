//! Uploads in blocks, in both dialects, by login or by a link.

use serde_json::Value;

use super::operation::Operation;
use super::parameters::{Kind, SIZE, UID, UPLOAD, UPLOAD_ID, query};
use super::refusals as refused;
use super::shape::{count, list, named, nothing, object, text, told};

/// A base of addresses, and what its operations are called.
struct Dialect {
    /// Of its four methods.
    routes: [&'static str; 4],
    ids: [&'static str; 4],
    tag: &'static str,
    /// A block as it is listed.
    row: &'static str,
    by_link: bool,
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let separate = Dialect {
        routes: [
            "POST /generic/separate/{project}/{repo}/{path..}",
            "GET /generic/separate/{project}/{repo}/{path..}",
            "PUT /generic/separate/{project}/{repo}/{path..}",
            "DELETE /generic/separate/{project}/{repo}/{path..}",
        ],
        ids: [
            "beginSeparate",
            "listSeparate",
            "completeSeparate",
            "abortSeparate",
        ],
        tag: "blocks",
        row: "Block",
        by_link: false,
    };
    let block = Dialect {
        routes: [
            "POST /generic/block/{project}/{repo}/{path..}",
            "GET /generic/block/{project}/{repo}/{path..}",
            "PUT /generic/block/{project}/{repo}/{path..}",
            "DELETE /generic/block/{project}/{repo}/{path..}",
        ],
        ids: ["beginBlocks", "listBlocks", "completeBlocks", "abortBlocks"],
        row: "NumberedBlock",
        ..separate
    };
    let separate_by_link = Dialect {
        routes: [
            "POST /generic/temporary/separate/{project}/{repo}/{path..}",
            "GET /generic/temporary/separate/{project}/{repo}/{path..}",
            "PUT /generic/temporary/separate/{project}/{repo}/{path..}",
            "DELETE /generic/temporary/separate/{project}/{repo}/{path..}",
        ],
        ids: [
            "beginSeparateByLink",
            "listSeparateByLink",
            "completeSeparateByLink",
            "abortSeparateByLink",
        ],
        tag: "links",
        by_link: true,
        ..separate
    };
    let block_by_link = Dialect {
        routes: [
            "POST /generic/temporary/block/{project}/{repo}/{path..}",
            "GET /generic/temporary/block/{project}/{repo}/{path..}",
            "PUT /generic/temporary/block/{project}/{repo}/{path..}",
            "DELETE /generic/temporary/block/{project}/{repo}/{path..}",
        ],
        ids: [
            "beginBlocksByLink",
            "listBlocksByLink",
            "completeBlocksByLink",
            "abortBlocksByLink",
        ],
        tag: "links",
        row: "NumberedBlock",
        by_link: true,
    };
    let all = [separate, block, separate_by_link, block_by_link];
    all.iter().flat_map(Dialect::operations).collect()
}

impl Dialect {
    fn operations(&self) -> Vec<Operation> {
        let summaries = [
            "Begin an upload in blocks",
            "List the blocks",
            "Make the file",
            "End the upload",
        ];
        let new = |at: usize| {
            let new = Operation::new(self.tag, self.routes[at], self.ids[at], summaries[at]);
            let new = new.refuses(refused::IN_REPO).refuses(refused::CHANGE);
            match self.by_link {
                true => {
                    let token = query("token", Kind::Text, "The token of the link.").required();
                    new.by_link().takes(&[token, UID]).refuses(refused::LINK)
                }
                false => new,
            }
        };
        let of_session = |at: usize| {
            new(at)
                .takes(&[UPLOAD_ID.required()])
                .refuses(refused::SESSION)
        };
        let size = match self.row {
            "Block" => SIZE.required(),
            _ => SIZE,
        };
        vec![
            new(0)
                .says("It lives 12 hours from its last use. Blocks go to the file's own address, by `PUT`.")
                .takes(UPLOAD)
                .data(started())
                .refuses(refused::UPLOAD)
                .refuses(refused::SESSIONS),
            of_session(1).says("In their order in the file.").data(list(named(self.row))),
            of_session(2)
                .says("At once, whatever its size. What is refused keeps its blocks.")
                .takes(&[size])
                .takes(UPLOAD)
                .data(nothing())
                .refuses(refused::UPLOAD)
                .refuses(refused::BLOCK)
                .refuses(refused::COMPLETE),
            of_session(3).says("Its blocks are gone at once.").data(nothing()),
        ]
    }
}

fn started() -> Value {
    object(
        [
            ("uploadId", text()),
            (
                "expireSeconds",
                told(count(), "How long it lives from its last use."),
            ),
        ],
        [],
    )
}
