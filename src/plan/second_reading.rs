//! A stretch that is read a second time, window by window: by a look-back, or by a scan.

use super::coverage::Coverage;
use super::window::{Task, Unread, next_gap};
use crate::record::{Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a second reading is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecondReading {
    /// What is read.
    pub(super) range: Window,
    /// What of it was read, by stream.
    pub(super) coverage: BTreeMap<Stream, Coverage>,
    /// A window could not be proven.
    pub(super) doubtful: bool,
}

impl SecondReading {
    pub(super) fn new(range: Window, streams: impl IntoIterator<Item = Stream>) -> SecondReading {
        let coverage = streams.into_iter().map(|stream| (stream, Coverage::default())).collect();
        SecondReading { range, coverage, doubtful: false }
    }

    /// The next window; `None` when everything was read.
    pub(super) fn next(&self, spans: &BTreeMap<Stream, Duration>) -> Option<Task> {
        let unread = |coverage: &Coverage| Unread { coverage: coverage.clone(), bounds: self.range };
        next_gap(&self.coverage.iter().map(|(stream, coverage)| (*stream, unread(coverage))).collect(), spans)
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.next(&BTreeMap::new()).is_none()
    }

    /// A window was read, with or without proof.
    pub(super) fn on_window(&mut self, task: Task, proven: bool) {
        self.doubtful |= !proven;
        self.coverage.entry(task.stream).or_default().insert(task.claim);
    }
}
