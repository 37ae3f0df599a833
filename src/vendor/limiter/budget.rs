//! The budgets by hour and by day.
//!
//! Requests are counted in the database *before* they leave, a few at a time: a process that dies has counted some that it
//! never sent, and sent none that was not counted.

use super::queue::Priority;
use crate::record::{Counts, Period};
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests that are counted at a time; more, where so many leave sooner than `COUNTED_FOR_S`. A crash loses them.
const BLOCK: u64 = 10;
/// So many seconds are to lie between two counts: each is a transaction of its own.
const COUNTED_FOR_S: u64 = 60;
/// Of what a budget has left, this part (a tenth) may be counted at a time.
const COUNTED_AT_ONCE: u64 = 10;
/// A budget is looked at again after this, however long its period still takes: the machine's clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Counts of periods that are as far away as this, in seconds, are dropped.
const FORGOTTEN_S: u64 = 2 * 86_400;
/// Of each budget, this part (a quarter) is kept for polls: a backfill must not leave the day without news.
const KEPT_FOR_POLLS: u64 = 4;

/// Whether a request may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    Granted,
    /// A budget is spent; ask again after this wait.
    Spent(Duration),
    /// Not before it is counted in the database.
    Uncounted,
}

#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The most requests in a period; a period without an entry has no limit.
    limits: BTreeMap<Period, u64>,
    /// Whether there is a ledger. Without one nothing is counted, and no budget holds.
    is_counting: bool,
    /// What the database holds once the last save has come through.
    counts: Counts,
    /// Requests that are counted and have not left. They may leave in the hour that began at `hour`, and only if `saved`.
    reserved: u64,
    hour: i64,
    saved: bool,
    /// How many were counted last, and when.
    block: u64,
    counted_at: i64,
}

impl Budget {
    pub(super) fn new(per_hour: Option<u64>, per_day: Option<u64>) -> Budget {
        let limits = [(Period::Hour, per_hour), (Period::Day, per_day)];
        let limits = limits.into_iter().filter_map(|(period, limit)| Some((period, limit?))).collect();
        Budget { limits, ..Budget::default() }
    }

    /// Counts from now on, beginning with what earlier processes have spent.
    pub(super) fn resume(&mut self, counts: Counts) {
        (self.is_counting, self.counts, self.reserved) = (true, counts, 0);
    }

    /// `now` is a Unix second.
    pub(super) fn ask(&self, priority: Priority, now: i64) -> Grant {
        if !self.is_counting {
            return Grant::Granted;
        }
        for (&period, &limit) in &self.limits {
            let kept = match priority {
                Priority::Poll => 0,
                Priority::Fill => limit / KEPT_FOR_POLLS,
            };
            if self.spent(period, now) >= limit - kept {
                let left = period.began(now) + period.seconds() - now;
                return Grant::Spent(Duration::from_secs(left.unsigned_abs()).min(LOOK_AGAIN));
            }
        }
        if self.saved && self.may_use_reserve(now) { Grant::Granted } else { Grant::Uncounted }
    }

    /// A request leaves.
    pub(super) fn spend(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// What to save so that some requests may leave; `saved` is told when that is done.
    pub(super) fn reserve(&mut self, now: i64) -> Counts {
        if self.is_counting && !self.may_use_reserve(now) {
            self.take_back();
            let block = self.next_block(now);
            self.counts.retain(|(_, began), _| began.abs_diff(now) < FORGOTTEN_S);
            Period::ALL.into_iter().for_each(|period| *self.counts.entry((period, period.began(now))).or_default() += block);
            (self.reserved, self.hour, self.saved) = (block, Period::Hour.began(now), false);
            (self.block, self.counted_at) = (block, now);
        }
        self.counts.clone()
    }

    /// How many to count now: about as many as leave until the next time.
    fn next_block(&self, now: i64) -> u64 {
        let block = match now.abs_diff(self.counted_at) / COUNTED_FOR_S {
            0 => self.block.saturating_mul(2),
            1 => self.block,
            _ => self.block / 2,
        };
        let block = block.max(BLOCK);
        let left = self.limits.iter().map(|(&period, limit)| limit.saturating_sub(self.spent(period, now)));
        left.min().map_or(block, |left| block.min(BLOCK.max(left / COUNTED_AT_ONCE)).min(left))
    }

    pub(super) fn saved(&mut self) {
        self.saved = true;
    }

    /// What to save at an orderly end: requests that were counted and never left are taken back.
    pub(super) fn settle(&mut self) -> Counts {
        self.take_back();
        self.counts.clone()
    }

    fn take_back(&mut self) {
        let unsent = std::mem::take(&mut self.reserved);
        for period in Period::ALL {
            self.counts.entry((period, period.began(self.hour))).and_modify(|count| *count = count.saturating_sub(unsent));
        }
    }

    fn may_use_reserve(&self, now: i64) -> bool {
        self.reserved > 0 && self.hour == Period::Hour.began(now)
    }

    fn spent(&self, period: Period, now: i64) -> u64 {
        let counted = self.counts.get(&(period, period.began(now))).copied().unwrap_or(0);
        let unsent = if period.began(self.hour) == period.began(now) { self.reserved } else { 0 };
        counted.saturating_sub(unsent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const NOON: i64 = 1_700_049_600;

    fn budget(hour: Option<u64>, day: Option<u64>) -> Budget {
        let mut budget = Budget::new(hour, day);
        budget.resume(Counts::new());
        budget
    }

    /// How many leave until something other than counting holds them back.
    fn leave(budget: &mut Budget, priority: Priority, now: i64) -> u64 {
        let mut left = 0;
        while left < 1000 {
            match budget.ask(priority, now) {
                Grant::Granted => {
                    budget.spend();
                    left += 1;
                }
                Grant::Uncounted => {
                    budget.reserve(now);
                    assert_eq!(budget.ask(priority, now), Grant::Uncounted, "it may leave before it is saved");
                    budget.saved();
                }
                Grant::Spent(_) => return left,
            }
        }
        left
    }

    #[test]
    fn without_a_ledger_nothing_is_counted() {
        assert_eq!(Budget::new(Some(1), None).ask(Priority::Fill, NOON), Grant::Granted);
    }

    #[test]
    fn a_budget_is_spent_to_the_last_request_and_comes_back_with_the_next_hour() {
        for limit in [1, 2, 3, 4, 7, 10, 11, 25, 100] {
            let mut budget = budget(Some(limit), None);
            assert_eq!(leave(&mut budget, Priority::Poll, NOON + 5), limit);
            assert_eq!(budget.ask(Priority::Poll, NOON + HOUR - 7), Grant::Spent(Duration::from_secs(7)));
            assert_eq!(leave(&mut budget, Priority::Poll, NOON + HOUR), limit);
        }
    }

    #[test]
    fn fills_leave_a_quarter_to_polls() {
        let mut budget = budget(Some(100), None);
        assert_eq!(leave(&mut budget, Priority::Fill, NOON), 75);
        assert_eq!(leave(&mut budget, Priority::Poll, NOON), 25);
        let mut tiny = self::budget(Some(1), None);
        assert_eq!(leave(&mut tiny, Priority::Fill, NOON), 1);
    }

    #[test]
    fn the_day_holds_over_its_hours() {
        let midnight = Period::Day.began(NOON);
        let mut budget = budget(Some(10), Some(24));
        let left: Vec<u64> = (0..4).map(|hour| leave(&mut budget, Priority::Poll, midnight + hour * HOUR)).collect();
        assert_eq!(left, [10, 10, 4, 0]);
        assert_eq!(leave(&mut budget, Priority::Poll, midnight + 24 * HOUR), 10);
    }

    #[test]
    fn a_crash_loop_never_spends_more_than_the_budget() {
        let mut saved = Counts::new();
        let mut sent = 0;
        for _ in 0..100 {
            let mut process = Budget::new(Some(30), None);
            process.resume(saved.clone());
            if process.ask(Priority::Poll, NOON) == Grant::Uncounted {
                saved = process.reserve(NOON);
                process.saved();
                for _ in 0..3 {
                    sent += u64::from(process.ask(Priority::Poll, NOON) == Grant::Granted);
                    process.spend();
                }
            }
        }
        assert!(sent > 0 && sent <= 30, "{sent}");
    }

    #[test]
    fn an_orderly_end_takes_back_what_never_left() {
        let mut process = budget(Some(30), None);
        process.reserve(NOON);
        process.saved();
        process.spend();
        let counts = process.settle();
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn hours_with_little_to_do_do_not_eat_the_day() {
        let midnight = Period::Day.began(NOON);
        let mut process = budget(None, Some(100));
        for hour in 0..24 {
            process.reserve(midnight + hour * HOUR);
            process.saved();
            process.spend();
        }
        assert_eq!(process.settle()[&(Period::Day, midnight)], 24);
    }

    #[test]
    fn whatever_leaves_is_counted_about_once_a_minute() {
        let mut budget = budget(None, None);
        let mut saves = |per_minute: u64, minutes: std::ops::Range<i64>| {
            let mut saves = 0;
            for request in minutes.flat_map(|minute| (0..per_minute).map(move |_| minute)) {
                if budget.ask(Priority::Poll, NOON + request * 60) == Grant::Uncounted {
                    budget.reserve(NOON + request * 60);
                    budget.saved();
                    saves += 1;
                }
                budget.spend();
            }
            saves
        };
        saves(600, 0..2);
        assert!(saves(600, 2..32) <= 45, "many");
        assert!(saves(5, 32..52) <= 20, "few");
    }

    #[test]
    fn of_a_budget_that_is_nearly_spent_little_is_counted_at_a_time() {
        let mut budget = budget(Some(500), None);
        for left in [500, 300, 150] {
            while budget.spent(Period::Hour, NOON) < 500 - left {
                if budget.ask(Priority::Poll, NOON) == Grant::Uncounted {
                    budget.reserve(NOON);
                    budget.saved();
                }
                budget.spend();
            }
            assert!(budget.reserved <= BLOCK.max(left / COUNTED_AT_ONCE) * 2, "{}", budget.reserved);
        }
    }

    #[test]
    fn a_save_that_failed_counts_once() {
        let mut process = budget(None, None);
        assert_eq!(process.reserve(NOON), process.reserve(NOON));
    }

    #[test]
    fn a_clock_that_steps_back_finds_what_was_spent_then() {
        let mut budget = budget(Some(5), None);
        assert_eq!(leave(&mut budget, Priority::Poll, NOON), 5);
        assert_eq!(leave(&mut budget, Priority::Poll, NOON + HOUR), 5);
        assert_eq!(leave(&mut budget, Priority::Poll, NOON + 1), 0);
    }
}
