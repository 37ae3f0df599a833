//! What follows from failed requests: which work waits, for how long, and when a one-shot run gives up.
//!
//! A request that is refused says something of its own window or stream alone, so only its own work waits. A vendor that
//! does not answer, or answers nothing readable, or accepts no credential, is asked by one request at a time, ever more
//! seldom, and each time for the work that has failed least. As soon as one is answered, the other work goes on; what fails
//! again while others are answered has a trouble of its own, and waits by itself. So one failing stream stops no other.

use super::backoff;
use super::options::Purpose;
use crate::record::{Failure, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A one-shot run gives up on a request after this many faults in a row.
const ONCE_FAULTS: u32 = 8;
/// A one-shot run gives up after being throttled this often in a row.
const ONCE_THROTTLES: u32 = 20;
/// A one-shot run asks again once, after this, before it takes a refusal for meant.
const ONCE_REFUSAL: Duration = Duration::from_secs(2);
const ONCE_REFUSALS: u32 = 2;
/// A scan leaves a listing that it asks about after this many failures in a row; and all others, if the next one fails as well.
const SINGLE_FAULTS: u32 = 4;
/// A stream that has failed this often in a row stands apart: the others no longer wait for it.
const APART: u32 = 3;
/// The same where the vendor refuses, which is rarely a slip.
const APART_REFUSED: u32 = 2;

/// A kind of work with one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Work {
    /// What its pages are read for.
    pub(crate) purpose: Purpose,
    /// Whose pages.
    pub(crate) stream: Stream,
}

/// When a failed request is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the next try.
    pub wait: Duration,
    /// How many failures there were in a row, this one included; 0 if the request is not repeated, which is logged at debug
    /// level only.
    pub fails: u32,
}

/// How patient a feed is with its vendor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// A one-shot run gives up in the end.
    pub(super) once: bool,
    /// Feeds share their requests, so those that failed together try again together.
    pub(super) shared: bool,
    /// Spreads clients that failed together.
    pub(super) seed: u64,
}

/// The failures in a row of one kind of work, or of a whole feed.
#[derive(Clone, Debug, Default)]
struct Streak {
    fails: u32,
    not_before: Duration,
    reason: String,
    refused: bool,
    gave_up: bool,
}

/// The failures of a feed.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    patience: Patience,
    streaks: BTreeMap<Work, Streak>,
    /// Of the requests for single listings.
    single: Streak,
    /// While the vendor does not answer: failures in a row, of any work.
    outage: Streak,
    /// The work that first failed in this outage; it may try at once when it is over.
    failed_in_outage: BTreeSet<Work>,
}

impl Attempts {
    pub(super) fn new(patience: Patience) -> Attempts {
        Attempts {
            patience,
            streaks: BTreeMap::new(),
            single: Streak::default(),
            outage: Streak::default(),
            failed_in_outage: BTreeSet::new(),
        }
    }

    /// Takes in a failed request. `reason` is for people.
    pub(super) fn failed(&mut self, work: Work, failure: &Failure, reason: &str, monotonic: Duration) -> Retry {
        let patience = self.patience;
        let streak = self.streaks.entry(work).or_default();
        let was_well = streak.fails == 0;
        let retry = streak.fail(failure, reason, monotonic, patience);
        match failure {
            Failure::Throttled { .. } | Failure::Refused => retry,
            Failure::Unauthorized | Failure::Unavailable | Failure::Malformed => {
                self.failed_in_outage.extend(was_well.then_some(work));
                let all = self.outage.fail(failure, reason, monotonic, patience);
                Retry { wait: all.wait.max(retry.wait), fails: all.fails }
            }
        }
    }

    /// Takes in a failed request for a single listing; tells whether a scan is to give up asking for more. A vendor that does not
    /// answer for one listing is asked for pages all the same.
    pub(super) fn single_failed(&mut self, failure: &Failure, reason: &str, monotonic: Duration) -> (Retry, bool) {
        let mut retry = self.single.fail(failure, reason, monotonic, self.patience);
        let is_refusal = matches!(failure, Failure::Refused | Failure::Unauthorized);
        if is_refusal {
            // The next question is about another listing.
            (self.single.not_before, retry.wait) = (monotonic, Duration::ZERO);
        }
        let left = self.leaves_single(failure, retry);
        // The first that was left may have a trouble of its own; another one right after it shows that all have.
        (retry, left && retry.fails > if is_refusal { SINGLE_FAULTS - 1 } else { SINGLE_FAULTS })
    }

    /// Whether a listing is left for the next scan after this failure, so that the others are asked about.
    pub(crate) fn leaves_single(&self, failure: &Failure, retry: Retry) -> bool {
        match failure {
            Failure::Refused | Failure::Unauthorized => true,
            Failure::Throttled { .. } => false,
            Failure::Unavailable | Failure::Malformed => retry.fails >= SINGLE_FAULTS,
        }
    }

    /// A request for a single listing was answered, or a scan has ended that asked for them.
    pub(super) fn single_answered(&mut self) {
        self.single = Streak::default();
    }

    /// When a single listing may be asked for.
    pub(super) fn single_not_before(&self) -> Duration {
        self.single.not_before
    }

    /// This work alone is to be tried again, after as short a wait as after a fault.
    pub(super) fn failed_alone(&mut self, work: Work, reason: &str, monotonic: Duration) -> Retry {
        self.streaks.entry(work).or_default().fail(&Failure::Unavailable, reason, monotonic, self.patience)
    }

    /// The next question of this work is another one than the one that failed: it need not wait as long, and a one-shot run does
    /// not give up before it was asked.
    pub(super) fn asks_otherwise(&mut self, work: Work, monotonic: Duration) {
        if let Some(streak) = self.streaks.get_mut(&work) {
            streak.not_before = monotonic + backoff::FIRST;
        }
        if self.patience.once {
            self.streaks.get_mut(&work).into_iter().chain([&mut self.outage]).for_each(Streak::has_another_question);
        }
    }

    /// Whether nothing was answered since the last request that failed for want of an answer.
    pub(super) fn is_outage(&self) -> bool {
        self.outage.fails > 0
    }

    /// The vendor answered a request for this work.
    pub(crate) fn answered(&mut self, work: Work) {
        self.streaks.remove(&work);
        self.outage = Streak::default();
        for failed in std::mem::take(&mut self.failed_in_outage) {
            // As if it had failed for the first time. One that has given up stays so.
            self.streaks.entry(failed).and_modify(|streak| (streak.fails, streak.not_before) = (1, Duration::ZERO));
        }
    }

    /// The reason of failures may be gone, as after a change of the key: what waits may try at once.
    pub(crate) fn try_again(&mut self) {
        self.streaks.values_mut().chain([&mut self.single]).for_each(|streak| streak.not_before = Duration::ZERO);
        self.outage = Streak::default();
        self.failed_in_outage.clear();
    }

    /// When this work may ask; `None` when it has given up.
    pub(super) fn not_before(&self, work: Work) -> Option<Duration> {
        let own = self.streaks.get(&work).map_or(Some(Duration::ZERO), Streak::not_before)?;
        Some(own.max(self.outage.not_before()?))
    }

    /// Which of the work that may ask does so first: while the vendor does not answer, what has failed least.
    pub(super) fn rank(&self, work: Work) -> u32 {
        if self.outage.fails == 0 { 0 } else { self.streaks.get(&work).map_or(0, |streak| streak.fails) }
    }

    /// Whether this work has failed so often that other streams no longer wait for it. Where other work with its stream fails as
    /// well, once is enough.
    pub(super) fn stands_apart(&self, work: Work) -> bool {
        let same_stream = self.streaks.iter().filter(|(other, _)| other.stream == work.stream);
        self.streaks.contains_key(&work) && same_stream.into_iter().any(|(_, streak)| streak.is_apart())
    }

    /// Why a one-shot run has given up, each reason once.
    pub(super) fn reasons(&self) -> Vec<String> {
        let given_up = self.streaks.values().chain([&self.outage]).filter(|streak| streak.gave_up);
        let reasons: BTreeSet<String> = given_up.map(|streak| streak.reason.clone()).collect();
        reasons.into_iter().collect()
    }
}

impl Streak {
    fn is_apart(&self) -> bool {
        self.gave_up || self.fails >= if self.refused { APART_REFUSED } else { APART }
    }

    fn has_another_question(&mut self) {
        self.fails = self.fails.min(APART);
        self.gave_up = false;
    }

    fn not_before(&self) -> Option<Duration> {
        (!self.gave_up).then_some(self.not_before)
    }

    fn fail(&mut self, failure: &Failure, reason: &str, monotonic: Duration, patience: Patience) -> Retry {
        self.fails = self.fails.saturating_add(1);
        let wait = match patience.shared {
            true => backoff::wait_together(failure, self.fails, monotonic),
            false => backoff::wait(failure, self.fails, patience.seed),
        };
        let (most, wait) = match failure {
            Failure::Throttled { .. } => (ONCE_THROTTLES, wait),
            Failure::Unavailable | Failure::Malformed => (ONCE_FAULTS, wait),
            Failure::Unauthorized | Failure::Refused if patience.once => (ONCE_REFUSALS, wait.min(ONCE_REFUSAL)),
            Failure::Unauthorized | Failure::Refused => (ONCE_REFUSALS, wait),
        };
        self.not_before = monotonic + wait;
        reason.clone_into(&mut self.reason);
        self.refused = *failure == Failure::Refused;
        self.gave_up |= patience.once && self.fails >= most;
        Retry { wait, fails: self.fails }
    }
}
