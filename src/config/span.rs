//! A span of time as a person writes it.

use serde::Deserialize;
use std::time::Duration;

/// A span of time, written as `"30s"`, `"2m"` or `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(super) fn parse(text: &str) -> Result<Span, humantime::DurationError> {
        humantime::parse_duration(text).map(Span)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Span::parse(&text).map_err(|_| serde::de::Error::custom(format!("\"{text}\" is no duration; write \"30s\", \"2m\" or \"7d\"")))
    }
}
