//! Checkpoints of polls that found nothing: held back for a minute, so that many are written together and only the last of each feed.
//!
//! What is lost of them in a crash is read again. Whoever reads the file sees how far a feed is complete up to a minute later.

use crate::plan::checkpoint::{Checkpoint, LoadCost, WindowState};
use crate::plan::merge::ActionKind;
use crate::plan::options::Purpose;
use crate::record::{FeedId, Stream};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest that a checkpoint is held back while there is work.
const LONGEST: Duration = Duration::from_secs(60);

/// The checkpoints that are held back, the last of each stream, with the mirror's clock.
#[derive(Default)]
pub(super) struct Idle {
    held: BTreeMap<(FeedId, Stream), (Checkpoint, String)>,
    since: Option<Instant>,
    /// The file could not be written: nothing is held back before it is known that it can.
    refused: bool,
}

impl Idle {
    /// Whether a page found nothing, and its checkpoint tells nothing but how far the feed is complete.
    pub(super) fn may_hold(&self, checkpoint: &Checkpoint, counts: &BTreeMap<ActionKind, u64>, new_rejects: usize) -> bool {
        let in_one = checkpoint.window.as_ref().is_some_and(|window| window.state == WindowState::Complete && window.begins);
        let changes = counts.keys().any(|kind| *kind != ActionKind::Unchanged);
        !self.refused && checkpoint.purpose == Purpose::Poll && !checkpoint.dry_run && in_one && !changes && new_rejects == 0
    }

    pub(super) fn hold(&mut self, checkpoint: Checkpoint, at: String) {
        self.since.get_or_insert_with(Instant::now);
        let key = (checkpoint.feed.clone(), checkpoint.stream);
        // Which window was asked for need not be known of a poll that found nothing.
        let before = self.held.get(&key).and_then(|(earlier, _)| earlier.load);
        let load = match (before, checkpoint.load) {
            (Some(before), Some(load)) => Some(LoadCost { requests: before.requests + load.requests, ..load }),
            (before, load) => load.or(before),
        };
        let earlier = self.held.insert(key.clone(), (Checkpoint { window: None, load, ..checkpoint }, at));
        if let (Some((earlier, polled_at)), Some(held)) = (earlier, self.held.get_mut(&key))
            && earlier.round_proven
            && !held.0.round_proven
        {
            *held = (Checkpoint { round_proven: true, ..held.0.clone() }, polled_at);
        }
    }

    /// Whether something is held back that has waited long enough.
    pub(super) fn is_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= LONGEST)
    }

    /// What is held back, the oldest first.
    pub(super) fn held(&self) -> Vec<&(Checkpoint, String)> {
        let mut held: Vec<_> = self.held.values().collect();
        held.sort_by_key(|(_, at)| at);
        held
    }

    /// A feed goes on where the file says that it stands, so what was held back of it is read again.
    pub(super) fn forget(&mut self, feed: &FeedId) {
        self.held.retain(|(held, _), _| held != feed);
    }

    /// The file could not be written.
    pub(super) fn refused(&mut self) {
        self.refused = true;
    }

    /// What was held back is written.
    pub(super) fn written(&mut self) {
        *self = Idle::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::coverage::Coverage;

    fn checkpoint(load: Option<LoadCost>) -> Checkpoint {
        Checkpoint {
            feed: FeedId("A".to_owned()),
            purpose: Purpose::Poll,
            stream: Stream::All,
            state: None,
            window: None,
            lookbacks: BTreeMap::new(),
            dry_run: false,
            read_before: Coverage::default(),
            fresh_after: None,
            round_proven: false,
            load,
        }
    }

    #[test]
    fn what_a_load_has_cost_is_kept_while_its_checkpoints_are_held_back() {
        let cost = |requests, ends| Some(LoadCost { requests, page_size: 200, ends });
        let mut idle = Idle::default();
        for load in [cost(2, false), cost(3, true), None] {
            idle.hold(checkpoint(load), String::new());
        }
        assert_eq!(idle.held().iter().map(|(held, _)| held.load).collect::<Vec<_>>(), [cost(5, true)]);
    }
}
