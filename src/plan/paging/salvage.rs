//! Reading what can be read of a window that cannot be proven: page by page, past those that fail.

use super::Reading;
use crate::plan::page::PageFacts;
use crate::plan::progress::PageStep;

/// While what can be read is read, this many pages in a row may fail.
const MAX_FAILED_PAGES: u32 = 3;

impl Reading {
    /// From now on what can be read is read, from the second page on; nothing is proven by it.
    pub(in crate::plan) fn salvage(&mut self) {
        self.salvage = Some(0);
        self.at.next_page = 2;
    }

    /// Whether only what can be read is read.
    pub(in crate::plan) fn is_salvaging(&self) -> bool {
        self.salvage.is_some()
    }

    /// Passes over a page that failed while what can be read is read; `false` if there is no sense in going on.
    pub(in crate::plan) fn skip_page(&mut self) -> bool {
        self.at.next_page += 1;
        let failed = self.salvage.map_or(0, |failed| failed + 1);
        self.salvage = Some(failed);
        failed < if self.at.page_size == 0 { 1 } else { MAX_FAILED_PAGES }
    }

    pub(super) fn on_salvaged(&mut self, answer: &PageFacts) -> PageStep {
        self.see(&answer.marks);
        self.at.next_page = answer.page.saturating_add(1);
        self.salvage = Some(0);
        let more = answer.more || u64::from(answer.page) < answer.total.div_ceil(self.at.page_size.max(1));
        if answer.marks.is_empty() || !more { PageStep::Salvaged } else { PageStep::Continue }
    }
}
