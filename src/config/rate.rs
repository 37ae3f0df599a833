//! `[rate]`: how fast the vendor may be asked, over all feeds.

use super::document::Rule;
use crate::vendor::LimiterOptions;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    pub(crate) requests_per_second: f64,
    pub(crate) max_in_flight: usize,
    /// Zero for no limit; the next likewise.
    pub(crate) requests_per_hour: u64,
    pub(crate) requests_per_day: u64,
}

impl Rate {
    /// The options of a limiter.
    pub(crate) fn limiter_options(&self) -> LimiterOptions {
        let limit = |requests: u64| (requests > 0).then_some(requests);
        LimiterOptions {
            requests_per_second: self.requests_per_second,
            max_in_flight: self.max_in_flight,
            requests_per_hour: limit(self.requests_per_hour),
            requests_per_day: limit(self.requests_per_day),
        }
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let rate = "the rate is out of bounds; write a number between 0.0001 and 1000".to_owned();
        let number = "the number is out of bounds; write a whole number between 1 and 64".to_owned();
        vec![
            (!(0.0001..=1000.0).contains(&self.requests_per_second), "rate.requests_per_second", rate),
            (!(1..=64).contains(&self.max_in_flight), "rate.max_in_flight", number),
        ]
    }
}
