//! Whether a request may leave now.
//!
//! Queue, gate, budgets and rate are asked in one step, so that no request leaves through a gate that has just closed. Time
//! is an argument everywhere.

use super::budget::{Budget, Grant};
use super::gate::{Gate, Moment};
use super::queue::{Priority, Queue, Ticket};
use super::rate::RequestRate;
use crate::record::{Counts, Ledger, Period};
use std::time::Duration;

/// Whoever is not next looks again after this: who goes next may change with the hour, which wakes nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How fast the vendor may be asked, over all that one credential does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimiterOptions {
    /// The ceiling, without bursts. Below 1 it is one request every so many seconds, down to one in a day; what is no
    /// positive number counts as one in a day.
    pub requests_per_second: f64,
    /// Requests between being sent and being answered; at least 1.
    pub max_in_flight: usize,
    /// Requests in an hour of the wall clock, UTC; `None` for no limit. Holds once there is a [`Ledger`].
    pub requests_per_hour: Option<u64>,
    /// Requests from midnight to midnight, UTC; `None` for no limit. Holds once there is a [`Ledger`].
    pub requests_per_day: Option<u64>,
}

/// What the holder of a ticket does. Times are of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Sends its request, which is now counted as in flight.
    Leave,
    /// Looks again at this time, or when something changed.
    Wait(Option<Duration>),
    /// Waits until somebody has saved the ledger.
    WaitForSave,
}

#[derive(Debug)]
pub(super) struct Admission {
    pub(super) queue: Queue,
    pub(super) gate: Gate,
    pub(super) budget: Budget,
    pub(super) rate: RequestRate,
    max_in_flight: usize,
    /// The full hour in which it was last logged that a budget is spent.
    logged_spent: Option<i64>,
}

impl Admission {
    pub(super) fn new(options: LimiterOptions) -> Admission {
        Admission {
            queue: Queue::default(),
            gate: Gate::default(),
            budget: Budget::new(options.requests_per_hour, options.requests_per_day),
            rate: RequestRate::new(options.requests_per_second),
            max_in_flight: options.max_in_flight.max(1),
            logged_spent: None,
        }
    }

    pub(super) fn turn(&mut self, ticket: Ticket, now: Moment) -> Turn {
        let fill_may_go = !matches!(self.budget.ask(Priority::Fill, now.unix_seconds()), Grant::Spent(_));
        if self.queue.next(fill_may_go) != Some(ticket) {
            return Turn::Wait(Some(now.monotonic + LOOK_AGAIN));
        }
        let places = if self.gate.is_probing() { 1 } else { self.max_in_flight };
        if self.queue.in_flight() >= places {
            return Turn::Wait(None);
        }
        if let Some(open) = self.gate.closed_until(now.monotonic) {
            return Turn::Wait(Some(open));
        }
        match self.budget.ask(ticket.0, now.unix_seconds()) {
            Grant::Granted => {}
            Grant::Uncounted => return Turn::WaitForSave,
            Grant::Spent(wait) => {
                let hour = Period::Hour.began(now.unix_seconds());
                if self.logged_spent.replace(hour) != Some(hour) {
                    let settings = "rate.requests_per_hour, rate.requests_per_day";
                    tracing::warn!("the budget of requests is spent ({settings}); waiting for the next period");
                }
                return Turn::Wait(Some(now.monotonic + wait));
            }
        }
        if let Err(next) = self.rate.take(now.monotonic) {
            return Turn::Wait(Some(next));
        }
        self.queue.depart(ticket);
        self.budget.spend();
        Turn::Leave
    }

    /// What is to be remembered of the credential, with these counts.
    pub(super) fn ledger(&self, counts: Counts) -> Ledger {
        Ledger { rate: self.rate.below_ceiling(), closed: self.gate.to_save(), counts }
    }
}
