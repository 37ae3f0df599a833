//! The watchdog: it tells systemd that the process is well, as long as it is. Otherwise systemd restarts the process.

use crate::plan::options::Purpose;
use crate::record::FeedId;
use crate::sync::progress::FeedProgress;
use crate::sync::tools::CensusTools;
use crate::vendor::Limiter;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is looked, where systemd does not ask for more. The database must answer within this, too.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Looks in the time that systemd waits for a word.
const LOOKS: u32 = 4;

/// Tells systemd of the process. Outside systemd this does nothing; there is nobody to tell when it fails.
pub(super) fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Looks until the process is stopped.
pub(super) async fn watch(tools: CensusTools, limiters: Vec<Arc<Limiter>>) {
    let every = sd_notify::watchdog_enabled().map_or(LOOK_EVERY, |limit| (limit / LOOKS).min(LOOK_EVERY));
    let stop = tools.stop.clone();
    let mut told = None;
    while stop.run_until_cancelled(sleep(every)).await.is_some() {
        // Any answer shows that the writer is alive: what the database refuses is tried again by whoever asked for it.
        let Some(answer) = stop.run_until_cancelled(timeout(every, tools.store.feeds())).await else { return };
        // If the limiter's lock were never released, this task would stop here, and so would the words to systemd.
        for limiter in &limiters {
            let _closed = limiter.closed_for();
        }
        let feeds = tools.progress.snapshot();
        let now = tools.clock.now().monotonic;
        let census = || {
            let (vendor, _) = tools.progress.censuses().into_iter().find(|(_, beat)| beat.is_overdue(now))?;
            Some(format!("the reading of what {vendor} has besides listings makes no progress"))
        };
        let trouble = trouble(&feeds, answer.is_ok(), now).or_else(census);
        match &trouble {
            None => notify(&[NotifyState::Watchdog, NotifyState::Status(&status(&feeds))]),
            Some(trouble) if told != Some(trouble.clone()) => {
                tracing::error!("{trouble}; if that lasts, the watchdog of systemd restarts the process");
            }
            Some(_) => {}
        }
        told = trouble;
    }
}

/// What is stuck, if anything.
fn trouble(feeds: &BTreeMap<FeedId, FeedProgress>, database_answers: bool, now: Duration) -> Option<String> {
    if !database_answers {
        return Some("the thread that writes the database does not answer".to_owned());
    }
    let (feed, _) = feeds.iter().find(|(_, counters)| counters.beat.is_overdue(now))?;
    Some(format!("the worker of the feed {feed} makes no progress"))
}

/// One line for `systemctl status`.
fn status(feeds: &BTreeMap<FeedId, FeedProgress>) -> String {
    let filling = feeds.values().filter(|counters| counters.doing.starts_with(Purpose::Fill.doing())).count();
    let in_trouble = feeds.values().filter(|counters| counters.in_trouble).count();
    format!("{} feeds, {filling} filling, {in_trouble} in trouble", feeds.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::heartbeat::Beat;

    fn feeds(beats: &[(&str, Beat)]) -> BTreeMap<FeedId, FeedProgress> {
        let counters = |beat| FeedProgress { beat, doing: format!("{} a window", Purpose::Fill.doing()), ..FeedProgress::default() };
        beats.iter().map(|(feed, beat)| (FeedId((*feed).to_owned()), counters(*beat))).collect()
    }

    fn check(beats: &[(&str, Beat)], database_answers: bool, expected: Option<&str>) {
        let found = trouble(&feeds(beats), database_answers, Duration::from_secs(10_000));
        assert_eq!(found.is_some(), expected.is_some(), "{beats:?}: {found:?}");
        assert!(expected.is_none_or(|words| found.as_ref().is_some_and(|found| found.contains(words))), "{beats:?}: {found:?}");
    }

    #[test]
    fn a_stuck_feed_or_database_is_told_and_a_feed_that_waits_is_not() {
        let at = Duration::from_secs;
        check(&[], true, None);
        check(&[], false, Some("the database does not answer"));
        check(&[("A", Beat::Queued), ("B", Beat::Waiting { until: at(90_000) }), ("C", Beat::Absent)], true, None);
        check(&[("A", Beat::Queued), ("B", Beat::Working { since: at(9_990) })], true, None);
        check(&[("A", Beat::Queued), ("B", Beat::Working { since: at(9_000) })], true, Some("the feed B makes no progress"));
        check(&[("A", Beat::Waiting { until: at(9_000) })], true, Some("the feed A makes no progress"));
    }

    #[test]
    fn the_status_counts_the_feeds() {
        let mut feeds = feeds(&[("A", Beat::Queued), ("B", Beat::Queued)]);
        feeds.entry(FeedId("C".to_owned())).or_default().in_trouble = true;
        assert_eq!(status(&feeds), "3 feeds, 2 filling, 1 in trouble");
    }
}
