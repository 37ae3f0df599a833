//! The clocks of the workers: this machine's, and the vendor's as far as its answers tell it.

use crate::plan::clock::{Local, Now, VendorClock};
use crate::record::Stamp;
use crate::record::zone::TimestampZone;
use chrono::{SecondsFormat, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The clocks that all feeds of one vendor share.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: TimestampZone,
    started: Instant,
    vendor: Mutex<VendorClock>,
}

impl Clock {
    /// Clocks for a vendor that writes its dates in this zone.
    #[must_use]
    pub(crate) fn new(zone: TimestampZone) -> Clock {
        Clock { zone, started: Instant::now(), vendor: Mutex::default() }
    }

    /// The zone of the vendor's dates.
    #[must_use]
    pub(crate) fn zone(&self) -> TimestampZone {
        self.zone
    }

    /// Takes note of the vendor's clock (UTC), from an answer that has just come.
    pub(crate) fn hear(&self, vendor_now: Stamp) {
        let local = self.local();
        self.vendor.lock().unwrap_or_else(PoisonError::into_inner).hear(vendor_now, local);
    }

    /// How far the vendor's clock is ahead of ours, in seconds, as far as it has told it.
    #[must_use]
    pub(crate) fn skew_s(&self) -> i64 {
        let local = self.local();
        (self.reckoned().utc(local).0 - local.ours.0) / 10_000_000
    }

    /// The vendor's clock in UTC; ours until the vendor has told its own.
    #[must_use]
    pub(crate) fn vendor_utc(&self) -> Stamp {
        self.reckoned().utc(self.local())
    }

    /// All clocks that decisions need.
    #[must_use]
    pub(crate) fn now(&self) -> Now {
        self.reckoned().now(self.local(), self.zone)
    }

    fn reckoned(&self) -> VendorClock {
        *self.vendor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn local(&self) -> Local {
        Local { ours: Stamp::from_utc(Utc::now()), monotonic: self.started.elapsed() }
    }
}

/// The mirror's own clock as it is written into the file: UTC, to the millisecond.
#[must_use]
pub(crate) fn mirror_time() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
