//! Passes over a window that no single answer can prove: two must agree.

use super::Reading;

impl Reading {
    /// Whether a pass in which no answer could prove the window has shown nothing that the passes before did not show: a change
    /// that left the total as it was cannot hide a record from both.
    pub(in crate::plan) fn agrees(&mut self) -> bool {
        let before = self.agreed.take();
        let agrees = before.as_ref().is_some_and(|before| self.seen.is_subset(before));
        self.at.passes += u32::from(before.is_some() && !agrees);
        self.agreed = Some(before.into_iter().flatten().chain(self.seen.iter().cloned()).collect());
        agrees
    }
}
