//! The request budget of one credential.
//!
//! Three things hold a request back: the gate that a 429 closes for everybody, the number of requests in flight, and the
//! rate. All three are decided in one step under one lock, so no request leaves through a gate that has just closed.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
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

/// The budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimiterOptions {
    /// The ceiling, without bursts. Below 1 is a request every so many seconds, down to one a day; what is no positive
    /// number counts as one a day.
    pub requests_per_second: f64,
    /// Requests between being sent and being answered; at least 1.
    pub max_in_flight: usize,
}

/// Who goes first when several wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What is new: always before a fill.
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
    /// Rung whenever somebody who waits might now go.
    changed: Notify,
}

/// Leave to send one request; dropping it frees its place.
#[derive(Debug)]
#[must_use = "dropping the permit frees its place in flight"]
pub struct Permit<'a>(&'a Limiter);

#[derive(Debug, Default)]
struct State {
    not_before: Option<Instant>,
    in_flight: usize,
    next_number: u64,
    waiting: BTreeSet<Ticket>,
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
        let rate = RateLimiter::direct_with_clock(quota, TokioClock(Instant::now()));
        Limiter { rate, most: options.max_in_flight.max(1), state: Mutex::default(), changed: Notify::new() }
    }

    /// Waits for the gate, a place in flight and the rate. `None` when cancelled.
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

    /// Closes the gate for everybody, for this long and up to 5 % longer; a gate closed for longer stays so.
    pub fn close_for(&self, wait: Duration) {
        let wait = wait.min(LONGEST_WAIT);
        let until = Instant::now() + wait + wait.mul_f64(JITTER * fraction());
        let mut state = self.state();
        state.not_before = state.not_before.max(Some(until));
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
        if state.waiting.first() != Some(&ticket) || state.in_flight >= self.most {
            return Step::Wait(None);
        }
        if let Some(open) = state.not_before.filter(|open| now < *open) {
            return Step::Wait(Some(open));
        }
        if let Err(not_until) = self.rate.check() {
            return Step::Wait(Some(now + not_until.wait_time_from(self.rate.clock().now())));
        }
        state.waiting.remove(&ticket);
        state.in_flight += 1;
        Step::Leave(Permit(self))
    }

    /// Every change of the state is one assignment, so a panic elsewhere leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
        self.0.changed.notify_waiters();
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
        Arc::new(Limiter::new(LimiterOptions { requests_per_second, max_in_flight }))
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
        assert!(limiter.closed_for().is_some_and(|left| left <= LONGEST_WAIT.mul_f64(1.0 + JITTER)));
    }
}
