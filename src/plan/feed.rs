//! One feed's next step: a closed state machine that asks for pages and is told what came.

mod outcome;
mod second;

use super::command::{Checkpoint, Command, LookbackTimes, Now, Open, Options, PageSeen, Purpose, Saved, Verdict, WindowSave};
use super::coverage::Coverage;
use super::lane::{Lane, Retry};
use super::paging::{Reading, Step};
use super::review::{self, Review};
use super::suspects::{ONCE_READINGS, Suspects};
use super::window::{Range, StreamState, Task, next_gap};
use super::zone::{self, ZoneFinding, ZoneWatch};
use crate::record::{Failure, FeedId, PageRequest, Said, Stamp, Stream};
use outcome::MAX_PASSES;
use second::Sweep;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Records a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;
/// A window whose `To` turns out to lie ahead of the vendor's clock is opened anew this often.
const MAX_REOPENED: u32 = 2;
/// The vendor's clock is told in whole seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// Polls of all streams up to the same moment, deletions first.
#[derive(Clone, Debug)]
struct Round {
    to: Stamp,
    left: Vec<Stream>,
    reopened: u32,
}

/// The plan of one feed.
#[derive(Debug)]
pub struct FeedPlan {
    feed: FeedId,
    options: Options,
    streams: BTreeMap<Stream, StreamState>,
    open: BTreeMap<Purpose, Open>,
    lanes: BTreeMap<Purpose, Lane>,
    round: Option<Round>,
    next_poll: Duration,
    rounds: u32,
    proven_rounds: u32,
    read_since_round: bool,
    round_suspect: bool,
    suspect_rounds: u32,
    lookback: Option<Review>,
    lookback_times: BTreeMap<String, LookbackTimes>,
    sweep: Option<Sweep>,
    last_sweep: Option<Stamp>,
    sweep_wanted: bool,
    spans: BTreeMap<Stream, Duration>,
    disordered: BTreeSet<Stream>,
    suspects: Suspects,
    page_size: u64,
    zone: ZoneWatch,
    zone_found: Option<ZoneFinding>,
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
        let sweep = saved.sweep.map(Sweep::resume);
        let mut plan = FeedPlan {
            lanes: Purpose::ALL.into_iter().map(|purpose| (purpose, Lane::default())).collect(),
            sweep_wanted: options.sweep_now && sweep.is_none(),
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
            sweep,
            last_sweep: saved.last_sweep,
            spans: BTreeMap::new(),
            disordered: BTreeSet::new(),
            suspects: Suspects::default(),
            page_size: USUAL_PAGE,
            zone: ZoneWatch::default(),
            zone_found: None,
        };
        saved.open.into_iter().for_each(|(purpose, open)| plan.reopen(purpose, open));
        plan
    }

    fn reopen(&mut self, purpose: Purpose, open: Open) {
        let stream = open.task.stream;
        let wanted = match purpose {
            Purpose::Poll | Purpose::Fill => self.streams.contains_key(&stream),
            Purpose::Lookback => false,
            Purpose::Sweep => self.sweep.is_some(),
        };
        if !wanted {
            return;
        }
        if purpose == Purpose::Poll {
            let left = in_order(&self.options.streams).into_iter().skip_while(|later| *later != stream).skip(1).collect();
            self.round = Some(Round { to: open.task.asked.to, left, reopened: 0 });
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
            let ready = self.lanes[&purpose].not_before().is_some_and(|not_before| not_before <= now.up);
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
                Purpose::Sweep => return self.sweep_step(now),
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
            self.next_poll = now.up + self.options.interval;
            self.read_since_round = false;
            self.round = Some(Round { to: self.settled(now), left: in_order(&self.options.streams), reopened: 0 });
        }
        let round = self.round.as_mut()?;
        let stream = round.left.remove(0);
        let task = self.streams[&stream].poll(stream, round.to, self.options.overlap);
        self.begin(Purpose::Poll, task, now);
        Some(())
    }

    fn poll_due(&self, now: Now) -> bool {
        if !self.options.once {
            return self.next_poll <= now.up;
        }
        // A one-shot run ends with a poll, so that the file is as new as the run's end.
        let again = self.read_since_round || (self.suspect_rounds > 0 && self.suspect_rounds < ONCE_READINGS);
        self.rounds == 0 || (again && !self.has_more(now))
    }

    /// Whether a one-shot run has anything left besides polls.
    fn has_more(&self, now: Now) -> bool {
        let open = self.open.keys().any(|purpose| *purpose != Purpose::Poll);
        open || self.lookback.is_some() || self.sweep.is_some() || self.sweep_wanted || self.next_fill(now).is_some()
    }

    fn next_fill(&self, now: Now) -> Option<Task> {
        let range = self.range(now);
        let reach = |stream: Stream, state: &StreamState| (stream, range.reach(state, self.suspects.barred(stream, now.up)));
        next_gap(&self.streams.iter().map(|(stream, state)| reach(*stream, state)).collect(), &self.spans)
    }

    /// When something may be done again; `None` when a one-shot run has nothing left.
    fn wake_at(&self, now: Now) -> Option<Duration> {
        let due = |purpose: Purpose| {
            let not_before = self.lanes[&purpose].not_before()?;
            let due = if self.open.contains_key(&purpose) { Some(Duration::ZERO) } else { self.due_at(purpose, now) };
            due.map(|due| due.max(not_before))
        };
        Purpose::ALL.into_iter().filter_map(due).chain(self.suspects.next_retry(now.up)).min()
    }

    /// When a kind of work that has no window open will have one, on the clock of [`Now::up`].
    fn due_at(&self, purpose: Purpose, now: Now) -> Option<Duration> {
        let at_once = |waiting: bool| waiting.then_some(Duration::ZERO);
        let on_our_clock = |at: Stamp| now.up + at.since(now.ours);
        match purpose {
            Purpose::Poll if self.round.is_some() || self.poll_due(now) => Some(Duration::ZERO),
            Purpose::Poll => (!self.options.once).then_some(self.next_poll),
            Purpose::Lookback if self.lookback.is_some() => Some(Duration::ZERO),
            Purpose::Lookback if self.rounds == 0 => None,
            Purpose::Lookback => {
                let at = review::next_due(&self.options.lookbacks, &self.lookback_times).map(on_our_clock);
                at.filter(|at| !self.options.once || *at <= now.up)
            }
            Purpose::Fill => at_once(self.next_fill(now).is_some()),
            Purpose::Sweep if self.sweep.is_some() => Some(Duration::ZERO),
            Purpose::Sweep if self.rounds == 0 || self.next_fill(now).is_some() => None,
            Purpose::Sweep if self.sweep_wanted || self.sweep_due(now) => Some(Duration::ZERO),
            Purpose::Sweep => {
                let every = self.options.sweep_every.filter(|_| !self.options.once)?;
                self.last_sweep.map(|last| on_our_clock(last.plus(every)))
            }
        }
    }

    fn missing(&self, now: Now) -> Vec<String> {
        let mut missing: Vec<String> = self.lanes.values().filter_map(Lane::gave_up).cloned().collect();
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
            return Verdict::Refuse(Failure::Malformed, "no window is open".to_owned());
        };
        let stream = open.task.stream;
        let probe = open.reading.page_size == 0;
        if probe && page.foreign > 0 && page.foreign == page.answer.marks.len() {
            let reason = "the vendor answers with other feeds only: this feed is not visible to the credential";
            return self.refuse(purpose, open, Failure::Unauthorized, reason, now);
        }
        let read_before = self.read_before(stream);
        if probe && self.ahead_of_the_clock(purpose, &open, page.vendor_now) {
            self.note(purpose, &open, &page.stamps, now);
            return self.checkpoint(purpose, stream, None, read_before);
        }
        let marks = page.answer.marks.clone();
        let step = open.reading.on_answer(page.answer, self.deepest(stream));
        if step == Step::Unreadable {
            return self.refuse(purpose, open, Failure::Malformed, "the page is empty although its Total is not zero", now);
        }
        self.lanes.insert(purpose, Lane::default());
        self.note(purpose, &open, &page.stamps, now);
        self.page_size = self.page_size.max(open.reading.page_size);
        let window = self.follow(purpose, open, step, marks, now);
        self.checkpoint(purpose, stream, window, read_before)
    }

    fn refuse(&mut self, purpose: Purpose, open: Open, failure: Failure, reason: &str, now: Now) -> Verdict {
        self.open.insert(purpose, open);
        self.on_failure(purpose, &failure, now, reason);
        Verdict::Refuse(failure, reason.to_owned())
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
        let looking_ahead = self.lookback.as_ref().is_some_and(|review| review.name.as_deref() == Some(review::AHEAD_NAME));
        if purpose == Purpose::Lookback && looking_ahead {
            self.zone_found = zone::ahead(stamps, now.vendor).or(self.zone_found);
            return;
        }
        let Some(state) = self.streams.get_mut(&open.task.stream) else { return };
        if is_poll {
            self.zone_found = self.zone.look(state, stamps, now.vendor, self.options.interval).or(self.zone_found);
        }
        state.observe(stamps, open.task.asked, open.opened, now.vendor, is_poll);
    }

    /// A window whose end was not yet past when its first page was answered is not frozen. That happens once, when our
    /// clock runs ahead of the vendor's, and its first answer tells us so.
    fn ahead_of_the_clock(&mut self, purpose: Purpose, open: &Open, vendor_now: Option<Stamp>) -> bool {
        let (Purpose::Poll, Some(vendor_now), Some(round)) = (purpose, vendor_now, &mut self.round) else { return false };
        let past = vendor_now.plus(CLOCK_GRAIN).minus(self.options.settle);
        if open.task.asked.to <= past || round.reopened >= MAX_REOPENED {
            return false;
        }
        round.to = vendor_now.minus(self.options.settle);
        round.left.insert(0, open.task.stream);
        round.reopened += 1;
        true
    }

    fn checkpoint(&self, purpose: Purpose, stream: Stream, window: Option<WindowSave>, read_before: Coverage) -> Verdict {
        let run = self.sweep.as_ref().filter(|_| purpose == Purpose::Sweep).map(|sweep| sweep.run);
        let state = self.streams.get(&stream).cloned();
        Verdict::Store(Box::new(Checkpoint {
            feed: self.feed.clone(),
            purpose,
            stream,
            state,
            window,
            lookbacks: self.lookback_times.clone(),
            run,
            dry_run: self.options.dry_run && run.is_some(),
            read_before,
            zone: self.zone_found,
        }))
    }

    /// Tells which row a window got when its checkpoint was saved.
    pub fn saved(&mut self, purpose: Purpose, row: i64) {
        if let Some(open) = self.open.get_mut(&purpose) {
            open.row.get_or_insert(row);
        }
    }

    /// Takes in a failed request. `reason` is for the report of a one-shot run.
    pub fn on_failure(&mut self, purpose: Purpose, failure: &Failure, now: Now, reason: &str) -> Retry {
        let failure = if *failure == Failure::Refused && self.page_may_be_gone(purpose) { &Failure::Unavailable } else { failure };
        let lane = self.lanes.entry(purpose).or_default();
        let retry = lane.fail(failure, now.up, reason, self.options.once, self.options.seed);
        // A credential that is not accepted is not accepted for anything.
        if *failure == Failure::Unauthorized {
            let lane = lane.clone();
            self.lanes.values_mut().for_each(|other| *other = lane.clone());
        }
        retry
    }

    /// A window that shrank may have lost the page that was asked for, and how the vendor answers to a page past the end
    /// is not documented. So the first refusal of a later page begins the window anew; a refused first page stays refused.
    fn page_may_be_gone(&mut self, purpose: Purpose) -> bool {
        let Some(open) = self.open.get_mut(&purpose) else { return false };
        if open.reading.next_page <= 1 || open.reading.passes >= MAX_PASSES {
            return false;
        }
        open.reading.passes += 1;
        open.reading.again();
        true
    }
}

/// Deletions first: a tombstone must stand before `Status=0` can show its listing.
fn in_order(streams: &[Stream]) -> Vec<Stream> {
    let mut ordered = streams.to_vec();
    ordered.sort_by_key(|stream| (stream.says() == Said::Live, *stream));
    ordered
}
