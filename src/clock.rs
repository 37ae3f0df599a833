//! The one place where time enters: ours, and the vendor's as its answers show it.

use crate::plan::feed::Now;
use crate::record::Stamp;
use chrono::{SecondsFormat, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers tell whole seconds, so what we reckon may be ahead of a new answer by less than this without being wrong.
const GRAIN: Duration = Duration::from_secs(2);

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
    /// Takes note of the vendor's clock, from an answer that just came.
    pub fn hear(&self, vendor_now: Stamp) {
        let reckoned = self.vendor();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        // The header is rounded down: of two tellings that agree, the later one is the finer.
        if heard.is_none() || vendor_now > reckoned || reckoned.since(vendor_now) > GRAIN {
            *heard = Some((Instant::now(), vendor_now));
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
