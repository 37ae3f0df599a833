//! `[backfill]`: how the past is loaded.

use super::document::Rule;
use crate::record::{DayTime, Stamp};
use serde::Deserialize;

/// How the past is loaded.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// The oldest stamp that the mirror is to hold.
    pub since: DayTime,
    /// A window with more pages than this is read in parts; at least 1.
    pub window_pages: u64,
}

impl Default for Backfill {
    fn default() -> Self {
        let since = Stamp::parse("1900-01-01").expect("1900-01-01 is a date");
        Backfill { since: DayTime(since), window_pages: 20 }
    }
}

impl Backfill {
    /// `now` is by the clocks of the zone in which the vendor writes its dates.
    pub(super) fn rules(&self, now: Stamp) -> Vec<Rule> {
        vec![
            (
                self.since.0 > now,
                "backfill.since",
                format!("{} lies in the future, so nothing would be mirrored; write a date before {}", self.since.0, now.midnight()),
            ),
            (self.window_pages == 0, "backfill.window_pages", "a window has at least one page; write 1 or more".to_owned()),
        ]
    }
}
