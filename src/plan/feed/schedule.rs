//! When each kind of work of a feed is due: the table of all conditions.

use super::FeedPlan;
use crate::plan::clock::Now;
use crate::plan::due::Due;
use crate::plan::options::Purpose;
use std::time::Duration;

impl FeedPlan {
    /// When a kind of work has something to do, apart from failures that hold it back.
    ///
    /// | work | at once | later | not as things stand |
    /// |---|---|---|---|
    /// | each | its window is open | | |
    /// | poll | a round is under way; the interval is over; a one-shot run's first round, or its last when all else is done | when the interval is over | |
    /// | look-back | one is under way; its interval is over | when its interval is over | nothing was polled yet |
    /// | fill | a gap may be read | when a suspect window may be read again | no gap |
    /// | scan | one is under way; one was asked for; its interval is over | when its interval is over | the file is not complete otherwise |
    fn due(&self, purpose: Purpose, now: Now) -> Due {
        let once = self.options.once;
        match purpose {
            _ if self.open.contains_key(&purpose) => Due::Now,
            Purpose::Poll => self.rounds.due(once, || self.is_idle(now), now),
            Purpose::Lookback if !self.rounds.has_polled() => Due::Never,
            Purpose::Lookback => self.lookbacks.due(now).once(once),
            Purpose::Fill => self.fills.due(&self.streams, self.range(now), now),
            Purpose::Scan if self.scans.is_scanning() => Due::Now,
            // A scan is set against a file that is complete otherwise.
            Purpose::Scan if !self.rounds.has_polled() || self.due(Purpose::Fill, now) == Due::Now => Due::Never,
            Purpose::Scan => self.scans.due(now).once(once),
        }
    }

    /// Whether a kind of work has something to do at once and no failure holds it back.
    pub(super) fn may_work(&self, purpose: Purpose, now: Now) -> bool {
        let ready = self.attempts.not_before(purpose).is_some_and(|not_before| not_before <= now.monotonic);
        ready && self.due(purpose, now) == Due::Now
    }

    /// When something may be done again; `None` when a one-shot run has nothing left.
    pub(super) fn wake_at(&self, now: Now) -> Option<Duration> {
        let wake = |purpose: Purpose| Some(self.due(purpose, now).time(now)?.max(self.attempts.not_before(purpose)?));
        Purpose::ALL.into_iter().filter_map(wake).min()
    }

    /// Whether a one-shot run has nothing left besides polls.
    fn is_idle(&self, now: Now) -> bool {
        let reading = self.open.keys().any(|purpose| *purpose != Purpose::Poll);
        !(reading || self.lookbacks.is_busy() || self.scans.is_busy() || self.due(Purpose::Fill, now) == Due::Now)
    }
}
