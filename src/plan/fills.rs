//! The past: which gap is read next, and when a window that could not be proven is read again.

use super::clock::Now;
use super::due::Due;
use super::suspects::Suspects;
use super::window::{MirrorRange, StreamState, Task, next_gap};
use crate::record::{Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// The gaps of a feed are what its coverage lacks; only what may not be read yet is remembered here.
#[derive(Clone, Debug, Default)]
pub(super) struct Fills {
    suspects: Suspects,
}

impl Fills {
    /// When there is a gap that may be read.
    pub(super) fn due(&self, streams: &BTreeMap<Stream, StreamState>, range: MirrorRange, now: Now) -> Due {
        match self.next(streams, range, &BTreeMap::new(), now) {
            Some(_) => Due::Now,
            None => self.suspects.next_retry(now.monotonic).map_or(Due::Never, Due::At),
        }
    }

    /// The next gap, as long as `spans` allows.
    pub(super) fn next(
        &self,
        streams: &BTreeMap<Stream, StreamState>,
        range: MirrorRange,
        spans: &BTreeMap<Stream, Duration>,
        now: Now,
    ) -> Option<Task> {
        let unread =
            |(stream, state): (&Stream, &StreamState)| (*stream, range.unread(state, self.suspects.barred(*stream, now.monotonic)));
        next_gap(&streams.iter().map(unread).collect(), spans)
    }

    /// A window was proven: what lies inside is suspect no more.
    pub(super) fn proven(&mut self, stream: Stream, claim: Window) {
        self.suspects.clear(stream, claim);
    }

    /// A window could not be proven.
    pub(super) fn suspect(&mut self, task: Task, once: bool, now: Now) {
        self.suspects.add(task, now.monotonic, once);
    }
}
