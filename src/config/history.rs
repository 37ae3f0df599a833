//! `[history]`: how long the changes of the listings are kept.

use super::span::Span;
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) keep: Keep,
}

/// How long something is kept; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep(pub(crate) Option<Duration>);

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "forever" {
            return Ok(Keep(None));
        }
        // Elsewhere a zero means never, which would be the opposite here.
        let span = Span::parse(&text).ok().filter(|span| !span.0.is_zero());
        let told = || serde::de::Error::custom(format!("\"{text}\" is no time to keep it; write \"90d\", \"2y\" or \"forever\""));
        span.map(|span| Keep(Some(span.0))).ok_or_else(told)
    }
}
