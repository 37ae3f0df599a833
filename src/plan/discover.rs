//! Which feeds the credential can see. The vendor has no list of them, so it is worked out from totals.
//!
//! A request that names no feed is answered for all. If it has more matches than a request that names every known feed,
//! a feed is still unknown; halving the window finds one of its records. In the ordinary case, nothing new, this
//! costs two requests. Feeds whose names differ only in case are one feed.

use super::backoff;
use crate::record::{Failure, FeedId, Stamp, Window};
use std::collections::BTreeSet;
use std::time::Duration;

/// Feeds named in one request, so that no address grows too long for a server.
const FEEDS_PER_REQUEST: usize = 40;
/// Discovery ends after this many requests, whatever the vendor answers. What it misses, a later one finds.
const MAX_REQUESTS: u32 = 600;
/// A window is not halved below this; its pages are walked instead.
const SMALLEST_SPAN: Duration = Duration::from_secs(1);
/// Tries of one request before the search is given up until its next turn.
const TRIES: u32 = 8;
/// A search that was given up is begun again after this.
const SEARCH_AGAIN: Duration = Duration::from_secs(60);
/// The same, where the vendor does not accept the credential or refuses the question.
const SEARCH_REPROBE: Duration = Duration::from_secs(15 * 60);

/// The next request of a discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiscoveryRequest {
    /// The feeds to name; none for all.
    pub feeds: Vec<FeedId>,
    /// The window.
    pub window: Window,
    /// The page.
    pub page: u32,
}

/// The search. Ask what [`Discovery::next`] says until it says nothing.
#[derive(Debug)]
pub(crate) struct Discovery {
    known: BTreeSet<FeedId>,
    /// Other spellings of their names: they are asked for, too, so that no total seems too small.
    respelled: BTreeSet<FeedId>,
    windows: Vec<Window>,
    search: Search,
    requests: u32,
}

#[derive(Debug)]
enum Search {
    /// Adding up the totals of the known feeds, group by group.
    Known { left: Vec<Vec<FeedId>>, total: u64 },
    /// Asking for all feeds.
    All { known_total: u64 },
    /// Walking through the pages of a window that cannot be halved.
    Walk { page: u32 },
}

impl Discovery {
    /// Begins with what is known already.
    #[must_use]
    pub(crate) fn new(known: BTreeSet<FeedId>, range: Window) -> Discovery {
        let search = start(known.iter());
        Discovery { known, respelled: BTreeSet::new(), windows: vec![range], search, requests: 0 }
    }

    /// The feeds known by now.
    #[must_use]
    pub(crate) fn known(&self) -> &BTreeSet<FeedId> {
        &self.known
    }

    /// Names that differ from those of known feeds in upper and lower case alone.
    #[must_use]
    pub(crate) fn respelled(&self) -> &BTreeSet<FeedId> {
        &self.respelled
    }

    /// What to ask; `None` when nothing is left to find.
    #[must_use]
    pub(crate) fn next(&self) -> Option<DiscoveryRequest> {
        let window = *self.windows.last()?;
        if self.requests >= MAX_REQUESTS {
            return None;
        }
        Some(match &self.search {
            Search::Known { left, .. } => DiscoveryRequest { feeds: left.last().cloned().unwrap_or_default(), window, page: 1 },
            Search::All { .. } => DiscoveryRequest { feeds: Vec::new(), window, page: 1 },
            Search::Walk { page } => DiscoveryRequest { feeds: Vec::new(), window, page: *page },
        })
    }

    /// Takes in an answer: the feeds of its records, the total, and whether the vendor names a next page.
    pub(crate) fn on_answer(&mut self, seen: &BTreeSet<FeedId>, total: u64, more: bool) {
        self.requests += 1;
        let known_total = match &mut self.search {
            Search::Known { left, total: sum } => {
                left.pop();
                *sum += total;
                if left.is_empty() {
                    self.search = Search::All { known_total: *sum };
                }
                return;
            }
            // That was the last page of the window.
            Search::Walk { .. } if !more => {
                self.known.extend(seen.iter().cloned());
                return self.leave();
            }
            Search::Walk { page } => {
                *page += 1;
                self.learn(seen);
                return;
            }
            Search::All { known_total } => *known_total,
        };
        let news = self.learn(seen);
        match () {
            () if !more || (!news && known_total >= total) => self.leave(),
            () if news => self.begin_window(),
            () => self.halve(),
        }
    }

    /// Takes in names; tells whether one was not seen before.
    fn learn(&mut self, seen: &BTreeSet<FeedId>) -> bool {
        let names = self.known.len() + self.respelled.len();
        for feed in seen.iter().filter(|feed| !self.known.contains(feed)).cloned().collect::<Vec<_>>() {
            let is_known = self.known.iter().any(|known| known.is(&feed));
            if is_known { &mut self.respelled } else { &mut self.known }.insert(feed);
        }
        self.known.len() + self.respelled.len() > names
    }

    fn begin_window(&mut self) {
        self.search = start(self.known.iter().chain(&self.respelled));
    }

    fn leave(&mut self) {
        self.windows.pop();
        self.begin_window();
    }

    fn halve(&mut self) {
        let Some(window) = self.windows.last().copied() else { return };
        if window.to.since(window.from) <= SMALLEST_SPAN {
            self.search = Search::Walk { page: 2 };
            return;
        }
        let middle = window.from.midpoint(window.to);
        self.windows.pop();
        self.windows.extend([Window { from: window.from, to: middle }, Window { from: middle, to: window.to }]);
        self.begin_window();
    }
}

fn start<'a>(names: impl Iterator<Item = &'a FeedId>) -> Search {
    let names: Vec<FeedId> = names.cloned().collect();
    match names.is_empty() {
        true => Search::All { known_total: 0 },
        false => Search::Known { left: names.chunks(FEEDS_PER_REQUEST).map(<[FeedId]>::to_vec).collect(), total: 0 },
    }
}

/// The failures in a row of one request of a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    fails: u32,
    seed: u64,
}

impl Tries {
    /// Nothing has failed yet. `seed` spreads clients that fail together.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Tries {
        Tries { fails: 0, seed }
    }

    /// Takes in a failure: how long to wait before the next try, `None` when the search is given up until its next turn.
    pub(crate) fn failed(&mut self, failure: &Failure) -> Option<Duration> {
        self.fails += 1;
        let lasting = matches!(failure, Failure::Unauthorized | Failure::Refused);
        (!lasting && self.fails < TRIES).then(|| backoff::wait(failure, self.fails, self.seed))
    }
}

/// When a search that was given up for this failure is begun again.
#[must_use]
pub(crate) fn search_again_after(failure: &Failure) -> Duration {
    match failure {
        Failure::Unauthorized | Failure::Refused => SEARCH_REPROBE,
        Failure::Throttled { .. } | Failure::Unavailable | Failure::Malformed => SEARCH_AGAIN,
    }
}

/// The whole range in which feeds are looked for.
#[must_use]
pub(crate) fn range(since: Stamp, now: Stamp, settle: Duration) -> Window {
    Window { from: since, to: now.minus(settle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as (stamp, feed), answered in the order of stamps, 3 to a page.
    fn discover(records: &[(i64, &str)], known: &[&str]) -> (Vec<String>, u32) {
        let second = 10_000_000;
        let known = known.iter().map(|feed| FeedId((*feed).to_owned())).collect();
        let mut discovery = Discovery::new(known, Window { from: Stamp(0), to: Stamp(1_000 * second) });
        while let Some(ask) = discovery.next() {
            let inside = |stamp: i64| (ask.window.from..=ask.window.to).contains(&Stamp(stamp * second));
            let named = |feed: &str| ask.feeds.is_empty() || ask.feeds.iter().any(|named| named.0 == feed);
            let found: Vec<_> = records.iter().filter(|(stamp, feed)| inside(*stamp) && named(feed)).collect();
            let start = (ask.page as usize - 1) * 3;
            let seen = found.iter().skip(start).take(3).map(|(_, feed)| FeedId((*feed).to_owned())).collect();
            discovery.on_answer(&seen, found.len() as u64, found.len() > start + 3);
        }
        (discovery.known().iter().map(|feed| feed.0.clone()).collect(), discovery.requests)
    }

    #[test]
    fn a_feed_hidden_behind_pages_of_others_is_found() {
        let mut records: Vec<_> = (0..200).map(|stamp| (stamp, "A")).collect();
        records[150] = (150, "B");
        records[151] = (151, "C");
        let (feeds, requests) = discover(&records, &[]);
        assert_eq!(feeds, ["A", "B", "C"]);
        assert!(requests < 80, "{requests}");
    }

    #[test]
    fn a_feed_hidden_behind_a_bulk_of_one_stamp_is_found() {
        let mut records = vec![(500, "A"); 100];
        records.push((500, "B"));
        assert_eq!(discover(&records, &[]).0, ["A", "B"]);
    }

    #[test]
    fn feeds_whose_names_differ_only_in_case_are_one_feed() {
        let mut records: Vec<_> = (0..200).map(|stamp| (stamp, if stamp % 2 == 0 { "GAMLS" } else { "gamls" })).collect();
        records[150] = (150, "B");
        let (feeds, requests) = discover(&records, &["Gamls"]);
        assert_eq!(feeds, ["B", "Gamls"]);
        assert!(requests < 80, "{requests}");
        assert_eq!(discover(&records, &[]).0, ["B", "GAMLS"]);
    }

    #[test]
    fn nothing_new_costs_two_requests() {
        let records: Vec<_> = (0..200).map(|stamp| (stamp, if stamp % 2 == 0 { "A" } else { "B" })).collect();
        assert_eq!(discover(&records, &["A", "B"]), (vec!["A".to_owned(), "B".to_owned()], 2));
    }

    #[test]
    fn a_vendor_without_listings_has_no_feeds() {
        assert_eq!(discover(&[], &[]), (Vec::new(), 1));
    }

    fn check_tries(failure: &Failure, waits: usize) {
        let mut tries = Tries::new(1);
        assert_eq!(std::iter::from_fn(|| tries.failed(failure)).count(), waits, "{failure:?}");
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_given_up() {
        check_tries(&Failure::Unavailable, 7);
        check_tries(&Failure::Malformed, 7);
        check_tries(&Failure::Unauthorized, 0);
        check_tries(&Failure::Refused, 0);
    }
}
