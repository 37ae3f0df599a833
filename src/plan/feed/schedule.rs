//! When each kind of work of a feed is due: the table of all conditions; and which window it opens then.

use super::FeedPlan;
use crate::plan::attempts::Work;
use crate::plan::clock::Now;
use crate::plan::coverage::Coverage;
use crate::plan::due::Due;
use crate::plan::options::Purpose;
use crate::plan::window::{FromRule, StreamState, Task, next_gap, task_for};
use crate::record::{POLLS_PER_OTHER, Presence, Stamp, Stream, Window};
use std::time::Duration;

/// Where polls begin at the last one's end, and it is not proven yet that the stamps agree with the clock, one of them reaches further
/// back this often; after a start more often, because a wrong zone must be noticed soon: each time when it has run twice as long.
const DOUBT_EVERY: Duration = Duration::from_secs(600);

/// So long after a listing that came late, others are expected.
const LATE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Each of these periods of a process has one such poll.
fn doubt_period(running: Duration) -> u64 {
    let (running, every) = (running.as_secs(), DOUBT_EVERY.as_secs());
    // Those of the first ten minutes begin after 0, 30, 90, 210 and 450 seconds.
    if running < every { u64::from((running / 30 + 1).ilog2()) } else { every + running / every }
}

impl FeedPlan {
    /// Listings have come so much later than their stamp.
    pub(crate) fn saw_late(&mut self, late: Duration, now: Now) {
        if self.passes_polls_by(late) {
            self.late_until = now.monotonic + LATE_FOR;
        }
    }

    /// The same of listings that came before a restart, each with the time of our own clock at which it was found.
    pub(super) fn resume_late(&mut self, late: &[(Stamp, Duration)], now: Now) {
        let late = late.iter().filter(|(_, late)| self.passes_polls_by(*late));
        let until = late.map(|(found, _)| (now.monotonic + LATE_FOR).saturating_sub(now.ours.since(*found)));
        self.late_until = until.max().unwrap_or_default();
    }

    /// The next poll finds by itself what is within its overlap.
    fn passes_polls_by(&self, late: Duration) -> bool {
        late > self.options.overlap + self.options.interval_min.unwrap_or(self.options.interval) + self.options.settle
    }

    /// A poll has brought changes.
    pub(crate) fn brought_changes(&mut self, now: Now) {
        let missing = self.fills(now);
        self.rounds.brought_changes(missing);
    }

    /// Later changes tell how fresh the file is: those that a poll brings after another one. What is stamped before the last poll by
    /// more than a look-back reaches was published so late that it says nothing of the mirror; it is told by itself.
    pub(super) fn fresh_after(&self, purpose: Purpose, read_before: &Coverage) -> Option<Stamp> {
        let last_end = read_before.end().filter(|_| purpose == Purpose::Poll)?;
        let reach = self.options.lookbacks.iter().map(|rule| rule.reach).min();
        Some(last_end.minus(reach.unwrap_or(self.options.overlap)))
    }

    /// When a kind of work has a new window to open, apart from failures that hold it back.
    ///
    /// | work | at once | later | not as things stand |
    /// |---|---|---|---|
    /// | poll | a round is under way; the interval is over; a one-shot run's first round, or its last when all else is done | when the interval is over | |
    /// | look-back | one is under way; its interval is over | when its interval is over | nothing was polled yet |
    /// | fill | a gap may be read | when a known gap may be tried again | no gap |
    /// | scan | one is under way; one was asked for; its interval is over | when its interval is over | the file is not complete otherwise |
    fn due(&self, purpose: Purpose, now: Now) -> Due {
        let once = self.options.once;
        match purpose {
            Purpose::Poll => {
                let apart = |stream| self.attempts.stands_apart(Work { purpose, stream });
                self.rounds.due(once, || self.is_idle(now), apart, now)
            }
            Purpose::Lookback if !self.rounds.has_polled() => Due::Never,
            Purpose::Lookback => self.lookbacks.due(now).once(once),
            Purpose::Fill => match self.next_fill(&self.going_streams(purpose), now) {
                Some(_) => Due::Now,
                None => self.known_gaps.due(now).or(self.set_aside.due(now), now),
            },
            Purpose::Scan if self.scans.is_scanning() => Due::Now,
            // A scan is set against a file that is complete otherwise.
            Purpose::Scan if !self.rounds.has_polled() || self.fills(now) => Due::Never,
            Purpose::Scan => self.scans.due(now).once(once),
        }
    }

    /// What may be done now, the most urgent first: windows that are open, with their stream, and kinds of work that may open
    /// one. While the vendor does not answer, what has failed least goes first.
    pub(super) fn candidates(&self, now: Now) -> Vec<(Purpose, Option<Stream>)> {
        let mut candidates = Vec::new();
        for purpose in Purpose::ALL {
            let open = self.open.keys().filter(|work| work.purpose == purpose && self.is_ready(**work, now));
            let mut open: Vec<Work> = open.copied().collect();
            open.sort_by_key(|work| work.stream.presence() == Presence::Live);
            candidates.extend(open.into_iter().map(|work| (self.attempts.rank(work), (purpose, Some(work.stream)))));
            if self.due(purpose, now) == Due::Now {
                let works = self.ready_streams(purpose, now).into_iter().map(|stream| Work { purpose, stream });
                let rank = works.map(|work| self.attempts.rank(work)).min().unwrap_or(0);
                candidates.push((rank, (purpose, None)));
            }
        }
        // Between rounds, other work goes before a poll that is due if polls have taken more than their share.
        let gives_way = |purpose: Purpose| purpose == Purpose::Poll && self.polls_ahead >= POLLS_PER_OTHER && !self.rounds.is_under_way();
        candidates.sort_by_key(|(rank, (purpose, _))| (*rank, gives_way(*purpose)));
        candidates.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// A page was answered: polls are set against other work.
    pub(super) fn count_share(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Poll => self.polls_ahead = self.polls_ahead.saturating_add(1),
            Purpose::Lookback | Purpose::Fill | Purpose::Scan => self.polls_ahead = self.polls_ahead.saturating_sub(POLLS_PER_OTHER),
        }
    }

    /// When something may be done again; `None` when a one-shot run has nothing left. What may be done now has just been tried.
    pub(super) fn wake_at(&self, now: Now) -> Option<Duration> {
        let works = Purpose::ALL
            .into_iter()
            .flat_map(|purpose| self.streams_of(purpose).iter().map(move |stream| Work { purpose, stream: *stream }));
        let ready = works.filter_map(|work| {
            let due = if self.open.contains_key(&work) { Due::Now } else { self.due(work.purpose, now) };
            Some(due.time(now)?.max(self.attempts.not_before(work)?))
        });
        let single = self.scans.is_confirming().then(|| self.attempts.single_not_before());
        ready.chain(single).filter(|at| *at > now.monotonic).min()
    }

    fn streams_of(&self, purpose: Purpose) -> &[Stream] {
        if purpose == Purpose::Scan { self.scans.streams() } else { &self.options.streams }
    }

    fn is_ready(&self, work: Work, now: Now) -> bool {
        self.attempts.not_before(work).is_some_and(|not_before| not_before <= now.monotonic)
    }

    /// The streams of which a kind of work may open a window now. A tombstone must stand before the stream of everything can show
    /// its listing, so live listings wait for the deletions; but not for long where those fail.
    pub(super) fn ready_streams(&self, purpose: Purpose, now: Now) -> Vec<Stream> {
        let deletions = Work { purpose, stream: Stream::Deleted };
        let reads_deletions = self.streams_of(purpose).contains(&Stream::Deleted) && !self.attempts.stands_apart(deletions);
        let hold = reads_deletions && (self.open.contains_key(&deletions) || !self.is_ready(deletions, now));
        let may = |stream: &Stream| {
            let work = Work { purpose, stream: *stream };
            !self.open.contains_key(&work) && self.is_ready(work, now) && !(hold && stream.presence() == Presence::Live)
        };
        self.streams_of(purpose).iter().copied().filter(may).collect()
    }

    /// The streams that a kind of work has not given up.
    fn going_streams(&self, purpose: Purpose) -> Vec<Stream> {
        let goes = |stream: &Stream| self.attempts.not_before(Work { purpose, stream: *stream }).is_some();
        self.options.streams.iter().copied().filter(goes).collect()
    }

    fn is_open(&self, purpose: Purpose) -> bool {
        self.open.keys().any(|work| work.purpose == purpose && self.attempts.not_before(*work).is_some())
    }

    /// Whether listings are missing that may be read.
    fn fills(&self, now: Now) -> bool {
        self.is_open(Purpose::Fill) || self.due(Purpose::Fill, now) == Due::Now
    }

    /// Whether a one-shot run has nothing left besides polls.
    fn is_idle(&self, now: Now) -> bool {
        let reading = [Purpose::Lookback, Purpose::Fill, Purpose::Scan].into_iter().any(|purpose| self.is_open(purpose));
        !(reading || self.lookbacks.is_busy() || self.scans.is_busy() || self.due(Purpose::Fill, now) == Due::Now)
    }

    /// The next poll of the round. It begins behind what is known to be unreadable, and where the deletions of the round begin.
    pub(super) fn next_poll(&mut self, ready: &[Stream], now: Now) -> Option<Task> {
        let open: Vec<Stream> = self.open.keys().filter(|work| work.purpose == Purpose::Poll).map(|work| work.stream).collect();
        let mut task = self.rounds.begin(&self.options, &self.streams, (ready, &open), now)?;
        if self.loads {
            task = self.loading(task);
        } else if let Some(state) = self.streams.get(&task.stream).filter(|state| self.polls_from_last_end(state, now)) {
            let period = doubt_period(now.monotonic);
            // The first poll of a process doubts, too.
            let doubts = !state.aligned && self.doubted.insert(task.stream, period) != Some(period);
            task = state.begun_at_last_end(task, self.options.overlap, doubts);
        }
        let gaps = self.known_gaps.all().iter().filter(|gap| gap.stream == task.stream && gap.claim.to < task.claim.to);
        let from = gaps.map(|gap| gap.claim.to).chain(self.rounds.deletions_from(task.stream)).max();
        match (from, self.streams.get_mut(&task.stream)) {
            (Some(from), Some(state)) if from > task.claim.from => {
                Some(self.rounds.shorten(state, task, Window { from, to: task.claim.to }))
            }
            _ => Some(task),
        }
    }

    /// Whether a poll may begin where the last one ended. Where listings came so late that polls did not find them, it begins at the
    /// newest stamp for a while, which finds what is published in bursts.
    fn polls_from_last_end(&self, state: &StreamState, now: Now) -> bool {
        self.options.shared && state.from_rule == FromRule::Exact && self.late_until <= now.monotonic
    }

    /// The next gap that may be read.
    pub(super) fn next_fill(&self, streams: &[Stream], now: Now) -> Option<Task> {
        if let Some((stream, claim)) = self.set_aside.next(streams, now) {
            return Some(task_for(stream, claim));
        }
        // Live listings wait for the deletions of their stretch, even where these were set aside.
        let barred = |stream: Stream| {
            let deletions = self.set_aside.of(Stream::Deleted).filter(move |_| stream.presence() == Presence::Live);
            let polled = self.open.get(&Work { purpose: Purpose::Poll, stream }).map(|open| open.task.claim);
            self.known_gaps.barred(stream, now).chain(self.set_aside.of(stream)).chain(deletions).chain(polled)
        };
        let unread = |stream: &Stream| Some((*stream, self.range(now).unread(self.streams.get(stream)?, barred(*stream))));
        let unread = streams.iter().filter_map(unread).collect();
        let recent = self.recent(now);
        // What must be proven by single answers is read in windows of its own.
        match next_gap(&unread, &self.observations.spans(true))? {
            task if task.claim.to > recent => {
                let from = task.claim.from.max(recent);
                Some(task_for(task.stream, Window { from, to: task.claim.to }))
            }
            _ => next_gap(&unread, &self.observations.spans(false)),
        }
    }
}
