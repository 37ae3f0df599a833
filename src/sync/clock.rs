//! The one place where time enters: ours, and the vendor's as its answers show it.

use crate::plan::command::Now;
use crate::record::Stamp;
use crate::record::zone::TimestampZone;
use chrono::{SecondsFormat, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers tell whole seconds, rounded down, and take a moment to arrive: what we reckon may be ahead of an answer by
/// this much without being wrong.
const GRAIN: Duration = Duration::from_millis(1200);

/// Our clocks, and the vendor's.
#[derive(Debug)]
pub struct Clock {
    zone: TimestampZone,
    started: Instant,
    heard: Mutex<Option<(Instant, Stamp)>>,
}

impl Clock {
    /// Clocks for a vendor that writes its dates in this zone.
    #[must_use]
    pub fn new(zone: TimestampZone) -> Clock {
        Clock { zone, started: Instant::now(), heard: Mutex::new(None) }
    }

    /// The zone of the vendor's dates.
    #[must_use]
    pub fn zone(&self) -> TimestampZone {
        self.zone
    }

    /// Takes note of the vendor's clock (UTC), from an answer that just came. As long as it agrees with what we reckon,
    /// ours is the finer one and stays.
    pub fn hear(&self, vendor_now: Stamp) {
        let reckoned = self.vendor_utc();
        if vendor_now > reckoned || reckoned.since(vendor_now) > GRAIN {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), vendor_now));
        }
    }

    /// How far the vendor's clock is ahead of ours, in seconds, as far as it has told it.
    #[must_use]
    pub fn skew_s(&self) -> i64 {
        (self.vendor_utc().0 - Stamp::from_utc(Utc::now()).0) / 10_000_000
    }

    /// The vendor's clock, as its dates show it.
    #[must_use]
    pub fn vendor(&self) -> Stamp {
        self.zone.local(self.vendor_utc())
    }

    /// An instant as the vendor's dates show it.
    #[must_use]
    pub fn as_written(&self, utc: Stamp) -> Stamp {
        self.zone.local(utc)
    }

    /// The vendor's clock in UTC; ours until the vendor has told its own.
    #[must_use]
    pub fn vendor_utc(&self) -> Stamp {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or_else(|| Stamp::from_utc(Utc::now()), |(at, stamp)| stamp.plus(at.elapsed()))
    }

    /// Both clocks that decisions need.
    #[must_use]
    pub fn now(&self) -> Now {
        let (vendor, ours) = (self.vendor_utc(), Stamp::from_utc(Utc::now()));
        Now { vendor: self.zone.local(vendor), earliest: self.zone.local(vendor.min(ours)), ours, monotonic: self.started.elapsed() }
    }
}

/// The mirror's own clock as it is written into the file: UTC, to the millisecond.
#[must_use]
pub fn mirror_time() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
