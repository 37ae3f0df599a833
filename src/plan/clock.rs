//! The moment of a decision, on the vendor's clock as well as on ours.

use crate::record::Stamp;
use crate::record::zone::TimestampZone;
use std::time::Duration;

/// A `Date` header tells whole seconds, rounded down, and takes a moment to arrive: what we reckon may be ahead of it by
/// this much without being wrong.
const GRAIN: Duration = Duration::from_millis(1200);

/// A moment on this machine's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The wall clock, UTC. It may be set forward or back.
    pub ours: Stamp,
    /// Time since the process began. It never steps.
    pub monotonic: Duration,
}

/// A moment on all clocks that decisions depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The vendor's clock, in the zone of the vendor's dates.
    pub vendor: Stamp,
    /// The earlier of the vendor's clock and ours, in the zone of the vendor's dates. One of them may be wrong; what is
    /// stamped before both is past by either.
    pub earliest: Stamp,
    /// Our own clock, UTC; it outlives the process.
    pub ours: Stamp,
    /// Time since the process began: never steps.
    pub monotonic: Duration,
}

impl Now {
    /// Our own clock as it is written into the file: UTC, to the millisecond.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{}Z", self.ours.to_wire())
    }
}

/// The vendor's clock, reckoned from what its answers tell. Until the first answer it is taken to be ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct VendorClock {
    /// When the vendor last told its clock, and what it told (UTC).
    heard: Option<(Duration, Stamp)>,
}

impl VendorClock {
    /// Takes note of the vendor's clock (UTC) from an answer that has just come. As long as it agrees with what we reckon,
    /// our reckoning stays, because it is finer than a whole second.
    pub fn hear(&mut self, vendor_now: Stamp, local: Local) {
        let reckoned = self.utc(local);
        if vendor_now > reckoned || reckoned.since(vendor_now) > GRAIN {
            self.heard = Some((local.monotonic, vendor_now));
        }
    }

    /// The vendor's clock, UTC.
    #[must_use]
    pub fn utc(&self, local: Local) -> Stamp {
        self.heard.map_or(local.ours, |(at, stamp)| stamp.plus(local.monotonic.saturating_sub(at)))
    }

    /// All clocks at this moment, for a vendor that writes its dates in `zone`.
    #[must_use]
    pub fn now(&self, local: Local, zone: TimestampZone) -> Now {
        let vendor = self.utc(local);
        let earliest = zone.local(vendor.min(local.ours));
        Now { vendor: zone.local(vendor), earliest, ours: local.ours, monotonic: local.monotonic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Local {
        Local { ours: Stamp(0).plus(SECOND * (1000 + seconds)), monotonic: SECOND * seconds }
    }

    /// What is reckoned at second 20 after the vendor's clock was told at second 10, off ours by `told` seconds.
    fn check(told: i64, expected: i64) {
        let mut clock = VendorClock::default();
        clock.hear(Stamp(at(10).ours.0 + told * 10_000_000), at(10));
        assert_eq!((clock.utc(at(20)).0 - at(20).ours.0) / 10_000_000, expected, "{told}");
    }

    #[test]
    fn a_clock_that_agrees_to_the_second_is_ours() {
        check(0, 0);
        check(-1, 0);
    }

    #[test]
    fn a_clock_that_differs_is_followed() {
        check(-2, -2);
        check(1, 1);
        check(3600, 3600);
        check(-3600, -3600);
    }

    #[test]
    fn the_earlier_clock_bounds_what_is_past() {
        let mut clock = VendorClock::default();
        clock.hear(at(100).ours, at(10));
        let now = clock.now(at(10), TimestampZone::default());
        assert_eq!((now.vendor, now.earliest), (at(100).ours, at(10).ours));
    }

    #[test]
    fn our_clock_is_written_in_utc_to_the_millisecond() {
        let local = Local { ours: Stamp::parse("2024-01-31T08:30:00.1239").expect("a date"), monotonic: SECOND };
        assert_eq!(VendorClock::default().now(local, TimestampZone::default()).written(), "2024-01-31T08:30:00.123Z");
    }
}
