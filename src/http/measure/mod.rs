//! `GET /metrics`: what whoever watches the service sees of it. Names and units are as Prometheus wants
//! them; `dist/grafana.json` and `dist/alerts.yml` use nothing else, and `tests/http/watching` holds them
//! to that.

mod process;
mod requests;
mod text;

use std::sync::Arc;

use warp::reply::Response;

use self::text::{Kind, Text};
use super::app::{App, blocking};
use super::error::ApiError;
use super::ops::{administrator, plain};
use super::request::Request;
use crate::metrics;
use crate::store::Vitals;

pub use requests::{Action, answered};

/// `GET /metrics`, in Prometheus' text format.
///
/// # Errors
/// [`ApiError`].
pub async fn metrics(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let text = blocking(move || Ok(page(&app))).await?;
    Ok(plain(text, "text/plain; version=0.0.4; charset=utf-8"))
}

fn page(app: &App) -> String {
    let mut text = Text::default();
    text.metric("packhold_build_info", "Which version runs.", Kind::Gauge);
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    text.sample("packhold_build_info", version, 1);
    requests::write(&mut text);
    durations(&mut text);
    for (name, help, value) in metrics::all() {
        text.single(&name, help, Kind::Counter, value);
    }
    gauges(&mut text);
    vitals(&mut text, &app.store.vitals());
    text.single(
        "process_start_time_seconds",
        "When the service began, Unix time.",
        Kind::Gauge,
        app.began_s,
    );
    process::write(&mut text);
    text.finish()
}

fn durations(text: &mut Text) {
    for (name, help, histogram) in [
        (
            "packhold_sync_duration_seconds",
            "Syncs of the pack file.",
            &metrics::SYNC_DURATION,
        ),
        (
            "packhold_commit_duration_seconds",
            "Changes, from being handed to the committer to being durable.",
            &metrics::COMMIT_DURATION,
        ),
    ] {
        text.metric(name, help, Kind::Histogram);
        text.histogram(name, "", histogram);
    }
}

fn gauges(text: &mut Text) {
    for (name, help, gauge) in [
        (
            "packhold_pending_commits",
            "Changes that wait for the committer, or that it is working on.",
            &metrics::PENDING_COMMITS,
        ),
        (
            "packhold_connections",
            "Open connections.",
            &metrics::CONNECTIONS,
        ),
        (
            "packhold_running_requests",
            "Requests that are being answered, but for those that are answered at once.",
            &metrics::RUNNING_REQUESTS,
        ),
    ] {
        text.single(name, help, Kind::Gauge, gauge.get());
    }
    for (name, help, latest) in [
        (
            "packhold_live_bytes",
            "Bytes of chunks that something referred to when reclaiming looked last.",
            &metrics::LIVE_BYTES,
        ),
        (
            "packhold_reclaimable_bytes",
            "Bytes of chunks that nothing referred to when reclaiming looked last.",
            &metrics::RECLAIMABLE_BYTES,
        ),
    ] {
        text.metric(name, help, Kind::Gauge);
        if let Some(value) = latest.get() {
            text.sample(name, "", value);
        }
    }
}

fn vitals(text: &mut Text, vitals: &Vitals) {
    let scrub = vitals.scrub.as_ref();
    let seconds = |ms: u64| ms / 1000;
    for (name, help, value) in [
        (
            "packhold_pack_bytes",
            "Length of the pack file.",
            Some(vitals.pack_bytes),
        ),
        (
            "packhold_pack_allocated_bytes",
            "Bytes of disk that the pack file takes.",
            vitals.pack_allocated_bytes,
        ),
        (
            "packhold_index_bytes",
            "Length of the index file.",
            Some(vitals.index_bytes),
        ),
        (
            "packhold_disk_free_bytes",
            "Bytes free on the file system of the pack.",
            vitals.free_bytes,
        ),
        (
            "packhold_writable",
            "Whether the store takes changes: 1, or 0.",
            Some(u64::from(vitals.is_writable)),
        ),
        (
            "packhold_lacking_chunks",
            "Damaged chunks that are known and have no intact copy.",
            Some(vitals.lacking_chunks),
        ),
        (
            "packhold_damaged_records",
            "Damaged places of the log that were found when it was opened.",
            Some(vitals.damaged_records),
        ),
        (
            "packhold_scrub_started_timestamp_seconds",
            "When the latest scrub began, Unix time.",
            scrub.map(|scrub| seconds(scrub.started_ms)),
        ),
        (
            "packhold_scrub_finished_timestamp_seconds",
            "When the last scrub that was finished ended, Unix time.",
            scrub.and_then(|scrub| scrub.finished_ms).map(seconds),
        ),
        (
            "packhold_scrub_offset_bytes",
            "Up to where the present scrub is; 0 between scrubs.",
            scrub.map(|scrub| scrub.next_offset),
        ),
    ] {
        text.metric(name, help, Kind::Gauge);
        if let Some(value) = value {
            text.sample(name, "", value);
        }
    }
}
