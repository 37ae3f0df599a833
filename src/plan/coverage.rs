//! Which stretches of the vendor's time have been read whole: a set of disjoint windows.

use crate::record::{Stamp, Window};

/// Disjoint windows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(Vec<Window>);

impl Coverage {
    /// Builds the set from windows in any order.
    #[must_use]
    pub fn new(windows: impl IntoIterator<Item = Window>) -> Coverage {
        let mut coverage = Coverage::default();
        windows.into_iter().for_each(|window| coverage.insert(window));
        coverage
    }

    /// The windows, oldest first.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.0
    }

    /// The newest stamp covered.
    #[must_use]
    pub fn end(&self) -> Option<Stamp> {
        self.0.last().map(|window| window.to)
    }

    /// Whether a stamp lies in what is covered.
    #[must_use]
    pub fn contains(&self, stamp: Stamp) -> bool {
        self.0.iter().any(|window| window.from <= stamp && stamp <= window.to)
    }

    /// Adds a window; one that touches others is merged with them. A window that ends before it begins is empty.
    pub fn insert(&mut self, added: Window) {
        if added.to < added.from {
            return;
        }
        let mut merged = added;
        self.0.retain(|window| {
            let apart = window.to < merged.from || window.from > merged.to;
            if !apart {
                merged = Window { from: merged.from.min(window.from), to: merged.to.max(window.to) };
            }
            apart
        });
        let place = self.0.partition_point(|window| window.from < merged.from);
        self.0.insert(place, merged);
    }

    /// Takes a window out: what lies strictly inside it counts as not read.
    pub fn remove(&mut self, removed: Window) {
        let mut left = Vec::with_capacity(self.0.len() + 1);
        for window in &self.0 {
            if window.to <= removed.from || window.from >= removed.to {
                left.push(*window);
                continue;
            }
            if window.from < removed.from {
                left.push(Window { from: window.from, to: removed.from });
            }
            if window.to > removed.to {
                left.push(Window { from: removed.to, to: window.to });
            }
        }
        self.0 = left;
    }

    /// What is not covered inside `within`, newest first.
    #[must_use]
    pub fn gaps(&self, within: Window) -> Vec<Window> {
        let mut gaps = Vec::new();
        let mut upper = within.to;
        for window in self.0.iter().rev() {
            if window.to < upper && upper > within.from {
                gaps.push(Window { from: window.to.max(within.from), to: upper });
            }
            upper = upper.min(window.from);
        }
        if upper > within.from {
            gaps.push(Window { from: within.from, to: upper });
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Window {
        Window { from: Stamp(from), to: Stamp(to) }
    }

    fn check_insert(windows: &[(i64, i64)], expected: &[(i64, i64)]) {
        let coverage = Coverage::new(windows.iter().map(|w| span(w.0, w.1)));
        let expected: Vec<_> = expected.iter().map(|w| span(w.0, w.1)).collect();
        assert_eq!(coverage.windows(), expected, "{windows:?}");
    }

    #[test]
    fn windows_that_touch_become_one() {
        check_insert(&[(0, 5), (5, 9)], &[(0, 9)]);
        check_insert(&[(6, 9), (0, 5)], &[(0, 5), (6, 9)]);
        check_insert(&[(0, 2), (4, 6), (8, 9), (1, 8)], &[(0, 9)]);
        check_insert(&[(0, 9), (2, 3)], &[(0, 9)]);
        check_insert(&[(5, 4)], &[]);
    }

    fn check_gaps(windows: &[(i64, i64)], within: (i64, i64), expected: &[(i64, i64)]) {
        let coverage = Coverage::new(windows.iter().map(|w| span(w.0, w.1)));
        let expected: Vec<_> = expected.iter().map(|w| span(w.0, w.1)).collect();
        assert_eq!(coverage.gaps(span(within.0, within.1)), expected, "{windows:?} in {within:?}");
    }

    #[test]
    fn gaps_come_newest_first() {
        check_gaps(&[], (0, 9), &[(0, 9)]);
        check_gaps(&[(0, 9)], (0, 9), &[]);
        check_gaps(&[(2, 3), (5, 6)], (0, 9), &[(6, 9), (3, 5), (0, 2)]);
        check_gaps(&[(2, 3), (5, 6)], (3, 5), &[(3, 5)]);
        check_gaps(&[(2, 30)], (0, 9), &[(0, 2)]);
        check_gaps(&[(20, 30)], (0, 9), &[(0, 9)]);
        check_gaps(&[(-9, -2)], (0, 9), &[(0, 9)]);
    }

    #[test]
    fn what_is_removed_is_a_gap_again() {
        let mut coverage = Coverage::new([span(0, 9)]);
        coverage.remove(span(3, 5));
        assert_eq!(coverage.windows(), [span(0, 3), span(5, 9)]);
        assert_eq!(coverage.gaps(span(0, 9)), [span(3, 5)]);
        coverage.remove(span(-5, 20));
        assert_eq!(coverage.windows(), []);
    }
}
