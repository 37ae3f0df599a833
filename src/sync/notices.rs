//! The words of notices about a feed: known gaps, requests that fail, a zone that does not agree.

use super::clock::Clock;
use crate::plan::known_gaps::KnownGap;
use crate::plan::options::Purpose;
use crate::plan::step::Failing;
use crate::plan::zone::ZoneFinding;
use crate::record::Presence;

/// The notice of known gaps; `None` where there is none.
pub(super) fn known_gaps(gaps: &[KnownGap]) -> Option<String> {
    let gap = gaps.iter().max_by_key(|gap| gap.claim.to)?;
    let others = match gaps.len() {
        1 => String::new(),
        count => format!(", and {} more (see the table known_gaps)", count - 1),
    };
    Some(format!(
        "Status={} is not known to be complete for {}: {}; it is tried again after {}Z{others}. All else goes on",
        gap.stream.number(),
        gap.claim,
        gap.reason,
        gap.retry_at.to_wire(),
    ))
}

/// The notice of requests that fail again and again while others are answered.
pub(super) fn failing(failing: &Failing) -> String {
    let Failing { purpose, stream, reason } = failing;
    let what = match (purpose, stream.presence()) {
        (Purpose::Poll, Presence::Deleted) => "deletions are not heard: what the vendor deletes meanwhile stays live here",
        (Purpose::Poll, Presence::Live) => "changes of listings are not heard",
        (Purpose::Lookback, _) => "listings that come late are not looked for",
        (Purpose::Fill, _) => "history is not being loaded",
        (Purpose::Scan, _) => "the reconcile run makes no progress",
    };
    format!("{what}. Requests for Status={} fail: {reason}. They are tried again, and all else goes on", stream.number())
}

/// The notice of a zone that the vendor's dates do not agree with; `None` where they agree.
pub(super) fn zone(clock: &Clock, finding: ZoneFinding) -> Option<String> {
    let ZoneFinding::Off { minutes } = finding else { return None };
    let direction = if minutes > 0 { "ahead of" } else { "behind" };
    let hours = minutes.unsigned_abs() as f64 / 60.0;
    let likely = clock.zone().likely(minutes, clock.vendor_utc());
    Some(format!(
        "read as timestamp_zone = \"{}\", the vendor's dates are {hours} h {direction} its clock; set timestamp_zone, \
         probably to \"{likely}\"",
        clock.zone()
    ))
}
