//! `mls-sync status`: how true the file is, feed by feed.

use super::grouped;
use crate::config::Config;
use crate::record::printable;
use crate::store::report::{self, FeedReport};
use chrono::{DateTime, Utc};
use std::process::ExitCode;
use std::time::Duration;

/// Characters of a note that fit a line.
const NOTE: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// For programs: one JSON array, an object a feed
    #[arg(long)]
    json: bool,
}

pub(super) fn status(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let reports = report::feeds(&config.database)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
        return Ok(ExitCode::SUCCESS);
    }
    if reports.is_empty() {
        println!("No feed yet: `mls-sync run` finds and loads them.");
    }
    let width = reports.iter().map(|report| report.feed_id.to_string().chars().count()).max().unwrap_or(0);
    for report in &reports {
        println!("{}", line(report, width, Utc::now()));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(report: &FeedReport, width: usize, now: DateTime<Utc>) -> String {
    let complete = match &report.complete_until {
        Some(until) => format!("complete until {until}"),
        None => "loading".to_owned(),
    };
    let polled = report.polled_at.as_deref().map_or("never polled".to_owned(), |at| format!("polled {} ago", age(at, now)));
    let mut line = format!(
        "{:<width$}  {:>9} live  {:>7} deleted  {complete}  {polled}  {}",
        report.feed_id.to_string(),
        grouped(report.live),
        grouped(report.deleted),
        report.activity
    );
    if let Some(note) = &report.note {
        line.push_str(&format!(": {}", printable(note, NOTE)));
    }
    for gap in report.gaps.iter().take(3) {
        line.push_str(&format!("\n{:<width$}  Status={} still unread: {} .. {}", "", gap.status, gap.from, gap.to));
    }
    if report.rejects > 0 {
        line.push_str(&format!("\n{:<width$}  {} rejected records are kept in the table rejects", "", grouped(report.rejects)));
    }
    line
}

fn age(at: &str, now: DateTime<Utc>) -> String {
    let since = DateTime::parse_from_rfc3339(at).map(|at| (now - at.to_utc()).num_seconds().max(0)).unwrap_or(0);
    humantime::format_duration(Duration::from_secs(since.unsigned_abs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FeedId;

    #[test]
    fn a_line_says_counts_reach_age_and_what_is_being_done() {
        let report = FeedReport {
            feed_id: FeedId("GAMLS".to_owned()),
            live: 12_345,
            deleted: 67,
            since: "1900-01-01T00:00:00".to_owned(),
            complete_until: Some("2024-05-01T12:00:00".to_owned()),
            gaps: Vec::new(),
            polled_at: Some("2024-05-01T12:00:05.000Z".to_owned()),
            activity: "blocked".to_owned(),
            activity_at: "2024-05-01T12:00:05.000Z".to_owned(),
            note: Some("HTTP 403\u{1b}[31m".to_owned()),
            rejects: 0,
            suspect_windows: 0,
        };
        let now = DateTime::parse_from_rfc3339("2024-05-01T12:01:05Z").expect("a date").to_utc();
        let expected =
            "GAMLS     12,345 live       67 deleted  complete until 2024-05-01T12:00:00  polled 1m ago  blocked: HTTP 403\\u{1b}[31m";
        assert_eq!(line(&report, 5, now), expected);
    }
}
