//! The first load of a one-shot run: its first polls reach from the beginning, and have no end.
//!
//! A stream that fits on one page is then read with one request, and what is stamped ahead of the vendor's clock with it. One that
//! does not is polled as far back as listings are looked for that come late, and fills read the rest.

use super::FeedPlan;
use crate::plan::attempts::Work;
use crate::plan::checkpoint::{LoadCost, Open};
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::plan::paging::Reading;
use crate::plan::progress::PageStep;
use crate::plan::window::{HALF, PAD, StreamState, Task, task_for};
use crate::record::{Stamp, Stream, Window};
use std::time::Duration;

/// A poll that was cut to what is recent ages by no more than this while it is read.
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl FeedPlan {
    /// Whether this poll asks for what a fill would ask for otherwise.
    pub(super) fn is_first_load(&self, work: Work, claim: Window, now: Now) -> bool {
        self.loads && work.purpose == Purpose::Poll && claim.from.plus(HOUR) < self.behind_first_load(now)
    }

    /// Where a poll begins that does not hold all: what lies before is left to fills.
    pub(super) fn behind_first_load(&self, now: Now) -> Stamp {
        self.recent(now).min(self.settled(now).minus(DAY))
    }

    /// A request was answered, or has failed.
    pub(super) fn count_cost(&mut self) {
        self.cost = self.cost.map(|requests| requests + 1);
    }

    /// What the first load has cost since this was asked last. It ends when all streams were read up to where polls go on.
    pub(super) fn take_cost(&mut self, dry_run: bool, now: Now) -> Option<LoadCost> {
        let requests = self.cost.filter(|_| !dry_run)?;
        let ends = self.streams.iter().all(|(stream, state)| self.is_read(*stream, state, now));
        self.cost = (!ends).then_some(0);
        Some(LoadCost { requests, page_size: self.observations.largest_page(), ends })
    }

    /// Whether a stream was read, but for known gaps, up to where polls go on.
    fn is_read(&self, stream: Stream, state: &StreamState, now: Now) -> bool {
        let known = self.known_gaps.all().iter().filter(|gap| gap.stream == stream).map(|gap| gap.claim);
        let unread = self.range(now).unread(state, known);
        state.coverage.end().is_some_and(|end| end > self.recent(now)) && unread.coverage.gaps(unread.bounds).is_empty()
    }

    /// The next poll of a run that began with an empty file.
    pub(super) fn loading(&self, task: Task) -> Task {
        let from = if self.rounds.has_polled() { task.claim.from } else { self.options.since };
        let longer = task_for(task.stream, Window { from, to: task.claim.to });
        self.without_end(Task { asked: Window { to: task.asked.to, ..longer.asked }, ..longer })
    }

    /// The same poll without an end, if it belongs to a first load.
    pub(super) fn without_end(&self, task: Task) -> Task {
        let to = if self.loads && self.options.ahead_every.is_some() { Stamp::NO_END } else { task.asked.to };
        Task { asked: Window { to, ..task.asked }, ..task }
    }

    /// Puts an end to a poll that had none, where its first answer does not hold it whole: only a set that ends in the past can do
    /// nothing but shrink.
    pub(super) fn put_in_end(&mut self, work: Work, open: &mut Open, step: PageStep, now: Now) -> PageStep {
        let over = matches!(step, PageStep::Complete | PageStep::Unreadable(_) | PageStep::Doubtful(_));
        if work.purpose != Purpose::Poll || open.task.asked.to < Stamp::NO_END || over {
            return step;
        }
        open.task.asked.to = self.end_of(open.task);
        if !self.is_first_load(work, open.task.claim, now) && self.part(work, open.task.claim, HALF).is_none() {
            // The newest few seconds hold more than a page: how many pages they have up to their end is not known yet.
            open.reading = Reading::new();
            return PageStep::Continue;
        }
        step
    }

    /// The vendor does not answer a poll that reaches so far: it is begun anew as any other; tells whether it was.
    pub(super) fn gives_up_first_load(&mut self, work: Work) -> bool {
        let begins = self.open.get(&work).is_some_and(|open| open.reading.is_at_start());
        if !(self.loads && work.purpose == Purpose::Poll && begins) {
            return false;
        }
        self.loads = false;
        self.open.remove(&work);
        self.rounds.give_back(work.stream);
        true
    }

    /// Where a poll ends, also one that is asked for without an end.
    fn end_of(&self, task: Task) -> Stamp {
        let claimed = task.claim.to.plus(PAD);
        task.asked.to.min(self.rounds.end().map_or(claimed, |end| end.max(claimed)))
    }

    /// The stamps up to the end of a poll. What lies behind it tells of the zone, as a look ahead does.
    pub(super) fn up_to_the_end(&mut self, task: Task, stamps: &[Stamp], now: Now) -> Vec<Stamp> {
        if task.asked.to < Stamp::NO_END {
            return stamps.to_vec();
        }
        self.observations.saw_stamps(Purpose::Lookback, task.stream, stamps, true, now);
        let end = self.end_of(task);
        stamps.iter().copied().filter(|stamp| *stamp <= end).collect()
    }

    /// A poll without an end was proven.
    pub(super) fn looked_ahead(&mut self, stream: Stream, now: Now) {
        let observations = &mut self.observations;
        self.lookbacks.polled_ahead(stream, &self.options.streams, || observations.end_look_ahead(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::options::{LookbackRule, Options};
    use crate::plan::page::{PageFacts, PageSeen};
    use crate::plan::step::Step;
    use crate::record::{Failure, FeedId, PageRequest};
    use std::collections::BTreeSet;

    const PAGE: usize = 10;

    fn now(at: Duration) -> Now {
        let time = Stamp::parse("2024-06-01T12:00:00").expect("a date").plus(at);
        Now { vendor: time, earliest: time, ours: time, monotonic: at }
    }

    /// Listings are looked for that come up to three days late.
    fn options() -> Options {
        let lookbacks = vec![LookbackRule { every: DAY, reach: DAY * 3 }];
        Options { window_pages: 200, lookbacks, ..crate::plan::feed::tests::options(true) }
    }

    /// What a stream has: so many listings, one in an hour, the newest so many hours ago.
    fn stamps(count: u32, newest: i64) -> Vec<Stamp> {
        let last = now(Duration::ZERO).vendor.0 - newest * 36_000_000_000;
        (0..i64::from(count)).map(|back| Stamp(last - back * 36_000_000_000)).collect()
    }

    /// A vendor, as a first load meets it.
    #[derive(Default)]
    struct Vendor {
        listings: Vec<Stamp>,
        deleted: Vec<Stamp>,
        /// It refuses requests without an end.
        wants_end: bool,
        /// It counts one more than it shows where more than this match.
        honest: Option<usize>,
        /// Our clock is so far behind its own.
        ahead_of_ours: Duration,
    }

    /// What a first load asked for, what is missing at its end, and the plan then.
    struct Loaded {
        asked: Vec<PageRequest>,
        missing: Vec<String>,
        plan: FeedPlan,
    }

    fn load(vendor: &Vendor) -> Loaded {
        let mut at = Duration::ZERO;
        let clocks = |at| Now { earliest: now(at).vendor.minus(vendor.ahead_of_ours), ..now(at) };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), options(), crate::plan::checkpoint::Saved::default(), clocks(at));
        let (mut asked, mut shown) = (Vec::new(), BTreeSet::new());
        loop {
            match plan.next(clocks(at)) {
                Step::Fetch(purpose, request) => {
                    assert!(asked.len() < 500, "it never ends");
                    assert!(request.window.from < request.window.to, "{request:?}");
                    let work = Work { purpose, stream: request.stream };
                    asked.push(request.clone());
                    at += Duration::from_millis(100);
                    if vendor.wants_end && request.window.to == Stamp::NO_END {
                        plan.on_failure(work, &Failure::Refused, "HTTP 400", clocks(at));
                        continue;
                    }
                    let of_stream = if request.stream == Stream::All { &vendor.listings } else { &vendor.deleted };
                    let inside = |stamp: &&Stamp| request.window.from <= **stamp && **stamp <= request.window.to;
                    let matching: Vec<Stamp> = of_stream.iter().filter(inside).copied().collect();
                    let begin = (request.page as usize - 1) * PAGE;
                    assert!(begin == 0 || begin <= matching.len(), "page {} of {} listings", request.page, matching.len());
                    let stamps: Vec<Stamp> = matching.iter().skip(begin).take(PAGE).copied().collect();
                    let marks = stamps.iter().map(|stamp| stamp.to_string().into()).collect();
                    shown.extend(stamps.iter().map(|stamp| (request.stream, *stamp)));
                    let more = begin + PAGE < matching.len();
                    let lies = vendor.honest.is_some_and(|honest| matching.len() > honest);
                    let facts = PageFacts { page: request.page, marks, total: matching.len() as u64 + u64::from(lies), more };
                    plan.on_page(work, PageSeen { facts, stamps, ..PageSeen::default() }, clocks(at));
                }
                Step::Wait(until) => at = until,
                Step::Finished(missing) => {
                    assert_eq!(shown.len(), vendor.listings.len() + vendor.deleted.len(), "every listing was shown");
                    return Loaded { asked, missing, plan };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// How many requests a whole load took.
    fn check(vendor: &Vendor, requests: usize) -> Loaded {
        let loaded = load(vendor);
        assert_eq!((loaded.asked.len(), &loaded.missing), (requests, &Vec::new()));
        loaded
    }

    #[test]
    fn a_stream_that_fits_on_a_page_is_read_with_one_request() {
        check(&Vendor { listings: stamps(9, 1), ..Vendor::default() }, 2);
    }

    #[test]
    fn what_is_stamped_ahead_of_the_clock_is_read_too_and_moves_no_cursor() {
        let loaded = check(&Vendor { listings: stamps(9, -5), ..Vendor::default() }, 2);
        let state = &loaded.plan.streams[&Stream::All];
        assert!(state.newest <= Some(now(Duration::ZERO).vendor) && state.cursor.is_some(), "{state:?}");
    }

    #[test]
    fn a_hundred_pages_cost_one_request_each_and_five_more() {
        // None is so new that listings may come late beside it. Where the deletions do not fit on a page, it is not tried whether the
        // listings do.
        check(&Vendor { listings: stamps(1_000, 24 * 4), deleted: stamps(50, 24 * 4), ..Vendor::default() }, 100 + 5 + 3 + 2);
    }

    #[test]
    fn a_live_stream_without_listings_is_asked_for_again_before_that_is_believed() {
        check(&Vendor::default(), 1 + 3);
    }

    #[test]
    fn a_vendor_that_answers_no_window_without_an_end_is_read_all_the_same() {
        let loaded = load(&Vendor { listings: stamps(400, 1), wants_end: true, ..Vendor::default() });
        assert_eq!(loaded.missing, Vec::<String>::new());
    }

    #[test]
    fn recent_listings_of_a_busy_stream_are_read_in_windows_of_one_answer() {
        let Loaded { asked, missing, .. } = load(&Vendor { listings: stamps(1_000, 0), ..Vendor::default() });
        assert_eq!(missing, Vec::<String>::new());
        let recent = now(DAY / 24).vendor.minus(DAY * 3);
        let newest = asked.iter().filter(|request| request.window.to > recent);
        let pages: Vec<u32> = newest.map(|request| request.page).collect();
        assert!(pages.len() > 2 && pages.iter().all(|page| *page == 1), "{pages:?}");
        assert!(asked.iter().filter(|request| request.page > 1).count() >= 90, "the long window is read page by page");
        // What was recent when the load began is not read by itself for having aged meanwhile.
        let past = asked.iter().filter(|request| request.window.to < now(Duration::ZERO).vendor.minus(DAY / 24));
        let shortest = past.map(|request| request.window.to.since(request.window.from)).min();
        assert!(shortest.is_some_and(|span| span > DAY / 24), "{shortest:?}");
        assert!(asked.len() <= 100 + 20, "{} requests", asked.len());
    }

    #[test]
    fn of_the_newest_seconds_no_page_is_asked_for_that_only_stamps_ahead_would_fill() {
        let soon = now(Duration::ZERO).vendor;
        let tick = |back: i64| Stamp(soon.0 - 25_000_000 - back);
        let (past, ahead) = ((0..25).map(tick), (1..40).map(|hours| Stamp(soon.0 + hours * 36_000_000_000)));
        let loaded = load(&Vendor { listings: ahead.rev().chain(past).collect(), ..Vendor::default() });
        assert_eq!(loaded.missing, Vec::<String>::new());
    }

    #[test]
    fn a_clock_of_ours_that_is_days_behind_loses_nothing() {
        // Nothing is claimed that is not past by both clocks.
        let loaded = load(&Vendor { listings: stamps(400, 1), ahead_of_ours: DAY * 5, ..Vendor::default() });
        let end = loaded.plan.streams[&Stream::All].coverage.end();
        assert!(end.is_some_and(|end| end < now(Duration::ZERO).vendor.minus(DAY * 2)), "{end:?}");
    }

    #[test]
    fn a_total_that_counts_one_too_many_is_cut_where_the_listings_lie() {
        let vendor = Vendor { listings: stamps(30, 24 * 5), honest: Some(PAGE - 1), ..Vendor::default() };
        let loaded = load(&vendor);
        assert_eq!(loaded.missing, Vec::<String>::new());
        assert!(loaded.asked.len() <= 45, "{} requests for 3 pages", loaded.asked.len());
    }

    #[test]
    fn a_gap_that_is_known_does_not_keep_a_load_from_its_end() {
        let mut plan = check(&Vendor { listings: stamps(9, 1), ..Vendor::default() }, 2).plan;
        let gap = Window { from: now(Duration::ZERO).vendor.minus(DAY * 9), to: now(Duration::ZERO).vendor.minus(DAY * 8) };
        plan.streams.values_mut().for_each(|state| state.coverage.remove(gap));
        let ends = |plan: &mut FeedPlan| {
            plan.cost = Some(7);
            let cost = plan.take_cost(false, now(DAY / 24)).expect("a cost");
            assert_eq!(cost.requests, 7);
            cost.ends
        };
        assert!(!ends(&mut plan));
        for stream in [Stream::All, Stream::Deleted] {
            plan.known_gaps.add(stream, gap, "HTTP 500".to_owned(), now(DAY / 24));
        }
        assert!(ends(&mut plan));
    }
}
