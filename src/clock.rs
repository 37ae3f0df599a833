//! The one place where time enters: ours, and the vendor's as its answers show it.

use crate::plan::feed::Now;
use crate::record::Stamp;
use chrono::{SecondsFormat, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers tell whole seconds, rounded down, and take a moment to arrive: what we reckon may be ahead of an answer by
/// this much without being wrong.
const GRAIN: Duration = Duration::from_millis(1200);

/// Our clocks, and the vendor's.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    heard: Mutex<Option<(Instant, Stamp)>>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { started: Instant::now(), heard: Mutex::new(None) }
    }
}

impl Clock {
    /// Takes note of the vendor's clock, from an answer that just came. As long as it agrees with what we reckon,
    /// ours is the finer one and stays.
    pub fn hear(&self, vendor_now: Stamp) {
        let reckoned = self.vendor();
        if vendor_now > reckoned || reckoned.since(vendor_now) > GRAIN {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), vendor_now));
        }
    }

    /// The vendor's clock; ours until the vendor has told its own.
    #[must_use]
    pub fn vendor(&self) -> Stamp {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or_else(|| Stamp::from_utc(Utc::now()), |(at, stamp)| stamp.plus(at.elapsed()))
    }

    /// Both clocks that decisions need.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { vendor: self.vendor(), up: self.started.elapsed() }
    }
}

/// The mirror's own clock as it is written into the file: UTC, to the millisecond.
#[must_use]
pub fn mirror_time() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
