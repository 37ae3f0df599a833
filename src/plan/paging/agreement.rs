//! Passes over a window that no single answer can prove: two must agree.

use super::Reading;
use crate::plan::page::PageFacts;

impl Reading {
    /// Whether the window has more records than one answer holds.
    pub(in crate::plan) fn is_paged(&self) -> bool {
        self.pages() > 1
    }

    /// Whether a pass in which no answer could prove the window has shown nothing that the passes before did not show: a change
    /// that left the total as it was cannot hide a record from both.
    pub(in crate::plan) fn agrees(&mut self) -> bool {
        let before = self.agreed.take();
        let agrees = before.as_ref().is_some_and(|before| self.seen.is_subset(before));
        self.at.passes += u32::from(before.is_some() && !agrees);
        self.agreed = Some(before.into_iter().flatten().chain(self.seen.iter().cloned()).collect());
        agrees
    }

    /// Whether this pass has shown as many records as the total counts. If some are missing, others came twice: records of one stamp
    /// change places at the edge of a page, and another pass may show those that were missing.
    pub(in crate::plan) fn has_repeated(&self) -> bool {
        self.shown >= self.at.total_last
    }

    /// The first page may be read again at the end of a pass, and counts once.
    pub(super) fn count_shown(&mut self, answer: &PageFacts) {
        let again = answer.page == 1 && self.at.page_size > 0;
        self.shown += if again { 0 } else { answer.marks.len() as u64 };
    }
}
