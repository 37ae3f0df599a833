//! A stretch that is read a second time, window by window: by a look-back, or by a scan.

use super::coverage::Coverage;
use super::known_gaps::KnownGap;
use super::window::{Task, Unread, next_gap};
use crate::record::{Presence, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a second reading is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecondReading {
    /// What is read.
    pub(super) range: Window,
    /// What of it was read, by stream.
    pub(super) coverage: BTreeMap<Stream, Coverage>,
    /// What of it could not be proven, by stream. It is read no further.
    pub(super) unproven: BTreeMap<Stream, Coverage>,
}

impl SecondReading {
    /// What is known to be unreadable is not read again.
    pub(super) fn new(range: Window, streams: impl IntoIterator<Item = Stream>, known_gaps: &[KnownGap]) -> SecondReading {
        let coverage: BTreeMap<_, _> = streams.into_iter().map(|stream| (stream, Coverage::default())).collect();
        let mut reading = SecondReading { range, coverage, unproven: BTreeMap::new() };
        for gap in known_gaps.iter().filter(|gap| reading.coverage.contains_key(&gap.stream)).collect::<Vec<_>>() {
            reading.on_window(gap.stream, gap.claim, false);
        }
        reading
    }

    /// The next window of these streams; `None` when everything of them was read. `spans` limits the length of windows.
    pub(super) fn next(&self, streams: &[Stream], spans: &BTreeMap<Stream, Duration>) -> Option<Task> {
        let unread = |coverage: &Coverage| Unread { coverage: coverage.clone(), bounds: self.range };
        let asked = self.coverage.iter().filter(|(stream, _)| streams.contains(stream));
        next_gap(&asked.map(|(stream, coverage)| (*stream, unread(coverage))).collect(), spans)
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        let streams: Vec<Stream> = self.coverage.keys().copied().collect();
        self.next(&streams, &BTreeMap::new()).is_none()
    }

    /// A window is over, with or without proof.
    pub(super) fn on_window(&mut self, stream: Stream, claim: Window, proven: bool) {
        if !proven {
            self.unproven.entry(stream).or_default().insert(claim);
        }
        self.coverage.entry(stream).or_default().insert(claim);
    }

    /// What of the live listings could not be proven, as far as it lies in what is read.
    pub(super) fn unproven(&self) -> Vec<Window> {
        let live = self.unproven.iter().filter(|(stream, _)| stream.presence() == Presence::Live);
        live.flat_map(|(_, unproven)| unproven.windows().iter().copied()).collect()
    }
}
