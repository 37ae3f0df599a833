//! What the log says of failures: a line when trouble begins, one when it is over, and a summary now and then in between.
//!
//! All feeds share it: an outage of the vendor is one trouble, however many feeds notice it.

use crate::record::{FeedId, spoken};
use std::collections::BTreeSet;
use std::time::Duration;

/// From one line to the next while trouble lasts.
const SUMMARY_EVERY: Duration = Duration::from_secs(5 * 60);
/// Trouble that comes back within this goes on, because one failure now and then would else fill the log. It is longer than
/// the time after which a refused request is tried again.
const RELAPSE: Duration = Duration::from_secs(20 * 60);
/// Trouble that has come back is over after so long without a failure.
const CALM: Duration = Duration::from_secs(60);
/// Feeds that a summary names.
const NAMED: usize = 5;

/// What is to be logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// This failure, as the first one.
    Begins,
    /// How long and how often requests have failed.
    Lasts(String),
    /// The same, when it is over.
    Ends(String),
}

/// Failures of one kind. Times are those of [`Now::monotonic`](crate::plan::clock::Now).
#[derive(Debug)]
pub(super) struct Trouble {
    /// What fails, as one word.
    what: &'static str,
    /// So many feeds are told of when they join.
    told_of: usize,
    stretch: Option<Stretch>,
}

/// The present trouble, or the last one.
#[derive(Debug, Default)]
struct Stretch {
    began: Duration,
    failures: u64,
    last_failure: Duration,
    /// When a line was last logged.
    told: Duration,
    /// Feeds that had a failure, and those that have not been answered since.
    feeds: BTreeSet<FeedId>,
    failing: BTreeSet<FeedId>,
    is_over: bool,
    /// It was over before, and came back.
    relapsed: bool,
}

impl Trouble {
    /// No trouble yet. So many feeds are to be told of one by one when they join it.
    pub(super) fn new(what: &'static str, told_of: usize) -> Trouble {
        Trouble { what, told_of, stretch: None }
    }

    /// Something failed; of no feed, where it concerns none.
    pub(super) fn failed(&mut self, feed: Option<&FeedId>, now: Duration) -> Option<Line> {
        self.stretch.take_if(|stretch| stretch.is_over && now.saturating_sub(stretch.last_failure) > RELAPSE);
        let is_new = self.stretch.is_none();
        let stretch = self.stretch.get_or_insert_with(|| Stretch { began: now, ..Stretch::default() });
        stretch.relapsed |= std::mem::take(&mut stretch.is_over);
        stretch.failures += 1;
        stretch.last_failure = now;
        let joins = feed.is_some_and(|feed| stretch.feeds.insert(feed.clone())) && stretch.feeds.len() <= self.told_of;
        stretch.failing.extend(feed.cloned());
        let is_due = now.saturating_sub(stretch.told) >= SUMMARY_EVERY;
        if !(is_new || joins || is_due) {
            return None;
        }
        stretch.told = now;
        Some(if is_new || joins { Line::Begins } else { Line::Lasts(stretch.summary(self.what, now)) })
    }

    /// Something was done as it should be.
    pub(super) fn answered(&mut self, feed: Option<&FeedId>, now: Duration) -> Option<Line> {
        let stretch = self.stretch.as_mut()?;
        feed.map(|feed| stretch.failing.remove(feed));
        let is_calm = !stretch.relapsed || now.saturating_sub(stretch.last_failure) >= CALM;
        if stretch.is_over || !stretch.failing.is_empty() || !is_calm {
            return None;
        }
        stretch.is_over = true;
        Some(Line::Ends(stretch.summary(self.what, now)))
    }

    /// A feed is not mirrored any more.
    pub(super) fn forget(&mut self, feed: &FeedId) {
        self.stretch.as_mut().map(|stretch| stretch.failing.remove(feed));
    }
}

impl Stretch {
    /// `2 min: 14 requests failed (feeds: A, B)`.
    fn summary(&self, what: &str, now: Duration) -> String {
        let (span, plural) = (spoken(now.saturating_sub(self.began)), if self.failures == 1 { "" } else { "s" });
        let mut feeds: Vec<String> = self.feeds.iter().take(NAMED).map(FeedId::to_string).collect();
        if self.feeds.len() > NAMED {
            feeds.push(format!("{} more", self.feeds.len() - NAMED));
        }
        let of = if feeds.is_empty() { String::new() } else { format!(" (feeds: {})", feeds.join(", ")) };
        format!("{span}: {} {what}{plural} failed{of}", self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(name: &str) -> FeedId {
        FeedId(name.to_owned())
    }

    /// What is logged of events at these seconds: a failure of a feed (`-A`), or an answer to it (`+A`).
    fn told(told_of: usize, events: &[(u64, &str)]) -> Vec<String> {
        let mut trouble = Trouble::new("request", told_of);
        let mut told = Vec::new();
        for &(second, event) in events {
            let (now, feed) = (Duration::from_secs(second), feed(&event[1..]));
            let news = if event.starts_with('-') { trouble.failed(Some(&feed), now) } else { trouble.answered(Some(&feed), now) };
            told.extend(news.map(|news| match news {
                Line::Begins => format!("{second} {event}"),
                Line::Lasts(what) => format!("{second} for {what}"),
                Line::Ends(what) => format!("{second} after {what}"),
            }));
        }
        told
    }

    #[test]
    fn an_outage_is_a_line_at_its_beginning_and_one_at_its_end() {
        let outage = [(5, "-A"), (6, "-A"), (8, "-B"), (12, "-A"), (125, "+A"), (126, "+B"), (127, "+A")];
        assert_eq!(told(1, &outage), ["5 -A", "126 after 2 min 1 s: 4 requests failed (feeds: A, B)"]);
        assert_eq!(told(1, &[(5, "-A"), (6, "+A")]), ["5 -A", "6 after 1 s: 1 request failed (feeds: A)"]);
        assert_eq!(told(1, &[(5, "+A"), (6, "+A")]), [""; 0]);
    }

    #[test]
    fn while_it_lasts_there_is_a_line_every_five_minutes() {
        let outage: Vec<(u64, &str)> = (0..130).map(|count| (count * 10, "-A")).collect();
        let told = told(1, &outage);
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(told[2], "600 for 10 min: 61 requests failed (feeds: A)");
    }

    #[test]
    fn failures_now_and_then_are_one_trouble() {
        let mut events: Vec<(u64, &str)> = (0..40).flat_map(|count| [(count * 10, "-A"), (count * 10 + 1, "+A")]).collect();
        events.extend([(460, "+A"), (520, "+A"), (3000, "-A")]);
        let expected = [
            "0 -A",
            "1 after 1 s: 1 request failed (feeds: A)",
            "300 for 5 min: 31 requests failed (feeds: A)",
            "460 after 7 min 40 s: 40 requests failed (feeds: A)",
            "3000 -A",
        ];
        assert_eq!(told(1, &events), expected);
    }

    #[test]
    fn a_refusal_names_the_first_feeds_that_it_concerns() {
        let events = [(1, "-A"), (2, "-B"), (3, "-C"), (4, "-A"), (5, "+A"), (6, "+B"), (7, "+C")];
        assert_eq!(told(2, &events), ["1 -A", "2 -B", "7 after 6 s: 4 requests failed (feeds: A, B, C)"]);
    }

    #[test]
    fn a_feed_that_is_gone_and_a_search_for_feeds_hold_no_end_up() {
        let (mut trouble, second) = (Trouble::new("request", 1), Duration::from_secs);
        assert_eq!(trouble.failed(Some(&feed("A")), second(1)), Some(Line::Begins));
        assert_eq!(trouble.failed(None, second(2)), None);
        assert_eq!(trouble.answered(Some(&feed("B")), second(3)), None);
        trouble.forget(&feed("A"));
        assert!(matches!(trouble.answered(Some(&feed("B")), second(4)), Some(Line::Ends(_))));
    }
}
