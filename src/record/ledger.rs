//! What a credential has spent and what holds it back, as far as it outlives the process.

use std::collections::BTreeMap;
use std::time::Duration;

/// A stretch of wall-clock time in which requests are counted; UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
}

impl Period {
    /// Both.
    pub const ALL: [Period; 2] = [Period::Hour, Period::Day];

    /// The word for it in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
        }
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Period::Hour => 3600,
            Period::Day => 86_400,
        }
    }

    /// When the one that holds this moment began. Both are Unix seconds.
    #[must_use]
    pub fn began(self, at: i64) -> i64 {
        at - at.rem_euclid(self.seconds())
    }
}

/// Requests by period and by the Unix second at which it began.
pub type Counts = BTreeMap<(Period, i64), u64>;

/// The vendor wants no request before a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedGate {
    /// Until then, in Unix milliseconds of our clock.
    pub until_ms: i64,
    /// The wait that the vendor asked for.
    pub wait: Duration,
}

/// What is remembered of a credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Requests a second that are taken at present; `None` at the ceiling.
    pub rate: Option<f64>,
    /// Whether the gate is closed.
    pub closed: Option<ClosedGate>,
    /// What was spent.
    pub counts: Counts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_on_the_full_hour_and_at_midnight() {
        let at = 1_700_003_723;
        assert_eq!((Period::Hour.began(at), Period::Day.began(at)), (1_700_002_800, 1_699_920_000));
        assert_eq!(Period::Hour.began(-1), -3600);
    }
}
