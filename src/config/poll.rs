//! `[poll]`: when polls begin, and how far they reach.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

/// Polls do not follow each other faster.
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    pub(crate) interval: Span,
    /// Zero for none, as the next one.
    pub(crate) interval_min: Span,
    pub(crate) interval_max: Span,
    pub(crate) overlap: Span,
    pub(crate) settle: Span,
    pub(crate) discover: Span,
    pub(crate) shared: bool,
}

impl Poll {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let too_fast = "polls would follow each other too fast; write \"100ms\" or more".to_owned();
        let too_often = "the vendor would be asked for new feeds too often; write \"1s\" or more".to_owned();
        let (least, most) = (self.interval_min.0, self.interval_max.0);
        let usual = humantime::format_duration(self.interval.0);
        let too_long = format!("it must not be longer than poll.interval; write \"{usual}\" or less");
        let too_short = format!("it must not be shorter than poll.interval; write \"{usual}\" or more");
        vec![
            (self.interval.0 < SHORTEST, "poll.interval", too_fast.clone()),
            (!least.is_zero() && least < SHORTEST, "poll.interval_min", too_fast),
            (least > self.interval.0, "poll.interval_min", too_long),
            (!most.is_zero() && most < self.interval.0, "poll.interval_max", too_short),
            (self.discover.0 < Duration::from_secs(1), "poll.discover", too_often),
        ]
    }
}
