//! What the notices about a feed's known gaps and about failing requests say.

use crate::plan::feed::Trouble;
use crate::plan::known_gaps::KnownGap;
use crate::plan::options::Purpose;
use crate::record::Presence;

/// The notice of known gaps; `None` where there is none.
pub(super) fn known_gaps(gaps: &[KnownGap]) -> Option<String> {
    let gap = gaps.iter().max_by_key(|gap| gap.claim.to)?;
    let others = match gaps.len() {
        1 => String::new(),
        count => format!(", and {} more (see the table known_gaps)", count - 1),
    };
    Some(format!(
        "records of Status={} dated {} cannot be read: {}; tried {} times, next at {}Z{others}. All else goes on",
        gap.stream.number(),
        gap.claim,
        gap.reason,
        gap.tried,
        gap.retry_at,
    ))
}

/// The notice of requests that fail again and again while others are answered.
pub(super) fn trouble(trouble: &Trouble) -> String {
    let Trouble { purpose, stream, reason } = trouble;
    let what = match (purpose, stream.presence()) {
        (Purpose::Poll, Presence::Deleted) => "deletions are not heard: what the vendor deletes meanwhile stays live here",
        (Purpose::Poll, Presence::Live) => "changes of listings are not heard",
        (Purpose::Lookback, _) => "listings that come late are not looked for",
        (Purpose::Fill, _) => "the reading of history does not get on",
        (Purpose::Scan, _) => "the reconcile run does not get on",
    };
    format!("{what}. Requests for Status={} fail: {reason}. They are tried again, and all else goes on", stream.number())
}
