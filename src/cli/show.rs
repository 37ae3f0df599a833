//! Progress: bars on a terminal, a log line every ten seconds elsewhere.

use super::print::grouped;
use crate::record::FeedId;
use crate::sync::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

const BAR_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress until the guard is dropped.
pub(super) fn start(progress: Progress) -> DropGuard {
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    if std::io::stderr().is_terminal() {
        tokio::spawn(async move { stop.run_until_cancelled(bars(progress)).await });
    } else {
        tokio::spawn(async move { stop.run_until_cancelled(lines(progress)).await });
    }
    guard
}

async fn lines(progress: Progress) {
    loop {
        tokio::time::sleep(LINE_EVERY).await;
        for (feed, counters) in progress.snapshot() {
            tracing::info!(%feed, requests = counters.requests, read = counters.filled, of = counters.expected, "{}", counters.doing);
        }
    }
}

async fn bars(progress: Progress) {
    let all = MultiProgress::new();
    let mut bars = BTreeMap::new();
    loop {
        for (feed, counters) in progress.snapshot() {
            let bar = bars.entry(feed).or_insert_with_key(|feed| all.add(new_bar(feed)));
            bar.set_length(counters.expected.max(1));
            bar.set_position(counters.filled.min(counters.expected));
            bar.set_message(format!("{} of {}  {}", grouped(counters.filled), grouped(counters.expected), counters.doing));
        }
        tokio::time::sleep(BAR_EVERY).await;
    }
}

/// Shows how a file grows until the guard is dropped; on a terminal alone, because it takes minutes at most.
pub(super) fn growth(path: &Path, size: Option<u64>) -> DropGuard {
    let (stop, path) = (CancellationToken::new(), path.to_owned());
    let guard = stop.clone().drop_guard();
    if std::io::stderr().is_terminal() {
        tokio::spawn(async move { stop.run_until_cancelled(growing(&path, size)).await });
    }
    guard
}

async fn growing(path: &Path, size: Option<u64>) {
    let template = if size.is_some() { "  {bar:30.cyan/black} {bytes} of {total_bytes}" } else { "  {spinner} {bytes}" };
    let style = ProgressStyle::with_template(template).expect("the template is valid").progress_chars("━━╌");
    let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new).with_finish(ProgressFinish::AndClear).with_style(style);
    loop {
        let grown = std::fs::metadata(path).map_or(0, |found| found.len());
        bar.set_position(size.map_or(grown, |size| grown.min(size)));
        tokio::time::sleep(BAR_EVERY).await;
    }
}

/// A bar that disappears when it is dropped.
fn new_bar(feed: &FeedId) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix:<10} {bar:30.cyan/black} {msg}").expect("the template is valid");
    let bar = ProgressBar::new(0).with_finish(ProgressFinish::AndClear);
    bar.with_style(style.progress_chars("━━╌")).with_prefix(feed.to_string())
}
