//! Files and folders as nodes of a tree.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{Kind, Parameter, query};
use super::refusals as refused;
use super::shape::{count, date, flag, list, map, named, nothing, object, one_of, text, told};

const NAME_IT: [&str; 3] = ["projectId", "repoName", "fullPath"];

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = asking();
    all.extend(searching());
    all.extend(changing());
    all.extend(removing());
    all.extend(metadata());
    all
}

fn new(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("nodes", route, id, summary).refuses(refused::IN_REPO)
}

/// A change, which answers nothing.
fn change(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    new(route, id, summary)
        .data(nothing())
        .refuses(refused::CHANGE)
}

fn page_of(records: Value) -> Value {
    object(
        [
            ("pageNumber", count()),
            ("pageSize", count()),
            ("totalRecords", count()),
            ("totalPages", count()),
            ("records", list(records)),
        ],
        [],
    )
}

const PAGE: &[Parameter] = &[
    query(
        "pageNumber",
        Kind::Whole,
        "From 1 on, which is also what anything less is.",
    ),
    query(
        "pageSize",
        Kind::Whole,
        "20 if it is missing or not positive; 10,000 at most.",
    ),
    query(
        "includeFolder",
        Kind::Flag,
        "Folders, too; true if missing.",
    ),
    query("includeMetadata", Kind::Flag, "With metadata."),
    query("deep", Kind::Flag, "What is in folders, too."),
    query(
        "sort",
        Kind::Flag,
        "Sorted by `sortProperty`, folders first.",
    ),
    query(
        "sortProperty",
        Kind::Text,
        "Fields of nodes, separated by commas, 8 at most.",
    ),
    query(
        "direction",
        Kind::Text,
        "`ASC` or `DESC` for each of them, separated by commas.",
    ),
];

fn asking() -> Vec<Operation> {
    let detail = |route, id| {
        new(route, id, "About a file or folder")
            .or_public()
            .data(named("NodeDetail"))
            .refuses(refused::ASKED)
    };
    let below = object(
        [
            ("subNodeCount", count()),
            ("subNodeWithoutFolderCount", count()),
            ("size", count()),
        ],
        [],
    );
    vec![
        detail("GET /generic/detail/{project}/{repo}/{path..}", "getDetail"),
        detail(
            "GET /repository/api/node/detail/{project}/{repo}/{path..}",
            "getNodeDetail",
        ),
        detail(
            "GET /repository/api/node/{project}/{repo}/{path..}",
            "getNode",
        ),
        new(
            "GET /repository/api/node/page/{project}/{repo}/{path..}",
            "pageNodes",
            "A page of a folder",
        )
        .or_public()
        .takes(PAGE)
        .data(page_of(named("NodeInfo")))
        .refuses(refused::MANY),
        new(
            "GET /repository/api/node/size/{project}/{repo}/{path..}",
            "measureNode",
            "How much is below a folder",
        )
        .or_public()
        .data(below)
        .refuses(refused::ASKED),
    ]
}

/// A search: a rule, which fields, which page, which order.
fn query_model(required: bool) -> Value {
    let rule = named("Rule");
    let page = object(
        [],
        [
            ("pageNumber", json!({"type": "integer"})),
            ("pageSize", json!({"type": "integer"})),
        ],
    );
    let sort = object(
        [],
        [
            ("properties", list(text())),
            ("direction", one_of(&["ASC", "DESC"])),
        ],
    );
    let select = told(
        list(text()),
        "Fields of records besides those that all have; all if none is named.",
    );
    match required {
        true => object(
            [("rule", rule)],
            [("page", page), ("sort", sort), ("select", select)],
        ),
        false => object(
            [],
            [
                ("rule", rule),
                ("page", page),
                ("sort", sort),
                ("select", select),
            ],
        ),
    }
}

fn searching() -> Vec<Operation> {
    let search = |route, id, summary, required| {
        new(route, id, summary)
            .or_public()
            .json(query_model(required))
            .data(page_of(named("FoundNode")))
            .refuses(refused::JSON)
            .refuses(refused::MANY)
    };
    vec![
        search(
            "POST /generic/{project}/{repo}/search",
            "searchRepository",
            "Search a repository",
            false,
        ),
        search(
            "POST /repository/api/node/search",
            "searchNodes",
            "Search by rules",
            true,
        ),
        search(
            "POST /repository/api/node/query",
            "queryNodes",
            "Search by rules",
            true,
        ),
    ]
}

/// The three members that name a node, and more.
fn naming(more: (&str, Value)) -> Value {
    let [project, repo, path] = NAME_IT;
    object(
        [(project, text()), (repo, text()), (path, text()), more],
        [],
    )
}

fn changing() -> Vec<Operation> {
    let mkdir = |route, id| {
        change(route, id, "Make a folder, and those above it")
            .says("One that is there is as good.")
            .refuses(refused::PLACE)
    };
    let transfer = |route, id, summary| {
        let body = object(
            [
                ("srcProjectId", text()),
                ("srcRepoName", text()),
                ("srcFullPath", text()),
                ("destFullPath", text()),
            ],
            [
                ("destProjectId", told(text(), "The same if missing.")),
                ("destRepoName", told(text(), "The same if missing.")),
                ("overwrite", flag()),
            ],
        );
        change(route, id, summary)
            .says("Into a folder that is there, as `mv` and `cp` do. A copy takes no space.")
            .json(body)
            .refuses(refused::JSON)
            .refuses(refused::PLACE)
            .refuses(refused::ASKED)
            .refuses(refused::ROOM)
            .refuses(refused::MANY)
    };
    let rename = |operation: Operation| {
        operation
            .refuses(refused::JSON)
            .refuses(refused::PLACE)
            .refuses(refused::ASKED)
    };
    let update = |operation: Operation| operation.refuses(refused::JSON).refuses(refused::ASKED);
    let expires = ("expires", told(count(), "Days from now; 0: never."));
    let to = query("newFullPath", Kind::Text, "Its new path.").required();
    vec![
        mkdir(
            "POST /repository/api/node/mkdir/{project}/{repo}/{path..}",
            "makeFolder",
        ),
        mkdir(
            "POST /repository/api/node/{project}/{repo}/{path..}",
            "makeNode",
        ),
        rename(change(
            "POST /repository/api/node/rename/{project}/{repo}/{path..}",
            "renameNode",
            "Give it another path",
        ))
        .takes(&[to]),
        rename(change(
            "POST /repository/api/node/rename",
            "rename",
            "Give it another path",
        ))
        .json(naming(("newFullPath", text()))),
        transfer("POST /repository/api/node/move", "moveNode", "Move"),
        transfer("POST /repository/api/node/copy", "copyNode", "Copy"),
        update(change(
            "POST /repository/api/node/update/{project}/{repo}/{path..}",
            "updateNode",
            "Set when a file expires",
        ))
        .json(object([expires.clone()], [])),
        update(change(
            "POST /repository/api/node/update",
            "update",
            "Set when a file expires",
        ))
        .json(naming(expires)),
    ]
}

fn removing() -> Vec<Operation> {
    let deleted = object(
        [
            (
                "deletedNumber",
                told(count(), "Files; folders do not count."),
            ),
            ("deletedSize", count()),
            ("deletedTime", date()),
        ],
        [],
    );
    let remove = |route, id, summary| {
        new(route, id, summary)
            .says("With all that is below; where nothing is, nothing.")
            .data(deleted.clone())
            .refuses(refused::NOT_ROOT)
            .refuses(refused::CHANGE)
    };
    let paths = told(list(text()), "10,000 paths at most.");
    vec![
        remove(
            "DELETE /repository/api/node/delete/{project}/{repo}/{path..}",
            "deleteNode",
            "Delete",
        ),
        remove(
            "DELETE /repository/api/node/{project}/{repo}/{path..}",
            "removeNode",
            "Delete",
        ),
        remove(
            "DELETE /repository/api/node/batch/{project}/{repo}",
            "deleteNodes",
            "Delete several at once",
        )
        .json(paths.clone())
        .refuses(refused::JSON),
        new(
            "POST /repository/api/node/batch/{project}/{repo}",
            "countNodes",
            "How many files deleting these would delete",
        )
        .json(paths)
        .data(count())
        .refuses(refused::JSON),
    ]
}

fn metadata() -> Vec<Operation> {
    let pair = object(
        [
            ("key", text()),
            (
                "value",
                told(json!({}), "Metadata are texts: whatever it is becomes one."),
            ),
        ],
        [],
    );
    let pairs = object(
        [],
        [
            ("metadata", map(json!({}))),
            ("nodeMetadata", told(list(pair), "Wins over `metadata`.")),
        ],
    );
    vec![
        new(
            "GET /repository/api/metadata/{project}/{repo}/{path..}",
            "getMetadata",
            "Metadata of a file or folder",
        )
        .or_public()
        .says("None where nothing is.")
        .data(map(text())),
        change(
            "POST /repository/api/metadata/{project}/{repo}/{path..}",
            "setMetadata",
            "Set some keys",
        )
        .json(pairs)
        .refuses(refused::JSON)
        .refuses(refused::METADATA)
        .refuses(refused::ASKED),
        change(
            "DELETE /repository/api/metadata/{project}/{repo}/{path..}",
            "deleteMetadata",
            "Take some keys away",
        )
        .json(object([("keyList", list(text()))], []))
        .refuses(refused::JSON)
        .refuses(refused::METADATA)
        .refuses(refused::ASKED),
    ]
}
