//! `[rate]`: how fast the vendor may be asked, over all feeds.

use super::document::Rule;
use serde::Deserialize;

/// How fast the vendor may be asked, over all feeds.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// The ceiling; between 0.0001 and 1000.
    pub requests_per_second: f64,
    /// Requests under way at the same time; between 1 and 64.
    pub max_in_flight: usize,
    /// Requests from one full hour of the wall clock to the next; zero for no limit.
    pub requests_per_hour: u64,
    /// Requests from midnight to midnight, UTC; zero for no limit.
    pub requests_per_day: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Rate { requests_per_second: 2.0, max_in_flight: 1, requests_per_hour: 0, requests_per_day: 0 }
    }
}

impl Rate {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![
            (
                !(0.0001..=1000.0).contains(&self.requests_per_second),
                "rate.requests_per_second",
                "the rate is out of bounds; write a number between 0.0001 and 1000".to_owned(),
            ),
            (
                !(1..=64).contains(&self.max_in_flight),
                "rate.max_in_flight",
                "the number is out of bounds; write a whole number between 1 and 64".to_owned(),
            ),
        ]
    }
}
