//! The plan of one feed: a pure state machine that decides which page to ask for next, and what an answered page proves.
//!
//! Each part owns the state of its own decisions: [`rounds`](super::rounds) of polls, [`lookbacks`](super::lookbacks),
//! [`scans`](super::scans), [`attempts`](super::attempts) after failures, the [`narrowing`](super::narrowing) of windows that fail,
//! [`known_gaps`](super::known_gaps), and [`observations`](super::observations) of the vendor. This file puts them together.

mod first_load;
mod lacking;
mod outcome;
mod schedule;
mod trouble;

use super::attempts::{Attempts, Patience, Work};
use super::checkpoint::{Open, Saved};
use super::clock::Now;
use super::density::newest_share;
use super::known_gaps::{KnownGap, KnownGaps};
use super::lookbacks::Lookbacks;
use super::narrowing::Narrowing;
use super::observations::{FILLED, Observations};
use super::options::{Options, Purpose};
use super::paging::Reading;
use super::rounds::Rounds;
use super::scans::{ScanRequest, ScanStep, Scans};
use super::set_aside::SetAside;
use super::step::Step;
use super::window::{MirrorRange, StreamState, Task};
use crate::record::{FeedId, PageRequest, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// 1900-01-01: a mirror that begins then, or earlier, is to hold everything.
const OLDEST_SINCE: Stamp = Stamp(-22_089_888_000_000_000);

/// The plan of one feed.
#[derive(Debug)]
pub(crate) struct FeedPlan {
    feed: FeedId,
    options: Options,
    /// Where the mirror stands with each stream that is polled.
    streams: BTreeMap<Stream, StreamState>,
    open: BTreeMap<Work, Open>,
    pub(crate) attempts: Attempts,
    narrowing: BTreeMap<Work, Narrowing>,
    known_gaps: KnownGaps,
    set_aside: SetAside,
    rounds: Rounds,
    lookbacks: Lookbacks,
    pub(crate) scans: Scans,
    observations: Observations,
    /// Requests for polls, while polls are always due, for which no other request has made up yet.
    polls_ahead: u32,
    /// Until this time of [`Now::monotonic`], polls begin at the newest stamp, because listings have come late.
    late_until: Duration,
    /// Requests that were answered or have failed, of which no checkpoint has told; `None` once everything was read.
    cost: Option<u64>,
    /// A one-shot run that began with an empty file, and whose long windows the vendor answers.
    loads: bool,
    /// The stamps of the first page of each window that is being read, as they were sent.
    spread: BTreeMap<Work, Vec<Stamp>>,
    /// Where polls begin at the last one's end: the period in which one last reached further back.
    doubted: BTreeMap<Stream, u64>,
}

impl FeedPlan {
    /// Goes on where the database says that the feed stands.
    #[must_use]
    pub(crate) fn resume(feed: FeedId, options: Options, saved: Saved, now: Now) -> FeedPlan {
        let mut streams = saved.streams;
        let streams: BTreeMap<Stream, StreamState> =
            options.streams.iter().map(|stream| (*stream, streams.remove(stream).unwrap_or_default())).collect();
        let loads =
            options.once && saved.open.is_empty() && streams.values().all(|state| state.cursor.is_none() && state.coverage.end().is_none());
        let mut plan = FeedPlan {
            feed,
            streams,
            open: BTreeMap::new(),
            attempts: Attempts::new(Patience { once: options.once, shared: options.shared, seed: options.seed }),
            narrowing: BTreeMap::new(),
            known_gaps: KnownGaps::resume(saved.known_gaps, options.once, now),
            set_aside: SetAside::default(),
            rounds: Rounds::new(&options),
            lookbacks: Lookbacks::resume(&options, saved.lookbacks, now),
            scans: Scans::resume(&options, saved.scan, saved.last_scan, now),
            observations: Observations::new(options.window_pages, options.interval_max.unwrap_or(options.interval)),
            options,
            cost: (!saved.loaded).then_some(0),
            loads,
            polls_ahead: 0,
            late_until: Duration::ZERO,
            spread: BTreeMap::new(),
            doubted: BTreeMap::new(),
        };
        for (stream, state) in &plan.streams {
            state.coverage.windows().iter().for_each(|window| plan.known_gaps.proven(*stream, *window));
        }
        plan.resume_late(&saved.late, now);
        plan.reopen(saved.open, now);
        plan
    }

    fn reopen(&mut self, open: Vec<(Purpose, Open)>, now: Now) {
        let wanted = |(purpose, open): &(Purpose, Open)| match purpose {
            Purpose::Poll | Purpose::Fill => self.streams.contains_key(&open.task.stream),
            // A look-back that was broken off begins anew when it is due.
            Purpose::Lookback => false,
            Purpose::Scan => self.scans.is_scanning(),
        };
        let open: Vec<_> = open.into_iter().filter(wanted).collect();
        let polls: Vec<Task> = open.iter().filter(|(purpose, _)| *purpose == Purpose::Poll).map(|(_, open)| open.task).collect();
        self.rounds.resume(&polls, &self.options.streams, now);
        self.open = open.into_iter().map(|(purpose, open)| (Work { purpose, stream: open.task.stream }, open)).collect();
    }

    /// Replaces this plan by one that was read from the database anew. What was asked for is kept.
    pub(crate) fn replace(&mut self, fresh: FeedPlan) {
        let before = std::mem::replace(self, fresh);
        self.scans.take_over(before.scans);
    }

    /// Decides what to do next.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        let candidates = self.candidates(now);
        if !candidates.iter().any(|(purpose, _)| *purpose == Purpose::Poll) {
            // Polls keep up with their interval, so they take nothing from other work.
            self.polls_ahead = 0;
        }
        for (purpose, stream) in candidates {
            let step = match stream {
                Some(stream) => Some(self.ask(Work { purpose, stream })),
                None => self.begin_next(purpose, now),
            };
            if let Some(step) = step {
                return step;
            }
        }
        self.wake_at(now).map_or_else(|| Step::Finished(self.missing(now)), Step::Wait)
    }

    fn ask(&self, work: Work) -> Step {
        let open = &self.open[&work];
        let page = open.reading.progress().next_page;
        Step::Fetch(work.purpose, PageRequest { feeds: vec![self.feed.clone()], stream: work.stream, window: open.task.asked, page })
    }

    /// Begins the next window of a kind of work, or what else it has to do; `None` if that must wait.
    fn begin_next(&mut self, purpose: Purpose, now: Now) -> Option<Step> {
        let (ready, settled) = (self.ready_streams(purpose, now), self.settled(now));
        let task = match purpose {
            Purpose::Poll => self.next_poll(&ready, now),
            Purpose::Lookback => {
                self.lookbacks.begin(&self.options.streams, self.known_gaps.all(), settled, now);
                self.lookbacks.next(&ready, &self.observations.spans(true))
            }
            Purpose::Fill => self.next_fill(&ready, now),
            Purpose::Scan => match self.scans.next(&ready, &self.observations.spans(true))? {
                ScanStep::Read(task) => Some(task),
                ScanStep::Begin(wanted) => return Some(Step::BeginScan(Window { from: self.options.since, to: settled }, wanted)),
                ScanStep::Judge(unread) => return Some(Step::Judge { unread }),
                ScanStep::Confirm(listing) => {
                    return (self.attempts.single_not_before() <= now.monotonic).then_some(Step::Confirm(listing));
                }
                ScanStep::End => return Some(Step::EndScan),
            },
        };
        let task = task?;
        let work = Work { purpose, stream: task.stream };
        let task = if purpose == Purpose::Poll { task } else { self.narrowed(work, task) };
        self.begin(work, task, now);
        Some(self.ask(work))
    }

    fn begin(&mut self, work: Work, task: Task, now: Now) {
        let task = self.reaching_first_date(task);
        if work.purpose == Purpose::Fill {
            self.set_aside.begun(work.stream, task.claim);
        }
        self.open.insert(work, Open { task, reading: Reading::new(), opened: now.vendor, saved: false });
    }

    /// Stamps of the year 1 are slips that stand before all: whoever mirrors everything asks for them, too.
    fn reaching_first_date(&self, task: Task) -> Task {
        let is_oldest = task.claim.from == self.options.since && self.options.since <= OLDEST_SINCE;
        match is_oldest && self.observations.may_ask_first_date() {
            true => Task { asked: Window { from: Stamp::FIRST, ..task.asked }, ..task },
            false => task,
        }
    }

    /// Whether one answer must hold a window whole, so that no listing that is published late can hide one that leaves: in all
    /// second readings, and as far back as listings are looked for that come late. Older history is read in long windows at
    /// first, and proven by the first scan.
    fn is_snapshot(&self, purpose: Purpose, claim: Window, now: Now) -> bool {
        purpose != Purpose::Fill || claim.to > self.recent(now)
    }

    /// Whether a window that only several answers could hold must be read once more. Where stamps lie so closely that it cannot be
    /// cut, two passes that show the same are proof.
    fn must_agree(&self, work: Work, open: &mut Open, now: Now) -> bool {
        let looks_ahead = work.purpose == Purpose::Lookback && self.lookbacks.looks_ahead();
        open.reading.is_paged() && !looks_ahead && self.is_snapshot(work.purpose, open.task.claim, now) && !open.reading.agrees()
    }

    /// A scan has begun; tells who had asked for it.
    pub(crate) fn scan_begun(&mut self, range: Window, now: Now) -> Option<ScanRequest> {
        self.scans.begun(range, self.known_gaps.all(), now)
    }

    /// The known gaps, if they changed since they were last taken to be saved.
    pub(crate) fn take_changed_gaps(&mut self) -> Option<Vec<KnownGap>> {
        self.known_gaps.take_changed().filter(|_| !self.options.dry_run)
    }

    fn range(&self, now: Now) -> MirrorRange {
        MirrorRange { since: self.options.since, now: now.vendor }
    }

    /// The newest stamp that is certainly past.
    fn settled(&self, now: Now) -> Stamp {
        now.vendor.minus(self.options.settle)
    }

    /// How much of a window holds as many records as may be read in one that has so many pages (`deepest`).
    fn share(&self, work: Work, open: &Open, deepest: u64) -> f64 {
        let progress = open.reading.progress();
        let stamps = self.spread.get(&work).map(Vec::as_slice).unwrap_or_default();
        newest_share(open.task.claim, stamps, progress.total_last, FILLED * (deepest * progress.page_size.max(1)) as f64)
    }

    /// Listings are looked for that come late with a stamp after this.
    fn recent(&self, now: Now) -> Stamp {
        self.settled(now).minus(self.options.longest_reach())
    }

    fn missing(&self, now: Now) -> Vec<String> {
        let mut missing = self.attempts.reasons();
        if self.rounds.is_doubtful() {
            missing.push("the last poll could not be proven complete; the next run reads the same changes again".to_owned());
        }
        let known = self.known_gaps.all().iter();
        missing
            .extend(known.map(|gap| format!("records of Status={} dated {} are unread: {}", gap.stream.number(), gap.claim, gap.reason)));
        for (stream, state) in &self.streams {
            let known = self.known_gaps.all().iter().filter(|gap| gap.stream == *stream).map(|gap| gap.claim);
            let unread = self.range(now).unread(state, known);
            let gaps = unread.coverage.gaps(unread.bounds);
            missing.extend(gaps.iter().map(|gap| format!("records of Status={} dated {gap} are still unread", stream.number())));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Deletions;
    use crate::plan::checkpoint::{WindowSave, WindowState};
    use crate::plan::options::LookbackRule;
    use crate::plan::page::{PageFacts, PageSeen};
    use crate::plan::progress::Progress;
    use crate::plan::step::Verdict;
    use crate::record::Failure;
    use std::collections::BTreeSet;

    const SECOND: Duration = Duration::from_secs(1);

    fn now(seconds: u64) -> Now {
        let begin = Stamp::parse("2024-06-01T12:00:00").expect("a date");
        let up = Duration::from_secs(seconds);
        Now { vendor: begin.plus(up), earliest: begin.plus(up), ours: begin.plus(up), monotonic: up }
    }

    pub(super) fn options(once: bool) -> Options {
        Options {
            streams: vec![Stream::All, Stream::Deleted],
            deletions: Deletions::Stream,
            interval: SECOND * 60,
            interval_min: None,
            interval_max: None,
            overlap: SECOND * 120,
            settle: SECOND * 2,
            since: Stamp::parse("1900-01-01").expect("a date"),
            window_pages: 20,
            lookbacks: vec![LookbackRule { every: SECOND * 1200, reach: SECOND * 7200 }],
            ahead_every: Some(SECOND * 1200),
            scan_every: None,
            scan_now: false,
            dry_run: false,
            confirm_budget: 100,
            once,
            shared: false,
            seed: 1,
        }
    }

    fn plan(once: bool) -> FeedPlan {
        FeedPlan::resume(FeedId("A".to_owned()), options(once), Saved::default(), now(0))
    }

    fn asked(plan: &mut FeedPlan, at: u64) -> (Purpose, PageRequest) {
        match plan.next(now(at)) {
            Step::Fetch(purpose, request) => (purpose, request),
            other => panic!("{other:?}"),
        }
    }

    fn of(purpose: Purpose, request: &PageRequest) -> Work {
        Work { purpose, stream: request.stream }
    }

    fn page(request: &PageRequest, total: u64, marks: &[&str]) -> PageSeen {
        let marks = marks.iter().map(|mark| (*mark).into()).collect();
        let more = total > 0 && u64::from(request.page) * 2 < total;
        PageSeen { facts: PageFacts { page: request.page, marks, total, more }, ..PageSeen::default() }
    }

    #[test]
    fn a_phantom_makes_no_window_shorter_than_it_must() {
        let mut plan = plan(false);
        let phantom = now(0).vendor.minus(SECOND * 40_000_000);
        let mut requests = 0;
        for at in 0..600 {
            while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                let holds = request.stream == Stream::All && request.window.from <= phantom && phantom <= request.window.to;
                let seen = if holds {
                    PageSeen { facts: PageFacts { total: 1, page: request.page, ..PageFacts::default() }, ..PageSeen::default() }
                } else {
                    page(&request, 0, &[])
                };
                requests += u32::from(purpose == Purpose::Fill);
                plan.on_page(of(purpose, &request), seen, now(at));
            }
        }
        let state = &plan.streams[&Stream::All];
        let unread = plan.range(now(600)).unread(state, plan.known_gaps.all().iter().map(|gap| gap.claim));
        assert!(unread.coverage.gaps(unread.bounds).is_empty(), "{:?}", unread.coverage.gaps(unread.bounds));
        let [gap] = plan.known_gaps.all() else { panic!("{:?}", plan.known_gaps.all()) };
        assert!(gap.claim.to.since(gap.claim.from) <= SECOND * 12 && gap.claim.from <= phantom.plus(SECOND), "{gap:?}");
        assert!(requests < 150, "{requests} requests");
    }

    /// A window that was saved, as another process finds it.
    fn resumed(window: &WindowSave) -> Open {
        let progress = Progress { keys_seen: 0, ..window.progress };
        let reading = Reading::resume(progress, window.marks.iter().cloned().collect());
        Open { task: window.task, reading, opened: window.opened, saved: true }
    }

    /// Answers everything as empty until nothing but waiting is left; tells what was asked for.
    fn settle(plan: &mut FeedPlan, at: u64) -> Vec<(Purpose, Stream)> {
        let mut seen = Vec::new();
        let mut time = now(at);
        loop {
            match plan.next(time) {
                Step::Fetch(purpose, request) => {
                    // An empty answer to a long stretch is asked for again.
                    seen.push((purpose, request.stream));
                    seen.dedup();
                    assert!(seen.len() < 50, "{seen:?}");
                    plan.on_page(of(purpose, &request), page(&request, 0, &[]), time);
                }
                Step::Wait(until) if until < time.monotonic + SECOND * 3 => time.monotonic = until,
                _ => return seen,
            }
        }
    }

    /// Answers until this kind of work is asked for; its request.
    fn until(plan: &mut FeedPlan, wanted: Purpose) -> PageRequest {
        loop {
            match asked(plan, 0) {
                (purpose, request) if purpose == wanted => return request,
                (purpose, request) => drop(plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(0))),
            }
        }
    }

    #[test]
    fn polls_go_first_and_deletions_before_all() {
        use Purpose::{Fill, Lookback, Poll};
        let (all, deleted) = (Stream::All, Stream::Deleted);
        let expected = [(Poll, deleted), (Poll, all), (Lookback, deleted), (Lookback, all), (Fill, deleted), (Fill, all)];
        let mut plan = plan(false);
        assert_eq!(settle(&mut plan, 0), expected);
        assert_eq!(plan.next(now(3)), Step::Wait(SECOND * 60));
    }

    #[test]
    fn both_streams_of_a_round_end_at_the_same_moment() {
        let mut plan = plan(false);
        let (purpose, first) = asked(&mut plan, 0);
        plan.on_page(of(purpose, &first), page(&first, 0, &[]), now(5));
        let (_, second) = asked(&mut plan, 9);
        assert_eq!((first.stream, second.stream), (Stream::Deleted, Stream::All));
        assert_eq!(first.window.to, second.window.to);
        assert_eq!(first.window.to, now(0).vendor.minus(SECOND * 2));
    }

    #[test]
    fn a_one_shot_run_ends_with_a_poll_and_a_second_one_asks_for_little() {
        let mut first = plan(true);
        let asked = settle(&mut first, 0);
        assert_eq!(asked.last(), Some(&(Purpose::Poll, Stream::All)));
        assert_eq!(first.next(now(3)), Step::Finished(Vec::new()));
        let saved = Saved { streams: first.streams.clone(), lookbacks: first.lookbacks.times().clone(), ..Saved::default() };
        let mut second = FeedPlan::resume(FeedId("A".to_owned()), options(true), saved, now(60));
        assert_eq!(settle(&mut second, 60), [(Purpose::Poll, Stream::Deleted), (Purpose::Poll, Stream::All)]);
    }

    #[test]
    fn a_poll_comes_between_the_pages_of_a_fill() {
        let mut plan = plan(false);
        let request = until(&mut plan, Purpose::Fill);
        plan.on_page(of(Purpose::Fill, &request), page(&request, 4, &["a", "b"]), now(1));
        assert_eq!(asked(&mut plan, 2).1.page, 2, "the last page is next");
        assert_eq!(asked(&mut plan, 60).0, Purpose::Poll);
    }

    /// How far a poll of listings that begins now reaches back, where the only listing is stamped so.
    fn poll_reaches(plan: &mut FeedPlan, at: u64, stamp: Option<Stamp>) -> Duration {
        loop {
            let (purpose, request) = asked(plan, at);
            let window = request.window;
            let shows = |stamp: &Stamp| request.stream == Stream::All && window.from <= *stamp && *stamp <= window.to;
            let seen = match stamp.filter(shows) {
                Some(stamp) => showing(&request, "a", stamp),
                None => page(&request, 0, &[]),
            };
            plan.on_page(of(purpose, &request), seen, now(at));
            if request.stream == Stream::All {
                return now(at).vendor.since(request.window.from);
            }
        }
    }

    #[test]
    fn shared_polls_reach_further_back_ever_more_seldom_and_then_every_ten_minutes_until_the_clock_agrees() {
        let shared = Options { shared: true, lookbacks: Vec::new(), ahead_every: None, ..options(false) };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), shared, Saved::default(), now(0));
        settle(&mut plan, 0);
        let short = SECOND * 200;
        let reaches: Vec<bool> = (1..=21).map(|minute| poll_reaches(&mut plan, minute * 60, None) <= short).collect();
        let far: Vec<usize> = reaches.iter().enumerate().filter(|(_, is_short)| !**is_short).map(|(at, _)| at + 1).collect();
        assert_eq!(far, [1, 2, 4, 8, 10, 20]);
        let newest = Some(now(21 * 60).vendor);
        assert!((22..=40).all(|minute| poll_reaches(&mut plan, minute * 60, newest) <= short), "the clock agrees");
        plan.saw_late(SECOND * 120, now(40 * 60));
        assert!(poll_reaches(&mut plan, 41 * 60, newest) <= short, "the overlap finds it");
        plan.saw_late(SECOND * 600, now(41 * 60));
        assert!(poll_reaches(&mut plan, 42 * 60, newest) >= SECOND * 21 * 60, "from the newest stamp");
        assert!(poll_reaches(&mut plan, 43 * 60 + 86_400, newest) >= SECOND * 86_400, "it was away for a day");
        assert!(poll_reaches(&mut plan, 44 * 60 + 86_400, newest) <= short, "none came late for a day");
    }

    #[test]
    fn a_feed_that_changes_is_polled_faster_and_a_quiet_one_slower_but_not_faster_while_listings_are_missing() {
        let bounds = Options { interval_min: Some(SECOND * 10), interval_max: Some(SECOND * 240), ahead_every: None, ..options(false) };
        let bounds = Options { lookbacks: Vec::new(), ..bounds };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), bounds, Saved::default(), now(0));
        until(&mut plan, Purpose::Fill);
        plan.brought_changes(now(0));
        settle(&mut plan, 0);
        assert_eq!(plan.next(now(3)), Step::Wait(SECOND * 60), "listings were missing");
        let (mut at, mut waits) = (60, Vec::new());
        for changes in [true, true, true, false, false, false, false, false] {
            settle(&mut plan, at);
            if changes {
                plan.brought_changes(now(at));
            }
            let Step::Wait(until) = plan.next(now(at)) else { panic!("it asks on at {at}") };
            waits.push(until.as_secs() - at);
            at = until.as_secs();
        }
        assert_eq!(waits, [30, 15, 15, 15, 15, 15, 15, 30]);
    }

    #[test]
    fn only_what_a_poll_brings_after_another_poll_tells_how_fresh_the_file_is() {
        let mut plan = plan(false);
        let mut told = Vec::new();
        for at in [0, 60] {
            while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                let verdict = plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(at));
                let Verdict::Store(checkpoint, _) = verdict else { continue };
                told.push((purpose, at, checkpoint.fresh_after));
            }
        }
        // The last poll claims what is three seconds old, and the look-back reaches two hours further back.
        let after = now(0).vendor.minus(SECOND * 7203);
        for (purpose, at, fresh_after) in &told {
            assert_eq!(*fresh_after, (*purpose == Purpose::Poll && *at == 60).then_some(after), "{told:?}");
        }
        assert_eq!(told.iter().filter(|(_, _, after)| after.is_some()).count(), 2, "{told:?}");
    }

    #[test]
    fn what_came_late_before_a_restart_counts_until_a_day_after_it_was_found() {
        let shared = Options { shared: true, lookbacks: Vec::new(), ahead_every: None, ..options(false) };
        let newest = now(0).vendor;
        let reaches_far = |late: &[(u64, u32)], begun: u64| {
            let mut plan = FeedPlan::resume(FeedId("A".to_owned()), shared.clone(), Saved::default(), now(0));
            settle(&mut plan, 0);
            poll_reaches(&mut plan, 1_000, Some(newest));
            let late = late.iter().map(|(found, late)| (now(*found).ours, SECOND * *late)).collect();
            let saved = Saved { streams: plan.streams.clone(), late, ..Saved::default() };
            let mut again = FeedPlan::resume(FeedId("A".to_owned()), shared.clone(), saved, now(begun));
            // The first poll of a process reaches far where stamps and clock may differ.
            poll_reaches(&mut again, begun, Some(newest));
            poll_reaches(&mut again, begun + 60, Some(newest)) > SECOND * 300
        };
        assert!(!reaches_far(&[], 2_000) && !reaches_far(&[(1_500, 150)], 2_000), "polls find it by themselves");
        assert!(reaches_far(&[(1_500, 600), (1_600, 150)], 2_000));
        assert!(reaches_far(&[(1_500, 600)], 87_000) && !reaches_far(&[(1_500, 600)], 88_000), "a day is over");
    }

    #[test]
    fn shared_polls_of_all_feeds_begin_at_the_same_moments() {
        let shared = Options { shared: true, ..options(false) };
        for begun in [0, 7, 50] {
            let mut plan = FeedPlan::resume(FeedId("A".to_owned()), shared.clone(), Saved::default(), now(begun));
            settle(&mut plan, begun);
            assert_eq!(plan.next(now(begun)), Step::Wait(SECOND * 60), "{begun}");
        }
    }

    /// Each request takes as long as the interval, so a poll is always due.
    #[test]
    fn where_polls_are_always_due_every_third_request_fills_a_gap() {
        use Purpose::{Fill, Poll};
        let without = Options { lookbacks: Vec::new(), ahead_every: None, ..options(false) };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), without, Saved::default(), now(0));
        let seen = (0..9).map(|count| {
            let (purpose, request) = asked(&mut plan, count * 60);
            let total = if purpose == Fill { 40 } else { 0 };
            plan.on_page(of(purpose, &request), page(&request, total, &["a", "b"][..total.min(2) as usize]), now(count * 60));
            purpose
        });
        assert_eq!(seen.collect::<Vec<_>>(), [Poll, Poll, Fill, Poll, Poll, Fill, Poll, Poll, Fill]);
    }

    /// A page of one record.
    fn showing(request: &PageRequest, listing: &str, stamp: Stamp) -> PageSeen {
        PageSeen { newest: Some((stamp, listing.into())), stamps: vec![stamp], ..page(request, 1, &[listing]) }
    }

    #[test]
    fn a_poll_that_lacks_the_newest_listing_is_asked_for_again_twice_before_it_counts() {
        let mut plan = plan(false);
        let newest = now(0).vendor.minus(SECOND * 30);
        let (_, deletions) = asked(&mut plan, 0);
        plan.on_page(of(Purpose::Poll, &deletions), page(&deletions, 0, &[]), now(0));
        let (_, listings) = asked(&mut plan, 0);
        plan.on_page(of(Purpose::Poll, &listings), showing(&listings, "a", newest), now(0));
        settle(&mut plan, 0);
        let mut answers = 0;
        for at in 60..70 {
            while let Step::Fetch(Purpose::Poll, request) = plan.next(now(at)) {
                answers += u32::from(request.stream == Stream::All);
                plan.on_page(of(Purpose::Poll, &request), page(&request, 0, &[]), now(at));
            }
        }
        assert_eq!(answers, 3);
        // It is gone without a word: the next poll is not asked for again.
        let (_, request) = asked(&mut plan, 130);
        plan.on_page(of(Purpose::Poll, &request), page(&request, 0, &[]), now(130));
        let (_, request) = asked(&mut plan, 130);
        let Verdict::Store(checkpoint, _) = plan.on_page(of(Purpose::Poll, &request), page(&request, 0, &[]), now(130)) else { panic!() };
        assert!(checkpoint.round_proven);
    }

    #[test]
    fn a_poll_that_lacks_a_listing_whose_deletion_was_heard_counts_at_once() {
        let mut plan = plan(false);
        let newest = now(0).vendor.minus(SECOND * 30);
        for (listing, at) in [("a", 0), ("gone", 60)] {
            let (_, request) = asked(&mut plan, at);
            let deletions = if at == 0 { page(&request, 0, &[]) } else { page(&request, 1, &["a"]) };
            plan.on_page(of(Purpose::Poll, &request), deletions, now(at));
            let (_, request) = asked(&mut plan, at);
            let listings = if at == 0 { showing(&request, listing, newest) } else { page(&request, 0, &[]) };
            let Verdict::Store(checkpoint, _) = plan.on_page(of(Purpose::Poll, &request), listings, now(at)) else { panic!() };
            assert!(checkpoint.round_proven, "at {at}");
            settle(&mut plan, at);
        }
    }

    #[test]
    fn the_oldest_window_asks_from_the_first_date_as_long_as_the_vendor_accepts_it() {
        let mut plan = plan(false);
        let request = until(&mut plan, Purpose::Fill);
        assert_eq!(request.window.from, Stamp::FIRST);
        for at in [1, 20, 100] {
            let (purpose, again) = asked(&mut plan, at);
            if again.window.from == Stamp::FIRST {
                plan.on_failure(of(purpose, &again), &Failure::Refused, "HTTP 400", now(at));
            }
        }
        let asked: Vec<Stamp> = (101..200)
            .filter_map(|at| match plan.next(now(at)) {
                Step::Fetch(purpose, request) => {
                    plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(at));
                    (purpose == Purpose::Fill && request.stream == Stream::Deleted).then_some(request.window.from)
                }
                _ => None,
            })
            .collect();
        assert!(asked.contains(&plan.options.since.minus(SECOND)) && !asked.contains(&Stamp::FIRST), "{asked:?}");
    }

    #[test]
    fn a_look_back_is_proven_by_single_answers_or_by_passes_that_agree() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let mut passes: BTreeMap<Window, u32> = BTreeMap::new();
        for _ in 0..200 {
            let Step::Fetch(purpose, request) = plan.next(now(1_200)) else { break };
            // Four listings of one second, two on a page: the window can be cut down to some seconds, and no further.
            let (from, to) = (request.window.from, request.window.to);
            let bulk = now(1_000).vendor;
            let holds = purpose == Purpose::Lookback && request.stream == Stream::All && from <= bulk && bulk <= to && to < Stamp::NO_END;
            let seen = match (holds, request.page) {
                (false, _) => page(&request, 0, &[]),
                (true, 1) => page(&request, 4, &["a", "b"]),
                (true, _) => page(&request, 4, &["c", "d"]),
            };
            if holds && request.page == 2 {
                *passes.entry(request.window).or_default() += 1;
                assert!(to.since(from) <= SECOND * 8, "a window of two pages was read although it could be cut: {request:?}");
            }
            plan.on_page(of(purpose, &request), seen, now(1_200));
        }
        assert!(!passes.is_empty() && passes.values().all(|passes| *passes == 2), "one pass over two pages is no proof: {passes:?}");
    }

    #[test]
    fn a_window_that_ends_ahead_of_the_vendors_clock_is_opened_anew() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        let vendor_now = now(0).vendor.minus(SECOND * 3600);
        let seen = PageSeen { vendor_now: Some(vendor_now), ..page(&request, 0, &[]) };
        let heard = Now { vendor: vendor_now, ..now(0) };
        let Verdict::Store(checkpoint, _) = plan.on_page(of(purpose, &request), seen, heard) else { panic!("not stored") };
        assert_eq!(checkpoint.window, None);
        assert_eq!(asked(&mut plan, 0).1.window.to, vendor_now.minus(SECOND * 2));
    }

    #[test]
    fn a_window_that_ends_long_before_the_vendors_clock_is_opened_anew() {
        let mut plan = plan(true);
        plan.loads = false;
        let (purpose, request) = asked(&mut plan, 0);
        let vendor_now = now(0).vendor.plus(SECOND * 3600);
        let seen = PageSeen { vendor_now: Some(vendor_now), ..page(&request, 0, &[]) };
        plan.on_page(of(purpose, &request), seen, Now { vendor: vendor_now, ..now(0) });
        assert_eq!(asked(&mut plan, 0).1.window.to, vendor_now.minus(SECOND * 2));
    }

    #[test]
    fn nothing_is_claimed_that_is_to_come_by_our_clock() {
        let mut plan = plan(false);
        let ahead = |at: u64| Now { vendor: now(at + 5 * 3600).vendor, ..now(at) };
        let Step::Fetch(purpose, request) = plan.next(ahead(0)) else { panic!("no poll") };
        assert_eq!(request.window.to, ahead(0).vendor.minus(SECOND * 2), "it is asked for all the same");
        plan.on_page(of(purpose, &request), page(&request, 0, &[]), ahead(1));
        assert_eq!(plan.streams[&request.stream].coverage.end(), Some(now(0).vendor.minus(SECOND * 3)));
    }

    #[test]
    fn a_round_that_was_begun_before_a_restart_is_not_the_round_of_a_one_shot_run() {
        let mut before = plan(true);
        let (purpose, request) = asked(&mut before, 0);
        let open = Open { saved: true, ..before.open[&of(purpose, &request)].clone() };
        let saved = Saved { open: vec![(purpose, open)], ..Saved::default() };
        let mut after = FeedPlan::resume(FeedId("A".to_owned()), options(true), saved, now(500));
        after.loads = false;
        let mut ends = BTreeSet::new();
        while let Step::Fetch(purpose, request) = after.next(now(500)) {
            ends.extend((purpose == Purpose::Poll).then_some(request.window.to));
            after.on_page(of(purpose, &request), page(&request, 0, &[]), now(500));
        }
        assert!(ends.contains(&now(500).vendor.minus(SECOND * 2)), "{ends:?}");
    }

    #[test]
    fn a_poll_that_is_too_deep_keeps_its_newest_part_and_leaves_a_gap() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let (purpose, request) = asked(&mut plan, 100_000);
        plan.on_page(of(purpose, &request), page(&request, 1_000, &["a", "b"]), now(100_000));
        let (_, smaller) = asked(&mut plan, 100_000);
        assert_eq!(smaller.window.to, request.window.to);
        assert!(smaller.window.from > request.window.from);
        let gaps = plan.range(now(100_000)).gaps(&plan.streams[&request.stream]);
        assert!(gaps.is_empty(), "the newest part is not read yet, so the rest is no gap between readings: {gaps:?}");
        plan.on_page(of(purpose, &smaller), page(&smaller, 0, &[]), now(100_000));
        let gaps = plan.range(now(100_000)).gaps(&plan.streams[&request.stream]);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].from <= request.window.from && gaps[0].to >= smaller.window.from, "{gaps:?}");
    }

    #[test]
    fn listings_are_not_polled_behind_the_deletions_of_a_round_that_was_cut() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let at = 100_000;
        let (purpose, whole) = asked(&mut plan, at);
        plan.on_page(of(purpose, &whole), page(&whole, 1_000, &["a", "b"]), now(at));
        let (_, deletions) = asked(&mut plan, at);
        assert_eq!((deletions.stream, deletions.window.to), (Stream::Deleted, whole.window.to));
        assert!(deletions.window.from > whole.window.from, "the deletions were not cut");
        plan.on_page(of(purpose, &deletions), page(&deletions, 0, &[]), now(at));
        let (purpose, listings) = asked(&mut plan, at);
        assert_eq!((purpose, listings.stream), (Purpose::Poll, Stream::All));
        assert_eq!(listings.window, deletions.window);
        plan.on_page(of(purpose, &listings), page(&listings, 0, &[]), now(at));
        // What was cut off is filled in the same order, and the next round is whole again.
        let filled = settle(&mut plan, at);
        let place = |stream: Stream| filled.iter().position(|asked| *asked == (Purpose::Fill, stream));
        assert!(place(Stream::Deleted).is_some() && place(Stream::Deleted) < place(Stream::All), "{filled:?}");
        let (_, deletions) = asked(&mut plan, at + 60);
        plan.on_page(of(Purpose::Poll, &deletions), page(&deletions, 0, &[]), now(at + 60));
        assert_eq!(asked(&mut plan, at + 60).1.window, deletions.window);
    }

    #[test]
    fn a_failure_of_one_kind_of_work_does_not_stop_another() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let (purpose, request) = asked(&mut plan, 1_199);
        plan.on_failure(of(purpose, &request), &Failure::Refused, "HTTP 400", now(1_199));
        assert_eq!(settle(&mut plan, 1_201), [(Purpose::Lookback, Stream::Deleted), (Purpose::Lookback, Stream::All)].repeat(2));
    }

    #[test]
    fn deletions_that_always_fail_stop_no_listing() {
        for failure in [Failure::Unavailable, Failure::Refused] {
            let mut plan = plan(false);
            let mut asked = Vec::new();
            for at in 0..1_300 {
                while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                    asked.push((purpose, request.stream));
                    match request.stream {
                        Stream::Deleted => drop(plan.on_failure(of(purpose, &request), &failure, "no", now(at))),
                        _ => drop(plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(at))),
                    }
                }
            }
            let count = |purpose, stream| asked.iter().filter(|one| **one == (purpose, stream)).count();
            assert!(count(Purpose::Poll, Stream::All) >= 18, "{} polls", count(Purpose::Poll, Stream::All));
            assert!(count(Purpose::Fill, Stream::All) > 0 && count(Purpose::Lookback, Stream::All) > 0, "{failure:?} {asked:?}");
            let refused = asked.iter().filter(|(_, stream)| *stream == Stream::Deleted).count();
            assert!(refused < 60, "{refused} requests for deletions");
            assert_eq!(plan.failing().map(|failing| failing.stream), Some(Stream::Deleted));
        }
    }

    #[test]
    fn a_record_that_was_edited_into_poison_does_not_make_the_feed_deaf() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        // It lies in the newest seconds of the first poll that asks for it.
        let (poison, edit) = (now(56).vendor, now(70).vendor);
        let mut heard = None;
        for at in 60..600 {
            while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                let work = of(purpose, &request);
                let holds = |stamp| request.stream == Stream::All && request.window.from <= stamp && stamp <= request.window.to;
                match holds(poison) {
                    true => drop(plan.on_failure(work, &Failure::Unavailable, "HTTP 500", now(at))),
                    false if holds(edit) => {
                        heard.get_or_insert(at);
                        plan.on_page(work, showing(&request, "a", edit), now(at));
                    }
                    false => drop(plan.on_page(work, page(&request, 0, &[]), now(at))),
                }
            }
        }
        assert!(heard.is_some_and(|at| at <= 150), "heard at {heard:?}");
        let [gap] = plan.known_gaps.all() else { panic!("{:?}", plan.known_gaps.all()) };
        assert!(gap.claim.from <= poison && poison <= gap.claim.to && gap.claim.to.since(gap.claim.from) <= SECOND * 12, "{gap:?}");
        assert_eq!(plan.failing(), None, "polls are answered");
    }

    /// Fails every request from `from` until `until`; tells which they were and when.
    fn outage(plan: &mut FeedPlan, from: u64, until: u64, fails: impl Fn(Purpose) -> Option<Failure>) -> Vec<(Purpose, u64)> {
        let mut seen = Vec::new();
        for at in from..until {
            while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                seen.push((purpose, at));
                assert!(seen.len() < 500, "{seen:?}");
                match fails(purpose) {
                    Some(failure) => drop(plan.on_failure(of(purpose, &request), &failure, "no answer", now(at))),
                    None => drop(plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(at))),
                }
            }
        }
        seen
    }

    #[test]
    fn a_one_shot_run_narrows_a_window_that_fails_and_does_not_give_up_before_it_has_read_the_rest() {
        let mut plan = plan(true);
        let poison = now(0).vendor.minus(SECOND * 90_000);
        let mut requests = 0;
        let missing = loop {
            let at = requests * 120;
            let (purpose, request) = match plan.next(now(at)) {
                Step::Fetch(purpose, request) => (purpose, request),
                Step::Wait(_) => {
                    requests += 1;
                    continue;
                }
                Step::Finished(missing) => break missing,
                other => panic!("{other:?}"),
            };
            requests += 1;
            assert!(requests < 400, "it never ends");
            let holds = request.window.from <= poison && poison <= request.window.to;
            match holds && request.stream == Stream::All {
                true => drop(plan.on_failure(of(purpose, &request), &Failure::Unavailable, "HTTP 500", now(at))),
                false => drop(plan.on_page(of(purpose, &request), page(&request, 0, &[]), now(at))),
            }
        };
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].contains("are unread: HTTP 500"), "{missing:?}");
    }

    #[test]
    fn in_an_outage_one_request_at_a_time_asks_ever_more_seldom_and_then_everything_goes_on() {
        for failure in [Failure::Unavailable, Failure::Malformed] {
            let mut plan = plan(false);
            settle(&mut plan, 0);
            // Polls and look-backs are due in it.
            let asked = outage(&mut plan, 1_150, 3_000, |_| Some(failure.clone()));
            assert!((8..20).contains(&asked.len()), "{asked:?}");
            let gaps: Vec<u64> = asked.windows(2).map(|two| two[1].1 - two[0].1).collect();
            assert!(gaps.iter().take(8).is_sorted() && gaps.iter().skip(10).all(|gap| *gap >= 300), "{gaps:?}");
            let Step::Wait(until) = plan.next(now(3_000)) else { panic!("it asks on") };
            let kinds: BTreeSet<Purpose> = settle(&mut plan, until.as_secs() + 1).into_iter().map(|(purpose, _)| purpose).collect();
            assert_eq!(kinds, BTreeSet::from([Purpose::Poll, Purpose::Lookback]));
        }
    }

    #[test]
    fn what_failed_in_an_outage_goes_on_at_once_when_another_is_answered() {
        let mut plan = plan(false);
        until(&mut plan, Purpose::Fill);
        assert!(outage(&mut plan, 0, 59, |_| Some(Failure::Unavailable)).iter().all(|(purpose, _)| *purpose == Purpose::Fill));
        let Step::Wait(until) = plan.next(now(59)) else { panic!("it asks on") };
        let after = settle(&mut plan, until.as_secs() + 1);
        assert_eq!((after[0].0, after.last().map(|last| last.0)), (Purpose::Poll, Some(Purpose::Fill)));
    }

    #[test]
    fn a_window_that_always_fails_does_not_stop_the_polls() {
        for failure in [Failure::Unavailable, Failure::Malformed] {
            let mut plan = plan(false);
            let seen = outage(&mut plan, 0, 7_200, |purpose| (purpose == Purpose::Fill).then(|| failure.clone()));
            let count = |wanted: Purpose| seen.iter().filter(|(purpose, _)| *purpose == wanted).count();
            assert!(count(Purpose::Poll) >= 2 * 115, "{} polls in two hours", count(Purpose::Poll));
            assert!((8..200).contains(&count(Purpose::Fill)), "{} fills in two hours", count(Purpose::Fill));
        }
    }

    #[test]
    fn a_one_shot_run_gives_up_an_outage_as_a_whole() {
        let mut plan = plan(true);
        let seen = outage(&mut plan, 0, 600, |_| Some(Failure::Unavailable));
        assert_eq!(seen.len(), 8, "{seen:?}");
        let Step::Finished(missing) = plan.next(now(600)) else { panic!("it goes on") };
        assert_eq!(missing[0], "no answer");
    }

    #[test]
    fn a_credential_that_is_not_accepted_is_tried_twice_more_and_then_seldom() {
        let mut plan = plan(false);
        let asked = outage(&mut plan, 0, 900, |_| Some(Failure::Unauthorized));
        let times: Vec<u64> = asked.iter().map(|(_, at)| *at).collect();
        assert_eq!(times.len(), 3, "{times:?}");
        assert!(times[1] >= 5 && times[2] <= 60, "{times:?}");
        let Step::Wait(until) = plan.next(now(901)) else { panic!("it asks on") };
        assert!(until >= SECOND * 900);
    }

    #[test]
    fn a_look_ahead_that_grows_while_it_is_read_is_left_until_the_next_one() {
        let mut plan = plan(false);
        let mut total = 3;
        let mut seen = 0;
        for _ in 0..40 {
            let Step::Fetch(purpose, request) = plan.next(now(0)) else { break };
            let ahead = purpose == Purpose::Lookback && request.stream == Stream::All;
            seen += u32::from(ahead);
            total += u64::from(ahead);
            let answer = match ahead {
                true => page(&request, total, &[&format!("{total}a"), &format!("{total}b")]),
                false => page(&request, 0, &[]),
            };
            plan.on_page(of(purpose, &request), answer, now(0));
        }
        assert!((2..=4).contains(&seen), "{seen} requests");
    }

    #[test]
    fn a_vendor_that_takes_no_time_of_the_future_is_complete_all_the_same() {
        let mut plan = plan(true);
        plan.loads = false;
        let request = until(&mut plan, Purpose::Lookback);
        plan.on_failure(of(Purpose::Lookback, &request), &Failure::Refused, "HTTP 400", now(0));
        assert!(settle(&mut plan, 0).iter().all(|one| *one != (Purpose::Lookback, Stream::Deleted)));
        assert_eq!(plan.next(now(3)), Step::Finished(Vec::new()));
    }

    #[test]
    fn a_one_shot_run_says_why_it_gave_up() {
        let mut plan = plan(true);
        assert_eq!(outage(&mut plan, 0, 60, |_| Some(Failure::Unauthorized)).len(), 2, "a refusal may be a slip");
        let Step::Finished(missing) = plan.next(now(60)) else { panic!("it goes on") };
        assert_eq!(missing[0], "no answer");
    }

    #[test]
    fn a_page_that_is_gone_begins_the_window_anew_and_is_then_the_trouble_of_its_window() {
        let mut plan = plan(false);
        let request = until(&mut plan, Purpose::Fill);
        let work = of(Purpose::Fill, &request);
        for at in 1..4 {
            let (_, again) = asked(&mut plan, at);
            assert_eq!((again.page, again.window), (1, request.window));
            plan.on_page(work, page(&again, 4, &["a", "b"]), now(at));
            assert_eq!(asked(&mut plan, at).1.page, 2);
            assert!(plan.on_failure(work, &Failure::Refused, "HTTP 404", now(at)).wait < SECOND * 30);
        }
        let (_, part) = asked(&mut plan, 5);
        assert!(part.window.from > request.window.from && part.window.to == request.window.to, "{part:?}");
        assert_eq!(plan.attempts.not_before(Work { stream: Stream::All, ..work }), Some(Duration::ZERO), "no other work waits");
    }

    #[test]
    fn other_feeds_in_the_answer_stop_the_feed_before_any_page_is_read() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        let seen = PageSeen { foreign: 2, ..page(&request, 900, &["B\u{0}1", "B\u{0}2"]) };
        assert!(matches!(plan.on_page(of(purpose, &request), seen, now(0)), Verdict::Refuse(Failure::Unauthorized, _, _)));
        assert!(matches!(plan.next(now(0)), Step::Wait(_)));
    }

    #[test]
    fn an_open_window_is_gone_on_with_after_a_restart() {
        let mut before = plan(false);
        let request = until(&mut before, Purpose::Fill);
        let work = of(Purpose::Fill, &request);
        let Verdict::Store(checkpoint, _) = before.on_page(work, page(&request, 6, &["a", "b"]), now(0)) else { panic!("not stored") };
        let window = checkpoint.window.expect("the window has a row");
        assert_eq!(window.state, WindowState::Open);
        let open = resumed(&window);
        let saved = Saved { open: vec![(Purpose::Fill, open)], ..Saved::default() };
        let mut after = FeedPlan::resume(FeedId("A".to_owned()), options(false), saved, now(0));
        assert_eq!(until(&mut after, Purpose::Fill), PageRequest { page: 3, ..request });
    }

    #[test]
    fn a_scan_waits_until_the_file_is_complete_and_judges_only_when_all_was_read() {
        let options = Options { scan_now: true, ..options(true) };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), options, Saved::default(), now(0));
        settle(&mut plan, 0);
        let Step::BeginScan(range, _) = plan.next(now(3)) else { panic!("no scan") };
        plan.scan_begun(range, now(0));
        assert_eq!(settle(&mut plan, 0), [(Purpose::Scan, Stream::Deleted), (Purpose::Scan, Stream::All)]);
        assert_eq!(plan.next(now(0)), Step::Judge { unread: Vec::new() });
        plan.scans.judged(vec![crate::record::ListingId("x".to_owned())]);
        assert!(matches!(plan.next(now(0)), Step::Confirm(_)));
        plan.scans.confirmed();
        assert_eq!(plan.next(now(0)), Step::EndScan);
        plan.scans.ended();
        assert!(settle(&mut plan, 0).iter().all(|(purpose, _)| *purpose == Purpose::Poll));
        assert!(matches!(plan.next(now(9)), Step::Finished(_)));
    }
}
