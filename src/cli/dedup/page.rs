//! The report as one page that needs nothing beside it: tables, and plots as SVG.
//!
//! **Invariant:** whatever the files are called, what they are called is text (`escape`), and the page runs no
//! script and loads nothing (its policy says so to the browser).

use std::fmt::Write;

use indicatif::HumanBytes;

use super::text::{name, printable, ratio};
use super::words::Words;
use super::{FORESEEN, Report, STORED, figure, per_cent, sizes};
use crate::store::{ReleaseForecast, SettingForecast, Shares};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// Below and left of a plot, for what is written there.
const MARGIN: f64 = 78.0;
/// Side of a cell of the heat map.
const CELL: f64 = 22.0;
/// Letters of a name beside the heat map.
const MAX_LABEL: usize = 36;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --back: #fcfcfb; --text: #1d1f21; --soft: #65696e; --line: #d8dadd; --old: #b9cde6; --new: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181a; --text: #e6e7e8; --soft: #9ba0a6; --line: #36393d; --old: #31465f; --new: #6aa9f0; }
}
body { margin: 0 auto; max-width: 52rem; padding: 1rem; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 1rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: normal; } th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
tr.default td { font-weight: 600; }
svg { display: block; max-width: 100%; height: auto; } .wide > svg { max-width: none; } .wide > svg.plot { width: 100%; min-width: 30rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.old { fill: var(--old); } .new { fill: var(--new); } .line { stroke: var(--line); } .cell { fill: var(--new); stroke: var(--line); }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em; background: var(--old); }
.key.added::before { background: var(--new); } .key { margin-right: 1.2em; color: var(--soft); font-size: .85rem; }
p.note { color: var(--soft); font-size: .85rem; }
</style>
"#;

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut out = head(&FORESEEN);
    if let Some(shown) = report.shown() {
        let releases = &report.forecast.releases;
        out += &summary(report, shown);
        out += &bars(&FORESEEN, releases, &shown.new_bytes);
        out += &table(&FORESEEN, releases, &shown.new_bytes);
        out += &settings(report);
        out += &heat_map(&FORESEEN, releases, shown);
        out += &histogram(shown);
    }
    out + "</body>\n</html>\n"
}

/// The page of what the repositories of a store hold, and share.
pub fn page_of_shares(shares: &Shares) -> String {
    let forecast = &shares.forecast;
    let mut out = head(&STORED);
    if let Some(shown) = forecast.settings.first() {
        let facts = [
            ("files", forecast.files.to_string()),
            ("their sizes", bytes(forecast.bytes)),
            ("stored", bytes(shown.stored_bytes)),
            ("dedup ratio", ratio(shown.ratio)),
            ("chunks", shown.chunks.to_string()),
        ];
        let releases = &forecast.releases;
        out += &list(&facts);
        out += &concluded(shown);
        out += &bars(&STORED, releases, &shares.own_bytes);
        out += &table(&STORED, releases, &shares.own_bytes);
        out += &heat_map(&STORED, releases, shown);
        out += &histogram(shown);
    }
    out + "</body>\n</html>\n"
}

fn head(words: &Words) -> String {
    let title = words.title;
    format!("{HEAD}<title>packhold: {title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n")
}

/// Figures, and what they are of.
fn list(facts: &[(&str, String)]) -> String {
    let facts = facts
        .iter()
        .map(|(what, figure)| format!("<div><dt>{what}</dt><dd>{figure}</dd></div>\n"));
    format!("<dl>\n{}</dl>\n", facts.collect::<String>())
}

fn concluded(shown: &SettingForecast) -> String {
    match shown.counted_share < 1.0 {
        true => format!(
            "<p class=\"note\">Concluded from {:.2} % of the chunks, chosen by their digests.</p>\n",
            shown.counted_share * 100.0
        ),
        false => String::new(),
    }
}

/// Text that stays text, in an attribute too.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

fn summary(report: &Report, shown: &SettingForecast) -> String {
    let forecast = &report.forecast;
    let mut facts = vec![
        ("files", forecast.files.to_string()),
        ("before", bytes(forecast.bytes)),
        ("after", bytes(shown.stored_bytes)),
        ("dedup ratio", ratio(shown.ratio)),
    ];
    if report.against_store {
        facts.push(("in the store already", bytes(shown.known_bytes)));
    }
    facts.push(("read in", format!("{:.1} s", report.seconds)));
    let mut out = list(&facts);
    let unreadable = report.unreadable;
    if unreadable > 0 {
        let _fits = writeln!(
            out,
            "<p><strong>{unreadable} files could not be read</strong> and are missing here.</p>"
        );
    }
    out + &concluded(shown)
}

/// A line for each quarter of the largest value, with what it stands for.
fn grid(most: u64, label: impl Fn(u64) -> String) -> String {
    let mut out = String::new();
    for quarter in 0..=4_u32 {
        let y = HEIGHT - HEIGHT * f64::from(quarter) / 4.0 + 10.0;
        let value = most / 4 * u64::from(quarter);
        let _fits = writeln!(
            out,
            "<line class=\"line\" x1=\"{MARGIN}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            MARGIN - 6.0,
            y + 4.0,
            label(value)
        );
    }
    out
}

/// One rectangle that stands on the bottom line, or on another.
fn bar(class: &str, x: f64, width: f64, below: f64, height: f64) -> String {
    let y = HEIGHT - below - height + 10.0;
    format!(
        "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>"
    )
}

/// How large each release is, and how much of it is new.
fn bars(words: &Words, releases: &[ReleaseForecast], added: &[u64]) -> String {
    let most = releases.iter().map(|r| r.bytes).max().unwrap_or(0).max(1);
    let step = (WIDTH - MARGIN) / figure(releases.len().max(1) as u64);
    let width = (step * 0.8).min(60.0);
    let high = |bytes: u64| HEIGHT * figure(bytes.min(most)) / figure(most);
    let mut out = format!(
        "<h2>{}</h2>\n<p><span class=\"key\">{}</span><span class=\"key added\">{}</span></p>\n<div class=\"wide\"><svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"Size of each {}, and how much of it is {}\">\n{}",
        words.sizes,
        words.shared,
        words.added,
        HEIGHT + 30.0,
        words.one,
        words.added,
        grid(most, bytes)
    );
    for (n, (release, new)) in releases.iter().zip(added).enumerate() {
        let x = MARGIN + step * figure(n as u64) + (step - width) / 2.0;
        let (all, new_high) = (high(release.bytes), high(*new));
        let _fits = writeln!(
            out,
            "<g><title>{}: {}, {} of them {}</title>{}{}</g>",
            escape(&name(release)),
            bytes(release.bytes),
            bytes(*new),
            words.added,
            bar("old", x, width, new_high, (all - new_high).max(0.0)),
            bar("new", x, width, 0.0, new_high),
        );
        // As many numbers as there is room for.
        if step >= 18.0 || n % 10 == 9 && step >= 2.0 {
            let _fits = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                x + width / 2.0,
                HEIGHT + 25.0,
                n + 1
            );
        }
    }
    out + "</svg></div>\n"
}

fn table(words: &Words, releases: &[ReleaseForecast], added: &[u64]) -> String {
    let mut out = format!(
        "<div class=\"wide\"><table>\n<tr><th>{}</th><th>files</th><th>size</th><th>{}</th><th>%</th></tr>\n",
        words.one, words.adds
    );
    for (n, (release, new)) in releases.iter().zip(added).enumerate() {
        let _fits = writeln!(
            out,
            "<tr><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1}</td></tr>",
            n + 1,
            escape(&name(release)),
            release.files,
            bytes(release.bytes),
            bytes(*new),
            per_cent(*new, release.bytes),
        );
    }
    out + "</table></div>\n"
}

fn settings(report: &Report) -> String {
    let mut out = "<h2>Sizes of chunks</h2>\n<div class=\"wide\"><table>\n<tr><th>KiB: at least/on average/at most</th><th>ratio</th><th>stored</th><th>metadata</th><th>index</th><th>chunks</th></tr>\n".to_owned();
    for (n, setting) in report.forecast.settings.iter().enumerate() {
        let class = match n == report.default_setting {
            true => " class=\"default\"",
            false => "",
        };
        let _fits = writeln!(
            out,
            "<tr{class}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            sizes(setting),
            ratio(setting.ratio),
            bytes(setting.stored_bytes),
            bytes(setting.metadata_bytes),
            bytes(setting.index_bytes),
            setting.chunks,
        );
    }
    let who = match report.against_store {
        true => "the store cuts",
        false => "a new store cuts, and all plots are of it",
    };
    let _fits = writeln!(out, "</table></div>\n<p class=\"note\">Bold: as {who}.</p>");
    out
}

/// How much of each release every other one has.
fn heat_map(words: &Words, releases: &[ReleaseForecast], shown: &SettingForecast) -> String {
    let count = shown.shared_bytes.len();
    if count < 2 {
        return String::new();
    }
    let Words { one, many, .. } = words;
    let cut = |text: String| match text.chars().count() > MAX_LABEL {
        true => format!(
            "…{}",
            text.chars()
                .rev()
                .take(MAX_LABEL - 1)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .collect::<String>()
        ),
        false => text,
    };
    let labels: Vec<String> = releases
        .iter()
        .take(count)
        .map(|r| cut(printable(&r.name)))
        .collect();
    let longest = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0);
    let left = figure(longest as u64) * 6.5 + 34.0;
    let side = CELL * figure(count as u64);
    let (width, height) = (left + side + 10.0, side + 26.0);
    let mut out = format!(
        "<h2>What {many} share</h2>\n<p class=\"note\">Of the chunks of a row, how much the {one} of the column has: the stronger the colour, the more.</p>\n<div class=\"wide\"><svg width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"What each two {many} share\">\n"
    );
    for (a, (row, label)) in shown.shared_bytes.iter().zip(&labels).enumerate() {
        let own = row.get(a).copied().unwrap_or_default();
        let y = 22.0 + CELL * figure(a as u64);
        let _fits = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {}</text><text x=\"{:.1}\" y=\"14\" text-anchor=\"middle\">{}</text>",
            left - 6.0,
            y + CELL * 0.65,
            escape(label),
            a + 1,
            left + CELL * (figure(a as u64) + 0.5),
            a + 1,
        );
        for (b, (both, other)) in row.iter().zip(&labels).enumerate() {
            let share = per_cent(*both, own);
            let _fits = writeln!(
                out,
                "<rect class=\"cell\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{CELL}\" height=\"{CELL}\" fill-opacity=\"{:.3}\"><title>{}: {} ({share:.1} %) also in {}</title></rect>",
                left + CELL * figure(b as u64),
                share.clamp(0.0, 100.0) / 100.0,
                escape(label),
                bytes(*both),
                escape(other),
            );
        }
    }
    out += "</svg></div>\n";
    if releases.len() > count {
        let _fits = writeln!(
            out,
            "<p class=\"note\">The first {count} of {} {many}.</p>",
            releases.len()
        );
    }
    out
}

/// How many chunks are how large.
fn histogram(shown: &SettingForecast) -> String {
    let most = shown
        .sizes
        .iter()
        .map(|bin| bin.chunks)
        .max()
        .unwrap_or(0)
        .max(1);
    let step = (WIDTH - MARGIN) / figure(shown.sizes.len().max(1) as u64);
    let mut out = format!(
        "<h2>How large chunks are</h2>\n<div class=\"wide\"><svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"How many chunks are how large\">\n{}",
        HEIGHT + 30.0,
        grid(most, |chunks| chunks.to_string())
    );
    for (n, bin) in shown.sizes.iter().enumerate() {
        let x = MARGIN + step * figure(n as u64);
        let height = HEIGHT * figure(bin.chunks) / figure(most);
        let _fits = writeln!(
            out,
            "<g><title>{} chunks of up to {}</title>{}</g>",
            bin.chunks,
            bytes(bin.upto_bytes),
            bar("new", x + 1.0, step - 2.0, 0.0, height),
        );
        if n % 8 == 7 {
            let _fits = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>",
                x + step,
                HEIGHT + 25.0,
                bytes(bin.upto_bytes)
            );
        }
    }
    out + "</svg></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Forecast;

    /// A report of these releases.
    fn report(names: &[&str]) -> Report {
        let mut forecast = Forecast::new(&Forecast::settings());
        for name in names {
            forecast.release(name);
            forecast.push(name.as_bytes()).expect("no store is asked");
            forecast.end_file().expect("no store is asked");
        }
        Report {
            forecast: forecast.report(),
            default_setting: 1,
            ..Report::default()
        }
    }

    #[test]
    fn names_stay_text() {
        let evil = "</title><script>alert(1)</script>\" onload='x' &amp;";
        let page = page(&report(&[evil, evil, "\u{202e}\u{0}"]));
        assert!(!page.contains("<script") && !page.contains("onload='"));
        assert!(page.contains(
            "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;amp;"
        ));
        assert!(!page.contains('\u{202e}') && !page.contains('\0'));
    }

    #[test]
    fn any_number_of_releases_gives_a_page_without_holes() {
        for count in [0, 1, 2, 65, 1_001] {
            let names: Vec<String> = (0..count).map(|n| format!("release {n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let page = page(&report(&names));
            assert!(!page.contains("NaN") && !page.contains("inf"), "{count}");
            assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
            assert!(page.ends_with("</html>\n"));
            assert!(page.len() < 4 << 20, "{}", page.len());
        }
    }
}
