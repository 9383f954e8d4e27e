//! Reports on the store: the same documents as the commands print with `--json`.

use serde_json::{Value, json};

use super::super::shape::{count, flag, hex, list, named, nullable, object, text, told};

/// `Stats` of the store.
pub fn stats() -> Value {
    let scrub = object(
        [
            ("passes", count()),
            ("finished_ms", nullable(count())),
            ("started_ms", count()),
            ("next_offset", count()),
            ("checked_bytes", count()),
            ("damaged_chunks", count()),
            ("repaired_chunks", count()),
            ("damaged_places", count()),
            ("damaged_files", list(named("DamagedFile"))),
        ],
        [],
    );
    object(
        [
            ("files", count()),
            ("packages", count()),
            ("logical_bytes", told(count(), "Bytes of all files.")),
            ("blobs", told(count(), "Distinct contents.")),
            (
                "unlisted_blobs",
                told(
                    count(),
                    "Contents that are damaged so that their chunks are not known.",
                ),
            ),
            ("chunks", told(count(), "Distinct chunks.")),
            ("stored_bytes", told(count(), "Bytes of all chunks.")),
            ("pack_bytes", count()),
            ("pack_allocated_bytes", count()),
            ("index_bytes", count()),
            (
                "dedup_ratio",
                told(
                    json!({"type": "number"}),
                    "`logical_bytes` over `stored_bytes`, without `unlisted_blobs`.",
                ),
            ),
            ("reclaimable_bytes", count()),
            ("freed_bytes", count()),
            (
                "lacking_chunks",
                told(count(), "Chunks that are damaged and have no other copy."),
            ),
        ],
        [("scrub", scrub), ("dedup", shares())],
    )
}

/// What repositories hold and share.
fn shares() -> Value {
    let number = || json!({"type": "number"});
    let release = object(
        [
            ("name", text()),
            (
                "others",
                told(count(), "Further ones that are counted as part of this."),
            ),
            ("files", count()),
            ("bytes", count()),
        ],
        [],
    );
    let setting = object(
        [
            ("min_bytes", count()),
            ("avg_bytes", count()),
            ("max_bytes", count()),
            ("normalization", count()),
            ("counted_share", number()),
            ("chunks", count()),
            ("pieces", count()),
            ("stored_bytes", count()),
            ("known_bytes", count()),
            ("metadata_bytes", count()),
            ("index_bytes", count()),
            ("ratio", nullable(number())),
            ("new_bytes", list(count())),
            (
                "shared_bytes",
                told(
                    list(list(count())),
                    "For each two: bytes of the distinct chunks that both have.",
                ),
            ),
            (
                "sizes",
                list(object([("upto_bytes", count()), ("chunks", count())], [])),
            ),
        ],
        [],
    );
    object(
        [
            ("files", count()),
            ("bytes", count()),
            (
                "releases",
                told(list(release), "Repositories, the largest first."),
            ),
            ("settings", list(setting)),
            (
                "own_bytes",
                told(list(count()), "Bytes of chunks that each alone has."),
            ),
        ],
        [],
    )
}

/// What a verification found.
pub fn verify_report() -> Value {
    object(
        [
            ("clean", flag()),
            ("records", count()),
            ("chunks", count()),
            ("blobs", count()),
            ("files", count()),
            ("packages", count()),
            ("pack_bytes", count()),
            ("checked_bytes", count()),
            ("of_bytes", count()),
            (
                "seed",
                told(
                    nullable(count()),
                    "Of a sample: what draws the same one again.",
                ),
            ),
            ("damaged_files", list(named("DamagedFile"))),
            (
                "unlisted_files",
                told(count(), "Damaged files beyond those that are listed."),
            ),
            ("damages", list(text())),
            ("index_errors", list(text())),
            ("damaged_chunks", count()),
            ("repaired_chunks", count()),
            ("fetched_chunks", count()),
            ("damaged_places", count()),
            ("unlisted_chunks", count()),
            ("lacking_chunks", list(hex(64))),
        ],
        [],
    )
}

/// What is damaged and has no other copy.
pub fn damage_report() -> Value {
    object(
        [
            ("lacking_chunks", list(hex(64))),
            ("damaged_contents", list(hex(64))),
            ("damaged_files", list(named("DamagedFile"))),
            ("unlisted_files", count()),
        ],
        [],
    )
}

/// What reclaiming did.
pub fn gc_report() -> Value {
    object(
        [
            ("dry_run", flag()),
            ("blobs", count()),
            ("chunks", count()),
            ("freed_bytes", count()),
            ("manifests", count()),
            ("manifest_bytes", count()),
            ("punched_bytes", count()),
            ("live_bytes", count()),
            ("held_bytes", count()),
            ("complete", flag()),
        ],
        [],
    )
}

/// What compacting did.
pub fn compact_report() -> Value {
    object(
        [
            ("before_bytes", count()),
            ("before_allocated_bytes", count()),
            ("after_bytes", count()),
            ("contents", count()),
            ("chunks", count()),
            ("chunk_bytes", count()),
            ("healed_chunks", count()),
            ("damaged_chunks", count()),
        ],
        [],
    )
}

/// What refers to a digest.
pub fn explained() -> Value {
    let content = object(
        [
            ("size", count()),
            ("files", list(text())),
            ("file_count", count()),
        ],
        [],
    );
    let chunk = object(
        [
            ("offset", told(count(), "Where it lies in the pack.")),
            ("stored_bytes", count()),
            ("contents", list(hex(64))),
            ("content_count", count()),
            ("block_count", count()),
        ],
        [],
    );
    object(
        [("content", nullable(content)), ("chunk", nullable(chunk))],
        [],
    )
}
