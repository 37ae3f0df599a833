//! Which page of a window comes next, and what proves that the window was read whole.
//!
//! A window's `To` lies in the past, so the set behind it can only shrink: a listing that changes leaves it. Every
//! listing behind the one that left moves up a place. Reading from the first page to the last then misses one listing
//! at a page edge for each that left; reading from the last page to the first misses none, whatever the order, as
//! long as the order stays. When the order does not stay, only a set that did not change and was seen in full is proof.

mod agreement;
mod order;
mod salvage;
mod strange;

use super::page::{Mark, PageFacts};
use super::progress::{Expected, PageStep, Progress};
use std::collections::BTreeSet;

/// Pages that come back empty although the total promises them, before the total is not believed any more.
const MAX_HOLLOW_PAGES: u32 = 3;
/// A strange answer is asked for again this often before it is believed.
const MAX_DOUBTS: u32 = 2;
/// A pass over a window whose order changes is read to its end where so many pages are left.
const FEW_PAGES: u32 = 4;
/// No window is read deeper than this, even where it cannot be cut.
const MAX_PAGES: u64 = 20_000;

/// The reading of one window: where it stands, and what it has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    at: Progress,
    /// Distinct marks that count for the proof.
    seen: BTreeSet<Mark>,
    /// Of those, the ones that no checkpoint has saved yet.
    unsaved: Vec<Mark>,
    /// `seen` was emptied since the last checkpoint.
    cleared: bool,
    /// The marks of the first page, as the beginning of this pass showed it.
    head: BTreeSet<Mark>,
    /// The page before this one in reading order (its successor by number).
    previous: Vec<Mark>,
    /// The page of this pass that is taken for the last.
    top: u64,
    /// Pages that came back empty although the total promises them.
    hollow: u32,
    /// Refusals of a page that may be gone.
    refused: u32,
    /// Answers in a row that were asked for again because they were strange.
    doubts: u32,
    /// The order was seen to change from page to page.
    disordered: bool,
    /// This pass has shown a mark that no pass before had shown.
    progressed: bool,
    /// So many records were shown in this pass, those that came twice counted twice.
    shown: u64,
    /// The marks of the passes before, where two passes must agree.
    agreed: Option<BTreeSet<Mark>>,
    /// While what can be read is read, page by page: the pages in a row that failed.
    salvage: Option<u32>,
}

impl Reading {
    /// A reading that begins with the first page.
    #[must_use]
    pub fn new() -> Reading {
        Reading { at: Progress { next_page: 1, ..Progress::default() }, ..Reading::default() }
    }

    /// Goes on where an earlier process was.
    #[must_use]
    pub fn resume(at: Progress, seen: BTreeSet<Mark>) -> Reading {
        // Where no first page was answered, nothing else can be made sense of.
        let next_page = if at.page_size == 0 { 1 } else { at.next_page };
        Reading { at: Progress { next_page, ..at }, seen, ..Reading::default() }
    }

    /// Whether this mark was seen.
    pub(super) fn has_seen(&self, mark: &Mark) -> bool {
        self.seen.contains(mark)
    }

    /// Where it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { keys_seen: self.seen.len() as u64, ..self.at }
    }

    /// What a checkpoint has to save of the marks: whether those saved so far no longer count, and those that are new.
    pub(super) fn take_unsaved(&mut self) -> (bool, Vec<Mark>) {
        (std::mem::take(&mut self.cleared), std::mem::take(&mut self.unsaved))
    }

    /// Whether this pass has read no page yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.at.page_size == 0
    }

    /// Counts one more refusal of a page that may be gone; tells how many there were.
    pub(super) fn count_refusal(&mut self) -> u32 {
        self.refused += 1;
        self.refused
    }

    /// Takes in the answer to the page that was asked for.
    pub fn on_answer(&mut self, answer: PageFacts, expected: Expected) -> PageStep {
        if let Some(doubt) = self.strange(&answer, expected) {
            // It may be a slip of one answer, which must neither hide records nor prove anything.
            let contradicts = matches!(doubt, PageStep::Unreadable(_)) && answer.page == 1;
            if contradicts || self.doubts < MAX_DOUBTS {
                // One that is never believed says nothing of one that may be.
                self.doubts += u32::from(!contradicts);
                return doubt;
            }
        }
        self.doubts = 0;
        if self.salvage.is_some() {
            return self.on_salvaged(&answer);
        }
        if answer.marks.is_empty() && answer.page == 1 {
            // Whatever a next page promises, nothing matches.
            return PageStep::Complete;
        }
        self.count_shown(&answer);
        if self.at.page_size == 0 { self.on_start(answer, expected) } else { self.on_page(answer) }
    }

    fn on_start(&mut self, answer: PageFacts, expected: Expected) -> PageStep {
        if self.at.strict && answer.total != self.at.total_last {
            self.forget();
        }
        let shown = answer.marks.len() as u64;
        // A page that has room and that nothing follows is the last one, even where the total counts more than it shows.
        self.at.page_size = if answer.more { shown } else { shown.max(expected.largest_page) };
        self.at.total_first = answer.total;
        self.at.total_last = answer.total;
        self.head = answer.marks.iter().cloned().collect();
        self.see(&answer.marks);
        // A record that stands twice in a page counts once.
        if !answer.more && self.head.len() as u64 >= self.at.total_last {
            // All matches are in this one answer, so nothing can have moved between pages.
            return PageStep::Complete;
        }
        let pages = self.pages().max(if answer.more { 2 } else { 1 });
        self.top = pages;
        self.at.next_page = u32::try_from(pages).unwrap_or(u32::MAX);
        match pages {
            1 => self.finish(),
            // A next page behind all that is counted does not make a window deep; it is looked at.
            _ if self.pages() > expected.deepest.min(MAX_PAGES) && self.at.passes == 0 => PageStep::TooDeep { pages },
            _ => PageStep::Continue,
        }
    }

    fn on_page(&mut self, answer: PageFacts) -> PageStep {
        self.follow_total(answer.total);
        if !self.at.strict && self.order_moved(&answer.marks) {
            self.at.strict = true;
            self.disordered = true;
            self.forget();
            if answer.page > FEW_PAGES {
                // So many would prove nothing: shorter windows do.
                self.see(&answer.marks);
                self.at.passes += 1;
                return PageStep::Unproven;
            }
        }
        self.hollow += u32::from(answer.marks.is_empty() && u64::from(answer.page) <= self.pages());
        self.see(&answer.marks);
        let last = u64::from(answer.page) >= self.top.max(self.pages());
        if last && answer.more && !answer.marks.is_empty() {
            return self.climb();
        }
        self.previous = answer.marks;
        if answer.page <= 1 || self.hollow > MAX_HOLLOW_PAGES {
            return self.finish();
        }
        // The set has shrunk and its listings have moved up: the pages past its present end are empty and are skipped.
        let end = if self.top > self.first_pages() { self.top } else { self.pages() };
        let before = u64::from(answer.page - 1).min(end).max(1);
        if before == 1 && self.first_page_stands() {
            return self.finish();
        }
        self.at.next_page = u32::try_from(before).unwrap_or(u32::MAX);
        PageStep::Continue
    }

    /// A next page behind the one that is taken for the last disproves the total: the window is deeper than it says. The
    /// pass begins again from further behind.
    fn climb(&mut self) -> PageStep {
        self.top = self.top.saturating_mul(2);
        if self.top > MAX_PAGES {
            self.at.passes += 1;
            return PageStep::Unproven;
        }
        self.previous.clear();
        self.at.next_page = u32::try_from(self.top).unwrap_or(u32::MAX);
        PageStep::Continue
    }

    fn follow_total(&mut self, total: u64) {
        if total > self.at.total_last {
            self.at.grew = true;
        }
        if total != self.at.total_last && (self.at.strict || self.at.grew) {
            self.forget();
        }
        self.at.total_last = total;
    }

    fn see(&mut self, marks: &[Mark]) {
        for mark in marks {
            if self.seen.insert(mark.clone()) {
                self.progressed = true;
                self.unsaved.push(mark.clone());
            }
        }
    }

    fn forget(&mut self) {
        self.seen.clear();
        self.unsaved.clear();
        self.cleared = true;
    }

    /// The first page was read at the beginning of the pass; it need not be read again while nothing has left the window.
    fn first_page_stands(&self) -> bool {
        self.at.total_last == self.at.total_first && !self.at.grew && !self.at.strict
    }

    /// Pages, by the total that the first page of this pass claimed.
    fn first_pages(&self) -> u64 {
        self.at.total_first.div_ceil(self.at.page_size.max(1)).max(1)
    }

    fn finish(&mut self) -> PageStep {
        let whole = self.seen.len() as u64 >= self.at.total_last;
        if whole && (!self.at.grew || self.at.strict) {
            return PageStep::Complete;
        }
        // Fewer than promised, though nothing is known to have moved: do not trust the order either.
        self.at.strict |= !whole && !self.at.grew;
        self.at.passes += 1;
        PageStep::Unproven
    }

    /// Whether the order was seen to change from page to page.
    pub(super) fn is_disordered(&self) -> bool {
        self.disordered
    }

    /// Whether this pass has shown anything new.
    pub(super) fn progressed(&self) -> bool {
        self.progressed
    }

    /// Begins another pass. What was seen keeps counting only where the set is proven by being constant.
    pub fn again(&mut self) {
        if !self.at.strict {
            self.forget();
        }
        let at = Progress {
            next_page: 1,
            total_last: self.at.total_last,
            passes: self.at.passes,
            strict: self.at.strict,
            ..Progress::default()
        };
        *self = Reading {
            at,
            seen: std::mem::take(&mut self.seen),
            unsaved: std::mem::take(&mut self.unsaved),
            cleared: self.cleared,
            refused: self.refused,
            agreed: self.agreed.take(),
            disordered: self.disordered,
            ..Reading::default()
        };
    }

    /// How many pages the window has, by the total that the last answer claimed.
    pub(super) fn pages(&self) -> u64 {
        self.at.total_last.div_ceil(self.at.page_size.max(1))
    }

    /// Whether a window that cannot be cut may be read as it is; `false` if it has more pages than is believable.
    #[must_use]
    pub fn may_go_deep(&self) -> bool {
        self.pages() <= MAX_PAGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop, proptest};

    const PAGE: usize = 5;

    /// A vendor's window that changes between requests.
    struct World {
        listings: Vec<u32>,
        order: fn(u32) -> u64,
    }

    impl World {
        fn answer(&self, page: u32) -> PageFacts {
            let mut sorted = self.listings.clone();
            sorted.sort_by_key(|id| (self.order)(*id));
            let start = (page as usize - 1) * PAGE;
            let marks = sorted.iter().skip(start).take(PAGE).map(|id| id.to_string().into()).collect();
            let more = start + PAGE < sorted.len();
            PageFacts { page, marks, total: sorted.len() as u64, more }
        }
    }

    /// Reads until proof, dropping `leaves[i]` listings at random places before request `i`; returns what was read.
    fn read_backwards(world: &mut World, leaves: &[Vec<prop::sample::Index>]) -> (BTreeSet<Mark>, u32) {
        let mut reading = Reading::new();
        let mut read = BTreeSet::new();
        for request in 0..1_000 {
            for index in leaves.get(request).into_iter().flatten() {
                if !world.listings.is_empty() {
                    world.listings.remove(index.index(world.listings.len()));
                }
            }
            let answer = world.answer(reading.progress().next_page);
            read.extend(answer.marks.iter().cloned());
            match reading.on_answer(answer, up_to(u64::MAX)) {
                // The same page is asked for again.
                PageStep::Continue | PageStep::Unreadable(_) | PageStep::Doubtful(_) => {}
                PageStep::Complete => return (read, request as u32 + 1),
                PageStep::Unproven => reading.again(),
                other => panic!("{other:?}"),
            }
        }
        panic!("no proof within 1000 requests");
    }

    fn leaves() -> impl Strategy<Value = Vec<Vec<prop::sample::Index>>> {
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..60)
    }

    const ORDERS: [fn(u32) -> u64; 3] =
        [|id| u64::from(id), |id| u64::MAX - u64::from(id), |id| u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15)];

    proptest! {
        /// The claim of the module: whatever leaves, everything that stays is read, in any order that stays.
        #[test]
        fn nothing_that_stays_is_missed_in_a_shrinking_window(count in 0_u32..200, leaves in leaves(), order in 0_usize..3) {
            let mut world = World { listings: (0..count).collect(), order: ORDERS[order] };
            let (read, _) = read_backwards(&mut world, &leaves);
            let missed: Vec<_> = world.listings.iter().filter(|id| !read.contains(&*id.to_string())).collect();
            assert!(missed.is_empty(), "missed {missed:?}");
        }
    }

    #[test]
    fn a_quiet_window_costs_each_page_once() {
        for (count, requests) in [(0, 1), (1, 1), (5, 1), (6, 2), (10, 2), (11, 3), (99, 20)] {
            let mut world = World { listings: (0..count).collect(), order: ORDERS[2] };
            assert_eq!(read_backwards(&mut world, &[]).1, requests, "{count} listings");
        }
    }

    #[test]
    fn reading_forward_would_miss_listings() {
        // The test above has teeth only if the world can defeat the ordinary way of paging.
        let mut world = World { listings: (0..50).collect(), order: ORDERS[0] };
        let mut read = BTreeSet::new();
        for page in 1..=10 {
            read.extend(world.answer(page).marks);
            world.listings.remove(0);
        }
        assert!(world.listings.iter().any(|id| !read.contains(&*id.to_string())));
    }

    fn up_to(deepest: u64) -> Expected {
        Expected { deepest, something: false, largest_page: 0 }
    }

    fn page(page: u32, marks: &[&str], total: u64, more: bool) -> PageFacts {
        PageFacts { page, marks: marks.iter().map(|mark| (*mark).into()).collect(), total, more }
    }

    fn check(answers: &[(PageFacts, PageStep)]) -> Reading {
        let mut reading = Reading::new();
        for (answer, expected) in answers {
            assert_eq!(reading.progress().next_page, answer.page);
            assert_eq!(reading.on_answer(answer.clone(), up_to(9)), *expected, "{answer:?}");
        }
        reading
    }

    #[test]
    fn one_page_is_proof_by_itself() {
        assert_eq!(check(&[(page(1, &["a", "b"], 2, false), PageStep::Complete)]).seen.len(), 2, "distinct keys are counted");
        check(&[(page(1, &[], 0, false), PageStep::Complete)]);
        check(&[(page(1, &["a", "b"], 2, false), PageStep::Complete)]);
        check(&[(page(1, &["a", "a"], 2, false), PageStep::Unproven)]);
    }

    #[test]
    fn an_empty_window_is_complete_whatever_its_next_page_says() {
        check(&[(page(1, &[], 0, true), PageStep::Complete)]);
    }

    #[test]
    fn a_next_page_disproves_a_total_that_is_too_small() {
        for total in [0, 2, 4] {
            let mut reading = Reading::new();
            let mut read = BTreeSet::new();
            for request in 0.. {
                assert!(request < 40, "it never ends");
                let start = (reading.progress().next_page as usize - 1) * 2;
                let marks: Vec<Mark> = (0..15).skip(start).take(2).map(|mark| mark.to_string().into()).collect();
                read.extend(marks.clone());
                let answer = PageFacts { page: reading.progress().next_page, marks, total, more: start + 2 < 15 };
                if reading.on_answer(answer, up_to(99)) == PageStep::Complete {
                    break;
                }
            }
            assert_eq!(read.len(), 15, "Total {total}");
        }
    }

    #[test]
    fn a_total_without_records_does_not_count_as_read() {
        check(&[(page(1, &[], 7, false), PageStep::Unreadable("the page is empty although its Total is not zero"))]);
    }

    const EMPTY: PageStep = PageStep::Unreadable("the page is empty although its Total is not zero");

    #[test]
    fn fewer_keys_than_promised_are_no_proof() {
        let reading = check(&[
            (page(1, &["a"], 2, false), PageStep::Continue),
            (page(2, &[], 2, false), EMPTY),
            (page(2, &[], 2, false), EMPTY),
            (page(2, &[], 2, false), PageStep::Unproven),
        ]);
        assert!(reading.progress().strict);
    }

    #[test]
    fn a_page_that_is_falsely_empty_is_asked_for_again() {
        check(&[
            (page(1, &["a", "b"], 5, true), PageStep::Continue),
            (page(3, &["e"], 5, false), PageStep::Continue),
            (page(2, &[], 4, false), EMPTY),
            (page(2, &["c", "d"], 5, true), PageStep::Complete),
        ]);
    }

    #[test]
    fn a_total_that_falls_to_nothing_is_asked_for_again_before_it_is_believed() {
        let gone = PageStep::Doubtful("nothing matches, although the answer before counted records");
        let begin = [(page(1, &["a", "b"], 5, true), PageStep::Continue), (page(3, &[], 0, false), gone)];
        check(&[&begin[..], &[(page(3, &["e"], 5, false), PageStep::Continue)]].concat());
        check(&[&begin[..], &[(page(3, &[], 0, false), gone), (page(3, &[], 0, false), PageStep::Continue)]].concat());
    }

    #[test]
    fn a_long_stretch_without_records_is_asked_for_again_before_it_is_believed() {
        let mut reading = Reading::new();
        let mut answer = || reading.on_answer(page(1, &[], 0, false), Expected { deepest: 9, something: true, largest_page: 0 });
        assert!(matches!(answer(), PageStep::Doubtful(_)));
        assert!(matches!(answer(), PageStep::Doubtful(_)));
        assert_eq!(answer(), PageStep::Complete);
    }

    #[test]
    fn an_answer_that_contradicts_itself_makes_no_empty_one_easier_to_believe() {
        let mut reading = Reading::new();
        let mut answer = |total| reading.on_answer(page(1, &[], total, false), Expected { deepest: 9, something: true, largest_page: 0 });
        assert_eq!(answer(7), EMPTY);
        assert!(matches!((answer(0), answer(0)), (PageStep::Doubtful(_), PageStep::Doubtful(_))));
        assert_eq!(answer(0), PageStep::Complete);
    }

    #[test]
    fn a_page_that_has_room_and_that_nothing_follows_is_the_last() {
        let shown =
            |largest_page| Reading::new().on_answer(page(1, &["a"], 2, false), Expected { deepest: 9, something: false, largest_page });
        assert_eq!(shown(9), PageStep::Unproven, "the Total counts one that is not shown");
        assert_eq!(shown(1), PageStep::Continue, "perhaps it is on a second page");
    }

    #[test]
    fn what_can_be_read_is_read_past_pages_that_fail() {
        let mut reading = check(&[(page(1, &["a", "b"], 12, true), PageStep::Continue)]);
        reading.salvage();
        assert_eq!(reading.on_answer(page(2, &["c", "d"], 12, true), up_to(9)), PageStep::Continue);
        assert!(reading.skip_page(), "page 3");
        assert_eq!(reading.on_answer(page(4, &["g"], 12, true), up_to(9)), PageStep::Continue);
        assert!(reading.skip_page() && reading.skip_page() && !reading.skip_page(), "pages 5 to 7");
        assert_eq!(reading.progress().keys_seen, 5);
    }

    #[test]
    fn two_passes_agree_if_the_second_shows_nothing_new() {
        let mut reading = Reading::new();
        for (marks, agrees) in [(["a", "b"], false), (["a", "c"], false), (["a", "c"], true), (["b", "c"], true)] {
            reading.on_answer(page(1, &marks, 2, false), up_to(9));
            assert_eq!(reading.agrees(), agrees, "{marks:?}");
            reading.again();
        }
    }

    #[test]
    fn a_total_that_grew_is_no_proof() {
        check(&[
            (page(1, &["a", "b"], 4, true), PageStep::Continue),
            (page(2, &["c", "d"], 5, true), PageStep::Continue),
            (page(1, &["a", "b"], 5, true), PageStep::Unproven),
        ]);
    }

    #[test]
    fn a_deep_window_whose_order_changes_is_read_no_further() {
        let begin = [(page(1, &["a", "b"], 18, true), PageStep::Continue), (page(9, &["q", "r"], 18, false), PageStep::Continue)];
        check(&[&begin[..], &[(page(8, &["q", "p"], 18, true), PageStep::Unproven)]].concat());
    }

    #[test]
    fn a_first_page_is_read_again_if_the_total_moved() {
        check(&[
            (page(1, &["a", "b"], 4, true), PageStep::Continue),
            (page(2, &["d"], 3, false), PageStep::Continue),
            (page(1, &["b", "c"], 3, true), PageStep::Complete),
        ]);
    }

    #[test]
    fn a_listing_of_the_first_page_on_a_later_one_shows_that_the_order_moved() {
        let reading = check(&[
            (page(1, &["a", "b"], 5, true), PageStep::Continue),
            (page(3, &["e"], 5, false), PageStep::Continue),
            (page(2, &["b", "d"], 5, true), PageStep::Continue),
        ]);
        assert!(reading.progress().strict);
    }

    #[test]
    fn a_pass_tells_records_that_came_twice_from_one_that_is_never_shown() {
        let first = [(page(1, &["a", "b"], 5, true), PageStep::Continue), (page(3, &["e"], 5, false), PageStep::Continue)];
        for (second, repeated) in [(page(2, &["c", "e"], 5, true), true), (page(2, &["c"], 5, true), false)] {
            let reading = check(&[first.as_slice(), &[(second, PageStep::Unproven)]].concat());
            assert_eq!((reading.has_repeated(), reading.is_disordered()), (repeated, false));
        }
    }

    #[test]
    fn a_constant_set_seen_in_full_is_proof_in_any_order() {
        let mut reading = check(&[
            (page(1, &["a", "b"], 4, true), PageStep::Continue),
            (page(2, &["b", "c"], 4, false), PageStep::Continue),
            (page(1, &["a", "c"], 4, true), PageStep::Unproven),
        ]);
        reading.again();
        assert_eq!(reading.on_answer(page(1, &["d", "a"], 4, true), up_to(9)), PageStep::Continue);
        assert_eq!(reading.on_answer(page(2, &["a", "b"], 4, false), up_to(9)), PageStep::Continue);
        assert_eq!(reading.on_answer(page(1, &["d", "a"], 4, true), up_to(9)), PageStep::Complete);
    }

    #[test]
    fn a_reading_that_had_no_first_page_begins_with_it() {
        let at = Progress { next_page: 23, total_last: 23, ..Progress::default() };
        assert_eq!(Reading::resume(at, BTreeSet::new()).progress().next_page, 1);
    }

    #[test]
    fn a_deep_window_is_offered_for_cutting_once() {
        check(&[(page(1, &["a"], 10, true), PageStep::TooDeep { pages: 10 })]);
    }

    #[test]
    fn a_total_that_lies_ends_the_pass_early() {
        let mut reading = Reading::new();
        reading.on_answer(page(1, &["a"], 1_000, true), up_to(9));
        let mut requests = 1;
        while reading.on_answer(page(reading.progress().next_page, &[], 1_000, false), up_to(9)) == PageStep::Continue {
            requests += 1;
        }
        assert!(requests < 6, "{requests} requests for one listing");
    }
}
