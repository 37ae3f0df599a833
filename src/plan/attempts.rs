//! What follows from failed requests: which kind of work waits, for how long, and when a one-shot run gives up.
//!
//! A request that is refused says something of its window alone, so only its own kind of work waits. A vendor that does
//! not answer, or answers nothing readable, is asked by one request at a time, ever more seldom; only when one is answered
//! does the other work go on. What failed in such an outage may then try at once. If it fails again while the vendor
//! answers others, the trouble is its own, and it waits by itself.

use super::backoff;
use super::options::Purpose;
use crate::record::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A one-shot run gives up on a request after this many faults in a row.
const ONCE_FAULTS: u32 = 8;
/// A one-shot run gives up after being throttled this often in a row.
const ONCE_THROTTLES: u32 = 20;

/// When a failed request is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the next try.
    pub wait: Duration,
    /// How many failures there were in a row, this one included; 0 if the request is not repeated, which is logged at
    /// debug level only.
    pub fails: u32,
}

/// How patient a feed is with its vendor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// A one-shot run gives up in the end.
    pub(super) once: bool,
    /// Spreads clients that failed together.
    pub(super) seed: u64,
}

/// The failures in a row of one kind of work, or of a whole feed.
#[derive(Clone, Debug, Default)]
struct Streak {
    fails: u32,
    not_before: Duration,
    gave_up: Option<String>,
}

/// The failures of a feed.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    patience: Patience,
    streaks: BTreeMap<Purpose, Streak>,
    /// While the vendor does not answer: failures in a row, of any kind of work.
    outage: Streak,
    /// The kinds of work that first failed in this outage; they may try at once when it is over.
    failed_in_outage: BTreeSet<Purpose>,
}

impl Attempts {
    pub(super) fn new(patience: Patience) -> Attempts {
        Attempts { patience, streaks: BTreeMap::new(), outage: Streak::default(), failed_in_outage: BTreeSet::new() }
    }

    /// Takes in a failed request. `reason` is for the report of a one-shot run.
    pub(super) fn failed(&mut self, purpose: Purpose, failure: &Failure, reason: &str, monotonic: Duration) -> Retry {
        let patience = self.patience;
        let streak = self.streaks.entry(purpose).or_default();
        let was_well = streak.fails == 0;
        let retry = streak.fail(failure, reason, monotonic, patience);
        match failure {
            Failure::Throttled { .. } | Failure::Refused => retry,
            Failure::Unauthorized => {
                // A credential that is not accepted is not accepted for anything.
                let streak = streak.clone();
                self.streaks = Purpose::ALL.into_iter().map(|purpose| (purpose, streak.clone())).collect();
                retry
            }
            Failure::Unavailable | Failure::Malformed => {
                self.failed_in_outage.extend(was_well.then_some(purpose));
                let all = self.outage.fail(failure, reason, monotonic, patience);
                Retry { wait: all.wait.max(retry.wait), fails: all.fails }
            }
        }
    }

    /// A page that may be gone was refused: its own kind of work tries again after as short a wait as after a fault.
    pub(super) fn page_gone(&mut self, purpose: Purpose, reason: &str, monotonic: Duration) -> Retry {
        self.streaks.entry(purpose).or_default().fail(&Failure::Unavailable, reason, monotonic, self.patience)
    }

    /// The vendor answered a request for this kind of work.
    pub(crate) fn answered(&mut self, purpose: Purpose) {
        self.streaks.remove(&purpose);
        self.outage = Streak::default();
        for purpose in std::mem::take(&mut self.failed_in_outage) {
            // As if it had failed for the first time. One that has given up stays so.
            self.streaks.entry(purpose).and_modify(|streak| (streak.fails, streak.not_before) = (1, Duration::ZERO));
        }
    }

    /// The reason of failures may be gone, as after a change of the key: what waits may try at once.
    pub(crate) fn try_again(&mut self) {
        self.streaks.values_mut().for_each(|streak| streak.not_before = Duration::ZERO);
        self.outage = Streak::default();
        self.failed_in_outage.clear();
    }

    /// When a kind of work may ask; `None` when it has given up.
    pub(super) fn not_before(&self, purpose: Purpose) -> Option<Duration> {
        let own = self.streaks.get(&purpose).map_or(Some(Duration::ZERO), Streak::not_before)?;
        Some(own.max(self.outage.not_before()?))
    }

    /// Why a one-shot run has given up, each reason once.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.streaks.values().chain([&self.outage]).filter_map(|streak| streak.gave_up.clone()).collect();
        reasons.dedup();
        reasons
    }
}

impl Streak {
    fn not_before(&self) -> Option<Duration> {
        self.gave_up.is_none().then_some(self.not_before)
    }

    fn fail(&mut self, failure: &Failure, reason: &str, monotonic: Duration, patience: Patience) -> Retry {
        self.fails = self.fails.saturating_add(1);
        let wait = backoff::wait(failure, self.fails, patience.seed);
        let most = match failure {
            Failure::Throttled { .. } => ONCE_THROTTLES,
            Failure::Unavailable | Failure::Malformed => ONCE_FAULTS,
            Failure::Unauthorized | Failure::Refused => 1,
        };
        self.not_before = monotonic + wait;
        if patience.once && self.fails >= most {
            self.gave_up = Some(reason.to_owned());
        }
        Retry { wait, fails: self.fails }
    }
}
