//! `[lookback]`: what was complete is read again, for listings that are published later than they are stamped.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookback {
    pub(crate) ladder: Vec<LookbackRule>,
    /// Zero for never.
    pub(crate) ahead: Span,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookbackRule {
    pub(crate) every: Span,
    pub(crate) reach: Span,
}

impl Lookback {
    /// `settle` is that of `[poll]`: every reading ends that long ago, so one that reaches no further is empty.
    pub(super) fn rules(&self, settle: Span) -> Vec<Rule> {
        let often = "it would be read again too often; write every = \"1s\" or more".to_owned();
        let settled = humantime::format_duration(settle.0);
        let empty = format!("nothing would be read again; write a reach above poll.settle, which is {settled}");
        vec![
            (self.ladder.iter().any(|rule| rule.every.0 < Duration::from_secs(1)), "lookback.ladder", often),
            (self.ladder.iter().any(|rule| rule.reach.0 <= settle.0), "lookback.ladder", empty),
        ]
    }
}
