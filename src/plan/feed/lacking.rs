//! What follows where a window was answered on every page, and lacks records that its Total counts.

use super::FeedPlan;
use crate::plan::attempts::Work;
use crate::plan::checkpoint::{Open, WindowSave, WindowState};
use crate::plan::clock::Now;
use crate::plan::narrowing::{Narrowing, Remedy};
use crate::plan::options::Purpose;
use crate::record::Window;

/// Where a stream has so many known gaps, single bad records are not the cause.
const MANY_GAPS: usize = 6;

impl FeedPlan {
    /// A window was answered on every page, and lacks records that its Total counts, or does not stand still.
    pub(super) fn lacks_records(&mut self, work: Work, mut open: Open, now: Now) -> (Option<WindowSave>, bool) {
        let progress = open.reading.progress();
        let (counted, shown) = (progress.total_last, progress.keys_seen);
        let reason = match shown < counted {
            true => format!("the vendor counts {counted} records and shows {shown}"),
            false => "its listings change while they are read".to_owned(),
        };
        let claim = open.task.claim;
        if self.may_wait(work, claim, counted) {
            if self.set_aside.add(work.stream, claim, now) {
                return (open.saved.then(|| open.ended(WindowState::Cut)), false);
            }
            self.search(work).take_as_own();
        }
        let smallest = self.is_smallest(work, claim);
        let narrowing = self.search(work);
        narrowing.note(&reason);
        // The stream answers: no other window of it need show that.
        narrowing.others_answered(true);
        let mut remedy = narrowing.failed(claim, smallest, true);
        self.counted_too_early(work);
        // Where this comes again and again it is how the vendor counts: all was read, and only the proof is missing.
        if remedy == Remedy::Halve && self.known_gaps.of(work.stream) >= MANY_GAPS {
            remedy = Remedy::GiveUp;
        }
        self.attempts.failed_alone(work, &reason, now.monotonic);
        match remedy {
            Remedy::GiveUp => (Some(self.give_up(work, open, now)), false),
            Remedy::Again | Remedy::Test | Remedy::Later => {
                open.reading.again();
                (Some(self.keep(work, open)), false)
            }
            Remedy::Halve => {
                self.attempts.asks_otherwise(work, now.monotonic);
                let saved = open.saved.then(|| open.clone().ended(WindowState::Cut));
                self.ask_for_less(work, open, remedy, now);
                (saved, false)
            }
        }
    }

    /// Whether a window that lacks records may be left for a few seconds.
    pub(super) fn may_wait(&self, work: Work, claim: Window, counted: u64) -> bool {
        let is_searched = self.narrowing.get(&work).is_some_and(Narrowing::searches);
        work.purpose == Purpose::Fill && !is_searched && self.observations.pages(counted) <= 1 && !self.known_gaps.holds(work.stream, claim)
    }

    /// The Total of a window may only have been counted too early, and be right by now.
    pub(super) fn counted_too_early(&mut self, work: Work) {
        if let Some(narrowing) = self.narrowing.get_mut(&work) {
            narrowing.may_be_wide(true);
        }
    }
}
