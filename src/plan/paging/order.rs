//! Whether the vendor's order stays from page to page.

use super::Reading;
use crate::plan::page::Mark;
use std::collections::BTreeMap;

impl Reading {
    /// Listings that moved up since the page behind was read come again, at the end of this page and in the same
    /// order. Any other repetition shows that the vendor's order is not the same from page to page.
    pub(super) fn order_moved(&self, marks: &[Mark]) -> bool {
        // The first page, read again at the end, repeats itself by nature.
        if self.at.next_page == 1 {
            return false;
        }
        let fresh = marks.iter().rposition(|mark| !self.seen.contains(mark)).map_or(0, |last| last + 1);
        if marks[..fresh].iter().any(|mark| self.seen.contains(mark)) || marks.iter().any(|mark| self.head.contains(mark)) {
            return true;
        }
        let place: BTreeMap<&Mark, usize> = self.previous.iter().enumerate().map(|(i, mark)| (mark, i)).collect();
        let places: Vec<usize> = marks[fresh..].iter().filter_map(|mark| place.get(mark).copied()).collect();
        !places.is_sorted()
    }
}
