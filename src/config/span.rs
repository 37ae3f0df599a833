//! A span of time as a person writes it.

use serde::Deserialize;
use std::time::Duration;

/// A span of time, written as `"30s"`, `"2m"` or `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let span = humantime::parse_duration(&text);
        span.map(Span).map_err(|_| serde::de::Error::custom(format!("\"{text}\" is no duration; write \"30s\", \"2m\" or \"7d\"")))
    }
}
