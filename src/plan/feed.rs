//! The plan of one feed: a pure state machine that decides which page to ask for next, and what an answered page proves.
//!
//! Each part owns the state of its own decisions: [`rounds`](super::rounds) of polls, [`fills`](super::fills) of the past,
//! [`lookbacks`](super::lookbacks), [`scans`](super::scans), [`attempts`](super::attempts) after failures, and
//! [`observations`](super::observations) of the vendor. This file puts them together.

mod outcome;
mod schedule;

use super::attempts::{Attempts, Patience, Retry};
use super::checkpoint::{Checkpoint, Open, Saved, WindowSave};
use super::clock::Now;
use super::coverage::Coverage;
use super::fills::Fills;
use super::lookbacks::Lookbacks;
use super::observations::Observations;
use super::options::{Options, Purpose};
use super::page::PageSeen;
use super::paging::{PageStep, Reading};
use super::rounds::Rounds;
use super::scans::{ScanStep, Scans};
use super::step::{Step, Verdict};
use super::window::{FromRule, MirrorRange, StreamState, Task};
use crate::record::{Failure, FeedId, PageRequest, Stamp, Stream, Window};
use std::collections::BTreeMap;

/// The plan of one feed.
#[derive(Debug)]
pub(crate) struct FeedPlan {
    feed: FeedId,
    options: Options,
    /// Where the mirror stands with each stream that is polled.
    streams: BTreeMap<Stream, StreamState>,
    open: BTreeMap<Purpose, Open>,
    pub(crate) attempts: Attempts,
    rounds: Rounds,
    fills: Fills,
    lookbacks: Lookbacks,
    pub(crate) scans: Scans,
    observations: Observations,
}

impl FeedPlan {
    /// Goes on where the database says that the feed stands.
    #[must_use]
    pub(crate) fn resume(feed: FeedId, options: Options, saved: Saved, now: Now) -> FeedPlan {
        let mut streams = saved.streams;
        let streams = options.streams.iter().map(|stream| (*stream, streams.remove(stream).unwrap_or_default())).collect();
        let mut plan = FeedPlan {
            feed,
            streams,
            open: BTreeMap::new(),
            attempts: Attempts::new(Patience { once: options.once, seed: options.seed }),
            rounds: Rounds::default(),
            fills: Fills::default(),
            lookbacks: Lookbacks::resume(&options, saved.lookbacks, now),
            scans: Scans::resume(&options, saved.scan, saved.last_scan, now),
            observations: Observations::new(options.window_pages, options.interval),
            options,
        };
        saved.open.into_iter().for_each(|(purpose, open)| plan.reopen(purpose, open, now));
        plan
    }

    fn reopen(&mut self, purpose: Purpose, open: Open, now: Now) {
        let wanted = match purpose {
            Purpose::Poll | Purpose::Fill => self.streams.contains_key(&open.task.stream),
            // A look-back that was broken off begins anew when it is due.
            Purpose::Lookback => false,
            Purpose::Scan => self.scans.is_scanning(),
        };
        if !wanted {
            return;
        }
        if purpose == Purpose::Poll {
            self.rounds.resume(open.task, &self.options.streams, now);
        }
        self.open.insert(purpose, open);
    }

    /// Replaces this plan by one that was read from the database anew. What was asked for is kept.
    pub(crate) fn replace(&mut self, fresh: FeedPlan) {
        let before = std::mem::replace(self, fresh);
        self.scans.take_over(before.scans);
    }

    /// Decides what to do next.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        for purpose in Purpose::ALL {
            if self.may_work(purpose, now)
                && let Some(step) = self.work(purpose, now)
            {
                return step;
            }
        }
        self.wake_at(now).map_or_else(|| Step::Finished(self.missing(now)), Step::Wait)
    }

    fn work(&mut self, purpose: Purpose, now: Now) -> Option<Step> {
        if !self.open.contains_key(&purpose) {
            let settled = self.settled(now);
            let task = match purpose {
                Purpose::Poll => self.rounds.begin(&self.options, &mut self.streams, now),
                Purpose::Lookback => self.lookbacks.begin(&self.options.streams, self.observations.spans(), settled, now),
                Purpose::Fill => self.fills.next(&self.streams, self.range(now), self.observations.spans(), now),
                Purpose::Scan => match self.scans.next(self.observations.spans()) {
                    ScanStep::Read(task) => Some(task),
                    ScanStep::Begin(wanted) => return Some(Step::BeginScan(Window { from: self.options.since, to: settled }, wanted)),
                    ScanStep::Judge { proven } => return Some(Step::Judge { proven }),
                    ScanStep::Confirm(listing) => return Some(Step::Confirm(listing)),
                    ScanStep::End => return Some(Step::EndScan),
                },
            };
            self.begin(purpose, task?, now);
        }
        let open = &self.open[&purpose];
        let page = open.reading.progress().next_page;
        let request = PageRequest { feeds: vec![self.feed.clone()], stream: open.task.stream, window: open.task.asked, page };
        Some(Step::Fetch(purpose, request))
    }

    fn begin(&mut self, purpose: Purpose, task: Task, now: Now) {
        self.open.insert(purpose, Open { task, reading: Reading::new(), opened: now.vendor, saved: false });
    }

    /// Takes in an answered page.
    pub(crate) fn on_page(&mut self, purpose: Purpose, page: PageSeen, now: Now) -> Verdict {
        let Some(mut open) = self.open.remove(&purpose) else {
            return Verdict::Refuse(Failure::Malformed, "a page came although none was asked for", Retry::default());
        };
        let stream = open.task.stream;
        let at_start = open.reading.is_at_start();
        if at_start && page.foreign > 0 && page.foreign == page.facts.marks.len() {
            let reason = "the vendor answered with records of other feeds only: the credential seems to have no access to this feed";
            return self.refuse(purpose, open, Failure::Unauthorized, reason, now);
        }
        let before = self.streams.get(&stream).map(|state| state.coverage.clone()).unwrap_or_default();
        let is_poll = purpose == Purpose::Poll;
        if at_start && is_poll && self.rounds.restart_if_end_is_wrong(&open, page.vendor_now, self.options.settle, now) {
            self.look_at_stamps(purpose, &open, &page.stamps, now);
            return self.store(purpose, stream, (None, false), before);
        }
        let step = open.reading.on_answer(page.facts, self.observations.deepest(stream));
        if step == PageStep::Unreadable {
            let reason = "the vendor's answer contradicts itself: it has no records although its Total is not zero";
            return self.refuse(purpose, open, Failure::Malformed, reason, now);
        }
        self.attempts.answered(purpose);
        self.look_at_stamps(purpose, &open, &page.stamps, now);
        self.observations.saw_page_size(open.reading.progress().page_size);
        let followed = self.follow(purpose, open, step, now);
        self.store(purpose, stream, followed, before)
    }

    fn refuse(&mut self, purpose: Purpose, open: Open, failure: Failure, reason: &'static str, now: Now) -> Verdict {
        self.open.insert(purpose, open);
        let retry = self.on_failure(purpose, &failure, reason, now);
        Verdict::Refuse(failure, reason, retry)
    }

    /// Takes in a failed request. `reason` is for the report of a one-shot run.
    pub(crate) fn on_failure(&mut self, purpose: Purpose, failure: &Failure, reason: &str, now: Now) -> Retry {
        if *failure == Failure::Refused && self.restart_after_refusal(purpose) {
            return self.attempts.page_gone(purpose, reason, now.monotonic);
        }
        if *failure == Failure::Refused && purpose == Purpose::Lookback && self.lookbacks.looks_ahead() {
            self.open.remove(&Purpose::Lookback);
            self.lookbacks.give_up_looking_ahead(now);
            return Retry::default();
        }
        self.attempts.failed(purpose, failure, reason, now.monotonic)
    }

    fn store(&self, purpose: Purpose, stream: Stream, followed: (Option<WindowSave>, bool), read_before: Coverage) -> Verdict {
        let (window, round_proven) = followed;
        // A dry run stores no record, so no cursor may pass one.
        let dry_run = self.options.dry_run || purpose == Purpose::Scan && self.scans.is_dry();
        let state = self.streams.get(&stream).filter(|_| !dry_run).cloned();
        let lookbacks = if dry_run { BTreeMap::new() } else { self.lookbacks.times().clone() };
        let feed = self.feed.clone();
        let checkpoint = Checkpoint { feed, purpose, stream, state, window, lookbacks, dry_run, read_before, round_proven };
        Verdict::Store(Box::new(checkpoint), self.observations.zone())
    }

    fn look_at_stamps(&mut self, purpose: Purpose, open: &Open, stamps: &[Stamp], now: Now) {
        let stream = open.task.stream;
        let ahead = purpose == Purpose::Lookback && self.lookbacks.looks_ahead();
        self.observations.saw_stamps(purpose, stream, stamps, ahead, now);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        match ahead {
            true => state.learn_rule(stamps, open.task.asked),
            false => state.observe(stamps, open.task.asked, open.opened, now.vendor, purpose == Purpose::Poll),
        }
        if state.from_rule == FromRule::Ignored {
            self.observations.saw_from_ignored(stream);
        }
    }

    fn range(&self, now: Now) -> MirrorRange {
        MirrorRange { since: self.options.since, now: now.vendor }
    }

    /// The newest stamp that is certainly past.
    fn settled(&self, now: Now) -> Stamp {
        now.vendor.minus(self.options.settle)
    }

    fn missing(&self, now: Now) -> Vec<String> {
        let mut missing = self.attempts.reasons();
        if self.rounds.is_doubtful() {
            missing.push("the last poll could not be proven complete; the next run reads the same changes again".to_owned());
        }
        for (stream, state) in &self.streams {
            let gaps = self.range(now).gaps(state);
            missing.extend(gaps.iter().map(|gap| format!("records of Status={} dated {gap} are still unread", stream.number())));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Deletions;
    use crate::plan::checkpoint::WindowState;
    use crate::plan::options::LookbackRule;
    use crate::plan::page::PageFacts;
    use crate::plan::paging::Progress;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn now(seconds: u64) -> Now {
        let begin = Stamp::parse("2024-06-01T12:00:00").expect("a date");
        let up = Duration::from_secs(seconds);
        Now { vendor: begin.plus(up), earliest: begin.plus(up), ours: begin.plus(up), monotonic: up }
    }

    fn options(once: bool) -> Options {
        Options {
            streams: vec![Stream::All, Stream::Deleted],
            deletions: Deletions::Stream,
            interval: SECOND * 60,
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

    fn page(request: &PageRequest, total: u64, marks: &[&str]) -> PageSeen {
        let marks = marks.iter().map(|mark| (*mark).into()).collect();
        let more = total > 0 && u64::from(request.page) * 2 < total;
        PageSeen { facts: PageFacts { page: request.page, marks, total, more }, ..PageSeen::default() }
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
        while let Step::Fetch(purpose, request) = plan.next(now(at)) {
            seen.push((purpose, request.stream));
            assert!(seen.len() < 50, "{seen:?}");
            plan.on_page(purpose, page(&request, 0, &[]), now(at));
        }
        seen
    }

    #[test]
    fn polls_go_first_and_deletions_before_all() {
        use Purpose::{Fill, Lookback, Poll};
        let (all, deleted) = (Stream::All, Stream::Deleted);
        let expected = [(Poll, deleted), (Poll, all), (Lookback, deleted), (Lookback, all), (Fill, deleted), (Fill, all)];
        let mut plan = plan(false);
        assert_eq!(settle(&mut plan, 0), expected);
        assert_eq!(plan.next(now(0)), Step::Wait(SECOND * 60));
    }

    #[test]
    fn both_streams_of_a_round_end_at_the_same_moment() {
        let mut plan = plan(false);
        let (purpose, first) = asked(&mut plan, 0);
        plan.on_page(purpose, page(&first, 0, &[]), now(5));
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
        assert_eq!(first.next(now(0)), Step::Finished(Vec::new()));
        let saved = Saved { streams: first.streams.clone(), lookbacks: first.lookbacks.times().clone(), ..Saved::default() };
        let mut second = FeedPlan::resume(FeedId("A".to_owned()), options(true), saved, now(60));
        assert_eq!(settle(&mut second, 60), [(Purpose::Poll, Stream::Deleted), (Purpose::Poll, Stream::All)]);
    }

    #[test]
    fn a_poll_comes_between_the_pages_of_a_fill() {
        let mut plan = plan(false);
        while asked(&mut plan, 0).0 != Purpose::Fill {
            let (purpose, request) = asked(&mut plan, 0);
            plan.on_page(purpose, page(&request, 0, &[]), now(0));
        }
        let (_, request) = asked(&mut plan, 1);
        plan.on_page(Purpose::Fill, page(&request, 4, &["a", "b"]), now(1));
        assert_eq!(asked(&mut plan, 2).1.page, 2, "the last page is next");
        assert_eq!(asked(&mut plan, 60).0, Purpose::Poll);
    }

    #[test]
    fn a_window_that_ends_ahead_of_the_vendors_clock_is_opened_anew() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        let vendor_now = now(0).vendor.minus(SECOND * 3600);
        let seen = PageSeen { vendor_now: Some(vendor_now), ..page(&request, 0, &[]) };
        let heard = Now { vendor: vendor_now, ..now(0) };
        let Verdict::Store(checkpoint, _) = plan.on_page(purpose, seen, heard) else { panic!("not stored") };
        assert_eq!(checkpoint.window, None);
        assert_eq!(asked(&mut plan, 0).1.window.to, vendor_now.minus(SECOND * 2));
    }

    #[test]
    fn a_window_that_ends_long_before_the_vendors_clock_is_opened_anew() {
        let mut plan = plan(true);
        let (purpose, request) = asked(&mut plan, 0);
        let vendor_now = now(0).vendor.plus(SECOND * 3600);
        let seen = PageSeen { vendor_now: Some(vendor_now), ..page(&request, 0, &[]) };
        plan.on_page(purpose, seen, Now { vendor: vendor_now, ..now(0) });
        assert_eq!(asked(&mut plan, 0).1.window.to, vendor_now.minus(SECOND * 2));
    }

    #[test]
    fn nothing_is_claimed_that_is_to_come_by_our_clock() {
        let mut plan = plan(false);
        let ahead = |at: u64| Now { vendor: now(at + 5 * 3600).vendor, ..now(at) };
        let Step::Fetch(purpose, request) = plan.next(ahead(0)) else { panic!("no poll") };
        assert_eq!(request.window.to, ahead(0).vendor.minus(SECOND * 2), "it is asked for all the same");
        plan.on_page(purpose, page(&request, 0, &[]), ahead(1));
        assert_eq!(plan.streams[&request.stream].coverage.end(), Some(now(0).vendor.minus(SECOND * 3)));
    }

    #[test]
    fn a_round_that_was_begun_before_a_restart_is_not_the_round_of_a_one_shot_run() {
        let mut before = plan(true);
        let (purpose, request) = asked(&mut before, 0);
        let Verdict::Store(checkpoint, _) = before.on_page(purpose, page(&request, 6, &["a", "b"]), now(0)) else { panic!("not stored") };
        let open = resumed(&checkpoint.window.expect("the window has a row"));
        let saved = Saved { open: vec![(purpose, open)], ..Saved::default() };
        let mut after = FeedPlan::resume(FeedId("A".to_owned()), options(true), saved, now(500));
        let mut ends = BTreeSet::new();
        while let Step::Fetch(purpose, request) = after.next(now(500)) {
            ends.extend((purpose == Purpose::Poll).then_some(request.window.to));
            let marks: Vec<String> = (0..6).map(|mark| mark.to_string()).collect();
            let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
            after.on_page(purpose, page(&request, 0, &marks[..0]), now(500));
        }
        assert!(ends.contains(&now(500).vendor.minus(SECOND * 2)), "{ends:?}");
    }

    #[test]
    fn a_poll_that_is_too_deep_keeps_its_newest_part_and_leaves_a_gap() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let (purpose, request) = asked(&mut plan, 100_000);
        plan.on_page(purpose, page(&request, 1_000, &["a", "b"]), now(100_000));
        let (_, smaller) = asked(&mut plan, 100_000);
        assert_eq!(smaller.window.to, request.window.to);
        assert!(smaller.window.from > request.window.from);
        let gaps = plan.range(now(100_000)).gaps(&plan.streams[&request.stream]);
        assert!(gaps.is_empty(), "the newest part is not read yet, so the rest is no gap between readings: {gaps:?}");
        plan.on_page(purpose, page(&smaller, 0, &[]), now(100_000));
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
        plan.on_page(purpose, page(&whole, 1_000, &["a", "b"]), now(at));
        let (_, deletions) = asked(&mut plan, at);
        assert_eq!((deletions.stream, deletions.window.to), (Stream::Deleted, whole.window.to));
        assert!(deletions.window.from > whole.window.from, "the deletions were not cut");
        plan.on_page(purpose, page(&deletions, 0, &[]), now(at));
        let (purpose, listings) = asked(&mut plan, at);
        assert_eq!((purpose, listings.stream), (Purpose::Poll, Stream::All));
        assert_eq!(listings.window, deletions.window);
        plan.on_page(purpose, page(&listings, 0, &[]), now(at));
        // What was cut off is filled in the same order, and the next round is whole again.
        let filled = settle(&mut plan, at);
        let of = |stream: Stream| filled.iter().position(|asked| *asked == (Purpose::Fill, stream));
        assert!(of(Stream::Deleted).is_some() && of(Stream::Deleted) < of(Stream::All), "{filled:?}");
        let (_, deletions) = asked(&mut plan, at + 60);
        plan.on_page(Purpose::Poll, page(&deletions, 0, &[]), now(at + 60));
        assert_eq!(asked(&mut plan, at + 60).1.window, deletions.window);
    }

    #[test]
    fn a_failure_of_one_kind_of_work_does_not_stop_another() {
        let mut plan = plan(false);
        settle(&mut plan, 0);
        let (purpose, _) = asked(&mut plan, 1_150);
        plan.on_failure(purpose, &Failure::Refused, "HTTP 400", now(1_150));
        assert_eq!(settle(&mut plan, 1_300), [(Purpose::Lookback, Stream::Deleted), (Purpose::Lookback, Stream::All)].repeat(2));
    }

    /// Fails every request from `from` until `until`; tells which they were and when.
    fn outage(plan: &mut FeedPlan, from: u64, until: u64, fails: impl Fn(Purpose) -> Option<Failure>) -> Vec<(Purpose, u64)> {
        let mut seen = Vec::new();
        for at in from..until {
            while let Step::Fetch(purpose, request) = plan.next(now(at)) {
                seen.push((purpose, at));
                assert!(seen.len() < 500, "{seen:?}");
                match fails(purpose) {
                    Some(failure) => drop(plan.on_failure(purpose, &failure, "no answer", now(at))),
                    None => drop(plan.on_page(purpose, page(&request, 0, &[]), now(at))),
                }
            }
        }
        seen
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
        while asked(&mut plan, 0).0 != Purpose::Fill {
            let (purpose, request) = asked(&mut plan, 0);
            plan.on_page(purpose, page(&request, 0, &[]), now(0));
        }
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
            assert!((8..50).contains(&count(Purpose::Fill)), "{} fills in two hours", count(Purpose::Fill));
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
    fn a_credential_that_is_not_accepted_stops_all_work_for_a_while() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        plan.on_failure(purpose, &Failure::Unauthorized, "HTTP 403", now(0));
        let Step::Wait(until) = plan.next(now(1)) else { panic!("it asks on") };
        assert!(until >= SECOND * 900);
        assert_eq!(asked(&mut plan, 2_000).1, request, "the same window is asked for again");
    }

    #[test]
    fn a_vendor_that_takes_no_time_of_the_future_is_complete_all_the_same() {
        let mut plan = plan(true);
        while asked(&mut plan, 0).0 != Purpose::Lookback {
            let (purpose, request) = asked(&mut plan, 0);
            plan.on_page(purpose, page(&request, 0, &[]), now(0));
        }
        plan.on_failure(Purpose::Lookback, &Failure::Refused, "HTTP 400", now(0));
        assert!(settle(&mut plan, 0).iter().all(|(purpose, _)| *purpose != Purpose::Lookback));
        assert_eq!(plan.next(now(0)), Step::Finished(Vec::new()));
    }

    #[test]
    fn a_one_shot_run_says_why_it_gave_up() {
        let mut plan = plan(true);
        let (purpose, _) = asked(&mut plan, 0);
        plan.on_failure(purpose, &Failure::Unauthorized, "HTTP 403", now(0));
        let Step::Finished(missing) = plan.next(now(0)) else { panic!("it goes on") };
        assert_eq!(missing[0], "HTTP 403");
    }

    #[test]
    fn a_page_that_is_gone_begins_the_window_anew_but_a_refused_first_page_does_not() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        plan.on_page(purpose, page(&request, 4, &["a", "b"]), now(0));
        assert_eq!(asked(&mut plan, 0).1.page, 2);
        let retry = plan.on_failure(purpose, &Failure::Refused, "HTTP 404", now(0));
        assert!(retry.wait < SECOND);
        assert_eq!(plan.attempts.not_before(Purpose::Fill), Some(Duration::ZERO), "no other kind of work waits");
        assert_eq!(asked(&mut plan, 1).1.page, 1);
        let retry = plan.on_failure(purpose, &Failure::Refused, "HTTP 404", now(1));
        assert!(retry.wait >= SECOND * 900);
    }

    #[test]
    fn other_feeds_in_the_answer_stop_the_feed_before_any_page_is_read() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        let seen = PageSeen { foreign: 2, ..page(&request, 900, &["B\u{0}1", "B\u{0}2"]) };
        assert!(matches!(plan.on_page(purpose, seen, now(0)), Verdict::Refuse(Failure::Unauthorized, _, _)));
        assert!(matches!(plan.next(now(0)), Step::Wait(_)));
    }

    #[test]
    fn an_open_window_is_gone_on_with_after_a_restart() {
        let mut before = plan(false);
        let (purpose, request) = asked(&mut before, 0);
        let Verdict::Store(checkpoint, _) = before.on_page(purpose, page(&request, 6, &["a", "b"]), now(0)) else { panic!("not stored") };
        let window = checkpoint.window.expect("the window has a row");
        assert_eq!(window.state, WindowState::Open);
        let open = resumed(&window);
        let saved = Saved { open: vec![(purpose, open)], ..Saved::default() };
        let mut after = FeedPlan::resume(FeedId("A".to_owned()), options(false), saved, now(500));
        let (_, next) = asked(&mut after, 500);
        assert_eq!(next, PageRequest { page: 3, ..request });
    }

    #[test]
    fn a_scan_waits_until_the_file_is_complete_and_judges_only_when_all_was_read() {
        let options = Options { scan_now: true, ..options(true) };
        let mut plan = FeedPlan::resume(FeedId("A".to_owned()), options, Saved::default(), now(0));
        settle(&mut plan, 0);
        let Step::BeginScan(range, _) = plan.next(now(0)) else { panic!("no scan") };
        plan.scans.begun(range, now(0));
        assert_eq!(settle(&mut plan, 0), [(Purpose::Scan, Stream::Deleted), (Purpose::Scan, Stream::All)]);
        assert_eq!(plan.next(now(0)), Step::Judge { proven: true });
        plan.scans.judged(vec![crate::record::ListingId("x".to_owned())]);
        assert!(matches!(plan.next(now(0)), Step::Confirm(_)));
        plan.scans.confirmed();
        assert_eq!(plan.next(now(0)), Step::EndScan);
        plan.scans.ended();
        assert!(settle(&mut plan, 0).iter().all(|(purpose, _)| *purpose == Purpose::Poll));
        assert!(matches!(plan.next(now(0)), Step::Finished(_)));
    }
}
