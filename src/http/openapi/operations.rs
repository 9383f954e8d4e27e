//! Health, statistics, and the upkeep of the store.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{Kind, Parameter, query};
use super::refusals as refused;
use super::shape::{named, object, one_of, text};

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = watching();
    all.extend(upkeep());
    all.extend(healing());
    all
}

fn public(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("operations", route, id, summary).by_everybody()
}

fn new(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("operations", route, id, summary).says("Administrators may.")
}

fn watching() -> Vec<Operation> {
    let app = object([("name", text()), ("version", text())], []);
    let plain = |operation: Operation| operation.content("text/plain", text());
    vec![
        public(
            "GET /repository/actuator/info",
            "getActuatorInfo",
            "What this is, and which version",
        )
        .document(object([("app", app)], []))
        .refuses(refused::PUBLIC)
        .and_head(),
        public(
            "GET /repository/actuator/health",
            "getActuatorHealth",
            "Whether the store takes changes",
        )
        .document(object([("status", one_of(&["UP"]))], []))
        .refuses(refused::PROBE)
        .refuses(&[refused::BUSY])
        .and_head(),
        public(
            "GET /packhold/openapi.json",
            "getOpenapi",
            "This description",
        )
        .document(json!({"type": "object"}))
        .refuses(refused::PUBLIC)
        .and_head(),
        plain(public("GET /healthz", "getHealth", "The process answers"))
            .refuses(refused::PROBE)
            .and_head(),
        plain(public(
            "GET /readyz",
            "getReadiness",
            "The store takes changes",
        ))
        .refuses(refused::PROBE)
        .refuses(&[refused::BUSY])
        .and_head(),
        plain(new(
            "GET /metrics",
            "getMetrics",
            "Counters, for Prometheus",
        )),
        new(
            "GET /packhold/stats",
            "getStats",
            "How much there is, and how well it dedups",
        )
        .takes(&[query(
            "dedup",
            Kind::Flag,
            "Also tells what repositories hold and share.",
        )])
        .document(named("Stats")),
    ]
}

const SAMPLE: &[Parameter] = &[
    query("repair", Kind::Flag, "Mends what has an intact copy."),
    query(
        "sample",
        Kind::Text,
        "A part of the store: `5%`, or a number of bytes.",
    ),
    query("seed", Kind::Count, "Draws the same sample again."),
    query("rate", Kind::Text, "Bytes in a second at most."),
];

const COPY: &[Parameter] = &[
    query(
        "after",
        Kind::Count,
        "Offset of the frame of the copy's last commit; the whole pack without.",
    ),
    query(
        "chain",
        Kind::Like("^[0-9A-Fa-f]{64}$"),
        "The chain value behind that commit.",
    ),
    query(
        "wait",
        Kind::Count,
        "Waits so many seconds for something to come, 60 at most.",
    ),
];

fn binary(operation: Operation) -> Operation {
    operation.content("application/octet-stream", Value::Null)
}

fn upkeep() -> Vec<Operation> {
    vec![
        binary(new(
            "GET /packhold/pack",
            "getPack",
            "What a copy of the pack lacks",
        ))
        .takes(COPY)
        .refuses(refused::HISTORY)
        .refuses(&[refused::DAMAGED]),
        new(
            "POST /packhold/verify",
            "verify",
            "Check the store, beside its clients",
        )
        .takes(SAMPLE)
        .document(named("VerifyReport"))
        .refuses(refused::SAMPLE)
        .refuses(refused::CHANGE),
        new(
            "POST /packhold/gc",
            "reclaim",
            "Give back the space of what nothing needs",
        )
        .takes(&[query("dry_run", Kind::Flag, "Only tells.")])
        .document(named("GcReport"))
        .refuses(refused::CHANGE),
        new(
            "POST /packhold/compact",
            "compact",
            "Put a new pack in the place of the old one, with only what is needed",
        )
        .document(named("CompactReport"))
        .refuses(refused::PARAMETER)
        .refuses(refused::CHANGE),
        new(
            "GET /packhold/explain/{sha256}",
            "explain",
            "What keeps a content or chunk alive",
        )
        .document(named("Explained"))
        .refuses(refused::NAMED),
        new(
            "GET /packhold/would-free/{project}/{repo}/{path..}",
            "wouldFree",
            "What deleting this would free",
        )
        .document(named("WouldFree"))
        .refuses(refused::IN_REPO)
        .refuses(refused::THERE),
    ]
}

fn healing() -> Vec<Operation> {
    let get = |route, id, summary| binary(new(route, id, summary)).refuses(refused::BY_DIGEST);
    let put = |route, id, summary| {
        new(route, id, summary)
            .bytes()
            .document(object([("mended", json!({"const": true}))], []))
            .refuses(refused::BY_DIGEST)
            .refuses(refused::MEND)
    };
    vec![
        new(
            "GET /packhold/damage",
            "getDamage",
            "What is known to be damaged, and the files that it hits",
        )
        .document(named("DamageReport")),
        get(
            "GET /packhold/chunks/{sha256}",
            "getChunk",
            "The bytes of a chunk",
        ),
        put(
            "PUT /packhold/chunks/{sha256}",
            "mendChunk",
            "Mend a damaged chunk",
        ),
        get(
            "GET /packhold/contents/{sha256}",
            "getContent",
            "The bytes of a content",
        ),
        put(
            "PUT /packhold/contents/{sha256}",
            "mendContent",
            "Mend a damaged content",
        ),
    ]
}
