//! What whoever watches the service sees: the metrics, and what is made of them in `dist`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::service::{DIGITS, Service, call, put};
use crate::wire::Call;

/// A page of metrics, read as strictly as Prometheus does: their kinds, and samples by name and labels.
struct Page {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Page {
    fn of(service: &Service) -> Self {
        let answer = service.send(&Call::new("GET", "/metrics"));
        assert_eq!(answer.status, 200);
        let media_type = answer.header("Content-Type").expect("a type");
        assert!(media_type.starts_with("text/plain; version=0.0.4"));
        Self::parse(&String::from_utf8(answer.body).expect("UTF-8"))
    }

    fn parse(text: &str) -> Self {
        let mut page = Self {
            kinds: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        let mut helped = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a text");
                assert!(help.ends_with('.'), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a kind");
                assert_eq!(name, helped, "each has a text, and right before its kind");
                let before = page.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
            } else {
                let (sample, value) = line.rsplit_once(' ').expect("a value");
                let name = sample.split('{').next().unwrap_or_default();
                let family = family(name);
                // Samples stand below their metric.
                assert!(name == helped || family == helped, "{line}");
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                let before = page.samples.insert(sample.to_owned(), value);
                assert_eq!(before, None, "{sample} comes twice");
            }
        }
        page
    }

    fn get(&self, sample: &str) -> f64 {
        let found = self.samples.get(sample);
        *found.unwrap_or_else(|| panic!("{sample} in {:#?}", self.samples))
    }

    /// Whether a sample has this value.
    fn is(&self, sample: &str, value: f64) -> bool {
        (self.get(sample) - value).abs() < 1e-9
    }

    /// A sample, 0 while nothing was counted.
    fn count(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }
}

/// The metric that a sample of a histogram belongs to.
fn family(name: &str) -> &str {
    let endings = ["_bucket", "_sum", "_count"].iter();
    let mut found = endings.filter_map(|ending| name.strip_suffix(ending));
    found.next().unwrap_or(name)
}

#[test]
fn metrics_are_named_as_prometheus_wants() {
    let service = Service::open();
    service.store("/a", DIGITS);
    let page = Page::of(&service);
    for (name, kind) in &page.kinds {
        assert!(
            name.starts_with("packhold_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name}: {kind}"
        );
        assert_eq!(
            name.ends_with("_duration_seconds"),
            kind == "histogram",
            "{name}: {kind}"
        );
    }
    assert!(page.is("packhold_writable", 1.0));
    assert!(page.get("packhold_pack_bytes") >= 4096.0);
    assert!(page.get("process_open_fds") > 2.0);
    assert!(page.get("process_start_time_seconds") > 1.7e9);
    let info = concat!(
        "packhold_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"}"
    );
    assert!(page.is(info, 1.0));
}

/// Counters are those of the process, and other tests count, too: they rise at least as much as expected.
#[test]
fn requests_are_counted_by_action_method_and_status() {
    const REQUESTS: &str = "packhold_http_requests_total";
    let service = Service::open();
    let before = Page::of(&service);
    service.store("/a", DIGITS);
    for _ in 0..3 {
        assert_eq!(service.send(&call("GET", "/a")).status, 200);
    }
    assert_eq!(service.send(&call("GET", "/none")).status, 404);
    assert_eq!(service.send(&put("/b%00").body("x")).status, 400);
    assert_eq!(service.send(&Call::new("BREW", "/x")).status, 404);
    let after = Page::of(&service);
    for (labels, least) in [
        (r#"action="download",method="GET",status="200""#, 3.0),
        (r#"action="download",method="GET",status="404""#, 1.0),
        (r#"action="upload",method="PUT",status="200""#, 1.0),
        (r#"action="upload",method="PUT",status="400""#, 1.0),
        (r#"action="post",method="other",status="404""#, 1.0),
    ] {
        let sample = format!("{REQUESTS}{{{labels}}}");
        let rise = after.count(&sample) - before.count(&sample);
        assert!(rise >= least, "{sample}: {rise}");
    }
    for (sample, least) in [
        (
            r#"packhold_http_request_duration_seconds_count{action="download"}"#,
            4.0,
        ),
        ("packhold_received_bytes_total", 9.0),
        ("packhold_sent_bytes_total", 27.0),
        ("packhold_network_sent_bytes_total", 27.0),
        ("packhold_commit_duration_seconds_count", 1.0),
        ("packhold_sync_duration_seconds_count", 1.0),
        ("packhold_accepted_connections_total", 1.0),
    ] {
        let rise = after.count(sample) - before.count(sample);
        assert!(rise >= least, "{sample}: {rise}");
    }
}

#[test]
fn buckets_add_up() {
    let service = Service::open();
    service.store("/a", DIGITS);
    let page = Page::of(&service);
    for name in [
        "packhold_sync_duration_seconds",
        "packhold_commit_duration_seconds",
    ] {
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = page
            .samples
            .iter()
            .filter_map(|(sample, count)| {
                let bound = sample.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                Some((
                    bound.replace("+Inf", "inf").parse().expect("a number"),
                    *count,
                ))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
        let last = buckets.last().expect("buckets");
        assert!(page.is(&format!("{name}_count"), last.1));
        assert!(last.0.is_infinite() && last.1 >= 1.0);
    }
}

/// Nobody fills the memory of who watches with names of their own making.
#[test]
fn clients_make_no_labels() {
    let service = Service::open();
    for at in 0..50 {
        let method = format!("M{at}");
        service.send(&Call::new(&method, format!("/made-up-{at}/{at}")));
    }
    let page = Page::of(&service);
    assert!(page.samples.keys().all(|name| !name.contains("made-up")));
    let strange = |name: &&String| name.contains("method=\"M");
    assert_eq!(page.samples.keys().find(strange), None);
}

/// What a text says of metrics: every word that could be the name of one.
fn names(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c));
    let is_metric = |word: &&str| word.starts_with("packhold_") || word.starts_with("process_");
    words
        .filter(is_metric)
        .map(|word| family(word).to_owned())
        .collect()
}

fn dist(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dist")
        .join(name);
    std::fs::read_to_string(path).expect("it is there")
}

/// Every text below a name, wherever it stands.
fn texts<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name
                    && let Some(text) = value.as_str()
                {
                    found.push(text);
                }
                texts(value, name, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, name, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_alerts_use_metrics_that_are_there() {
    let service = Service::open();
    let page = Page::of(&service);
    let dashboard: Value = serde_json::from_str(&dist("grafana.json")).expect("JSON");
    let mut queries = Vec::new();
    texts(&dashboard, "expr", &mut queries);
    texts(&dashboard, "query", &mut queries);
    assert!(queries.len() > 30, "{}", queries.len());
    let (shown, alerts) = (queries.join("\n"), dist("alerts.yml"));
    for name in names(&shown).iter().chain(&names(&alerts)) {
        assert!(page.kinds.contains_key(name), "{name} is no metric");
    }
    // Nor is anything counted that nobody is shown, but for the bounds of what is shown.
    let unseen: Vec<&String> = (page.kinds.keys())
        .filter(|name| !names(&shown).contains(*name) && !names(&alerts).contains(*name))
        .collect();
    let known = [
        "packhold_scrub_offset_bytes",
        "packhold_syncs_total",
        "process_virtual_memory_bytes",
    ];
    assert_eq!(unseen, known);
}

#[test]
fn every_alert_says_when_and_what() {
    let text = dist("alerts.yml");
    let rules: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 8);
    for rule in rules {
        for field in [
            "\n        expr: ",
            "labels: { severity: ",
            "          summary: ",
        ] {
            assert_eq!(rule.matches(field).count(), 1, "{field} in {rule}");
        }
        let name = rule.split_whitespace().next().unwrap_or_default();
        assert!(name.starts_with("Packhold"), "{name}");
    }
    for wanted in [
        "packhold_lacking_chunks",
        "packhold_scrub_finished_timestamp_seconds",
        "packhold_disk_free_bytes",
        "packhold_writable",
    ] {
        assert!(names(&text).contains(wanted), "{wanted}");
    }
}
