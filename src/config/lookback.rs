//! `[lookback]`: what was complete is read again, for listings that are published later than they are stamped.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

/// What was complete is read again, for listings that are published later than they are stamped.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Lookback {
    /// The look-backs, each with its own time; empty for none.
    pub ladder: Vec<LookbackRule>,
    /// How often stamps ahead of the vendor's clock are looked for; zero for never.
    pub ahead: Span,
}

/// One look-back.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LookbackRule {
    /// From the beginning of one such reading to the beginning of the next; at least a second.
    pub every: Span,
    /// How far back from now the stamps lie that are read again.
    pub reach: Span,
}

impl Default for Lookback {
    fn default() -> Self {
        let rule = |every, reach| LookbackRule { every: Span(Duration::from_secs(every)), reach: Span(Duration::from_secs(reach)) };
        Lookback { ladder: vec![rule(20 * 60, 2 * 3600), rule(86_400, 3 * 86_400)], ahead: Span(Duration::ZERO) }
    }
}

impl Lookback {
    /// `settle` is that of `[poll]`: a reading ends so long ago, so one that reaches no further is empty.
    pub(super) fn rules(&self, settle: Span) -> Vec<Rule> {
        vec![
            (
                self.ladder.iter().any(|rule| rule.every.0 < Duration::from_secs(1)),
                "lookback.ladder",
                "it would be read again too often; write every = \"1s\" or more".to_owned(),
            ),
            (
                self.ladder.iter().any(|rule| rule.reach.0 <= settle.0),
                "lookback.ladder",
                format!("nothing would be read again; write a reach above poll.settle, which is {}", humantime::format_duration(settle.0)),
            ),
        ]
    }
}
