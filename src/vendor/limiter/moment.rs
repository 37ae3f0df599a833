//! One moment on the two clocks that the limiter's decisions need.

use std::time::Duration;

/// A moment, as the shell of the limiter read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since the limiter was made; this clock is never set.
    pub(super) monotonic: Duration,
    /// Unix milliseconds by the machine's clock, which may be set; what outlives the process is written in them.
    pub(super) unix_ms: i64,
}

impl Moment {
    pub(super) fn unix_seconds(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}
