//! `[agents]`, `[offices]`, `[open_houses]`: how often each is read.

use super::document::Rule;
use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

/// Readings do not follow each other faster.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    /// Zero for never.
    pub(crate) every: Span,
}

impl Directory {
    pub(super) fn rules(&self, key: &'static str) -> Vec<Rule> {
        let too_fast = "they would be read too often; write \"1s\" or more, or \"0s\" for never".to_owned();
        vec![(!self.every.0.is_zero() && self.every.0 < SHORTEST, key, too_fast)]
    }
}
