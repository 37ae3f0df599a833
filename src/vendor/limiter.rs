//! The request budget of one credential.
//!
//! What may hold a request back: the gate that a 429 closes for everybody, the number of requests in flight, the rate, and
//! the budgets by hour and day. All are decided in one step under one lock, so no request leaves through a gate that has
//! just closed.

mod allowance;
mod pace;

use crate::record::{Closed, Ledger, Period};
use allowance::{Allowance, Ask, Limits};
use chrono::Utc;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use pace::Pace;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The gate never closes for longer, whatever it is told.
const LONGEST_WAIT: Duration = Duration::from_secs(48 * 3600);
/// The slowest rate: a request a day.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);
/// Of a wait; clients of one vendor that were stopped together should not return together.
const JITTER: f64 = 0.05;
/// More is not a little.
const MOST_JITTER: Duration = Duration::from_secs(10);

/// After so many polls that went before a waiting fill, one fill goes: where the vendor takes fewer requests than polls alone
/// want, the past must be read all the same.
const POLLS_A_FILL: u32 = 9;

/// Whoever is not next looks again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimiterOptions {
    /// The ceiling, without bursts. Below 1 is a request every so many seconds, down to one a day; what is no positive
    /// number counts as one a day.
    pub requests_per_second: f64,
    /// Requests between being sent and being answered; at least 1.
    pub max_in_flight: usize,
    /// Requests in an hour of the wall clock, UTC; `None` for no limit. Holds once there is a [`Ledger`].
    pub requests_per_hour: Option<u64>,
    /// The same for a day.
    pub requests_per_day: Option<u64>,
}

/// Who goes first when several wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What is new: before a fill, but for one fill in ten.
    Poll,
    /// What is old: a backfill or an audit.
    Fill,
}

/// Lets requests leave one by one, in the order of their priority and then of their coming.
#[derive(Debug)]
pub struct Limiter {
    rate: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    most: usize,
    state: Mutex<State>,
    /// LookbackRule whenever somebody who waits might now go.
    changed: Notify,
    /// LookbackRule whenever the ledger should be saved.
    unsaved: Notify,
}

/// Leave to send one request; dropping it frees its place.
#[derive(Debug)]
#[must_use = "dropping the permit frees its place in flight"]
pub struct Permit<'a> {
    limiter: &'a Limiter,
    left: Instant,
}

#[derive(Debug)]
struct State {
    not_before: Option<Instant>,
    closed: Option<Closed>,
    /// When the last 429 came.
    closed_at: Option<Instant>,
    /// The full hour in which it was told that a budget is spent.
    told_spent: Option<i64>,
    /// After a 429, one request goes first and alone.
    probing: bool,
    in_flight: usize,
    next_number: u64,
    waiting: BTreeSet<Ticket>,
    /// Polls that went before a waiting fill, since the last fill.
    passed_over: u32,
    pace: Pace,
    allowance: Allowance,
}

type Ticket = (Priority, u64);

enum Step<'a> {
    Leave(Permit<'a>),
    /// Look again at this moment, or when something changed.
    Wait(Option<Instant>),
}

impl Limiter {
    /// A budget with nothing spent: the first request may leave at once.
    #[must_use]
    pub fn new(options: LimiterOptions) -> Limiter {
        let quota = Quota::with_period(period(options.requests_per_second)).expect("the period is not zero");
        let now = Instant::now();
        let limits = Limits { hour: options.requests_per_hour, day: options.requests_per_day };
        let state = State {
            not_before: None,
            closed: None,
            closed_at: None,
            told_spent: None,
            probing: false,
            in_flight: 0,
            next_number: 0,
            waiting: BTreeSet::new(),
            passed_over: 0,
            pace: Pace::new(options.requests_per_second, now),
            allowance: Allowance::new(limits),
        };
        Limiter {
            rate: RateLimiter::direct_with_clock(quota, TokioClock(now)),
            most: options.max_in_flight.max(1),
            state: Mutex::new(state),
            changed: Notify::new(),
            unsaved: Notify::new(),
        }
    }

    /// Goes on where an earlier process was. From now on no request leaves that has not been counted in a saved ledger:
    /// somebody must wait for [`Limiter::unsaved`], and save.
    pub fn resume(&self, ledger: Ledger) {
        let mut state = self.state();
        state.pace.resume(ledger.rate, Instant::now());
        state.allowance.resume(ledger.counts);
        if let Some(closed) = ledger.closed {
            // A clock that was set back meanwhile must not make the wait longer than the vendor's.
            let left = u64::try_from(closed.until_ms.saturating_sub(Utc::now().timestamp_millis())).unwrap_or(0);
            let left = Duration::from_millis(left).min(with_jitter(closed.wait, 1.0));
            state.not_before = Some(Instant::now() + left);
            state.closed = Some(closed);
            state.probing = true;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until the ledger should be saved.
    pub async fn unsaved(&self) {
        self.unsaved.notified().await;
    }

    /// The ledger to save. Some requests are counted in it that may leave once [`Limiter::saved`] says that it is.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut state = self.state();
        let counts = state.allowance.reserve(Utc::now().timestamp());
        state.ledger(counts)
    }

    /// The last ledger was saved.
    pub fn saved(&self) {
        self.state().allowance.saved();
        self.changed.notify_waiters();
    }

    /// The ledger to save at an orderly end, when no request leaves any more.
    #[must_use]
    pub fn settle(&self) -> Ledger {
        let mut state = self.state();
        let counts = state.allowance.settle();
        state.ledger(counts)
    }

    /// Waits for the gate, a place in flight, the rate and the budgets. `None` when cancelled.
    pub async fn admit(&self, priority: Priority, stop: &CancellationToken) -> Option<Permit<'_>> {
        let place = self.queue_up(priority);
        loop {
            // Listens before it looks, so that a change in between is not missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.step(place.ticket) {
                _ if stop.is_cancelled() => return None,
                Step::Leave(permit) => return Some(permit),
                Step::Wait(until) => until,
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = changed => {}
                () = until_or_never(until) => {}
            }
        }
    }

    /// Closes the gate for everybody, for this long and a little longer; a gate closed for longer stays so.
    pub fn close_for(&self, wait: Duration) {
        let wait = wait.min(LONGEST_WAIT);
        let closed_for = with_jitter(wait, fraction());
        let until = Some(Instant::now() + closed_for);
        let mut state = self.state();
        if state.not_before < until {
            let millis = i64::try_from(closed_for.as_millis()).unwrap_or(i64::MAX);
            state.closed = Some(Closed { until_ms: Utc::now().timestamp_millis().saturating_add(millis), wait });
            state.not_before = until;
        }
        state.probing = true;
        state.closed_at = Some(Instant::now());
        drop(state);
        self.unsaved.notify_one();
    }

    /// The request of this permit was answered 429: the gate closes, and the rate is halved.
    pub fn throttled(&self, permit: &Permit<'_>, wait: Duration) {
        self.state().pace.throttled(permit.left, Instant::now());
        self.close_for(wait);
    }

    /// The request of this permit was answered as it should be. One that had left before a 429 says nothing of what followed.
    pub fn answered(&self, permit: &Permit<'_>) {
        let mut state = self.state();
        if state.closed_at.is_some_and(|closed| permit.left < closed) {
            return;
        }
        let probed = std::mem::take(&mut state.probing) && state.closed.take().is_some();
        let faster = state.pace.answered(Instant::now());
        drop(state);
        if probed || faster {
            self.unsaved.notify_one();
            self.changed.notify_waiters();
        }
    }

    /// How long the gate stays closed; `None` when it is open.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        let left = self.state().not_before?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn queue_up(&self, priority: Priority) -> Place<'_> {
        let mut state = self.state();
        let ticket = (priority, state.next_number);
        state.next_number += 1;
        state.waiting.insert(ticket);
        Place { limiter: self, ticket }
    }

    /// Only the first in the queue watches the clock; it rings for the next when it leaves.
    fn step(&self, ticket: Ticket) -> Step<'_> {
        let now = Instant::now();
        let mut state = self.state();
        let most = if state.probing { 1 } else { self.most };
        if state.next() != Some(ticket) {
            // Who goes next may change with the hour, and then nobody rings.
            return Step::Wait(Some(now + LOOK_AGAIN));
        }
        if state.in_flight >= most {
            return Step::Wait(None);
        }
        if let Some(open) = state.not_before.max(state.pace.next()).filter(|open| now < *open) {
            return Step::Wait(Some(open));
        }
        match state.allowance.ask(ticket.0, Utc::now().timestamp()) {
            Ask::Leave => {}
            Ask::Spent(wait) => {
                let hour = Period::Hour.began(Utc::now().timestamp());
                if state.told_spent.replace(hour) != Some(hour) {
                    tracing::warn!(
                        "the budget of requests is spent (rate.requests_per_hour, rate.requests_per_day); waiting for the next period"
                    );
                }
                return Step::Wait(Some(now + wait));
            }
            Ask::Uncounted => {
                self.unsaved.notify_one();
                return Step::Wait(None);
            }
        }
        if let Err(not_until) = self.rate.check() {
            return Step::Wait(Some(now + not_until.wait_time_from(self.rate.clock().now())));
        }
        state.waiting.remove(&ticket);
        state.passed_over = if ticket.0 == Priority::Poll && state.first_fill().is_some() { state.passed_over + 1 } else { 0 };
        state.in_flight += 1;
        state.pace.leave(now);
        state.allowance.spend();
        Step::Leave(Permit { limiter: self, left: now })
    }

    /// Every change of the state leaves it whole at each step, so a panic elsewhere does too.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who goes next.
    fn next(&self) -> Option<Ticket> {
        let fill = self.first_fill().filter(|_| self.passed_over >= POLLS_A_FILL);
        // A fill whose budget is spent must not stand in a poll's way.
        let now = Utc::now().timestamp();
        let fill = fill.filter(|_| !matches!(self.allowance.ask(Priority::Fill, now), Ask::Spent(_)));
        fill.or_else(|| self.waiting.first().copied())
    }

    fn first_fill(&self) -> Option<Ticket> {
        self.waiting.range((Priority::Fill, 0)..).next().copied()
    }

    fn ledger(&self, counts: crate::record::Counts) -> Ledger {
        Ledger { rate: self.pace.below_ceiling(), closed: self.closed, counts }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limiter.state().in_flight -= 1;
        self.limiter.changed.notify_waiters();
    }
}

/// A place in the queue, given up when its owner leaves it or is dropped.
struct Place<'a> {
    limiter: &'a Limiter,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.state().waiting.remove(&self.ticket);
        self.limiter.changed.notify_waiters();
    }
}

/// tokio's clock, which every wait here is measured with; tests may stop it.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn period(requests_per_second: f64) -> Duration {
    let period = Duration::try_from_secs_f64(requests_per_second.recip()).unwrap_or(LONGEST_PERIOD);
    period.clamp(Duration::from_nanos(1), LONGEST_PERIOD)
}

fn with_jitter(wait: Duration, fraction: f64) -> Duration {
    wait + wait.mul_f64(JITTER * fraction).min(MOST_JITTER)
}

/// Something in 0..1, from the seed that the standard library draws for its hash maps.
fn fraction() -> f64 {
    let seed = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn limiter(requests_per_second: f64, max_in_flight: usize) -> Arc<Limiter> {
        let options = LimiterOptions { requests_per_second, max_in_flight, requests_per_hour: None, requests_per_day: None };
        Arc::new(Limiter::new(options))
    }

    /// When each of these leaves, in ms, and in which order; all come at once and hold their place for `busy`.
    async fn departures(limiter: &Arc<Limiter>, priorities: &[Priority], busy: Duration) -> Vec<(Priority, u128)> {
        let start = Instant::now();
        let left = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in priorities.iter().copied() {
            let (limiter, left) = (Arc::clone(limiter), Arc::clone(&left));
            tasks.spawn(async move {
                let permit = limiter.admit(priority, &CancellationToken::new()).await.expect("not cancelled");
                left.lock().expect("no panic").push((priority, start.elapsed().as_millis()));
                tokio::time::sleep(busy).await;
                drop(permit);
            });
        }
        tasks.join_all().await;
        Arc::into_inner(left).expect("all tasks ended").into_inner().expect("no panic")
    }

    fn times(left: &[(Priority, u128)]) -> Vec<u128> {
        left.iter().map(|(_, at)| *at).collect()
    }

    const NO_TIME: Duration = Duration::ZERO;
    const ONE_SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_rate_has_no_bursts() {
        let left = departures(&limiter(2.0, 9), &[Priority::Poll; 4], NO_TIME).await;
        assert_eq!(times(&left), [0, 500, 1000, 1500]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_below_one_is_a_period() {
        let left = departures(&limiter(0.1, 9), &[Priority::Poll; 3], NO_TIME).await;
        assert_eq!(times(&left), [0, 10_000, 20_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_hour_saves_nothing_up() {
        let limiter = limiter(1.0, 9);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(times(&departures(&limiter, &[Priority::Fill; 3], NO_TIME).await), [0, 1000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_in_flight_is_awaited() {
        let left = departures(&limiter(1e6, 2), &[Priority::Poll; 6], ONE_SECOND).await;
        let seconds: Vec<u128> = times(&left).iter().map(|at| at / 1000).collect();
        assert_eq!(seconds, [0, 0, 1, 1, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_goes_before_every_fill_that_waits() {
        let mut priorities = vec![Priority::Fill; 5];
        priorities.extend([Priority::Poll; 2]);
        let limiter = limiter(1.0, 9);
        limiter.close_for(Duration::from_millis(1));
        let left = departures(&limiter, &priorities, NO_TIME).await;
        let order: Vec<Priority> = left.iter().map(|(priority, _)| *priority).collect();
        assert!(order.is_sorted(), "{order:?}");
    }

    /// Where polls alone want more than the vendor takes, the load of the past goes on all the same.
    #[tokio::test(start_paused = true)]
    async fn one_request_in_ten_is_a_fill_however_many_polls_wait() {
        let mut priorities = vec![Priority::Fill; 3];
        priorities.extend([Priority::Poll; 40]);
        let left = departures(&limiter(1.0, 9), &priorities, NO_TIME).await;
        let fills: Vec<usize> = (0..left.len()).filter(|at| left[*at].0 == Priority::Fill).collect();
        assert_eq!(fills, [0, 10, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_a_closed_gate_and_the_longest_wait_counts() {
        let limiter = limiter(1e6, 9);
        limiter.close_for(Duration::from_secs(100));
        limiter.close_for(ONE_SECOND);
        assert!(limiter.closed_for().is_some_and(|left| left >= Duration::from_secs(100) && left <= Duration::from_secs(105)));
        let left = departures(&limiter, &[Priority::Poll, Priority::Fill], NO_TIME).await;
        assert!(times(&left).iter().all(|at| (100_000..=105_001).contains(at)), "{left:?}");
        assert_eq!(limiter.closed_for(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_closes_while_others_wait_holds_them() {
        let limiter = limiter(1.0, 9);
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { departures(&limiter, &[Priority::Poll; 3], NO_TIME).await }
        });
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        limiter.close_for(Duration::from_secs(60));
        let left = times(&waiting.await.expect("no panic"));
        assert_eq!(left[..2], [0, 1000]);
        assert!(left[2] >= 61_500, "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_frees_the_waiter_and_its_place_in_the_queue() {
        let limiter = limiter(1.0, 1);
        limiter.close_for(ONE_SECOND);
        let stop = CancellationToken::new();
        let mut cancelled = pin!(limiter.admit(Priority::Poll, &stop));
        assert!(tokio::time::timeout(Duration::from_millis(10), cancelled.as_mut()).await.is_err());
        stop.cancel();
        assert!(cancelled.await.is_none());
        assert!(limiter.admit(Priority::Poll, &stop).await.is_none());
        assert!(limiter.admit(Priority::Fill, &CancellationToken::new()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_waiter_blocks_nobody() {
        let limiter = limiter(1.0, 1);
        let go_on = CancellationToken::new();
        let permit = limiter.admit(Priority::Poll, &go_on).await;
        assert!(tokio::time::timeout(ONE_SECOND, limiter.admit(Priority::Poll, &go_on)).await.is_err());
        drop(permit);
        assert!(limiter.admit(Priority::Fill, &go_on).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_halves_the_rate_below_the_ceiling() {
        let limiter = limiter(1.0, 9);
        let permit = limiter.admit(Priority::Poll, &CancellationToken::new()).await.expect("not cancelled");
        limiter.throttled(&permit, Duration::from_millis(1));
        drop(permit);
        assert_eq!(times(&departures(&limiter, &[Priority::Poll; 3], NO_TIME).await), [2000, 4000, 6000]);
        assert_eq!(limiter.ledger().rate, Some(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_429_one_request_goes_first_and_alone() {
        let limiter = limiter(1e6, 9);
        limiter.close_for(ONE_SECOND);
        let left = departures(&limiter, &[Priority::Poll; 3], ONE_SECOND).await;
        let seconds: Vec<u128> = times(&left).iter().map(|at| at / 1000).collect();
        assert_eq!(seconds, [1, 2, 3], "it was never answered, so each of them is a probe");
        let permit = limiter.admit(Priority::Poll, &CancellationToken::new()).await.expect("not cancelled");
        limiter.answered(&permit);
        drop(permit);
        let left = departures(&limiter, &[Priority::Poll; 3], ONE_SECOND).await;
        assert!(times(&left).iter().all(|at| *at < 1000), "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_what_left_before_the_429_opens_nothing() {
        let (limiter, stop) = (limiter(1e6, 9), CancellationToken::new());
        let early = limiter.admit(Priority::Poll, &stop).await.expect("not cancelled");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let told = limiter.admit(Priority::Poll, &stop).await.expect("not cancelled");
        tokio::time::sleep(Duration::from_millis(10)).await;
        limiter.throttled(&told, ONE_SECOND);
        limiter.answered(&early);
        drop((early, told));
        assert!(limiter.ledger().closed.is_some(), "a restart would open the gate");
        let left = departures(&limiter, &[Priority::Poll; 2], ONE_SECOND).await;
        assert!(times(&left)[1] - times(&left)[0] >= 1000, "the probe was not alone: {left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_gate_and_the_rate_outlive_the_process() {
        let before = limiter(2.0, 9);
        let permit = before.admit(Priority::Poll, &CancellationToken::new()).await.expect("not cancelled");
        before.throttled(&permit, Duration::from_secs(100));
        let after = limiter(2.0, 9);
        after.resume(before.ledger());
        assert!(after.closed_for().is_some_and(|left| left > Duration::from_secs(99)), "{:?}", after.closed_for());
        assert_eq!(after.ledger().rate, Some(1.0));
        let closed = Closed { until_ms: i64::MAX, wait: ONE_SECOND };
        after.resume(Ledger { closed: Some(closed), ..Ledger::default() });
        assert!(after.closed_for().is_some_and(|left| left < Duration::from_secs(2)), "a clock that was set back makes it longer");
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_leaves_before_it_is_counted_in_a_saved_ledger() {
        let limiter = limiter(1e6, 9);
        limiter.resume(Ledger::default());
        let stop = CancellationToken::new();
        let mut asking = pin!(limiter.admit(Priority::Poll, &stop));
        assert!(tokio::time::timeout(ONE_SECOND, asking.as_mut()).await.is_err());
        limiter.unsaved().await;
        assert!(limiter.ledger().counts.values().all(|count| *count > 0));
        assert!(tokio::time::timeout(ONE_SECOND, asking.as_mut()).await.is_err(), "the ledger is not saved yet");
        limiter.saved();
        assert!(asking.await.is_some());
        assert_eq!(limiter.settle().counts.values().copied().collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn absurd_options_and_waits_are_bounded() {
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert_eq!(period(rate), LONGEST_PERIOD, "{rate}");
        }
        assert_eq!(period(f64::INFINITY), Duration::from_nanos(1));
        assert_eq!(period(0.5), Duration::from_secs(2));
        assert!((0..1000).map(|_| fraction()).all(|fraction| (0.0..=1.0).contains(&fraction)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_wait_ends() {
        let limiter = limiter(1.0, 1);
        limiter.close_for(Duration::MAX);
        assert!(limiter.closed_for().is_some_and(|left| left <= LONGEST_WAIT + MOST_JITTER));
    }
}
