//! How records are spread over a window, judging by one page of them.

use super::window::HALF;
use crate::record::{Stamp, Window};

/// How long the newest part of a window is that holds so many (`wanted`) of its records (`total`), as a share of the window. `stamps`
/// are those of the first page, in the order in which they were sent; without them, records are taken to be spread evenly, and at most
/// half of the window is kept: it may hold all of them in a short part.
///
/// A page that is in the order of its stamps shows the newest, or the oldest, records of the window, and any other page is taken for a
/// sample. It is a guess: what follows from it is measured by the next answer.
pub(super) fn newest_share(window: Window, stamps: &[Stamp], total: u64, wanted: f64) -> f64 {
    let inside = |stamp: &&Stamp| window.from <= **stamp && **stamp <= window.to;
    let mut stamps: Vec<Stamp> = stamps.iter().filter(inside).copied().collect();
    let (count, total) = (stamps.len() as f64, total.max(1) as f64);
    let (ascending, descending) = (stamps.is_sorted(), stamps.is_sorted_by(|one, next| one >= next));
    if stamps.is_empty() {
        return (wanted / total).min(HALF);
    }
    stamps.sort_unstable_by(|one, other| other.cmp(one));
    // Before how many records each of them comes, from the newest on.
    let (before, each) = match (ascending, descending) {
        (true, false) => (total - count, 1.0),
        (false, true) => (0.0, 1.0),
        (true, true) | (false, false) => (0.0, total / count),
    };
    let mut newer = (window.to, 0.0);
    for (stamp, place) in stamps.into_iter().zip(1_u32..) {
        let here = (stamp, before + f64::from(place) * each);
        if here.1 >= wanted {
            return share(window, newer, here, wanted);
        }
        newer = here;
    }
    share(window, newer, (window.from, total), wanted)
}

/// Where between two places so many records lie, each given with the number of records from the window's end to it.
fn share(window: Window, newer: (Stamp, f64), older: (Stamp, f64), wanted: f64) -> f64 {
    let part = ((wanted - newer.1) / (older.1 - newer.1).max(1.0)).clamp(0.0, 1.0);
    let back = window.to.since(newer.0) + newer.0.since(older.0).mul_f64(part);
    back.as_secs_f64() / window.to.since(window.from).as_secs_f64().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Stamp {
        Stamp(hour * 36_000_000_000)
    }

    /// Of a window from hour 0 to hour 100 with so many records, how many hours hold 10 of them.
    fn check(hours: &[i64], total: u64, expected: i64) {
        let stamps: Vec<Stamp> = hours.iter().map(|hour| at(*hour)).collect();
        let share = newest_share(Window { from: at(0), to: at(100) }, &stamps, total, 10.0);
        assert_eq!((share * 100.0).round() as i64, expected, "{hours:?} of {total}");
    }

    #[test]
    fn without_a_page_records_are_taken_to_be_spread_evenly() {
        check(&[], 40, 25);
        check(&[200, -5], 40, 25);
        check(&[], 11, 50);
    }

    #[test]
    fn a_page_of_the_newest_shows_where_to_cut() {
        let newest: Vec<i64> = (80..100).rev().collect();
        check(&newest, 1_000, 10);
        // The page holds fewer than wanted: the others are spread over what lies before.
        check(&[99, 98, 97, 96, 95], 105, 5 + 5);
    }

    #[test]
    fn a_page_of_the_oldest_shows_where_the_others_begin() {
        check(&[1, 2, 3, 4, 80], 45, 5);
    }

    #[test]
    fn any_other_page_is_a_sample() {
        check(&[98, 3, 99, 97, 96, 95, 94, 93, 92, 91], 100, 1);
        check(&[10, 90, 30, 70, 50], 50, 10);
    }

    #[test]
    fn a_bulk_of_one_stamp_is_cut_at_it() {
        check(&[40, 40, 40, 40], 40, 60);
    }
}
