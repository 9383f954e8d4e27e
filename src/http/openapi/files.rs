//! Files, and links to them.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{BLOCK, DOWNLOAD, Kind, UID, UPLOAD, query};
use super::refusals as refused;
use super::shape::{count, list, named, nothing, object, one_of, text, told};

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = files();
    all.extend(links());
    all
}

/// The headers that tell of a file.
fn file_headers(is_partial: bool) -> Value {
    let header =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let mut headers = json!({
        "ETag": header("The sha256, in quotes."),
        "Last-Modified": header("When it was changed last."),
        "Accept-Ranges": header("`bytes`"),
        "Cache-Control": header("`no-cache`, or what the metadata `cache-control` says."),
        "Content-Disposition": header("With `download=true`: an attachment."),
        "X-Checksum-Sha256": header("In hex."),
        "X-Checksum-Md5": header("In hex."),
        "X-Checksum-Crc64ecma": header("In decimal."),
        "X-Checksum-Sha1": header("Of packages, in hex."),
        "X-BKREPO-RID": header("Names the request in the log."),
    });
    if is_partial {
        headers["Content-Range"] = header("`bytes first-last/size`");
    }
    headers
}

/// An answer with a file, or a part of it.
pub fn sends_file(operation: Operation) -> Operation {
    let bytes = json!({"*/*": {}});
    let whole = json!({
        "description": "The file, of the type that its name says; of a folder an HTML index, or a zip.",
        "headers": file_headers(false),
        "content": bytes,
    });
    let part = json!({
        "description": "The part of the file that was asked for.",
        "headers": file_headers(true),
        "content": bytes,
    });
    let same = json!({
        "description": "The client's copy is still good.",
        "headers": file_headers(false),
    });
    let operation = operation.takes(DOWNLOAD);
    operation
        .answer("200", whole)
        .answer("206", part)
        .answer("304", same)
}

fn stored(operation: Operation) -> Operation {
    let schema = json!({"allOf": [named("Envelope"), {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"oneOf": [named("NodeDetail"), {"type": "null"}]}},
    }]});
    let header =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    operation.answer(
        "200",
        json!({
            "description": "It is kept, and durable. `data` is null for a block.",
            "headers": {
                "X-Checksum-Sha256": header("In hex."),
                "X-Checksum-Md5": header("In hex."),
                "X-Checksum-Crc64ecma": header("In decimal."),
                "X-Packhold-New-Bytes": header("Bytes that the store did not have."),
                "X-Packhold-Shared-Bytes": header("Bytes that it had."),
            },
            "content": {"application/json": {"schema": schema}},
        }),
    )
}

fn put(operation: Operation) -> Operation {
    let operation = operation.takes(UPLOAD).takes(BLOCK).bytes();
    stored(operation)
        .says(
            "The body is taken whatever its type, with or without a length; nothing is visible before it is \
             whole. With `X-BKREPO-UPLOAD-ID` and either `UPLOAD-TYPE` or `X-BKREPO-SEQUENCE` it is a block.",
        )
        .refuses(refused::IN_REPO)
        .refuses(refused::UPLOAD)
        .refuses(refused::SESSION)
        .refuses(refused::BLOCK)
}

/// A download, of one that may read the repository or has a link.
fn get(operation: Operation) -> Operation {
    sends_file(operation)
        .and_head()
        .refuses(refused::IN_REPO)
        .refuses(refused::DOWNLOAD)
}

fn batch(route: &'static str, id: &'static str) -> Operation {
    let operation = Operation::new("files", route, id, "Several files and folders as a zip")
        .or_public()
        .says("Exactly one file comes as it is, with ranges.")
        .json(object([("paths", list(text()))], []));
    sends_file(operation)
        .refuses(refused::IN_REPO)
        .refuses(refused::JSON)
        .refuses(refused::MANY)
        .refuses(refused::DOWNLOAD)
}

fn files() -> Vec<Operation> {
    let new = |route, id, summary| Operation::new("files", route, id, summary);
    vec![
        batch("GET /generic/batch/{project}/{repo}", "getBatch"),
        batch("POST /generic/batch/{project}/{repo}", "postBatch"),
        get(new(
            "GET /generic/{project}/{repo}/{path..}",
            "download",
            "Download a file, or list a folder",
        )
        .or_public()),
        put(new(
            "PUT /generic/{project}/{repo}/{path..}",
            "upload",
            "Upload a file, or a block of one",
        )),
        new(
            "DELETE /generic/{project}/{repo}/{path..}",
            "delete",
            "Delete a file, or a folder without files",
        )
        .data(nothing())
        .refuses(refused::IN_REPO)
        .refuses(refused::DELETE)
        .refuses(refused::CHANGE),
    ]
}

/// What links are made for.
fn wish(types: &[&str]) -> Value {
    object(
        [
            ("projectId", text()),
            ("repoName", text()),
            (
                "fullPathSet",
                told(
                    list(text()),
                    "1,000 paths at most; a path opens what lies below it, too.",
                ),
            ),
            ("type", one_of(types)),
        ],
        [
            (
                "authorizedUserSet",
                told(
                    list(text()),
                    "Who may use them; everybody if none is named.",
                ),
            ),
            (
                "authorizedIpSet",
                told(list(text()), "From which addresses; any if none is named."),
            ),
            (
                "expireSeconds",
                told(
                    json!({"type": "integer"}),
                    "A day if missing; from 0 down for ever.",
                ),
            ),
            ("permits", told(count(), "How often each may be used.")),
            (
                "host",
                told(
                    text(),
                    "What links begin with, instead of what this service is called.",
                ),
            ),
        ],
    )
}

fn makes_link(operation: Operation) -> Operation {
    operation
        .refuses(refused::IN_REPO)
        .refuses(refused::JSON)
        .refuses(refused::CALLED)
        .refuses(refused::CHANGE)
}

fn links() -> Vec<Operation> {
    let new = |route, id, summary| Operation::new("links", route, id, summary);
    let share = object(
        [],
        [
            ("authorizedUserList", list(text())),
            ("authorizedIpList", list(text())),
            (
                "expireSeconds",
                told(
                    json!({"type": "integer"}),
                    "From 0 down, or missing: for ever.",
                ),
            ),
        ],
    );
    let token = [
        query("token", Kind::Text, "The token of the link.").required(),
        UID,
    ];
    let by_link = |operation: Operation| operation.by_link().takes(&token).refuses(refused::LINK);
    vec![
        makes_link(new(
            "POST /generic/temporary/url/create",
            "createLinks",
            "Make links",
        ))
        .json(wish(&["DOWNLOAD", "UPLOAD"]))
        .data(list(named("TemporaryToken"))),
        makes_link(new(
            "POST /generic/temporary/token/create",
            "createTokens",
            "Make temporary tokens",
        ))
        .json(wish(&["DOWNLOAD", "UPLOAD", "ALL"]))
        .data(list(named("TemporaryToken"))),
        by_link(get(new(
            "GET /generic/temporary/download/{project}/{repo}/{path..}",
            "downloadByLink",
            "Download by a link",
        ))),
        by_link(put(new(
            "PUT /generic/temporary/upload/{project}/{repo}/{path..}",
            "uploadByLink",
            "Upload by a link",
        ))),
        makes_link(new(
            "POST /repository/api/share/{project}/{repo}/{path..}",
            "share",
            "Make a link to what is there",
        ))
        .json(share)
        .data(named("TemporaryToken"))
        .refuses(refused::THERE),
        by_link(get(new(
            "GET /repository/api/share/{project}/{repo}/{path..}",
            "downloadShared",
            "Download by a link that was made by sharing",
        ))),
    ]
}
