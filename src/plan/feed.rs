//! One feed's next step: a closed state machine that asks for pages and is told what came.

mod failure;
mod orders;
mod outcome;
mod second;

use super::attempts::{Lane, Retry};
use super::command::{Checkpoint, Command, LookbackTimes, Now, Open, Options, PageSeen, Purpose, Saved, Verdict, WindowSave};
use super::coverage::Coverage;
use super::paging::{Reading, Step};
use super::review::{self, Review};
use super::suspects::{ONCE_READINGS, Suspects};
use super::window::{FromRule, PAD, Range, StreamState, Task, next_gap};
use super::zone::{self, ZoneFinding, ZoneWatch};
use crate::record::{Failure, FeedId, PageRequest, Presence, Stamp, Stream, Window};
use failure::Outage;
use second::Scan;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Records a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;
/// A window whose `To` turns out to lie ahead of the vendor's clock is opened anew this often.
const MAX_REOPENED: u32 = 2;
/// Rounds of polls that a one-shot run makes: one at its beginning, and one at its end if it has read more in between.
const ONCE_ROUNDS: u32 = 2;
/// A clock that is corrected by more than this moves the end of a round that has just begun.
const CORRECTION: Duration = Duration::from_secs(2);
/// The vendor's clock is told in whole seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// Polls of all streams up to the same moment, deletions first.
#[derive(Clone, Debug)]
struct Round {
    to: Stamp,
    left: Vec<Stream>,
    begun: Now,
    reopened: u32,
    /// It was begun by an earlier process, so it says nothing of the time since.
    resumed: bool,
    /// A poll was too deep, and was cut.
    cut: bool,
    /// Where the deletions of this round begin, where they were cut.
    deletions_from: Option<Stamp>,
}

/// The plan of one feed.
#[derive(Debug)]
pub struct FeedPlan {
    feed: FeedId,
    options: Options,
    streams: BTreeMap<Stream, StreamState>,
    open: BTreeMap<Purpose, Open>,
    lanes: BTreeMap<Purpose, Lane>,
    outage: Outage,
    round: Option<Round>,
    next_poll: Duration,
    rounds: u32,
    proven_rounds: u32,
    read_since_round: bool,
    round_suspect: bool,
    suspect_rounds: u32,
    lookback: Option<Review>,
    lookback_times: BTreeMap<String, LookbackTimes>,
    scan: Option<Scan>,
    last_scan: Option<Stamp>,
    /// Reconciles that were asked for: whether each is a dry run.
    scans_wanted: VecDeque<bool>,
    spans: BTreeMap<Stream, Duration>,
    disordered: BTreeSet<Stream>,
    suspects: Suspects,
    page_size: u64,
    /// What the stamps of polls show of the zone.
    zone: ZoneWatch,
    zone_found: Option<ZoneFinding>,
    /// Stamps ahead of the clock, as the last look ahead found them; and as the one under way does.
    ahead: Option<ZoneFinding>,
    ahead_so_far: Option<ZoneFinding>,
}

impl FeedPlan {
    /// Goes on where the database says that the feed stands.
    #[must_use]
    pub fn resume(feed: FeedId, options: Options, saved: Saved, now: Now) -> FeedPlan {
        let mut streams = saved.streams;
        streams.retain(|stream, _| options.streams.contains(stream));
        for stream in &options.streams {
            streams.entry(*stream).or_default();
        }
        let mut lookback_times = saved.lookbacks;
        for rung in &options.lookbacks {
            // What was never looked back at is being read for the first time: that is as good.
            lookback_times.entry(review::rung_name(*rung)).or_insert(LookbackTimes { begun: now.ours, done: now.ours });
        }
        let scan = saved.scan.map(|scan| Scan::resume(scan, options.confirm_budget));
        let mut plan = FeedPlan {
            lanes: Purpose::ALL.into_iter().map(|purpose| (purpose, Lane::default())).collect(),
            outage: Outage::default(),
            scans_wanted: (options.scan_now && scan.is_none()).then_some(options.dry_run).into_iter().collect(),
            feed,
            options,
            streams,
            open: BTreeMap::new(),
            round: None,
            next_poll: Duration::ZERO,
            rounds: 0,
            proven_rounds: 0,
            read_since_round: false,
            round_suspect: false,
            suspect_rounds: 0,
            lookback: None,
            lookback_times,
            scan,
            // A clock that was far ahead must not put it off for years.
            last_scan: saved.last_scan.map(|last| last.min(now.ours)),
            spans: BTreeMap::new(),
            disordered: BTreeSet::new(),
            suspects: Suspects::default(),
            page_size: USUAL_PAGE,
            zone: ZoneWatch::default(),
            zone_found: None,
            ahead: None,
            ahead_so_far: None,
        };
        saved.open.into_iter().for_each(|(purpose, open)| plan.reopen(purpose, open, now));
        plan
    }

    fn reopen(&mut self, purpose: Purpose, open: Open, now: Now) {
        let stream = open.task.stream;
        let wanted = match purpose {
            Purpose::Poll | Purpose::Fill => self.streams.contains_key(&stream),
            Purpose::Lookback => false,
            Purpose::Scan => self.scan.is_some(),
        };
        if !wanted {
            return;
        }
        if purpose == Purpose::Poll {
            let left = in_order(&self.options.streams).into_iter().skip_while(|later| *later != stream).skip(1).collect();
            self.round =
                Some(Round { to: open.task.asked.to, left, begun: now, reopened: 0, resumed: true, cut: false, deletions_from: None });
        }
        self.open.insert(purpose, open);
    }

    /// The feed.
    #[must_use]
    pub fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// Rounds of polls that were proven complete.
    #[must_use]
    pub fn proven_rounds(&self) -> u32 {
        self.proven_rounds
    }

    /// Where the mirror stands with each stream.
    #[must_use]
    pub fn streams(&self) -> &BTreeMap<Stream, StreamState> {
        &self.streams
    }

    fn range(&self, now: Now) -> Range {
        Range { since: self.options.since, now: now.vendor }
    }

    fn settled(&self, now: Now) -> Stamp {
        now.vendor.minus(self.options.settle)
    }

    /// Decides what to do next.
    pub fn next(&mut self, now: Now) -> Command {
        for purpose in Purpose::ALL {
            let ready = self.not_before(purpose).is_some_and(|not_before| not_before <= now.monotonic);
            if ready && let Some(command) = self.work(purpose, now) {
                return command;
            }
        }
        match self.wake_at(now) {
            Some(until) => Command::Wait { until },
            None => Command::Finished { missing: self.missing(now) },
        }
    }

    fn work(&mut self, purpose: Purpose, now: Now) -> Option<Command> {
        if !self.open.contains_key(&purpose) {
            match purpose {
                Purpose::Poll => self.begin_poll(now)?,
                Purpose::Lookback => self.begin_lookback(now)?,
                Purpose::Fill => {
                    let task = self.next_fill(now)?;
                    self.begin(Purpose::Fill, task, now);
                }
                Purpose::Scan => return self.scan_step(now),
            }
        }
        Some(self.fetch(purpose))
    }

    fn fetch(&self, purpose: Purpose) -> Command {
        let open = &self.open[&purpose];
        let request =
            PageRequest { feeds: vec![self.feed.clone()], stream: open.task.stream, window: open.task.asked, page: open.reading.next_page };
        Command::Fetch { purpose, request }
    }

    fn begin(&mut self, purpose: Purpose, task: Task, now: Now) {
        self.open.insert(purpose, Open { row: None, task, reading: Reading::new(), opened: now.vendor });
    }

    fn begin_poll(&mut self, now: Now) -> Option<()> {
        if self.round.is_none() && self.poll_due(now) {
            self.next_poll = now.monotonic + self.options.interval;
            self.read_since_round = false;
            let left = in_order(&self.options.streams);
            self.round =
                Some(Round { to: self.settled(now), left, begun: now, reopened: 0, resumed: false, cut: false, deletions_from: None });
        }
        let round = self.round.as_mut()?;
        let stream = round.left.remove(0);
        round.cut = false;
        let deletions_from = round.deletions_from.filter(|_| stream.presence() == Presence::Live);
        let task = self.streams[&stream].poll(stream, round.to, self.options.overlap);
        // Where the clocks differ, the poll ends by the vendor's and claims by the earlier.
        let sure = round.begun.earliest.minus(self.options.settle + PAD).max(task.claim.from);
        let task = Task { claim: Window { to: task.claim.to.min(sure), ..task.claim }, ..task };
        let task = match deletions_from {
            Some(from) if from > task.claim.from => self.shorten_poll(task, Window { from, to: task.claim.to }),
            Some(_) | None => task,
        };
        self.begin(Purpose::Poll, task, now);
        Some(())
    }

    fn poll_due(&self, now: Now) -> bool {
        if !self.options.once {
            return self.next_poll <= now.monotonic;
        }
        // A one-shot run ends with a poll, so that the file is as new as the run's end.
        let last = self.read_since_round && self.rounds < ONCE_ROUNDS;
        let again = last || (self.suspect_rounds > 0 && self.suspect_rounds < ONCE_READINGS);
        self.rounds == 0 || (again && !self.has_more(now))
    }

    /// Whether a one-shot run has anything left besides polls.
    fn has_more(&self, now: Now) -> bool {
        let open = self.open.keys().any(|purpose| *purpose != Purpose::Poll);
        open || self.lookback.is_some() || self.scan.is_some() || !self.scans_wanted.is_empty() || self.next_fill(now).is_some()
    }

    fn next_fill(&self, now: Now) -> Option<Task> {
        let range = self.range(now);
        let reach = |stream: Stream, state: &StreamState| (stream, range.reach(state, self.suspects.barred(stream, now.monotonic)));
        next_gap(&self.streams.iter().map(|(stream, state)| reach(*stream, state)).collect(), &self.spans)
    }

    /// When something may be done again; `None` when a one-shot run has nothing left.
    fn wake_at(&self, now: Now) -> Option<Duration> {
        let due = |purpose: Purpose| {
            let not_before = self.not_before(purpose)?;
            let due = if self.open.contains_key(&purpose) { Some(Duration::ZERO) } else { self.due_at(purpose, now) };
            due.map(|due| due.max(not_before))
        };
        Purpose::ALL.into_iter().filter_map(due).chain(self.suspects.next_retry(now.monotonic)).min()
    }

    /// When a kind of work that has no window open will have one, on the clock of [`Now::monotonic`].
    fn due_at(&self, purpose: Purpose, now: Now) -> Option<Duration> {
        let at_once = |waiting: bool| waiting.then_some(Duration::ZERO);
        let on_our_clock = |at: Stamp| now.monotonic + at.since(now.ours);
        match purpose {
            Purpose::Poll if self.round.is_some() || self.poll_due(now) => Some(Duration::ZERO),
            Purpose::Poll => (!self.options.once).then_some(self.next_poll),
            Purpose::Lookback if self.lookback.is_some() => Some(Duration::ZERO),
            Purpose::Lookback if self.rounds == 0 => None,
            Purpose::Lookback => {
                let at = review::next_due(&self.options.lookbacks, self.options.ahead_every, &self.lookback_times).map(on_our_clock);
                at.filter(|at| !self.options.once || *at <= now.monotonic)
            }
            Purpose::Fill => at_once(self.next_fill(now).is_some()),
            Purpose::Scan if self.scan.is_some() => Some(Duration::ZERO),
            Purpose::Scan if self.rounds == 0 || self.next_fill(now).is_some() => None,
            Purpose::Scan if !self.scans_wanted.is_empty() || self.scan_due(now) => Some(Duration::ZERO),
            Purpose::Scan => {
                let every = self.options.scan_every.filter(|_| !self.options.once)?;
                self.last_scan.map(|last| on_our_clock(last.plus(every)))
            }
        }
    }

    fn missing(&self, now: Now) -> Vec<String> {
        let mut missing: Vec<String> = self.lanes.values().filter_map(Lane::gave_up).chain(self.outage.gave_up()).cloned().collect();
        missing.dedup();
        if self.suspect_rounds > 0 {
            missing.push("the newest changes could not be proven complete".to_owned());
        }
        for (stream, state) in &self.streams {
            let gaps = self.range(now).gaps(state);
            missing.extend(gaps.iter().map(|gap| format!("Status={} unread in {gap}", stream.status())));
        }
        missing
    }

    /// Takes in an answered page.
    pub fn on_page(&mut self, purpose: Purpose, page: PageSeen, now: Now) -> Verdict {
        let Some(mut open) = self.open.remove(&purpose) else {
            return Verdict::Refuse(Failure::Malformed, "no window is open".to_owned(), Retry::default());
        };
        let stream = open.task.stream;
        let probe = open.reading.page_size == 0;
        if probe && page.foreign > 0 && page.foreign == page.answer.marks.len() {
            let reason = "the vendor answers with other feeds only: this feed is not visible to the credential";
            return self.refuse(purpose, open, Failure::Unauthorized, reason, now);
        }
        let read_before = self.read_before(stream);
        if probe && self.ends_at_a_wrong_time(purpose, &open, page.vendor_now, now) {
            self.note(purpose, &open, &page.stamps, now);
            return self.checkpoint(purpose, stream, None, read_before);
        }
        let marks = page.answer.marks.clone();
        let step = open.reading.on_answer(page.answer, self.deepest(stream));
        if step == Step::Unreadable {
            return self.refuse(purpose, open, Failure::Malformed, "the page is empty although its Total is not zero", now);
        }
        self.answered(purpose);
        self.note(purpose, &open, &page.stamps, now);
        self.page_size = self.page_size.max(open.reading.page_size);
        let window = self.follow(purpose, open, step, marks, now);
        self.checkpoint(purpose, stream, window, read_before)
    }

    fn deepest(&self, stream: Stream) -> u64 {
        if self.disordered.contains(&stream) { 1 } else { self.options.window_pages }
    }

    fn read_before(&self, stream: Stream) -> Coverage {
        self.streams.get(&stream).map(|state| state.coverage.clone()).unwrap_or_default()
    }

    /// Takes note of what a page shows of the vendor's stamps.
    fn note(&mut self, purpose: Purpose, open: &Open, stamps: &[Stamp], now: Now) {
        let is_poll = purpose == Purpose::Poll;
        let looking_ahead = purpose == Purpose::Lookback && self.looks_ahead();
        if looking_ahead {
            self.ahead_so_far = zone::ahead(stamps, now.vendor).or(self.ahead_so_far);
        }
        let Some(state) = self.streams.get_mut(&open.task.stream) else { return };
        if is_poll {
            self.zone_found = self.zone.look(open.task.stream, stamps, now.vendor, self.options.interval).or(self.zone_found);
        }
        match looking_ahead {
            true => state.learn_rule(stamps, open.task.asked),
            false => state.observe(stamps, open.task.asked, open.opened, now.vendor, is_poll),
        }
        // Where From is ignored, a shorter window is as deep as a long one.
        if state.from_rule == FromRule::Ignored {
            self.spans.remove(&open.task.stream);
        }
    }

    /// The end of a round is reckoned from our idea of the vendor's clock, and its first answer may correct that. A window
    /// whose end was not yet past is not frozen; one that ends long before leaves out what is there already.
    fn ends_at_a_wrong_time(&mut self, purpose: Purpose, open: &Open, vendor_now: Option<Stamp>, now: Now) -> bool {
        let (Purpose::Poll, Some(vendor_now), Some(round)) = (purpose, vendor_now, &mut self.round) else { return false };
        let past = vendor_now.plus(CLOCK_GRAIN).minus(self.options.settle);
        let expected = round.begun.vendor.plus(now.monotonic.saturating_sub(round.begun.monotonic));
        let late = now.vendor.since(expected) > CORRECTION && !round.resumed;
        if (open.task.asked.to <= past && !late) || round.reopened >= MAX_REOPENED {
            return false;
        }
        round.to = now.vendor.min(vendor_now.plus(CLOCK_GRAIN)).minus(self.options.settle);
        round.begun = now;
        round.left.insert(0, open.task.stream);
        round.reopened += 1;
        true
    }

    fn checkpoint(&self, purpose: Purpose, stream: Stream, window: Option<WindowSave>, read_before: Coverage) -> Verdict {
        let run = self.scan.as_ref().filter(|_| purpose == Purpose::Scan).map(|scan| scan.run);
        // A dry run stores no record, so no cursor may pass one.
        let dry_run = self.options.dry_run || purpose == Purpose::Scan && self.scan_is_dry();
        let state = self.streams.get(&stream).filter(|_| !dry_run).cloned();
        Verdict::Store(Box::new(Checkpoint {
            feed: self.feed.clone(),
            purpose,
            stream,
            state,
            window,
            lookbacks: if dry_run { BTreeMap::new() } else { self.lookback_times.clone() },
            run,
            dry_run,
            read_before,
            zone: self.ahead.or(self.zone_found),
        }))
    }

    /// Tells which row a window got when its checkpoint was saved.
    pub fn saved(&mut self, purpose: Purpose, row: i64) {
        if let Some(open) = self.open.get_mut(&purpose) {
            open.row.get_or_insert(row);
        }
    }
}

/// Deletions first: a tombstone must stand before `Status=0` can show its listing.
fn in_order(streams: &[Stream]) -> Vec<Stream> {
    let mut ordered = streams.to_vec();
    ordered.sort_by_key(|stream| (stream.presence() == Presence::Live, *stream));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::command::{LookbackRule, WindowState};
    use crate::plan::paging::Answer;

    const SECOND: Duration = Duration::from_secs(1);

    fn now(seconds: u64) -> Now {
        let begin = Stamp::parse("2024-06-01T12:00:00").expect("a date");
        let up = Duration::from_secs(seconds);
        Now { vendor: begin.plus(up), earliest: begin.plus(up), ours: begin.plus(up), monotonic: up }
    }

    fn options(once: bool) -> Options {
        Options {
            streams: vec![Stream::All, Stream::Deleted],
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
            Command::Fetch { purpose, request } => (purpose, request),
            other => panic!("{other:?}"),
        }
    }

    fn page(request: &PageRequest, total: u64, marks: &[&str]) -> PageSeen {
        let marks = marks.iter().map(|mark| (*mark).to_owned()).collect();
        let more = total > 0 && u64::from(request.page) * 2 < total;
        PageSeen { answer: Answer { page: request.page, marks, total, more }, ..PageSeen::default() }
    }

    /// Answers everything as empty until nothing but waiting is left; tells what was asked for.
    fn settle(plan: &mut FeedPlan, at: u64) -> Vec<(Purpose, Stream)> {
        let mut seen = Vec::new();
        while let Command::Fetch { purpose, request } = plan.next(now(at)) {
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
        assert_eq!(plan.next(now(0)), Command::Wait { until: SECOND * 60 });
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
        assert_eq!(first.next(now(0)), Command::Finished { missing: Vec::new() });
        let saved = Saved { streams: first.streams.clone(), lookbacks: first.lookback_times.clone(), ..Saved::default() };
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
        let Verdict::Store(checkpoint) = plan.on_page(purpose, seen, heard) else { panic!("not stored") };
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
        let Command::Fetch { purpose, request } = plan.next(ahead(0)) else { panic!("no poll") };
        assert_eq!(request.window.to, ahead(0).vendor.minus(SECOND * 2), "it is asked for all the same");
        plan.on_page(purpose, page(&request, 0, &[]), ahead(1));
        assert_eq!(plan.streams[&request.stream].coverage.end(), Some(now(0).vendor.minus(SECOND * 3)));
    }

    #[test]
    fn a_round_that_was_begun_before_a_restart_is_not_the_round_of_a_one_shot_run() {
        let mut before = plan(true);
        let (purpose, request) = asked(&mut before, 0);
        let Verdict::Store(checkpoint) = before.on_page(purpose, page(&request, 6, &["a", "b"]), now(0)) else { panic!("not stored") };
        let open = Open { row: Some(1), ..checkpoint.window.expect("the window has a row").open };
        let saved = Saved { open: vec![(purpose, open)], ..Saved::default() };
        let mut after = FeedPlan::resume(FeedId("A".to_owned()), options(true), saved, now(500));
        let mut ends = BTreeSet::new();
        while let Command::Fetch { purpose, request } = after.next(now(500)) {
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
        plan.on_failure(purpose, &Failure::Refused, now(1_150), "HTTP 400");
        assert_eq!(settle(&mut plan, 1_300), [(Purpose::Lookback, Stream::Deleted), (Purpose::Lookback, Stream::All)].repeat(2));
    }

    /// Fails every request from `from` until `until`; tells which they were and when.
    fn outage(plan: &mut FeedPlan, from: u64, until: u64, fails: impl Fn(Purpose) -> Option<Failure>) -> Vec<(Purpose, u64)> {
        let mut seen = Vec::new();
        for at in from..until {
            while let Command::Fetch { purpose, request } = plan.next(now(at)) {
                seen.push((purpose, at));
                assert!(seen.len() < 500, "{seen:?}");
                match fails(purpose) {
                    Some(failure) => drop(plan.on_failure(purpose, &failure, now(at), "no answer")),
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
            let Command::Wait { until } = plan.next(now(3_000)) else { panic!("it asks on") };
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
        let Command::Wait { until } = plan.next(now(59)) else { panic!("it asks on") };
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
        let Command::Finished { missing } = plan.next(now(600)) else { panic!("it goes on") };
        assert_eq!(missing[0], "no answer");
    }

    #[test]
    fn a_credential_that_is_not_accepted_stops_all_work_for_a_while() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        plan.on_failure(purpose, &Failure::Unauthorized, now(0), "HTTP 403");
        let Command::Wait { until } = plan.next(now(1)) else { panic!("it asks on") };
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
        plan.on_failure(Purpose::Lookback, &Failure::Refused, now(0), "HTTP 400");
        assert!(settle(&mut plan, 0).iter().all(|(purpose, _)| *purpose != Purpose::Lookback));
        assert_eq!(plan.next(now(0)), Command::Finished { missing: Vec::new() });
    }

    #[test]
    fn a_one_shot_run_says_why_it_gave_up() {
        let mut plan = plan(true);
        let (purpose, _) = asked(&mut plan, 0);
        plan.on_failure(purpose, &Failure::Unauthorized, now(0), "HTTP 403");
        let Command::Finished { missing } = plan.next(now(0)) else { panic!("it goes on") };
        assert_eq!(missing[0], "HTTP 403");
    }

    #[test]
    fn a_page_that_is_gone_begins_the_window_anew_but_a_refused_first_page_does_not() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        plan.on_page(purpose, page(&request, 4, &["a", "b"]), now(0));
        assert_eq!(asked(&mut plan, 0).1.page, 2);
        let retry = plan.on_failure(purpose, &Failure::Refused, now(0), "HTTP 404");
        assert!(retry.wait < SECOND);
        assert_eq!(asked(&mut plan, 1).1.page, 1);
        let retry = plan.on_failure(purpose, &Failure::Refused, now(1), "HTTP 404");
        assert!(retry.wait >= SECOND * 900);
    }

    #[test]
    fn other_feeds_in_the_answer_stop_the_feed_before_any_page_is_read() {
        let mut plan = plan(false);
        let (purpose, request) = asked(&mut plan, 0);
        let seen = PageSeen { foreign: 2, ..page(&request, 900, &["B\u{0}1", "B\u{0}2"]) };
        assert!(matches!(plan.on_page(purpose, seen, now(0)), Verdict::Refuse(Failure::Unauthorized, _, _)));
        assert!(matches!(plan.next(now(0)), Command::Wait { .. }));
    }

    #[test]
    fn an_open_window_is_gone_on_with_after_a_restart() {
        let mut before = plan(false);
        let (purpose, request) = asked(&mut before, 0);
        let Verdict::Store(checkpoint) = before.on_page(purpose, page(&request, 6, &["a", "b"]), now(0)) else { panic!("not stored") };
        let window = checkpoint.window.expect("the window has a row");
        assert_eq!(window.state, WindowState::Open);
        let open = Open { row: Some(1), ..window.open };
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
        let Command::BeginScan { range, .. } = plan.next(now(0)) else { panic!("no scan") };
        plan.scan_begun(7, range, now(0));
        assert_eq!(settle(&mut plan, 0), [(Purpose::Scan, Stream::Deleted), (Purpose::Scan, Stream::All)]);
        assert_eq!(plan.next(now(0)), Command::Judge { run: 7, proven: true });
        plan.judged(vec![crate::record::ListingId("x".to_owned())]);
        assert!(matches!(plan.next(now(0)), Command::Confirm { run: 7, .. }));
        plan.confirmed();
        assert_eq!(plan.next(now(0)), Command::EndScan { run: 7 });
        plan.scanned();
        assert!(settle(&mut plan, 0).iter().all(|(purpose, _)| *purpose == Purpose::Poll));
        assert!(matches!(plan.next(now(0)), Command::Finished { .. }));
    }
}
