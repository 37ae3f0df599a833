//! Answers that are hard to believe, and are asked for again before they count.

use super::Reading;
use crate::plan::page::PageFacts;
use crate::plan::progress::{Expected, PageStep};

/// A total that falls by no more than this, or by a twentieth, is not strange.
const FALL: u64 = 100;

impl Reading {
    /// Why an answer is hard to believe.
    pub(super) fn strange(&self, answer: &PageFacts, expected: Expected) -> Option<PageStep> {
        let before = self.at.total_last;
        let empty = answer.marks.is_empty();
        match answer.total {
            0 if before > 0 && empty => Some(PageStep::Doubtful("nothing matches, although the answer before counted records")),
            0 if empty && answer.page == 1 && expected.something => Some(PageStep::Doubtful("nothing matches in a long stretch of time")),
            total if before > 0 && fell(before, total) => {
                Some(PageStep::Doubtful("the Total fell by more than a change in between explains"))
            }
            total if empty && u64::from(answer.page) <= total.div_ceil(self.at.page_size.max(1)) => {
                Some(PageStep::Unreadable("the page is empty although its Total is not zero"))
            }
            _ => None,
        }
    }
}

/// Whether a total fell by more than is likely to have left the window between two answers.
fn fell(before: u64, now: u64) -> bool {
    let lost = before.saturating_sub(now);
    lost > FALL && lost * 20 > before
}
