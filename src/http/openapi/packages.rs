//! Software packages, in OCP's dialect.

use super::files::sends_file;
use super::operation::Operation;
use super::parameters::{Kind, Parameter, query};
use super::refusals as refused;
use super::shape::{count, list, named, object, text};

const WHICH: &[Parameter] = &[
    query(
        "keyword",
        Kind::Text,
        "Is in the name or the file name, in any case.",
    ),
    query(
        "type",
        Kind::Text,
        "Types, separated by commas or repeated.",
    ),
    query("version", Kind::Text, "Versions, likewise."),
    query(
        "operatingSystem",
        Kind::Text,
        "Operating systems or how they begin, likewise.",
    ),
    query(
        "architecture",
        Kind::Text,
        "Architectures or how they begin, likewise.",
    ),
    query(
        "page",
        Kind::Whole,
        "From 1 on, which is also what anything less is.",
    ),
    query(
        "size",
        Kind::Whole,
        "10 if it is missing or not positive; 2,000 at most.",
    ),
    query(
        "sort",
        Kind::Text,
        "A field, and `,asc` or `,desc`; the newest first if missing.",
    ),
    query(
        "withInstallationData",
        Kind::Flag,
        "`false` leaves `installationDataList` out.",
    ),
];

fn new(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("packages", route, id, summary).refuses(refused::OCP_LOGIN)
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let page = object(
        [
            ("number", count()),
            ("size", count()),
            ("totalElements", count()),
            ("totalPages", count()),
        ],
        [],
    );
    let found = object([("contents", list(named("Package"))), ("page", page)], []);
    let upload = |route, id| {
        new(route, id, "Upload an RPM")
            .says("Of any size, streamed, once per file name. Its fields come from its header.")
            .form()
            .data(named("Package"))
            .refuses(refused::OCP_ARGUMENT)
            .refuses(refused::OCP_UPLOAD)
    };
    let mut all = vec![
        new(
            "GET /api/v2/software-packages",
            "listPackages",
            "Find packages",
        )
        .takes(WHICH)
        .data(found)
        .refuses(refused::OCP_ARGUMENT)
        .refuses(refused::OCP_SORT),
        upload("POST /api/v2/software-packages", "uploadPackage"),
        upload("POST /api/v2/files/uploadFile", "uploadFile"),
        new(
            "GET /api/v2/software-packages/{id}",
            "getPackage",
            "About a package",
        )
        .data(named("Package"))
        .refuses(refused::OCP_ARGUMENT)
        .refuses(refused::OCP_PACKAGE),
        new(
            "DELETE /api/v2/software-packages/{id}",
            "deletePackage",
            "Delete a package",
        )
        .nothing()
        .refuses(refused::OCP_ARGUMENT)
        .refuses(refused::OCP_PACKAGE)
        .refuses(refused::OCP_CHANGE),
        sends_file(new(
            "GET /api/v2/files/sys-package/{name}/{more..}",
            "downloadPackage",
            "Download a package",
        ))
        .and_head()
        .refuses(refused::OCP_ARGUMENT)
        .refuses(refused::OCP_DOWNLOAD),
    ];
    all.extend(companions());
    all
}

/// What clients ask first.
fn companions() -> Vec<Operation> {
    let info = object(
        [
            ("artifact", text()),
            ("buildVersion", text()),
            ("group", text()),
            ("name", text()),
        ],
        [],
    );
    let public = |route, id, summary| Operation::new("packages", route, id, summary).by_everybody();
    vec![
        public("GET /api/v2/time", "getTime", "The server's time")
            .content("text/plain", text())
            .and_head()
            .refuses(refused::OCP_PUBLIC),
        new(
            "GET /api/v2/info",
            "getInfo",
            "Which version of OCP's API this is",
        )
        .document(info)
        .and_head(),
        public(
            "GET /api/status",
            "getStatus",
            "Whether the store takes changes",
        )
        .content("text/plain", text())
        .and_head()
        .refuses(refused::OCP_PROBE),
    ]
}
