//! The report as a table for terminals.

use indicatif::HumanBytes;

use super::words::Words;
use super::{FORESEEN, Report, STORED, per_cent, sizes};
use crate::store::{ReleaseForecast, SettingForecast, Shares};

/// Releases that are told of one by one, from the first on.
const MAX_ROWS: usize = 40;
/// Releases that are compared with each other.
const MAX_COLUMNS: usize = 16;
/// Characters of a name.
const MAX_NAME: usize = 40;

/// Prints all of it.
pub fn print(report: &Report) {
    let forecast = &report.forecast;
    let Some(shown) = report.shown() else {
        return;
    };
    println!("files          {}", forecast.files);
    println!(
        "before         {}",
        super::super::report::bytes(forecast.bytes)
    );
    println!(
        "after          {}",
        super::super::report::bytes(shown.stored_bytes)
    );
    if report.against_store {
        let known = super::super::report::bytes(shown.known_bytes);
        println!("in the store   {known} of distinct chunks");
    }
    println!("dedup ratio    {}", ratio(shown.ratio));
    println!(
        "read in        {:.1} s, {}/s",
        report.seconds,
        HumanBytes(whole(report.bytes_per_second))
    );
    if report.passed_over > 0 {
        println!(
            "passed over    {} links, pipes or devices",
            report.passed_over
        );
    }
    releases(&FORESEEN, &forecast.releases, &shown.new_bytes);
    settings(report);
    shared(&FORESEEN, &forecast.releases, shown);
}

/// Prints what repositories hold and share.
pub fn print_shares(shares: &Shares) {
    let all = &shares.forecast.releases;
    releases(&STORED, all, &shares.own_bytes);
    if let Some(shown) = shares.forecast.settings.first() {
        concluded(shown);
        shared(&STORED, all, shown);
        chunks(shown);
    }
}

/// How many chunks are how large, in a few lines.
fn chunks(shown: &SettingForecast) {
    /// Bins of the report in one line.
    const TOGETHER: usize = 4;
    println!("\n{:>22} {:>10} {:>6}", "chunks of up to", "chunks", "%");
    for bins in shown.sizes.chunks(TOGETHER) {
        let upto = bins.last().map_or(0, |bin| bin.upto_bytes);
        let count: u64 = bins.iter().map(|bin| bin.chunks).sum();
        println!(
            "{:>22} {count:>10} {:>6.1}",
            HumanBytes(upto).to_string(),
            per_cent(count, shown.chunks),
        );
    }
}

fn concluded(shown: &SettingForecast) {
    if shown.counted_share < 1.0 {
        println!(
            "concluded from {:.2} % of the chunks",
            shown.counted_share * 100.0
        );
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure for people, not below zero"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A ratio, if anything would be stored.
pub fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// How a release is called.
pub fn name(release: &ReleaseForecast) -> String {
    let name = printable(&release.name);
    match release.others {
        0 => name,
        others => format!("{name} and {others} more"),
    }
}

fn releases(words: &Words, releases: &[ReleaseForecast], added: &[u64]) {
    println!(
        "\n{:<MAX_NAME$} {:>11} {:>11} {:>6}",
        words.one, "size", words.adds, "%"
    );
    for (release, new) in releases.iter().zip(added).take(MAX_ROWS) {
        println!(
            "{:<MAX_NAME$} {:>11} {:>11} {:>6.1}",
            short(&name(release)),
            HumanBytes(release.bytes).to_string(),
            HumanBytes(*new).to_string(),
            per_cent(*new, release.bytes),
        );
    }
    if releases.len() > MAX_ROWS {
        println!("and {} more (--json has them)", releases.len() - MAX_ROWS);
    }
}

fn settings(report: &Report) {
    println!(
        "\n{:<16} {:>6} {:>11} {:>11} {:>11} {:>10}",
        "chunks, KiB", "ratio", "stored", "metadata", "index", "chunks"
    );
    for (n, setting) in report.forecast.settings.iter().enumerate() {
        let default = if n == report.default_setting { "*" } else { "" };
        println!(
            "{:<16} {:>6} {:>11} {:>11} {:>11} {:>10}",
            sizes(setting) + default,
            ratio(setting.ratio),
            HumanBytes(setting.stored_bytes).to_string(),
            HumanBytes(setting.metadata_bytes).to_string(),
            HumanBytes(setting.index_bytes).to_string(),
            setting.chunks,
        );
    }
    let who = match report.against_store {
        true => "as the store cuts",
        false => "as a new store cuts, and shown above",
    };
    println!("* {who}; at least/on average/at most");
    if let Some(shown) = report.shown() {
        concluded(shown);
    }
}

fn shared(words: &Words, releases: &[ReleaseForecast], shown: &SettingForecast) {
    let count = shown.shared_bytes.len().min(MAX_COLUMNS);
    if count < 2 {
        return;
    }
    println!("\nof the chunks of a row, per cent that the column has");
    let numbers: Vec<String> = (1..=count).map(|n| format!("{n:>4}")).collect();
    println!("{:<MAX_NAME$}    {}", "", numbers.join(""));
    for (n, (row, release)) in shown
        .shared_bytes
        .iter()
        .zip(releases)
        .take(count)
        .enumerate()
    {
        let own = row.get(n).copied().unwrap_or_default();
        let cells = row
            .iter()
            .take(count)
            .map(|both| format!("{:>4.0}", per_cent(*both, own)));
        let cells: Vec<String> = cells.collect();
        println!(
            "{:<MAX_NAME$} {:>2} {}",
            short(&name(release)),
            n + 1,
            cells.join("")
        );
    }
    if releases.len() > count {
        println!(
            "the first {count} of {} {} (--json and --html have up to 64)",
            releases.len(),
            words.many
        );
    }
}

/// A name without what a terminal or a page could be misled by.
pub fn printable(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            // Marks that change the direction of what comes behind them.
            '\u{200e}'
            | '\u{200f}'
            | '\u{061c}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// The end of a name that is too long: versions are there.
fn short(name: &str) -> String {
    let count = name.chars().count();
    if count <= MAX_NAME {
        return name.to_owned();
    }
    let end: String = name.chars().skip(count - MAX_NAME + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mislead_nobody() {
        assert_eq!(printable("a-1.2 é.tar"), "a-1.2 é.tar");
        assert_eq!(printable("\u{1b}[2J\n"), "\\u{1b}[2J\\n");
        assert_eq!(printable("x\u{202e}fdp"), "x\\u{202e}fdp");
        let long = format!("{}1.2.3", "ä".repeat(100));
        assert_eq!(short(&long).chars().count(), MAX_NAME);
        assert!(short(&long).ends_with("ä1.2.3"));
    }
}
