//! One feed's next step: a closed state machine that asks for pages and is told what came.

use super::backoff;
use super::paging::{Answer, Mark, Reading, Step};
use super::window::{Range, StreamState, Task, next_fill, task_for};
use crate::record::{Failure, FeedId, PageRequest, Said, Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Records a page, until a page has shown it.
const USUAL_PAGE: u64 = 200;
/// Passes over a window before it is suspect.
const MAX_PASSES: u32 = 4;
/// The same where the order is known not to stay and the window cannot be cut: each pass sees another part.
const MAX_STRICT_PASSES: u32 = 16;
/// The first wait before a suspect window is read again; it doubles up to [`SUSPECT_LONGEST`].
const SUSPECT_FIRST: Duration = Duration::from_secs(10 * 60);
const SUSPECT_LONGEST: Duration = Duration::from_secs(6 * 3600);
/// A one-shot run reads a suspect window this often before it gives up on it.
const ONCE_READINGS: u32 = 2;
/// A one-shot run gives up on a request after this many faults in a row.
const ONCE_FAULTS: u32 = 8;
/// A one-shot run gives up after being throttled this often in a row.
const ONCE_THROTTLES: u32 = 20;
/// A window whose `To` turns out to lie ahead of the vendor's clock is opened anew this often.
const MAX_REOPENED: u32 = 2;
/// The vendor's clock is told in whole seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// What a feed is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The streams polled.
    pub streams: Vec<Stream>,
    /// From the beginning of one poll to the beginning of the next.
    pub interval: Duration,
    /// How far a poll reaches back behind the cursor.
    pub overlap: Duration,
    /// How far a window's end stays behind the vendor's clock.
    pub settle: Duration,
    /// The oldest stamp that the mirror is to hold.
    pub since: Stamp,
    /// A window with more pages than this is cut in time.
    pub window_pages: u64,
    /// Stop when everything is read, instead of polling for ever.
    pub once: bool,
    /// Spreads clients that failed together.
    pub seed: u64,
}

/// The two kinds of work; polling goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Bringing what changed since the last poll.
    Poll,
    /// Filling a gap of the past.
    Fill,
}

/// Now, in the two clocks that decisions need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The vendor's clock, as its answers show it.
    pub vendor: Stamp,
    /// Time since the process began: never steps.
    pub up: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask for a page.
    Fetch {
        /// Which kind of work it is.
        purpose: Purpose,
        /// The request.
        request: PageRequest,
    },
    /// Nothing to do before this time of [`Now::up`].
    Wait {
        /// When to ask again.
        until: Duration,
    },
    /// A one-shot run is over.
    Finished {
        /// Why the feed is not complete; empty if it is.
        missing: Vec<String>,
    },
}

/// An answered page, as far as decisions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSeen {
    /// What paging needs.
    pub answer: Answer,
    /// The stamps of the feed's own records.
    pub stamps: Vec<Stamp>,
    /// Records of feeds that were not asked for.
    pub foreign: usize,
    /// The vendor's clock, if the answer told it.
    pub vendor_now: Option<Stamp>,
}

/// A window that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its row in the database, once it has one.
    pub row: Option<i64>,
    /// What it is asked for.
    pub task: Task,
    /// How far its reading is.
    pub reading: Reading,
    /// The vendor's clock when it was opened.
    pub opened: Stamp,
}

/// What became of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// Being read.
    Open,
    /// Proven whole.
    Complete,
    /// Read as often as is sensible, without proof.
    Suspect,
    /// Given up in favour of smaller windows.
    Cut,
}

/// What is to be saved in the transaction that stores the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which stream it is about.
    pub stream: Stream,
    /// Where the mirror stands with the stream.
    pub state: StreamState,
    /// The window, if it deserves a row.
    pub window: Option<WindowSave>,
}

/// What is to be saved of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSave {
    /// Which kind of work it is.
    pub purpose: Purpose,
    /// What became of it.
    pub state: WindowState,
    /// The window.
    pub open: Open,
    /// The marks saved so far no longer count.
    pub forget_marks: bool,
    /// The marks to add.
    pub marks: Vec<Mark>,
}

/// What the database remembers of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its streams.
    pub streams: BTreeMap<Stream, StreamState>,
    /// Its windows that are being read.
    pub open: Vec<(Purpose, Open)>,
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store it, with this checkpoint.
    Store(Box<Checkpoint>),
    /// It does not count as read; the plan has taken it as this failure.
    Refuse(Failure, String),
}

/// How a failure is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the next try.
    pub wait: Duration,
    /// Failures in a row, this one included.
    pub fails: u32,
    /// A one-shot run does not try again.
    pub gave_up: bool,
}

/// Polls of all streams up to the same moment, deletions first.
#[derive(Clone, Debug)]
struct Round {
    to: Stamp,
    left: Vec<Stream>,
    reopened: u32,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    fails: u32,
    not_before: Duration,
    gave_up: Option<String>,
}

#[derive(Clone, Debug)]
struct Suspect {
    stream: Stream,
    claim: Window,
    readings: u32,
    retry_at: Duration,
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
    filled_since_round: bool,
    round_suspect: bool,
    suspect_rounds: u32,
    spans: BTreeMap<Stream, Duration>,
    disordered: BTreeSet<Stream>,
    suspects: Vec<Suspect>,
    page_size: u64,
}

impl FeedPlan {
    /// Goes on where the database says that the feed stands.
    #[must_use]
    pub fn resume(feed: FeedId, options: Options, saved: Saved) -> FeedPlan {
        let configured = |stream: &Stream| options.streams.contains(stream);
        let mut streams = saved.streams;
        streams.retain(|stream, _| configured(stream));
        for stream in &options.streams {
            streams.entry(*stream).or_default();
        }
        let open: BTreeMap<_, _> = saved.open.into_iter().filter(|(_, open)| configured(&open.task.stream)).collect();
        let round = open.get(&Purpose::Poll).map(|open| {
            let left = in_order(&options.streams).into_iter().skip_while(|stream| *stream != open.task.stream).skip(1).collect();
            Round { to: open.task.asked.to, left, reopened: 0 }
        });
        FeedPlan {
            feed,
            options,
            streams,
            open,
            lanes: BTreeMap::from([(Purpose::Poll, Lane::default()), (Purpose::Fill, Lane::default())]),
            round,
            next_poll: Duration::ZERO,
            rounds: 0,
            proven_rounds: 0,
            filled_since_round: false,
            round_suspect: false,
            suspect_rounds: 0,
            spans: BTreeMap::new(),
            disordered: BTreeSet::new(),
            suspects: Vec::new(),
            page_size: USUAL_PAGE,
        }
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

    /// Whether anything of the past is still unread.
    #[must_use]
    pub fn has_gaps(&self, now: Now) -> bool {
        self.streams.values().any(|state| !self.range(now).gaps(state).is_empty())
    }

    fn range(&self, now: Now) -> Range {
        Range { since: self.options.since, now: now.vendor }
    }

    /// Decides what to do next.
    pub fn next(&mut self, now: Now) -> Command {
        if self.ready(Purpose::Poll, now) && self.open_poll(now) {
            return self.fetch(Purpose::Poll);
        }
        if self.ready(Purpose::Fill, now) && self.open_fill(now) {
            return self.fetch(Purpose::Fill);
        }
        match self.wake_at(now) {
            Some(until) => Command::Wait { until },
            None => Command::Finished { missing: self.missing(now) },
        }
    }

    fn ready(&self, purpose: Purpose, now: Now) -> bool {
        let lane = &self.lanes[&purpose];
        lane.gave_up.is_none() && lane.not_before <= now.up
    }

    fn fetch(&self, purpose: Purpose) -> Command {
        let open = &self.open[&purpose];
        let request =
            PageRequest { feeds: vec![self.feed.clone()], stream: open.task.stream, window: open.task.asked, page: open.reading.next_page };
        Command::Fetch { purpose, request }
    }

    /// Makes sure that a poll's window is open, if one is due.
    fn open_poll(&mut self, now: Now) -> bool {
        if self.open.contains_key(&Purpose::Poll) {
            return true;
        }
        if self.round.is_none() && self.poll_due(now) {
            self.next_poll = now.up + self.options.interval;
            self.filled_since_round = false;
            let to = now.vendor.minus(self.options.settle);
            self.round = Some(Round { to, left: in_order(&self.options.streams), reopened: 0 });
        }
        let Some(round) = &mut self.round else { return false };
        let stream = round.left.remove(0);
        let task = self.streams[&stream].poll(stream, round.to, self.options.overlap);
        self.begin(Purpose::Poll, task, now);
        true
    }

    fn poll_due(&self, now: Now) -> bool {
        if !self.options.once {
            return self.next_poll <= now.up;
        }
        // A one-shot run ends with a poll, so that the file is as new as the run's end.
        let filled = !self.open.contains_key(&Purpose::Fill) && self.next_gap(now).is_none();
        let again = filled && (self.filled_since_round || (self.suspect_rounds > 0 && self.suspect_rounds < ONCE_READINGS));
        self.rounds == 0 || again
    }

    fn open_fill(&mut self, now: Now) -> bool {
        if self.open.contains_key(&Purpose::Fill) {
            return true;
        }
        let Some(task) = self.next_gap(now) else { return false };
        self.begin(Purpose::Fill, task, now);
        true
    }

    fn next_gap(&self, now: Now) -> Option<Task> {
        let barred = |suspect: &&Suspect| suspect.retry_at > now.up;
        let barred: Vec<_> = self.suspects.iter().filter(barred).map(|suspect| (suspect.stream, suspect.claim)).collect();
        next_fill(&self.streams, self.range(now), &self.spans, &barred)
    }

    fn begin(&mut self, purpose: Purpose, task: Task, now: Now) {
        self.open.insert(purpose, Open { row: None, task, reading: Reading::new(), opened: now.vendor });
    }

    /// When something may be done again; `None` when a one-shot run has nothing left.
    fn wake_at(&self, now: Now) -> Option<Duration> {
        let lane = |purpose: Purpose| {
            let lane = &self.lanes[&purpose];
            (lane.gave_up.is_none()).then_some(lane.not_before)
        };
        let poll = lane(Purpose::Poll).and_then(|not_before| {
            let waiting = self.open.contains_key(&Purpose::Poll) || self.round.is_some() || self.poll_due(now);
            let due = if waiting { Duration::ZERO } else { self.next_poll };
            (waiting || !self.options.once).then_some(due.max(not_before))
        });
        let fill = lane(Purpose::Fill).and_then(|not_before| {
            let waiting = self.open.contains_key(&Purpose::Fill) || self.next_gap(now).is_some();
            waiting.then_some(not_before)
        });
        let suspect = self.suspects.iter().map(|suspect| suspect.retry_at).filter(|at| *at > now.up && *at < Duration::MAX).min();
        [poll, fill, suspect].into_iter().flatten().min()
    }

    fn missing(&self, now: Now) -> Vec<String> {
        let mut missing: Vec<String> = self.lanes.values().filter_map(|lane| lane.gave_up.clone()).collect();
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
        if page.foreign > 0 && page.foreign == page.answer.marks.len() && open.reading.page_size == 0 {
            let reason = "the vendor answers with other feeds only: this feed is not visible to the credential".to_owned();
            self.open.insert(purpose, open);
            self.on_failure(purpose, &Failure::Unauthorized, now, &reason);
            return Verdict::Refuse(Failure::Unauthorized, reason);
        }
        let deepest = if self.disordered.contains(&stream) { 1 } else { self.options.window_pages };
        let marks = page.answer.marks.clone();
        let probe = open.reading.page_size == 0;
        if probe && self.ahead_of_the_clock(purpose, &open, page.vendor_now) {
            self.note(&open, &page.stamps, purpose, now);
            return self.checkpoint(stream, None);
        }
        let step = open.reading.on_answer(page.answer, deepest);
        if step == Step::Unreadable {
            let reason = "the page is empty although its Total is not zero".to_owned();
            self.open.insert(purpose, open);
            self.on_failure(purpose, &Failure::Malformed, now, &reason);
            return Verdict::Refuse(Failure::Malformed, reason);
        }
        self.lanes.insert(purpose, Lane::default());
        self.note(&open, &page.stamps, purpose, now);
        self.page_size = self.page_size.max(open.reading.page_size);
        self.follow(purpose, open, step, marks, now)
    }

    fn note(&mut self, open: &Open, stamps: &[Stamp], purpose: Purpose, now: Now) {
        let state = self.streams.entry(open.task.stream).or_default();
        state.observe(stamps, open.task.asked, open.opened, now.vendor, purpose == Purpose::Poll);
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

    fn follow(&mut self, purpose: Purpose, mut open: Open, step: Step, marks: Vec<Mark>, now: Now) -> Verdict {
        let stream = open.task.stream;
        match step {
            Step::Continue => self.keep(purpose, open, marks),
            Step::Complete => {
                self.complete(purpose, &open, now);
                self.close(purpose, open, WindowState::Complete)
            }
            Step::TooDeep { pages } => match self.cut(purpose, &open, pages, self.options.window_pages) {
                Some(smaller) => {
                    self.begin(purpose, smaller, now);
                    self.checkpoint(stream, None)
                }
                None if open.reading.go_deep() => self.keep(purpose, open, marks),
                None => self.suspect(purpose, open, now),
            },
            Step::Unproven | Step::Unreadable => {
                let strict = open.reading.strict;
                if strict {
                    self.disordered.insert(stream);
                }
                let pages = open.reading.total_last.div_ceil(open.reading.page_size.max(1));
                let smaller = if strict && pages > 1 { self.cut(purpose, &open, pages, 1) } else { None };
                if let Some(smaller) = smaller {
                    let saved = self.close_cut(purpose, open);
                    self.begin(purpose, smaller, now);
                    return saved;
                }
                let most = if strict { MAX_STRICT_PASSES } else { MAX_PASSES };
                if open.reading.passes >= most {
                    return self.suspect(purpose, open, now);
                }
                open.reading.again();
                self.keep(purpose, open, Vec::new())
            }
        }
    }

    /// The newer part of a window that is too deep. What is cut off a poll becomes a gap, to be filled behind it.
    fn cut(&mut self, purpose: Purpose, open: &Open, pages: u64, deepest: u64) -> Option<Task> {
        let state = self.streams.entry(open.task.stream).or_default();
        let newer = state.cut(open.task.claim, pages, deepest)?;
        match purpose {
            Purpose::Poll => state.coverage.remove(Window { from: open.task.asked.from, to: newer.from }),
            Purpose::Fill => {
                self.spans.insert(open.task.stream, newer.to.since(newer.from));
            }
        }
        Some(task_for(open.task.stream, newer))
    }

    fn complete(&mut self, purpose: Purpose, open: &Open, now: Now) {
        let stream = open.task.stream;
        let claim = open.task.claim;
        let pages = open.reading.total_last.div_ceil(self.page_size);
        let deepest = if self.disordered.contains(&stream) { 1 } else { self.options.window_pages };
        let state = self.streams.entry(stream).or_default();
        state.coverage.insert(claim);
        match purpose {
            Purpose::Poll => state.advance(claim, pages, now.vendor),
            Purpose::Fill => {
                self.filled_since_round = true;
                if open.reading.total_last * 2 <= deepest * self.page_size {
                    self.spans.entry(stream).and_modify(|span| *span = span.saturating_mul(2));
                }
                self.suspects.retain(|suspect| suspect.stream != stream || suspect.claim.from < claim.from || suspect.claim.to > claim.to);
            }
        }
        if purpose == Purpose::Poll {
            self.end_of_poll(false);
        }
    }

    /// A poll of one stream is over; after the last one the round is.
    fn end_of_poll(&mut self, suspect: bool) {
        self.round_suspect |= suspect;
        let Some(round) = &self.round else { return };
        if round.left.is_empty() {
            self.round = None;
            self.rounds += 1;
            match std::mem::take(&mut self.round_suspect) {
                true => self.suspect_rounds += 1,
                false => {
                    self.suspect_rounds = 0;
                    self.proven_rounds += 1;
                }
            }
        }
    }

    fn suspect(&mut self, purpose: Purpose, open: Open, now: Now) -> Verdict {
        match purpose {
            Purpose::Poll => self.end_of_poll(true),
            Purpose::Fill => self.bar(open.task, now),
        }
        self.close(purpose, open, WindowState::Suspect)
    }

    fn bar(&mut self, task: Task, now: Now) {
        let known = self.suspects.iter().position(|suspect| suspect.stream == task.stream && suspect.claim == task.claim);
        let readings = known.map_or(0, |at| self.suspects.swap_remove(at).readings) + 1;
        let retry_at = match self.options.once {
            true if readings < ONCE_READINGS => now.up,
            true => Duration::MAX,
            false => now.up + SUSPECT_FIRST.saturating_mul(1 << (readings - 1).min(16)).min(SUSPECT_LONGEST),
        };
        self.suspects.push(Suspect { stream: task.stream, claim: task.claim, readings, retry_at });
    }

    fn keep(&mut self, purpose: Purpose, mut open: Open, marks: Vec<Mark>) -> Verdict {
        let forget_marks = open.reading.take_cleared();
        let stream = open.task.stream;
        self.open.insert(purpose, open.clone());
        self.checkpoint(stream, Some(WindowSave { purpose, state: WindowState::Open, open, forget_marks, marks }))
    }

    fn close(&mut self, purpose: Purpose, open: Open, state: WindowState) -> Verdict {
        let stream = open.task.stream;
        self.checkpoint(stream, Some(WindowSave { purpose, state, open, forget_marks: true, marks: Vec::new() }))
    }

    fn close_cut(&mut self, purpose: Purpose, open: Open) -> Verdict {
        let stream = open.task.stream;
        if open.row.is_none() {
            return self.checkpoint(stream, None);
        }
        self.close(purpose, open, WindowState::Cut)
    }

    fn checkpoint(&self, stream: Stream, window: Option<WindowSave>) -> Verdict {
        Verdict::Store(Box::new(Checkpoint { stream, state: self.streams[&stream].clone(), window }))
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
        let seed = self.options.seed;
        let lane = self.lanes.entry(purpose).or_default();
        lane.fails = lane.fails.saturating_add(1);
        let retry_wait = backoff::wait(failure, lane.fails, seed);
        let most = match failure {
            Failure::Throttled { .. } => ONCE_THROTTLES,
            Failure::Unavailable | Failure::Malformed => ONCE_FAULTS,
            Failure::Unauthorized | Failure::Refused => 1,
        };
        let gave_up = self.options.once && lane.fails >= most;
        lane.not_before = now.up + retry_wait;
        if gave_up {
            lane.gave_up = Some(reason.to_owned());
        }
        let retry = Retry { wait: retry_wait, fails: lane.fails, gave_up };
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
