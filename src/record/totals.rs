//! How many processes a vendor says that it has, by their state.

use serde::Serialize;

/// What a vendor counts of an account's processes. A total is `None` where the vendor refused to tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessTotals {
    /// Those in the list without a filter.
    pub all: Option<u64>,
    /// Those without an agent.
    pub unassigned: Option<u64>,
    /// Those in each state.
    pub states: Vec<StateTotal>,
}

/// A state, and how many processes are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateTotal {
    /// The vendor's word.
    pub state: String,
    /// Whether it is in the vendor's list of states.
    pub is_listed: bool,
    /// Whether the vendor's document names it.
    pub is_documented: bool,
    /// How many.
    pub total: Option<u64>,
}

impl ProcessTotals {
    /// How many are in the states together, and in the list without a filter, where these can be compared. Totals of one process each
    /// may be those of a page of one.
    #[must_use]
    pub fn sums(&self) -> Option<(u64, u64)> {
        let sum = self.states.iter().map(|state| state.total).sum::<Option<u64>>()?;
        Some((sum, self.all?)).filter(|(_, all)| *all > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(all: Option<u64>, states: &[Option<u64>], expected: Option<(u64, u64)>) {
        let state = |total: &Option<u64>| StateTotal { state: String::new(), is_listed: true, is_documented: true, total: *total };
        let totals = ProcessTotals { all, unassigned: None, states: states.iter().map(state).collect() };
        assert_eq!(totals.sums(), expected, "{all:?} {states:?}");
    }

    #[test]
    fn totals_are_compared_where_all_are_known() {
        check(Some(5), &[Some(2), Some(3)], Some((5, 5)));
        check(Some(5), &[Some(2), Some(4)], Some((6, 5)));
        check(Some(5), &[Some(2), None], None);
        check(None, &[Some(2)], None);
        check(Some(1), &[Some(1), Some(1)], None);
    }
}
