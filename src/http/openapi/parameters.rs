//! What requests say in their paths, queries and headers.

use serde_json::{Value, json};

use super::shape::{count, flag, one_of, text};

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
}

/// What a parameter can be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that fits this expression.
    Like(&'static str),
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 on.
    Count,
    /// A whole number from 1 on.
    Position,
    /// A whole number.
    Whole,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A parameter of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    name: &'static str,
    place: Place,
    kind: Kind,
    is_required: bool,
    description: &'static str,
}

impl Parameter {
    const fn new(place: Place, name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            place,
            kind,
            is_required: matches!(place, Place::Path),
            description,
        }
    }

    /// It must be there.
    pub const fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }

    /// As OpenAPI has it.
    pub fn describe(&self) -> Value {
        let schema = match self.kind {
            Kind::Text => text(),
            Kind::Like(pattern) => json!({"type": "string", "pattern": pattern}),
            Kind::Flag => flag(),
            Kind::Count => count(),
            Kind::Position => json!({"type": "integer", "minimum": 1}),
            Kind::Whole => json!({"type": "integer"}),
            Kind::OneOf(words) => one_of(words),
        };
        json!({
            "name": self.name,
            "in": match self.place {
                Place::Path => "path",
                Place::Query => "query",
                Place::Header => "header",
            },
            "required": self.is_required,
            "description": self.description,
            "schema": schema,
        })
    }
}

/// A parameter of the query.
pub const fn query(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
    Parameter::new(Place::Query, name, kind, description)
}

const fn header(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
    Parameter::new(Place::Header, name, kind, description)
}

const fn path(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
    Parameter::new(Place::Path, name, kind, description)
}

/// Names of projects and repositories.
pub const NAME: Kind = Kind::Like("^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$");
const SHA256: Kind = Kind::Like("^[0-9A-Fa-f]{64}$");

/// What stands for the names in patterns.
const IN_PATHS: [Parameter; 12] = [
    path("project", NAME, "A project."),
    path("repo", NAME, "A repository of the project."),
    path(
        "path",
        Kind::Text,
        "A path in the repository, of any number of segments.",
    ),
    path(
        "type",
        Kind::Text,
        "Ignored: every repository is `GENERIC`.",
    ),
    path(
        "number",
        Kind::Whole,
        "Number of the page; 0 is the first, like 1.",
    ),
    path("size", Kind::Whole, "Records of a page, 10,000 at most."),
    path("user", Kind::Text, "A user."),
    path("name", Kind::Text, "A name."),
    path("accessKey", Kind::Text, "The key of a pair that is told."),
    path("id", Kind::Count, "The id of a package."),
    path("sha256", SHA256, "A sha256 in hex."),
    path("asset", Kind::Text, "A file that the web page is made of."),
];

/// The parameters that a pattern names. `{more..}` is there to be refused, and is not told.
pub fn path_parameters(pattern: &str) -> Vec<Parameter> {
    let names = pattern.split('/').filter_map(|part| part.strip_prefix('{'));
    let names = names.map(|name| name.trim_end_matches("..}").trim_end_matches('}'));
    let found = names.filter_map(|name| IN_PATHS.iter().find(|known| known.name == name));
    found.copied().collect()
}

/// Of what the web page is made of.
pub const REVALIDATE: &[Parameter] = &[
    header(
        "If-None-Match",
        Kind::Text,
        "304 if it still has one of these `ETag`s.",
    ),
    header(
        "If-Match",
        Kind::Text,
        "412 unless it has one of these `ETag`s.",
    ),
];

/// Of logging out.
pub const CSRF: &[Parameter] = &[header(
    "X-PACKHOLD-CSRF",
    Kind::Text,
    "Proves that the web page asks: the `csrf` of the session.",
)];

/// Of logging in.
pub const CSRF_TO_LOG_IN: &[Parameter] = &[header(
    "X-PACKHOLD-CSRF",
    Kind::Text,
    "Anything: that it is there proves that no page of another origin asks.",
)];

/// Of downloads: which bytes, and on which conditions.
pub const DOWNLOAD: &[Parameter] = &[
    query(
        "download",
        Kind::Flag,
        "A file as an attachment; a folder as a zip, not as an HTML index.",
    ),
    header(
        "Range",
        Kind::Text,
        "One range: `bytes=a-b`, `bytes=a-` or `bytes=-k`. Several, or one that selects nothing, are 416; \
         another unit is ignored.",
    ),
    header(
        "If-Range",
        Kind::Text,
        "`Range` counts only if the file still has this `ETag` or date.",
    ),
    header(
        "If-None-Match",
        Kind::Text,
        "304 if the file has one of these `ETag`s.",
    ),
    header(
        "If-Modified-Since",
        Kind::Text,
        "304 if the file was not changed since.",
    ),
    header(
        "If-Match",
        Kind::Text,
        "412 unless the file has one of these `ETag`s.",
    ),
    header(
        "If-Unmodified-Since",
        Kind::Text,
        "412 if the file was changed since.",
    ),
];

const IF_MATCH: Parameter = header(
    "If-Match",
    Kind::Text,
    "412 unless what is there has one of these `ETag`s.",
);
const IF_NONE_MATCH: Parameter = header(
    "If-None-Match",
    Kind::Text,
    "412 if what is there has one of these `ETag`s; `*`: if anything is there.",
);
const IF_UNMODIFIED: Parameter = header(
    "If-Unmodified-Since",
    Kind::Text,
    "412 if what is there was changed since.",
);
const OVERWRITE: Parameter = header("X-BKREPO-OVERWRITE", Kind::Flag, "Replaces what is there.");
const EXPIRES: Parameter = header(
    "X-BKREPO-EXPIRES",
    Kind::Count,
    "After how many days the file is gone; 0: never.",
);
const META: Parameter = header(
    "X-BKREPO-META",
    Kind::Text,
    "Metadata: Base64 of `k=v&k2=v2`. What cannot be decoded is ignored. `X-BKREPO-META-{key}` sets one key, in \
     lower case.",
);
/// The bytes have this sha256.
const DECLARED_SHA256: Parameter = header(
    "X-BKREPO-SHA256",
    SHA256,
    "What the bytes must have. Content that the store has is taken in faster.",
);
const DECLARED_MD5: Parameter = header(
    "X-BKREPO-MD5",
    Kind::Like("^[0-9A-Fa-f]{32}$"),
    "What the bytes must have.",
);
const DECLARED_CRC64: Parameter = header(
    "X-BKREPO-CRC64ECMA",
    Kind::Count,
    "What the bytes must have (CRC-64/XZ).",
);

/// Of what makes a file.
pub const UPLOAD: &[Parameter] = &[
    OVERWRITE,
    EXPIRES,
    META,
    DECLARED_SHA256,
    DECLARED_MD5,
    DECLARED_CRC64,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_UNMODIFIED,
];

/// The upload in blocks that a request is about.
pub const UPLOAD_ID: Parameter = header("X-BKREPO-UPLOAD-ID", Kind::Text, "The upload in blocks.");

/// Of a `PUT` that may bring a block.
pub const BLOCK: &[Parameter] = &[
    header(
        "UPLOAD-TYPE",
        Kind::OneOf(&["SEPARATE-UPLOAD"]),
        "The body is a block, and goes by its offset.",
    ),
    UPLOAD_ID,
    header(
        "X-BKREPO-OFFSET",
        Kind::Count,
        "Where the block begins in the file.",
    ),
    header(
        "X-BKREPO-SEQUENCE",
        Kind::Position,
        "The number of the block, where blocks go by numbers.",
    ),
];

/// How large the file is that an upload in blocks makes.
pub const SIZE: Parameter = header(
    "X-BKREPO-SIZE",
    Kind::Count,
    "How large the file is, in bytes.",
);

/// Who uses a link for certain users.
pub const UID: Parameter = header(
    "X-BKREPO-UID",
    Kind::Text,
    "Who uses a link that is for certain users.",
);
