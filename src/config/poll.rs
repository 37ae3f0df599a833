//! `[poll]`: when polls begin, and how far they reach.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    pub(crate) interval: Span,
    pub(crate) overlap: Span,
    pub(crate) settle: Span,
    pub(crate) discover: Span,
    pub(crate) shared: bool,
}

impl Poll {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let too_fast = "polls would follow each other too fast; write \"100ms\" or more".to_owned();
        let too_often = "the vendor would be asked for new feeds too often; write \"1s\" or more".to_owned();
        vec![
            (self.interval.0 < Duration::from_millis(100), "poll.interval", too_fast),
            (self.discover.0 < Duration::from_secs(1), "poll.discover", too_often),
        ]
    }
}
