//! One feed's next step: a closed state machine that asks for pages and is told what came.

use super::command::{
    Checkpoint, Command, LookbackTimes, Now, Open, Options, PageSeen, Purpose, Saved, SavedSweep, Verdict, WindowSave, WindowState,
};
use super::coverage::Coverage;
use super::lane::{Lane, Retry};
use super::paging::{Mark, Reading, Step};
use super::review::{self, Review};
use super::suspects::{ONCE_READINGS, Suspects};
use super::window::{FromRule, Range, StreamState, Task, next_gap, task_for};
use super::zone::{self, ZoneFinding, ZoneWatch};
use crate::record::{Failure, FeedId, ListingId, PageRequest, Said, Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Records a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;
/// Passes over a window before it is suspect.
const MAX_PASSES: u32 = 4;
/// The same where the order is known not to stay and the window cannot be cut: each pass sees another part.
const MAX_STRICT_PASSES: u32 = 16;
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

/// The reconcile run that is under way.
#[derive(Clone, Debug)]
struct Sweep {
    run: i64,
    review: Review,
    /// What is left to ask the vendor about; `None` while it is reading.
    to_confirm: Option<VecDeque<ListingId>>,
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
    /// The poll that is under way was cut.
    poll_cut: bool,
    /// Rounds in a row in which a poll was cut.
    cut_rounds: u32,
    round_cut: bool,
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
            poll_cut: false,
            cut_rounds: 0,
            round_cut: false,
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
        // What a poll was cut of is filled in behind it; that alone calls for no other poll, or there would be no end.
        let again =
            (self.read_since_round && self.cut_rounds < ONCE_READINGS) || (self.suspect_rounds > 0 && self.suspect_rounds < ONCE_READINGS);
        self.rounds == 0 || (again && !self.has_more(now))
    }

    /// Whether a one-shot run has anything left besides polls.
    fn has_more(&self, now: Now) -> bool {
        let open = self.open.keys().any(|purpose| *purpose != Purpose::Poll);
        open || self.lookback.is_some() || self.sweep.is_some() || self.sweep_wanted || self.next_fill(now).is_some()
    }

    fn begin_lookback(&mut self, now: Now) -> Option<()> {
        // What was never polled cannot have been missed.
        if self.rounds == 0 {
            return None;
        }
        if self.lookback.is_none() {
            let due = review::due(&self.options.lookbacks, &self.lookback_times, self.settled(now), (now.vendor, now.ours));
            let (name, range) = due?;
            let done = self.lookback_times.get(&name).map_or(Stamp(0), |times| times.done);
            self.lookback_times.insert(name.clone(), LookbackTimes { begun: now.ours, done });
            self.lookback = Some(Review::new(Some(name), range, &self.options.streams));
        }
        let task = self.lookback.as_ref()?.next(&self.spans)?;
        self.begin(Purpose::Lookback, task, now);
        Some(())
    }

    fn next_fill(&self, now: Now) -> Option<Task> {
        let range = self.range(now);
        let reach = |stream: Stream, state: &StreamState| (stream, range.reach(state, self.suspects.barred(stream, now.up)));
        next_gap(&self.streams.iter().map(|(stream, state)| reach(*stream, state)).collect(), &self.spans)
    }

    fn sweep_step(&mut self, now: Now) -> Option<Command> {
        let Some(sweep) = &self.sweep else {
            // A sweep is set against a file that is complete otherwise.
            let due = self.sweep_wanted || self.sweep_due(now);
            let range = Window { from: self.options.since, to: self.settled(now) };
            return (due && self.rounds > 0 && self.next_fill(now).is_none()).then_some(Command::BeginSweep { range });
        };
        let run = sweep.run;
        if let Some(listings) = &sweep.to_confirm {
            let next = listings.front().cloned();
            return Some(next.map_or(Command::EndSweep { run }, |listing| Command::Confirm { run, listing }));
        }
        match sweep.review.next(&self.spans) {
            Some(task) => {
                self.begin(Purpose::Sweep, task, now);
                Some(self.fetch(Purpose::Sweep))
            }
            None => Some(Command::Judge { run, proven: !sweep.review.doubtful }),
        }
    }

    fn sweep_due(&self, now: Now) -> bool {
        let every = self.options.sweep_every.filter(|_| !self.options.once);
        every.is_some_and(|every| self.last_sweep.is_some_and(|last| now.ours.since(last) >= every))
    }

    /// A run got its row.
    pub fn sweep_begun(&mut self, run: i64, range: Window, now: Now) {
        self.sweep_wanted = false;
        self.last_sweep = Some(now.ours);
        let mut streams = vec![Stream::All];
        streams.extend(self.options.streams.iter().copied().filter(|stream| stream.says() == Said::Deleted));
        self.sweep = Some(Sweep { run, review: Review::new(None, range, &streams), to_confirm: None });
    }

    /// The rows that a run's reading lacks, to be asked about.
    pub fn judged(&mut self, to_confirm: Vec<ListingId>) {
        if let Some(sweep) = &mut self.sweep {
            sweep.to_confirm = Some(to_confirm.into());
        }
    }

    /// A row was asked about.
    pub fn confirmed(&mut self) {
        self.lanes.insert(Purpose::Sweep, Lane::default());
        if let Some(listings) = self.sweep.as_mut().and_then(|sweep| sweep.to_confirm.as_mut()) {
            listings.pop_front();
        }
    }

    /// A run was ended.
    pub fn swept(&mut self) {
        self.sweep = None;
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
        }
        let Some(state) = self.streams.get_mut(&open.task.stream) else { return };
        if is_poll {
            self.zone_found = self.zone.look(state, stamps, now.vendor, self.options.interval).or(self.zone_found);
        }
        match purpose == Purpose::Lookback && looking_ahead {
            true => state.learn_rule(stamps, open.task.asked),
            false => state.observe(stamps, open.task.asked, open.opened, now.vendor, is_poll),
        }
        // Where From is ignored, a shorter window is as deep as a long one.
        if state.from_rule == FromRule::Ignored {
            self.spans.remove(&open.task.stream);
        }
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

    fn follow(&mut self, purpose: Purpose, mut open: Open, step: Step, marks: Vec<Mark>, now: Now) -> Option<WindowSave> {
        match step {
            Step::Continue => Some(self.keep(purpose, open, marks)),
            Step::Complete => {
                self.complete(purpose, &open, now);
                Some(close(purpose, open, WindowState::Complete))
            }
            Step::TooDeep { pages } => match self.cut(purpose, &open, pages, self.options.window_pages) {
                Some(smaller) => {
                    self.begin(purpose, smaller, now);
                    None
                }
                None if open.reading.go_deep() => Some(self.keep(purpose, open, marks)),
                None => Some(self.suspect(purpose, open, now)),
            },
            Step::Unproven | Step::Unreadable => {
                let strict = open.reading.strict;
                if strict {
                    self.disordered.insert(open.task.stream);
                }
                let pages = open.reading.total_last.div_ceil(open.reading.page_size.max(1));
                let smaller = if strict && pages > 1 { self.cut(purpose, &open, pages, 1) } else { None };
                if let Some(smaller) = smaller {
                    self.begin(purpose, smaller, now);
                    return open.row.is_some().then(|| close(purpose, open, WindowState::Cut));
                }
                let most = if strict { MAX_STRICT_PASSES } else { MAX_PASSES };
                if open.reading.passes >= most {
                    return Some(self.suspect(purpose, open, now));
                }
                open.reading.again();
                Some(self.keep(purpose, open, Vec::new()))
            }
        }
    }

    /// The newer part of a window that is too deep. What is cut off a poll becomes a gap, to be filled behind it.
    fn cut(&mut self, purpose: Purpose, open: &Open, pages: u64, deepest: u64) -> Option<Task> {
        let stream = open.task.stream;
        let rule = self.streams.get(&stream).map_or(FromRule::Exact, |state| state.from_rule);
        let newer = StreamState { from_rule: rule, ..StreamState::default() }.cut(open.task.claim, pages, deepest)?;
        match (purpose, self.streams.get_mut(&stream)) {
            (Purpose::Poll, Some(state)) => {
                state.coverage.remove(Window { from: open.task.asked.from, to: newer.from });
                (self.poll_cut, self.round_cut) = (true, true);
            }
            (Purpose::Poll | Purpose::Lookback | Purpose::Fill | Purpose::Sweep, _) => {
                self.spans.insert(stream, newer.to.since(newer.from));
            }
        }
        Some(task_for(stream, newer))
    }

    fn complete(&mut self, purpose: Purpose, open: &Open, now: Now) {
        let stream = open.task.stream;
        let claim = open.task.claim;
        // A poll that was cut had more pages than its rest has.
        let cut = purpose == Purpose::Poll && std::mem::take(&mut self.poll_cut);
        let pages = open.reading.total_last.div_ceil(self.page_size).max(if cut { 2 } else { 1 });
        if let Some(state) = self.streams.get_mut(&stream) {
            match purpose {
                Purpose::Poll => {
                    state.coverage.insert(claim);
                    state.advance(claim, pages, now.vendor);
                    self.zone.polled(now.vendor);
                }
                Purpose::Fill => state.coverage.insert(claim),
                Purpose::Lookback | Purpose::Sweep => {}
            }
        }
        if purpose == Purpose::Poll {
            return self.end_of_poll(false);
        }
        self.read_since_round |= purpose != Purpose::Lookback;
        if open.reading.total_last * 2 <= self.deepest(stream) * self.page_size {
            self.spans.entry(stream).and_modify(|span| *span = span.saturating_mul(2));
        }
        if purpose == Purpose::Fill {
            self.suspects.clear(stream, claim);
        }
        self.reviewed(purpose, open.task, true, now);
    }

    /// A window of a look-back or a sweep is over.
    fn reviewed(&mut self, purpose: Purpose, task: Task, proven: bool, now: Now) {
        match purpose {
            Purpose::Lookback => {
                let Some(review) = &mut self.lookback else { return };
                review.read(task, proven);
                if review.next(&self.spans).is_none() {
                    let name = review.name.clone().unwrap_or_default();
                    self.lookback_times.entry(name).and_modify(|times| times.done = now.ours);
                    self.lookback = None;
                }
            }
            Purpose::Sweep => {
                if let Some(sweep) = &mut self.sweep {
                    sweep.review.read(task, proven);
                }
            }
            Purpose::Poll | Purpose::Fill => {}
        }
    }

    /// A poll of one stream is over; after the last one the round is.
    fn end_of_poll(&mut self, suspect: bool) {
        self.round_suspect |= suspect;
        self.poll_cut = false;
        if self.round.as_ref().is_some_and(|round| !round.left.is_empty()) {
            return;
        }
        self.round = None;
        self.rounds += 1;
        self.cut_rounds = if std::mem::take(&mut self.round_cut) { self.cut_rounds + 1 } else { 0 };
        if std::mem::take(&mut self.round_suspect) {
            self.suspect_rounds += 1;
        } else {
            self.suspect_rounds = 0;
            self.proven_rounds += 1;
        }
    }

    fn suspect(&mut self, purpose: Purpose, open: Open, now: Now) -> WindowSave {
        match purpose {
            Purpose::Poll => self.end_of_poll(true),
            Purpose::Fill => self.suspects.add(open.task, now.up, self.options.once),
            Purpose::Lookback | Purpose::Sweep => self.reviewed(purpose, open.task, false, now),
        }
        close(purpose, open, WindowState::Suspect)
    }

    fn keep(&mut self, purpose: Purpose, mut open: Open, marks: Vec<Mark>) -> WindowSave {
        let forget_marks = open.reading.take_cleared();
        self.open.insert(purpose, open.clone());
        WindowSave { purpose, state: WindowState::Open, open, forget_marks, marks }
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
    /// is not documented. So the refusal of a later page begins the window anew: at once the first few times; after that
    /// as seldom as any refused request, because a vendor that refuses every deep page would be asked without end.
    fn page_may_be_gone(&mut self, purpose: Purpose) -> bool {
        let Some(open) = self.open.get_mut(&purpose) else { return false };
        if open.reading.next_page <= 1 {
            return false;
        }
        open.reading.refused += 1;
        open.reading.again();
        open.reading.refused < MAX_PASSES
    }
}

impl Sweep {
    fn resume(saved: SavedSweep) -> Sweep {
        let review = Review { name: None, range: saved.range, coverage: saved.coverage, doubtful: saved.doubtful };
        Sweep { run: saved.run, review, to_confirm: saved.to_confirm.map(Into::into) }
    }
}

fn close(purpose: Purpose, open: Open, state: WindowState) -> WindowSave {
    WindowSave { purpose, state, open, forget_marks: true, marks: Vec::new() }
}

/// Deletions first: a tombstone must stand before `Status=0` can show its listing.
fn in_order(streams: &[Stream]) -> Vec<Stream> {
    let mut ordered = streams.to_vec();
    ordered.sort_by_key(|stream| (stream.says() == Said::Live, *stream));
    ordered
}
