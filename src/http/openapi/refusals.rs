//! What is refused, with which status and code, and why. `error` decides; this tells.

/// A refusal in one dialect.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// HTTP status.
    pub status: &'static str,
    /// The code in the envelope.
    pub code: &'static str,
    /// What is at fault.
    pub why: &'static str,
}

const fn of(status: &'static str, code: &'static str, why: &'static str) -> Refusal {
    Refusal { status, code, why }
}

const TOO_OFTEN: Refusal = of(
    "429",
    "250124",
    "too many requests or failed logins; `Retry-After` says when",
);
const HEAD_TOO_LONG: Refusal = of("431", "250106", "the header fields are too long");
const FAILED: Refusal = of("500", "250102", "the server failed");
/// The store takes no changes, or memory is short.
pub const BUSY: Refusal = of(
    "503",
    "250102",
    "the store takes no changes now, or all memory for answers is taken",
);
/// The bytes that are asked for are damaged.
pub const DAMAGED: Refusal = of("500", "251102", "the stored bytes are damaged");

/// Of probes, which nothing keeps from an answer.
pub const PROBE: &[Refusal] = &[HEAD_TOO_LONG];
/// Of what everybody may ask.
pub const PUBLIC: &[Refusal] = &[HEAD_TOO_LONG, TOO_OFTEN, FAILED, BUSY];
/// Of what needs a login.
pub const LOGIN: &[Refusal] = &[
    of("400", "250132", "the body of a signed request broke off"),
    of("401", "250114", "no credentials, or wrong ones"),
    of("403", "250113", "whoever asks may not do this"),
    of("408", "250132", "the body stood still"),
    of(
        "413",
        "250106",
        "the body is too long, or too long to be signed",
    ),
    HEAD_TOO_LONG,
    TOO_OFTEN,
    FAILED,
    BUSY,
];

const BAD_NAME: Refusal = of(
    "400",
    "250105",
    "a parameter has a value that it cannot have",
);
const BAD_PATH: Refusal = of(
    "400",
    "251011",
    "the path is not UTF-8, too deep, or has NUL",
);
const EXISTS: Refusal = of(
    "400",
    "251012",
    "something is there, and may not be replaced",
);
const CONFLICT: Refusal = of(
    "400",
    "251013",
    "a file is where a folder must be, or a folder where a file must be",
);
const EMPTY: Refusal = of(
    "400",
    "250104",
    "something that must name something is empty",
);
const MISSING: Refusal = of("400", "250103", "something that must be there is missing");
const NOT_JSON: Refusal = of("400", "250106", "the body is not the JSON that it must be");
const TOO_MANY: Refusal = of("400", "251014", "it is about too many things at once");
const FULL: Refusal = of("507", "251101", "the disk of the store is full");
const QUOTA: Refusal = of("400", "251025", "the repository's quota");
const ROOT: Refusal = of(
    "400",
    "250112",
    "this cannot be done to the root of a repository",
);
const NO_REPO: Refusal = of("404", "251006", "no such repository");
const NO_PROJECT: Refusal = of("404", "251004", "no such project");
const NO_FILE: Refusal = of("404", "251010", "nothing is there");
const NO_SUCH_NODE: Refusal = of("400", "251010", "nothing is there");
const DIGEST: Refusal = of(
    "400",
    "251003",
    "a digest that was declared is not that of the bytes, or is none",
);
const RESERVED: Refusal = of("400", "251504", "a metadata key is reserved");
const PRECONDITION: Refusal = of("412", "250105", "a condition of the request does not hold");
const NO_HEADER: Refusal = of("400", "250118", "a header that must be there is missing");
const TOKEN: Refusal = of("400", "251021", "the token is not valid, or not for this");

/// Of what names something in its path.
pub const NAMED: &[Refusal] = &[BAD_NAME, BAD_PATH];
/// Of what is about a repository.
pub const IN_REPO: &[Refusal] = &[BAD_NAME, BAD_PATH, NO_REPO];
/// Of what is about a project.
pub const IN_PROJECT: &[Refusal] = &[BAD_NAME, BAD_PATH, NO_PROJECT];
/// Of what has no parameter but in its query or headers.
pub const PARAMETER: &[Refusal] = &[BAD_NAME];
/// Of what takes a JSON document.
pub const JSON: &[Refusal] = &[MISSING, EMPTY, BAD_NAME, NOT_JSON];
/// Of what changes something.
pub const CHANGE: &[Refusal] = &[FULL];
/// Of the content of files.
pub const DOWNLOAD: &[Refusal] = &[
    NO_FILE,
    PRECONDITION,
    of(
        "416",
        "250120",
        "the file does not have this range; `Content-Range` says its size",
    ),
    DAMAGED,
];
/// Of what the web page is made of.
pub const REVALIDATED: &[Refusal] = &[PRECONDITION];
/// Of uploads, whole or in blocks.
pub const UPLOAD: &[Refusal] = &[
    DIGEST,
    EXISTS,
    CONFLICT,
    RESERVED,
    QUOTA,
    PRECONDITION,
    NO_PROJECT,
    FULL,
];
/// Of whatever is about an upload in blocks that was begun.
pub const SESSION: &[Refusal] = &[
    NO_HEADER,
    of("400", "251201", "no such upload, or it has expired"),
    of("400", "251213", "the upload id is blank"),
];
/// Of a block.
pub const BLOCK: &[Refusal] = &[of(
    "400",
    "251214",
    "where the block belongs, or how large the file is, is missing, no number, or too large",
)];
/// Of beginning an upload in blocks.
pub const SESSIONS: &[Refusal] = &[of(
    "429",
    "250129",
    "the user has too many uploads in blocks",
)];
/// Of completing an upload in blocks.
pub const COMPLETE: &[Refusal] = &[
    of("400", "251204", "the blocks do not cover the file exactly"),
    of("400", "251212", "the numbers of the blocks are not 1 to n"),
    DAMAGED,
];
/// Of deleting files.
pub const DELETE: &[Refusal] = &[NO_FILE, ROOT, of("400", "251009", "the folder has files")];
/// Of links.
pub const LINK: &[Refusal] = &[
    BAD_NAME,
    TOKEN,
    of("400", "251022", "the token has expired"),
];
/// Of making links, whose addresses begin with what the service is called.
pub const CALLED: &[Refusal] = &[NO_HEADER];
/// Of what is asked about, not for.
pub const ASKED: &[Refusal] = &[NO_SUCH_NODE];
/// Of what has a file or folder there.
pub const THERE: &[Refusal] = &[NO_FILE];
/// Of what lists or changes many things.
pub const MANY: &[Refusal] = &[TOO_MANY];
/// Of making, moving and renaming files and folders.
pub const PLACE: &[Refusal] = &[EXISTS, CONFLICT, ROOT, NO_PROJECT];
/// Of what may not be done to the root.
pub const NOT_ROOT: &[Refusal] = &[ROOT];
/// Of what takes room in a repository.
pub const ROOM: &[Refusal] = &[QUOTA];
/// Of metadata.
pub const METADATA: &[Refusal] = &[RESERVED];

/// Of making a project, and of taking one away.
pub const PROJECT_EXISTS: &[Refusal] = &[of("400", "251005", "the project is there already")];
/// Of taking away what is not empty.
pub const IN_USE: &[Refusal] = &[of("400", "251008", "there is still something in it")];
/// Of making a repository.
pub const REPO_EXISTS: &[Refusal] = &[of("400", "251007", "the repository is there already")];
/// Of what is about a user.
pub const USER: &[Refusal] = &[of("400", "250202", "no such user")];
/// Of making a user.
pub const USER_EXISTS: &[Refusal] = &[of("400", "250201", "the user is there already")];
/// Of an access token.
pub const ACCESS_TOKEN: &[Refusal] = &[of("400", "250204", "no such access token")];
/// Of making one.
pub const ACCESS_TOKEN_EXISTS: &[Refusal] =
    &[of("400", "250219", "the access token is there already")];
/// Of a pair of access keys.
pub const ACCESS_KEY: &[Refusal] = &[of("400", "250213", "no such pair of access keys")];

/// Of chunks and contents.
pub const BY_DIGEST: &[Refusal] = &[
    BAD_NAME,
    BAD_PATH,
    of("404", "251010", "there is none with this digest"),
    DAMAGED,
];
/// Of mending them.
pub const MEND: &[Refusal] = &[
    of("400", "251003", "the bytes do not have this digest"),
    FULL,
];
/// Of continuing a copy.
pub const HISTORY: &[Refusal] = &[
    MISSING,
    BAD_NAME,
    of(
        "409",
        "250105",
        "the copy is none of this store, or it went its own way",
    ),
];
/// Of a sample.
pub const SAMPLE: &[Refusal] = &[MISSING, BAD_NAME];

const OCP_REQUEST: &str = "the request cannot be answered";
/// OCP's: of everybody's requests.
pub const OCP_PUBLIC: &[Refusal] = &[
    of("429", "COM10003", "too many requests"),
    of("431", "COM10003", "the header fields are too long"),
    of("500", "COM10999", "the server failed"),
    of(
        "503",
        "COM10999",
        "the store takes no changes now, or memory is short",
    ),
];
/// OCP's: of a probe.
pub const OCP_PROBE: &[Refusal] = &[
    of("431", "COM10003", "the header fields are too long"),
    of("503", "COM10999", "the store takes no changes now"),
];
/// OCP's: of what needs a login.
pub const OCP_LOGIN: &[Refusal] = &[
    of("400", "COM10003", OCP_REQUEST),
    of("401", "IAM10000", "no credentials, or wrong ones"),
    of("403", "IAM11000", "whoever asks may not do this"),
    of("408", "COM10003", "the body stood still"),
    of(
        "413",
        "COM10003",
        "the body is too long, or too long to be signed",
    ),
    of("429", "COM10003", "too many requests"),
    of("429", "IAM10007", "too many failed logins"),
    of("431", "COM10003", "the header fields are too long"),
    of("500", "COM10999", "the server failed"),
    of(
        "503",
        "COM10999",
        "the store takes no changes now, or memory is short",
    ),
];
/// OCP's: of bad arguments.
pub const OCP_ARGUMENT: &[Refusal] =
    &[of("400", "COM10001", "an argument is missing or cannot be")];
/// OCP's: of lists.
pub const OCP_SORT: &[Refusal] = &[of("400", "COM10011", "packages are not sorted by this")];
/// OCP's: of packages by their ids.
pub const OCP_PACKAGE: &[Refusal] = &[of("404", "PKG10014", "no such package")];
/// OCP's: of changes.
pub const OCP_CHANGE: &[Refusal] = &[of("507", "COM10999", "the disk of the store is full")];
/// OCP's: of downloads.
pub const OCP_DOWNLOAD: &[Refusal] = &[
    of("404", "PKG10000", "no package has this file"),
    of(
        "412",
        "COM10003",
        "a condition of the request does not hold",
    ),
    of("416", "COM10003", "the file does not have this range"),
];
/// OCP's: of uploads.
pub const OCP_UPLOAD: &[Refusal] = &[
    of("400", "PKG10003", "the name does not end with `.rpm`"),
    of("400", "PKG10004", "it is no RPM"),
    of("400", "PKG10006", "its header cannot be read"),
    of("400", "PKG10013", "it is a source package"),
    of(
        "400",
        "PKG10016",
        "its name, or what its header says, has characters that cannot be",
    ),
    of("409", "PKG10012", "a package has this file name already"),
    of("507", "COM10999", "the disk of the store is full"),
];
