//! The limiter of one credential, shared by every task that sends requests.
//!
//! This is the shell: it holds the lock, reads the clocks and wakes those who wait. What it obeys is decided in `admission`.

mod admission;
mod budget;
mod gate;
mod queue;
mod rate;

pub use admission::LimiterOptions;
pub use queue::Priority;

use crate::record::Ledger;
use admission::{Admission, Turn};
use chrono::Utc;
use gate::Moment;
use queue::Ticket;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Lets requests leave one by one, in the order of their priority and then of their arrival.
#[derive(Debug)]
pub struct Limiter {
    started: Instant,
    admission: Mutex<Admission>,
    /// Notified whenever somebody who waits might now go.
    changed: Notify,
    /// Notified whenever the ledger should be saved.
    unsaved: Notify,
}

/// Permission to send one request. Dropping it frees its place in flight, or in the queue if it was not given yet.
#[derive(Debug)]
#[must_use = "dropping the permit frees its place in flight"]
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    ticket: Ticket,
    /// When it was given, on the limiter's monotonic clock.
    left: Duration,
}

impl Limiter {
    /// A budget with nothing spent: the first request may leave at once.
    #[must_use]
    pub fn new(options: LimiterOptions) -> Limiter {
        Limiter { started: Instant::now(), admission: Mutex::new(Admission::new(options)), changed: Notify::new(), unsaved: Notify::new() }
    }

    /// Goes on where an earlier process was. From now on no request leaves that has not been counted in a saved ledger:
    /// somebody must wait for [`Limiter::unsaved`], and save.
    pub(crate) fn resume(&self, ledger: Ledger) {
        let (mut admission, now) = self.locked();
        admission.rate.resume(ledger.rate, now.monotonic);
        admission.budget.resume(ledger.counts);
        if let Some(closed) = ledger.closed {
            admission.gate.resume(closed, now);
        }
        self.changed.notify_waiters();
    }

    /// Waits until the ledger should be saved.
    pub(crate) async fn unsaved(&self) {
        self.unsaved.notified().await;
    }

    /// The ledger to save. It counts some requests that may leave only after [`Limiter::saved`].
    pub(crate) fn ledger(&self) -> Ledger {
        let (mut admission, now) = self.locked();
        let counts = admission.budget.reserve(now.unix_seconds());
        admission.ledger(counts)
    }

    /// The last ledger was saved.
    pub(crate) fn saved(&self) {
        self.locked().0.budget.saved();
        self.changed.notify_waiters();
    }

    /// The ledger to save at an orderly end, when no request leaves any more.
    pub(crate) fn settle(&self) -> Ledger {
        let (mut admission, _) = self.locked();
        let counts = admission.budget.settle();
        admission.ledger(counts)
    }

    /// Waits for the gate, a place in flight, the rate and the budgets. `None` when cancelled.
    pub(super) async fn admit(&self, priority: Priority, stop: &CancellationToken) -> Option<Permit<'_>> {
        let mut permit = Permit { limiter: self, ticket: self.locked().0.queue.join(priority), left: Duration::ZERO };
        loop {
            // Listens before it looks, so that a change in between is not missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if stop.is_cancelled() {
                return None;
            }
            let (turn, now) = self.turn(permit.ticket);
            let look_again = match turn {
                Turn::Leave => {
                    permit.left = now;
                    // Whoever is next now waits for the clock.
                    self.changed.notify_waiters();
                    return Some(permit);
                }
                Turn::Wait(look_again) => look_again,
                Turn::WaitForSave => {
                    self.unsaved.notify_one();
                    None
                }
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = changed => {}
                () = sleep_until(self.started + look_again.unwrap_or_default()), if look_again.is_some() => {}
            }
        }
    }

    /// A request was answered 429: the gate closes, and the rate is halved. A gate that is closed already halves nothing:
    /// requests that were under way together are one warning, and a probe goes alone, so it says nothing of the rate.
    pub(super) fn throttled(&self, wait: Duration) {
        let (mut admission, now) = self.locked();
        if !admission.gate.is_probing() {
            admission.rate.throttled(now.monotonic);
        }
        drop(admission);
        self.close_for(wait);
    }

    /// The request of this permit was answered as it should be. One that had left before a 429 says nothing of what followed.
    pub(super) fn answered(&self, permit: &Permit<'_>) {
        let (mut admission, now) = self.locked();
        if admission.gate.predates_closing(permit.left) {
            return;
        }
        let opened = admission.gate.answered();
        let faster = admission.rate.answered(opened, now.monotonic);
        if opened || faster {
            self.unsaved.notify_one();
            self.changed.notify_waiters();
        }
    }

    /// Requests per second that may leave at present.
    pub(super) fn rate(&self) -> f64 {
        self.locked().0.rate.current()
    }

    /// How long the gate stays closed; `None` when it is open.
    pub fn closed_for(&self) -> Option<Duration> {
        let (admission, now) = self.locked();
        admission.gate.closed_until(now.monotonic).map(|open| open - now.monotonic)
    }

    /// Closes the gate for everybody, for this long and a little longer; a gate closed for longer stays so.
    fn close_for(&self, wait: Duration) {
        let (mut admission, now) = self.locked();
        admission.gate.close(wait, fraction(), now);
        self.unsaved.notify_one();
    }

    fn turn(&self, ticket: Ticket) -> (Turn, Duration) {
        let (mut admission, now) = self.locked();
        (admission.turn(ticket, now), now.monotonic)
    }

    /// The clocks are read under the lock, so decisions see time go forward. Every change leaves the state whole at each step,
    /// so a panic elsewhere does too.
    fn locked(&self) -> (MutexGuard<'_, Admission>, Moment) {
        let admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        (admission, Moment { monotonic: self.started.elapsed(), unix_ms: Utc::now().timestamp_millis() })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limiter.locked().0.queue.leave(self.ticket);
        self.limiter.changed.notify_waiters();
    }
}

/// Something in 0..1, from the seed that the standard library draws for its hash maps.
fn fraction() -> f64 {
    let seed = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ClosedGate;
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
    async fn one_request_in_three_is_a_fill_however_many_polls_wait() {
        let mut priorities = vec![Priority::Fill; 3];
        priorities.extend([Priority::Poll; 40]);
        let left = departures(&limiter(1.0, 9), &priorities, NO_TIME).await;
        let fills: Vec<usize> = (0..left.len()).filter(|at| left[*at].0 == Priority::Fill).collect();
        assert_eq!(fills, [0, 3, 6]);
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
        limiter.throttled(Duration::from_millis(1));
        drop(permit);
        assert_eq!(times(&departures(&limiter, &[Priority::Poll; 3], NO_TIME).await), [2000, 4000, 6000]);
        assert_eq!(limiter.ledger().rate, Some(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_halves_the_rate_once() {
        let (limiter, stop) = (limiter(8.0, 2), CancellationToken::new());
        let together = (limiter.admit(Priority::Poll, &stop).await, limiter.admit(Priority::Poll, &stop).await);
        limiter.throttled(ONE_SECOND);
        limiter.throttled(ONE_SECOND);
        drop(together);
        assert_eq!(limiter.rate(), 4.0, "two requests that were under way together");
        let probe = limiter.admit(Priority::Poll, &stop).await.expect("not cancelled");
        limiter.throttled(ONE_SECOND);
        drop(probe);
        assert_eq!(limiter.rate(), 4.0, "a probe");
        let probe = limiter.admit(Priority::Poll, &stop).await.expect("not cancelled");
        limiter.answered(&probe);
        drop(probe);
        limiter.throttled(ONE_SECOND);
        assert_eq!(limiter.rate(), 2.0, "the gate was open in between");
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
        limiter.throttled(ONE_SECOND);
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
        before.throttled(Duration::from_secs(100));
        drop(permit);
        let after = limiter(2.0, 9);
        after.resume(before.ledger());
        assert!(after.closed_for().is_some_and(|left| left > Duration::from_secs(99)), "{:?}", after.closed_for());
        assert_eq!(after.ledger().rate, Some(1.0));
        let closed = ClosedGate { until_ms: i64::MAX, wait: ONE_SECOND };
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
    fn the_jitter_is_a_fraction() {
        assert!((0..1000).map(|_| fraction()).all(|fraction| (0.0..=1.0).contains(&fraction)));
    }
}
