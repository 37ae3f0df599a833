//! Rounds of polls: all streams up to one moment, the deletions first.

use super::checkpoint::Open;
use super::clock::Now;
use super::due::Due;
use super::interval::Interval;
use super::known_gaps::ONCE_READINGS;
use super::options::Options;
use super::window::{PAD, StreamState, Task, task_for};
use crate::record::{Presence, Stamp, Stream, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A window whose `To` turns out to lie ahead of the vendor's clock is opened anew this often.
const MAX_REOPENED: u32 = 2;
/// Rounds that a one-shot run makes: one at its beginning, and one at its end if it has read more in between.
const ONCE_ROUNDS: u32 = 2;
/// A clock that is corrected by more than this moves the end of a round that has just begun.
const CORRECTION: Duration = Duration::from_secs(2);
/// The vendor's clock is told in whole seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// The round that is under way.
#[derive(Clone, Debug)]
struct Round {
    /// Up to here.
    to: Stamp,
    /// Streams that were not begun yet.
    left: Vec<Stream>,
    /// Streams whose poll is under way.
    open: BTreeSet<Stream>,
    begun: Now,
    reopened: u32,
    /// It was begun by an earlier process, so it says nothing of the time since.
    resumed: bool,
    /// The polls that are open and were cut, as they were too deep.
    cut: BTreeSet<Stream>,
    /// Where the deletions of this round begin, if they were cut.
    deletions_from: Option<Stamp>,
    /// A poll of it could not be proven.
    doubtful: bool,
}

/// The rounds of a feed.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    current: Option<Round>,
    interval: Interval,
    /// Feeds that share their requests begin rounds at the same moments.
    shared: bool,
    /// When the last one began.
    begun_at: Duration,
    /// When the next one begins.
    next_at: Duration,
    /// How many ended that this process has begun.
    ended: u32,
    /// How many a one-shot run makes besides, to see whether the vendor answers.
    besides: u32,
    /// Something of the past was read since the last one began.
    read_since: bool,
    /// How many in a row could not be proven.
    doubtful_in_a_row: u32,
}

impl Rounds {
    pub(super) fn new(options: &Options) -> Rounds {
        Rounds {
            current: None,
            interval: Interval::new(options.interval, options.interval_min, options.interval_max),
            shared: options.shared,
            begun_at: Duration::ZERO,
            next_at: Duration::ZERO,
            ended: 0,
            besides: 0,
            read_since: false,
            doubtful_in_a_row: 0,
        }
    }

    /// The last round has brought changes. `missing` says whether there are listings still to be loaded.
    pub(super) fn brought_changes(&mut self, missing: bool) {
        self.interval.brought_changes(missing);
        self.next_at = self.next_at.min(self.interval.after(self.begun_at, self.shared));
    }

    /// Goes on with polls that an earlier process has begun.
    pub(super) fn resume(&mut self, open: &[Task], streams: &[Stream], now: Now) {
        let Some(to) = open.iter().map(|task| task.asked.to).max() else { return };
        let open: BTreeSet<Stream> = open.iter().map(|task| task.stream).collect();
        let mut left = in_order(streams);
        let begun = left.iter().rposition(|stream| open.contains(stream)).map_or(0, |last| last + 1);
        left.drain(..begun);
        self.current = Some(Round { resumed: true, open, ..round(to, left, now) });
    }

    /// When the next poll may begin. `idle` says whether a one-shot run has nothing else left, `apart` whether the poll of a
    /// stream has failed so often that the next round does not wait for it.
    pub(super) fn due(&self, once: bool, idle: impl FnOnce() -> bool, apart: impl Fn(Stream) -> bool, now: Now) -> Due {
        if let Some(round) = &self.current {
            let stuck = round.left.is_empty() && round.open.iter().all(|stream| apart(*stream));
            return match stuck && !once {
                true => Due::at(self.next_at, now),
                false => Due::now_if(!round.left.is_empty()),
            };
        }
        if !once {
            return Due::at(self.next_at, now);
        }
        // A one-shot run ends with a poll, so that listings that changed while the past was read are in the file, too.
        let last = self.read_since && self.ended < ONCE_ROUNDS + self.besides;
        let again = last || (self.doubtful_in_a_row > 0 && self.doubtful_in_a_row < ONCE_READINGS);
        Due::now_if(self.ended <= self.besides || (again && idle()))
    }

    /// A one-shot run polls once more, because nothing else can show whether the vendor answers.
    pub(super) fn poll_besides(&mut self) {
        self.besides = self.ended;
    }

    /// Begins the next poll of the round, and the round itself if none is under way. `ready` says of which streams a poll may
    /// begin, `open` which polls are still open.
    pub(super) fn begin(
        &mut self,
        options: &Options,
        streams: &BTreeMap<Stream, StreamState>,
        (ready, open): (&[Stream], &[Stream]),
        now: Now,
    ) -> Option<Task> {
        if self.current.as_ref().is_none_or(|round| round.left.is_empty()) {
            self.interval.round_begins();
            (self.begun_at, self.next_at) = (now.monotonic, self.interval.after(now.monotonic, self.shared));
            self.read_since = false;
            // One that is given up for the next was waiting for polls that stand apart.
            if let Some(round) = &self.current {
                self.ended += u32::from(!round.resumed);
                self.doubtful_in_a_row += 1;
            }
            let left = in_order(&options.streams).into_iter().filter(|stream| !open.contains(stream)).collect();
            self.current = Some(Round { doubtful: !open.is_empty(), ..round(now.vendor.minus(options.settle), left, now) });
        }
        let round = self.current.as_mut()?;
        let place = round.left.iter().position(|stream| ready.contains(stream))?;
        let stream = round.left.remove(place);
        round.cut.remove(&stream);
        round.open.insert(stream);
        let task = streams.get(&stream)?.poll(stream, round.to, options.overlap);
        Some(ending(task, options.settle, round.begun))
    }

    /// Where the deletions of this round begin, if they were cut: listings are not read behind them.
    pub(super) fn deletions_from(&self, stream: Stream) -> Option<Stamp> {
        self.current.as_ref()?.deletions_from.filter(|_| stream.presence() == Presence::Live)
    }

    /// A poll that keeps only its newer part: what is cut off becomes a gap, to be filled behind it.
    pub(super) fn shorten(&mut self, state: &mut StreamState, task: Task, newer: Window) -> Task {
        // The overlap is read again out of caution, and look-backs do the same: it need not become a gap.
        let from = state.cursor.map_or(task.asked.from, |cursor| cursor.max(task.asked.from));
        state.coverage.remove(Window { from, to: newer.from });
        if let Some(round) = &mut self.current {
            round.cut.insert(task.stream);
            if task.stream.presence() == Presence::Deleted {
                round.deletions_from = Some(newer.from);
            }
        }
        let shorter = task_for(task.stream, newer);
        // What is claimed may end before what is asked for.
        Task { asked: Window { to: task.asked.to, ..shorter.asked }, ..shorter }
    }

    /// Whether the open poll of a stream was cut.
    pub(super) fn is_cut(&self, stream: Stream) -> bool {
        self.current.as_ref().is_some_and(|round| round.cut.contains(&stream))
    }

    /// Gives the open poll back, to be begun anew, if its first answer shows that the round ends at a wrong time; tells
    /// whether it did. The end was reckoned from our idea of the vendor's clock. If it is not yet past, the window's set can
    /// still grow; if it is long past, the poll leaves out what is there already.
    pub(super) fn restart_if_end_is_wrong(&mut self, open: &Open, vendor_now: Option<Stamp>, settle: Duration, now: Now) -> bool {
        let (Some(vendor_now), Some(round)) = (vendor_now, &mut self.current) else { return false };
        if !round.open.contains(&open.task.stream) {
            return false;
        }
        let past = vendor_now.plus(CLOCK_GRAIN).minus(settle);
        let expected = round.begun.vendor.plus(now.monotonic.saturating_sub(round.begun.monotonic));
        let is_late = now.vendor.since(expected) > CORRECTION && !round.resumed;
        if (open.task.asked.to.min(round.to) <= past && !is_late) || round.reopened >= MAX_REOPENED {
            return false;
        }
        round.to = now.vendor.min(vendor_now.plus(CLOCK_GRAIN)).minus(settle);
        round.begun = now;
        round.reopened += 1;
        self.give_back(open.task.stream);
        true
    }

    /// Where the polls of this round end.
    pub(super) fn end(&self) -> Option<Stamp> {
        Some(self.current.as_ref()?.to)
    }

    /// The open poll of a stream is begun anew next.
    pub(super) fn give_back(&mut self, stream: Stream) {
        let Some(round) = &mut self.current else { return };
        if round.open.remove(&stream) {
            round.left.insert(0, stream);
        }
    }

    /// A poll of one stream is over; tells whether that ends a round in which each was proven.
    pub(super) fn polled(&mut self, stream: Stream, proven: bool) -> bool {
        // A poll that was left over from an earlier round says nothing of this one.
        let Some(round) = self.current.as_mut().filter(|round| round.open.contains(&stream)) else { return false };
        round.open.remove(&stream);
        round.doubtful |= !proven;
        let Some(round) = self.current.take_if(|round| round.left.is_empty() && round.open.is_empty()) else { return false };
        self.ended += u32::from(!round.resumed);
        self.doubtful_in_a_row = if round.doubtful { self.doubtful_in_a_row + 1 } else { 0 };
        if !round.doubtful {
            self.interval.round_ended();
        }
        !round.doubtful
    }

    /// Listings do not wait for deletions that are not answered.
    pub(super) fn go_ahead_of(&mut self, stream: Stream) {
        if let Some(round) = self.current.as_mut().filter(|_| stream.presence() == Presence::Deleted) {
            round.deletions_from = None;
        }
    }

    /// Something of the past was read.
    pub(super) fn read_past(&mut self) {
        self.read_since = true;
    }

    /// Whether this process has ended a round that it began. Look-backs and scans wait for that.
    pub(super) fn has_polled(&self) -> bool {
        self.ended > 0
    }

    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the newest changes could not be proven complete.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful_in_a_row > 0
    }
}

/// A poll that claims no further than is past by both clocks: where they differ, it ends by the vendor's and claims by the earlier.
fn ending(task: Task, settle: Duration, begun: Now) -> Task {
    let past = begun.earliest.minus(settle + PAD).max(task.claim.from);
    Task { claim: Window { to: task.claim.to.min(past), ..task.claim }, ..task }
}

/// The same poll, up to what is past by now.
pub(super) fn up_to_now(task: Task, settle: Duration, now: Now) -> Task {
    let to = now.vendor.minus(settle).max(task.asked.to);
    let longer = Task { asked: Window { to, ..task.asked }, claim: Window { to: to.minus(PAD), ..task.claim }, ..task };
    ending(longer, settle, now)
}

fn round(to: Stamp, left: Vec<Stream>, begun: Now) -> Round {
    Round {
        to,
        left,
        begun,
        reopened: 0,
        resumed: false,
        open: BTreeSet::new(),
        cut: BTreeSet::new(),
        deletions_from: None,
        doubtful: false,
    }
}

/// Deletions first: a tombstone must stand before the stream of everything can show its listing.
fn in_order(streams: &[Stream]) -> Vec<Stream> {
    let mut ordered = streams.to_vec();
    ordered.sort_by_key(|stream| (stream.presence() == Presence::Live, *stream));
    ordered
}
