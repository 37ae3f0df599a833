//! What is to be told of a vendor's totals by state.

use crate::record::{ProcessTotals, StateTotal, printable};

/// Words of the vendor that are told at once, and the characters of each.
const MOST_WORDS: usize = 10;
const WORD: usize = 40;

/// What a person should know of them, a sentence each.
pub(crate) fn notices(totals: &ProcessTotals) -> Vec<String> {
    let words = |test: fn(&&StateTotal) -> bool| {
        let words = totals.states.iter().filter(test).take(MOST_WORDS).map(|state| printable(&state.state, WORD));
        Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
    };
    let new = words(|state| !state.is_documented).map(|new| format!("the vendor has states that its document does not name: {new}"));
    let missing = words(|state| !state.is_listed).map(|missing| format!("the vendor's list of states lacks {missing}"));
    let sums = totals.sums().and_then(|(sum, all)| match sum.cmp(&all) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => {
            Some(format!("the known states come to {sum} of {all} processes: there is a state that is not named, or some are hidden"))
        }
        std::cmp::Ordering::Greater => {
            Some(format!("the states come to {sum} processes, and the whole list to {all}: cancelled or other ones are not in it"))
        }
    });
    [new, missing, sums].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(all: u64, states: &[(&str, bool, bool, u64)], expected: &[&str]) {
        let state = |&(state, is_listed, is_documented, total): &(&str, bool, bool, u64)| StateTotal {
            state: state.to_owned(),
            is_listed,
            is_documented,
            total: Some(total),
        };
        let told = notices(&ProcessTotals { all: Some(all), unassigned: None, states: states.iter().map(state).collect() });
        assert!(told.len() == expected.len() && told.iter().zip(expected).all(|(told, words)| told.contains(words)), "{told:?}");
    }

    #[test]
    fn new_and_missing_words_and_sums_that_differ_are_told() {
        check(5, &[("a", true, true, 2), ("b", true, true, 3)], &[]);
        check(5, &[("a", true, true, 2), ("new", true, false, 3)], &["does not name: new"]);
        check(5, &[("a", false, true, 2), ("b", false, true, 3)], &["lacks a, b"]);
        check(5, &[("a", true, true, 2), ("b", true, true, 2)], &["come to 4 of 5 processes"]);
        check(5, &[("a", true, true, 2), ("b", true, true, 4)], &["come to 6 processes, and the whole list to 5"]);
    }
}
