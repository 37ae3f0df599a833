//! `[poll]`: when polls begin, and how far they reach.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

/// When polls begin, and how far they reach.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Poll {
    /// From the beginning of one poll of a feed to the beginning of the next.
    pub interval: Span,
    /// How far a poll reaches back behind the last complete one.
    pub overlap: Span,
    /// How far a poll's end stays behind the vendor's clock.
    pub settle: Span,
    /// How often the vendor is asked for new feeds, where `feeds` is empty.
    pub discover: Span,
}

impl Default for Poll {
    fn default() -> Self {
        Poll {
            interval: Span(Duration::from_secs(60)),
            overlap: Span(Duration::from_secs(120)),
            settle: Span(Duration::from_secs(2)),
            discover: Span(Duration::from_secs(3600)),
        }
    }
}

impl Poll {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![
            (
                self.interval.0 < Duration::from_millis(100),
                "poll.interval",
                "polls would follow each other too fast; write \"100ms\" or more".to_owned(),
            ),
            (
                self.discover.0 < Duration::from_secs(1),
                "poll.discover",
                "the vendor would be asked for new feeds too often; write \"1s\" or more".to_owned(),
            ),
        ]
    }
}
