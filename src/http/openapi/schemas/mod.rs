//! The schemas that have names: what the views of `http` and `store` are on the wire.

mod reports;

use serde_json::{Value, json};

use super::shape::{
    count, date, flag, hex, list, map, named, nothing, nullable, object, one_of, text, told,
};

/// All of them.
pub fn all() -> Value {
    json!({
        "Envelope": told(envelope(json!({"const": 0}), nothing()), "A success in bk-repo's dialect."),
        "Error": told(
            object([
                ("code", told(json!({"type": "integer"}), "One of bk-repo's codes.")),
                ("message", told(text(), "What is at fault.")),
                ("data", nothing()),
                ("traceId", trace()),
            ], []),
            "A refusal in bk-repo's dialect.",
        ),
        "PackageEnvelope": told(package_envelope(json!({"const": true})), "A success in OCP's dialect."),
        "PackageError": package_error(),
        "Rule": rule(),
        "NodeInfo": node_info(),
        "FoundNode": found_node(),
        "NodeDetail": told(
            json!({"allOf": [node(), object([("nodeInfo", named("NodeInfo"))], [])]}),
            "A file or folder by itself.",
        ),
        "Block": object([
            ("size", count()),
            ("sha256", hex(64)),
            ("startPos", told(count(), "Where it begins in the file.")),
            ("uploadId", text()),
        ], []),
        "NumberedBlock": object([("size", count()), ("sha256", hex(64)), ("sequence", count())], []),
        "TemporaryToken": temporary_token(),
        "Project": project(),
        "Repository": repository(),
        "User": user(),
        "Grant": grant(),
        "AccessToken": access_token(),
        "AccessKey": access_key(),
        "Package": package(),
        "Session": session(),
        "DamagedFile": object(
            [("project", text()), ("repo", text()), ("path", text()), ("reason", text())],
            [],
        ),
        "Stats": reports::stats(),
        "VerifyReport": reports::verify_report(),
        "DamageReport": reports::damage_report(),
        "GcReport": reports::gc_report(),
        "CompactReport": reports::compact_report(),
        "Explained": reports::explained(),
        "WouldFree": object(
            [("files", count()), ("blobs", count()), ("chunks", count()), ("freed_bytes", count())],
            [],
        ),
    })
}

fn trace() -> Value {
    told(
        hex(32),
        "Names the request in the log; also in `X-BKREPO-RID`.",
    )
}

fn envelope(code: Value, message: Value) -> Value {
    object(
        [("code", code), ("message", message), ("traceId", trace())],
        [("data", json!({}))],
    )
}

fn package_envelope(successful: Value) -> Value {
    object(
        [
            ("duration", told(count(), "Milliseconds.")),
            ("server", text()),
            (
                "status",
                told(json!({"type": "integer"}), "As the answer's."),
            ),
            ("successful", successful),
            ("timestamp", offset_date()),
            ("traceId", hex(16)),
        ],
        [("data", json!({}))],
    )
}

fn package_error() -> Value {
    let error = object([("code", text()), ("message", text())], []);
    let refused = package_envelope(json!({"const": false}));
    let schema = json!({"allOf": [refused, object([("error", error)], [])]});
    told(schema, "A refusal in OCP's dialect.")
}

fn offset_date() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// What both views of a node have.
fn node() -> Value {
    let pair = object(
        [
            ("key", text()),
            ("value", text()),
            ("system", flag()),
            ("description", nothing()),
            ("link", nothing()),
            ("color", nothing()),
        ],
        [],
    );
    object(
        [
            ("createdBy", text()),
            ("createdDate", date()),
            ("lastModifiedBy", text()),
            ("lastModifiedDate", date()),
            ("lastAccessDate", nothing()),
            ("folder", flag()),
            (
                "path",
                told(text(), "The folder that it is in, with a slash at its end."),
            ),
            ("name", text()),
            ("fullPath", text()),
            ("size", told(count(), "Bytes; 0 of a folder.")),
            ("nodeNum", nothing()),
            ("sha256", nullable(hex(64))),
            ("md5", nullable(hex(32))),
            (
                "crc64ecma",
                nullable(told(text(), "CRC-64/XZ, in decimal.")),
            ),
            ("metadata", map(text())),
            ("nodeMetadata", list(pair)),
            ("projectId", text()),
            ("repoName", text()),
            ("expireDate", nullable(date())),
            ("clusterNames", nothing()),
            ("archived", nothing()),
            ("compressed", nothing()),
            ("federatedSource", nothing()),
        ],
        [],
    )
}

fn node_info() -> Value {
    let more = object(
        [
            ("id", hex(24)),
            ("copyFromCredentialsKey", nothing()),
            ("copyIntoCredentialsKey", nothing()),
        ],
        [],
    );
    told(
        json!({"allOf": [node(), more]}),
        "A file or folder in a list.",
    )
}

/// What nodes are searched by.
const COMPARISONS: [&str; 16] = [
    "EQ", "NE", "LT", "LTE", "GT", "GTE", "BEFORE", "AFTER", "IN", "NIN", "PREFIX", "SUFFIX",
    "MATCH", "MATCH_I", "NULL", "NOT_NULL",
];

fn rule() -> Value {
    let test = object(
        [(
            "field",
            told(text(), "A field of nodes, or `metadata.{key}`."),
        )],
        [
            ("operation", told(one_of(&COMPARISONS), "`EQ` if missing.")),
            (
                "value",
                told(
                    json!({}),
                    "A text, a number, a truth value, or a list of them.",
                ),
            ),
        ],
    );
    let rules = object(
        [("rules", list(named("Rule")))],
        [(
            "relation",
            told(one_of(&["AND", "OR", "NOR"]), "`AND` if missing."),
        )],
    );
    told(
        json!({"anyOf": [test, rules]}),
        "A test of a field, or rules that are joined; 1,000 at most, 16 deep. It must name a project with \
         `projectId` by `EQ` or `IN`, unless the address does.",
    )
}

/// A node with the fields that were selected.
fn found_node() -> Value {
    let mut members = node()["properties"].take();
    members["id"] = hex(24);
    for name in ["copyFromCredentialsKey", "copyIntoCredentialsKey"] {
        members[name] = nothing();
    }
    let always = [
        "projectId",
        "repoName",
        "path",
        "name",
        "fullPath",
        "folder",
    ];
    let schema = json!({"type": "object", "properties": members, "required": always});
    told(schema, "`NodeInfo`, or what was selected of it.")
}

fn temporary_token() -> Value {
    object(
        [
            ("projectId", text()),
            ("repoName", text()),
            ("fullPath", text()),
            ("authorizedUserList", list(text())),
            ("authorizedIpList", list(text())),
            ("expireDate", nullable(date())),
            (
                "permits",
                told(nullable(count()), "How often it may be used."),
            ),
            ("type", one_of(&["DOWNLOAD", "UPLOAD", "ALL"])),
            ("createdBy", text()),
            ("createdDate", date()),
        ],
        [
            ("url", told(text(), "The link; shown once.")),
            ("token", told(text(), "The token; shown once.")),
            ("shareUrl", told(text(), "The link; shown once.")),
        ],
    )
}

fn project() -> Value {
    object(
        [
            ("name", text()),
            ("displayName", text()),
            ("description", text()),
            ("createdBy", text()),
            ("createdDate", date()),
            ("lastModifiedBy", text()),
            ("lastModifiedDate", date()),
        ],
        [],
    )
}

fn repository() -> Value {
    let configuration = object(
        [("type", one_of(&["local"])), ("settings", map(json!({})))],
        [],
    );
    object(
        [
            ("projectId", text()),
            ("name", text()),
            ("type", one_of(&["GENERIC"])),
            ("category", one_of(&["LOCAL"])),
            ("public", told(flag(), "Whether everybody may read it.")),
            ("description", text()),
            ("configuration", configuration),
            ("storageCredentialsKey", nothing()),
            ("createdBy", text()),
            ("createdDate", date()),
            ("lastModifiedBy", text()),
            ("lastModifiedDate", date()),
            ("quota", told(nullable(count()), "Bytes that it may hold.")),
            (
                "used",
                told(
                    nullable(count()),
                    "Bytes that it holds, if it has a quota and is asked for by itself.",
                ),
            ),
            ("displayName", nothing()),
        ],
        [],
    )
}

fn user() -> Value {
    object(
        [
            ("userId", text()),
            ("name", text()),
            ("admin", flag()),
            ("locked", flag()),
            ("createdDate", date()),
        ],
        [],
    )
}

fn grant() -> Value {
    object(
        [
            ("userId", text()),
            ("projectId", text()),
            (
                "repoName",
                told(nullable(text()), "Null: everywhere in the project."),
            ),
            (
                "actions",
                list(one_of(&["READ", "WRITE", "DELETE", "MANAGE"])),
            ),
        ],
        [],
    )
}

fn access_token() -> Value {
    object(
        [
            ("name", text()),
            ("createdAt", date()),
            ("expiredAt", nullable(date())),
        ],
        [(
            "id",
            told(text(), "The token itself; shown once, when it is made."),
        )],
    )
}

fn access_key() -> Value {
    object(
        [
            ("accessKey", text()),
            ("userId", text()),
            ("createdAt", date()),
        ],
        [("secretKey", told(text(), "Shown once, when it is made."))],
    )
}

fn session() -> Value {
    object(
        [
            (
                "userId",
                told(nullable(text()), "Null: nobody is logged in."),
            ),
            ("admin", flag()),
            (
                "csrf",
                told(
                    nullable(text()),
                    "What `X-PACKHOLD-CSRF` must be where something is changed.",
                ),
            ),
            (
                "login",
                told(flag(), "Whether this service has passwords at all."),
            ),
        ],
        [],
    )
}

/// The types of packages.
const TYPES: [&str; 6] = [
    "OB_SERVER_INSTALL_PACKAGE",
    "OCP_AGENT_INSTALL_PACKAGE",
    "OBPROXY_INSTALL_PACKAGE",
    "OB_BACKUP_AGENT_INSTALL_PACKAGE",
    "OB_AGENT_INSTALL_PACKAGE",
    "OTHERS_RPM",
];

fn package() -> Value {
    object(
        [
            ("architecture", text()),
            ("buildNumber", text()),
            ("createTime", offset_date()),
            ("deletable", flag()),
            ("downloadUrl", text()),
            ("extension", one_of(&["rpm"])),
            ("fileName", text()),
            ("id", count()),
            ("md5", hex(32)),
            ("name", text()),
            ("operatingSystem", text()),
            ("sha1", hex(40)),
            ("size", count()),
            ("type", one_of(&TYPES)),
            ("version", text()),
        ],
        [(
            "installationDataList",
            json!({"type": "array", "maxItems": 0}),
        )],
    )
}
