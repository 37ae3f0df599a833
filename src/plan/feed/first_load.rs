//! The first load of a one-shot run: its first polls reach from the beginning, and have no end.
//!
//! A stream that fits on one page is then read with one request, and what is stamped ahead of the vendor's clock with it. One that
//! does not is polled as far back as listings are looked for that come late, and fills read the rest.

use super::FeedPlan;
use super::schedule::LITTLE_OLDER;
use crate::plan::attempts::Work;
use crate::plan::checkpoint::{LoadCost, Open};
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::plan::paging::Reading;
use crate::plan::progress::PageStep;
use crate::plan::window::{HALF, PAD, StreamState, Task, task_for};
use crate::record::{Stamp, Stream, Window};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl FeedPlan {
    /// Whether this poll asks for what a fill would ask for otherwise. One that was cut to what is recent ages while it is read.
    pub(super) fn is_first_load(&self, work: Work, claim: Window, now: Now) -> bool {
        let behind = self.behind_first_load(now);
        // Where our clock is days behind the vendor's, the claim may end before that.
        self.loads && work.purpose == Purpose::Poll && claim.from.plus(LITTLE_OLDER) < behind && behind < claim.to
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
    use crate::plan::options::Options;
    use crate::plan::page::{PageFacts, PageSeen};
    use crate::plan::step::Step;
    use crate::record::{Failure, FeedId, PageRequest};
    use std::collections::BTreeSet;

    const PAGE: usize = 10;
    const HOUR: Duration = Duration::from_secs(3600);

    fn now(at: Duration) -> Now {
        let time = Stamp::parse("2024-06-01T12:00:00").expect("a date").plus(at);
        Now { vendor: time, earliest: time, ours: time, monotonic: at }
    }

    fn options() -> Options {
        Options { window_pages: 200, ..crate::plan::feed::tests::options(true) }
    }

    /// What a stream has: so many listings, one in an hour, the newest so many hours ago.
    fn stamps(count: u32, newest: i64) -> Vec<Stamp> {
        let last = now(Duration::ZERO).vendor.0 - newest * 36_000_000_000;
        (0..i64::from(count)).map(|back| Stamp(last - back * 36_000_000_000)).collect()
    }

    /// Runs a first load of these listings; what was asked for, and what is missing at its end.
    fn load(listings: &[Stamp], deleted: &[Stamp], fails: impl Fn(&PageRequest) -> bool) -> (Vec<PageRequest>, Vec<String>) {
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), options(), crate::plan::checkpoint::Saved::default(), now(Duration::ZERO));
        let (mut asked, mut at) = (Vec::new(), Duration::ZERO);
        let mut shown = BTreeSet::new();
        loop {
            match plan.next(now(at)) {
                Step::Fetch(purpose, request) => {
                    assert!(asked.len() < 500, "it never ends");
                    let work = Work { purpose, stream: request.stream };
                    asked.push(request.clone());
                    at += Duration::from_millis(100);
                    if fails(&request) {
                        plan.on_failure(work, &Failure::Refused, "HTTP 400", now(at));
                        continue;
                    }
                    let of_stream = if request.stream == Stream::All { listings } else { deleted };
                    let inside = |stamp: &&Stamp| request.window.from <= **stamp && **stamp <= request.window.to;
                    let matching: Vec<Stamp> = of_stream.iter().filter(inside).copied().collect();
                    let begin = (request.page as usize - 1) * PAGE;
                    let stamps: Vec<Stamp> = matching.iter().skip(begin).take(PAGE).copied().collect();
                    let marks = stamps.iter().map(|stamp| stamp.to_string().into()).collect();
                    shown.extend(stamps.iter().map(|stamp| (request.stream, *stamp)));
                    let more = begin + PAGE < matching.len();
                    let facts = PageFacts { page: request.page, marks, total: matching.len() as u64, more };
                    plan.on_page(work, PageSeen { facts, stamps, ..PageSeen::default() }, now(at));
                }
                Step::Wait(until) => at = until,
                Step::Finished(missing) => {
                    assert_eq!(shown.len(), listings.len() + deleted.len(), "every listing was shown");
                    return (asked, missing);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_stream_that_fits_on_a_page_is_read_with_one_request() {
        let (asked, missing) = load(&stamps(9, 1), &[], |_| false);
        assert_eq!((asked.len(), missing), (2, Vec::new()));
    }

    #[test]
    fn what_is_stamped_ahead_of_the_clock_is_read_too() {
        let (asked, missing) = load(&stamps(9, -5), &[], |_| false);
        assert_eq!((asked.len(), missing), (2, Vec::new()));
    }

    #[test]
    fn a_hundred_pages_cost_one_request_each_and_five_more() {
        // None is so new that listings may come late beside it.
        let (asked, missing) = load(&stamps(1_000, 24 * 4), &stamps(50, 24 * 4), |_| false);
        // Where the deletions do not fit on a page, it is not tried whether the listings do.
        assert_eq!((asked.len(), missing), (100 + 5 + 3 + 2, Vec::new()));
    }

    #[test]
    fn a_live_stream_without_listings_is_asked_for_again_before_that_is_believed() {
        assert_eq!(load(&[], &[], |_| false).0.len(), 1 + 3);
    }

    #[test]
    fn a_vendor_that_answers_no_window_without_an_end_is_read_all_the_same() {
        let listings = stamps(400, 1);
        let (asked, missing) = load(&listings, &[], |request| request.window.to == Stamp::NO_END);
        assert_eq!(missing, Vec::<String>::new());
        let ends = asked.iter().filter(|request| request.window.to < Stamp::NO_END).map(|request| request.window.to).max();
        assert!(ends.is_some_and(|end| end > listings[0]));
    }

    #[test]
    fn recent_listings_of_a_busy_stream_are_read_in_windows_of_one_answer() {
        let (asked, missing) = load(&stamps(1_000, 0), &[], |_| false);
        assert_eq!(missing, Vec::<String>::new());
        let recent = now(HOUR).vendor.minus(HOUR * 3);
        let newest = asked.iter().filter(|request| request.window.to > recent);
        let pages: Vec<u32> = newest.map(|request| request.page).collect();
        assert!(pages.len() > 2 && pages.iter().all(|page| *page == 1), "{pages:?}");
        assert!(asked.iter().filter(|request| request.page > 1).count() >= 90, "the long window is read page by page");
        assert!(asked.len() <= 100 + 12, "{} requests", asked.len());
    }
}
