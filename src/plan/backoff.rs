//! How long to wait after a failure.

use crate::record::Failure;
use std::time::Duration;

/// The first wait after a fault that is likely to pass by itself.
pub(super) const FIRST: Duration = Duration::from_millis(500);
/// The longest wait between two tries of a fault that is likely to pass by itself.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The waits before a refusal is taken for meant.
const CONFIRM: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(40)];
/// A refused request, or a credential that is not accepted, is asked again this seldom.
const REPROBE: Duration = Duration::from_secs(15 * 60);

/// The wait before the next try, after `fails` failures in a row (1 for the first).
///
/// `seed` spreads clients that failed together: up to a quarter is added, nothing is ever taken off.
#[must_use]
pub(crate) fn wait(failure: &Failure, fails: u32, seed: u64) -> Duration {
    let least = least(failure, fails);
    least + jitter(least / 4, seed ^ u64::from(fails))
}

/// The same for feeds that share their requests: those that failed together come back together, so that they are asked for
/// together again. `monotonic` is the time of the failure.
#[must_use]
pub(super) fn wait_together(failure: &Failure, fails: u32, monotonic: Duration) -> Duration {
    let least = least(failure, fails);
    let grain = (least / 4).as_nanos().max(1);
    let end = (monotonic + least).as_nanos().div_ceil(grain) * grain;
    Duration::from_nanos(u64::try_from(end).unwrap_or(u64::MAX)).saturating_sub(monotonic)
}

fn least(failure: &Failure, fails: u32) -> Duration {
    match failure {
        // The limiter keeps everybody from asking until the vendor's time; nothing is added here.
        Failure::Throttled { .. } => Duration::ZERO,
        Failure::Unavailable | Failure::Malformed => FIRST.saturating_mul(1 << fails.saturating_sub(1).min(16)).min(LONGEST),
        // It may be a slip, as during a deployment: it is confirmed before the feed rests.
        Failure::Unauthorized | Failure::Refused => CONFIRM.get(fails.saturating_sub(1) as usize).copied().unwrap_or(REPROBE),
    }
}

/// A part of `most`, the same for the same seed (SplitMix64).
fn jitter(most: Duration, seed: u64) -> Duration {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    most.mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failure: &Failure, fails: u32, least: u64, most: u64) {
        for seed in 0..200 {
            let wait = wait(failure, fails, seed).as_millis() as u64;
            assert!((least..=most).contains(&wait), "{failure:?} after {fails}: {wait} ms");
        }
    }

    #[test]
    fn doubles_up_to_a_limit() {
        check(&Failure::Unavailable, 1, 500, 625);
        check(&Failure::Malformed, 2, 1_000, 1_250);
        check(&Failure::Unavailable, 5, 8_000, 10_000);
        check(&Failure::Unavailable, 12, 300_000, 375_000);
        check(&Failure::Unavailable, u32::MAX, 300_000, 375_000);
    }

    #[test]
    fn feeds_that_failed_together_and_share_requests_come_back_at_the_same_moments() {
        for (failure, fails) in [(Failure::Unavailable, 1), (Failure::Malformed, 7), (Failure::Unauthorized, 1), (Failure::Refused, 3)] {
            let alone = least(&failure, fails);
            let ends = |monotonic: Duration| monotonic + wait_together(&failure, fails, monotonic);
            let moments: std::collections::BTreeSet<_> =
                (0..40).map(|feed| ends(Duration::from_millis(86_400_003) + alone * feed / 1_000)).collect();
            assert!(moments.len() <= 2, "{moments:?}");
            let waits = (0..200).map(|feed| wait_together(&failure, fails, Duration::from_millis(feed * 77)));
            assert!(waits.into_iter().all(|wait| alone <= wait && wait < alone * 5 / 4), "{failure:?} after {fails}");
        }
        assert_eq!(wait_together(&Failure::Throttled { wait: FIRST }, 1, FIRST), Duration::ZERO);
    }

    #[test]
    fn what_will_be_refused_again_is_asked_seldom() {
        check(&Failure::Unauthorized, 3, 900_000, 1_125_000);
        check(&Failure::Refused, 9, 900_000, 1_125_000);
    }

    #[test]
    fn a_refusal_is_confirmed_within_a_minute() {
        check(&Failure::Unauthorized, 1, 5_000, 6_250);
        check(&Failure::Refused, 2, 40_000, 50_000);
    }

    #[test]
    fn clients_that_failed_together_come_back_apart() {
        let waits: std::collections::BTreeSet<_> = (0..50).map(|seed| wait(&Failure::Unavailable, 3, seed)).collect();
        assert!(waits.len() > 45);
    }
}
