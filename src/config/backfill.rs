//! `[backfill]`: how the past is loaded.

use super::document::Rule;
use crate::record::{DayTime, Stamp};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backfill {
    pub(crate) since: DayTime,
    pub(crate) window_pages: u64,
}

impl Backfill {
    /// `now` is by the clocks of the zone in which the vendor writes its dates.
    pub(super) fn rules(&self, now: Stamp) -> Vec<Rule> {
        let (since, midnight) = (self.since.0, now.midnight());
        let future = format!("{since} lies in the future, so nothing would be mirrored; write a date before {midnight}");
        vec![
            (since > now, "backfill.since", future),
            (self.window_pages == 0, "backfill.window_pages", "a window has at least one page; write 1 or more".to_owned()),
        ]
    }
}
