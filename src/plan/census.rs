//! The reading of everything that a feed has of a kind which the vendor does not date: whether it was whole, and what follows from
//! what it lacks.

use super::brake::BrakeLimits;
use super::merge::TWO_READINGS;
use crate::entity::Confirmed;
use crate::record::{Failure, ListingId, Page, Stamp, Window};
use std::collections::BTreeSet;
use std::time::Duration;

/// A reading that could not be proven is made again, so often in all.
pub(crate) const ATTEMPTS: u32 = 3;
/// Pages of one reading.
const MOST_PAGES: u32 = 5_000;
/// Many absences at once are believed when a whole reading this much later lacks the same.
const MANY_WAIT: Duration = Duration::from_secs(24 * 3600);
/// An absence that is at least as old as this began before the present reading: an earlier whole reading lacked the row, too.
const ANOTHER_READING: Duration = Duration::from_millis(1);
/// An update window reaches back so far behind the last reading: the document has updates begin "from 12 am", in a zone that it
/// does not name.
const UPDATE_OVERLAP: Duration = Duration::from_secs(26 * 3600);
/// A service that refuses the credential is tried again after this.
const RETRY: Duration = Duration::from_secs(3600);
/// Any other failure is not tried again sooner than this.
const SOONEST: Duration = Duration::from_secs(300);
/// A vendor that never proves a reading is not read whole again more often than this.
const DOUBT: Duration = Duration::from_secs(6 * 3600);
/// So far before our clock a reading of open houses begins: no zone is further away.
const ZONES: Duration = Duration::from_secs(24 * 3600);

/// One reading, page by page.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pages: u32,
    total: u64,
    keys: BTreeSet<ListingId>,
    /// Rejects without a key that can be read.
    nameless: u64,
    first: BTreeSet<ListingId>,
    ends: bool,
}

/// What to do after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read this page.
    Page(u32),
    /// The reading was whole.
    Proven,
    /// It proves nothing, for this reason.
    Doubtful(String),
}

impl Reading {
    /// Takes a page in.
    pub(crate) fn on_page(&mut self, page: &Page) -> Next {
        let keys: BTreeSet<ListingId> = page.records.iter().map(|record| record.key.listing.clone()).collect();
        if self.ends {
            return if keys == self.first { self.verdict() } else { Next::Doubtful("its first page changed while it was read".to_owned()) };
        }
        // What lies past the end is answered in many ways.
        let is_past = self.pages > 0 && page.records.is_empty() && page.rejects.is_empty();
        if self.pages > 0 && page.total != self.total && !is_past {
            return Next::Doubtful(format!("its Total went from {} to {} while it was read", self.total, page.total));
        }
        if self.pages == 0 {
            (self.total, self.first) = (page.total, keys.clone());
        }
        self.pages += 1;
        let before = self.keys.len();
        self.nameless += page.rejects.len() as u64;
        self.keys.extend(keys);
        // A vendor that repeats a page for ever brings nothing new.
        let grew = self.keys.len() > before;
        if grew && self.pages < MOST_PAGES && (page.next_page.is_some() || self.found() < self.total) {
            return Next::Page(self.pages + 1);
        }
        self.ends = self.pages > 1;
        if self.ends { Next::Page(1) } else { self.verdict() }
    }

    fn found(&self) -> u64 {
        self.keys.len() as u64 + self.nameless
    }

    fn verdict(&self) -> Next {
        match (self.found(), self.total) {
            (found, total) if found == total => Next::Proven,
            (found, total) => Next::Doubtful(format!("the vendor counts {total}, and {found} different ones were read")),
        }
    }

    /// Records that could not be read: what was not read may be one of them.
    pub(crate) fn unreadable(&self) -> u64 {
        self.nameless
    }

    /// What was read.
    pub(crate) fn into_keys(self) -> BTreeSet<ListingId> {
        self.keys
    }
}

/// What was read of a list before it is read itself.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// All that was read.
    pub keys: &'a BTreeSet<ListingId>,
    /// How many of them are in the list.
    pub count: u64,
}

impl Known<'_> {
    /// Whether the first page of the list tells that it holds nothing else.
    pub(crate) fn is_all_of(&self, first: &Page) -> bool {
        let is_known = first.records.iter().all(|record| self.keys.contains(&record.key.listing));
        is_known && first.rejects.is_empty() && first.total <= self.count
    }
}

/// What is remembered of a feed's readings of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the last proven reading of everything began.
    pub whole: Option<Stamp>,
    /// When the last one of these began in which every record could be read.
    pub complete: Option<Stamp>,
    /// When the last proven reading of any kind began.
    pub read: Option<Stamp>,
    /// When the next one is due.
    pub due: Option<Stamp>,
    /// Rows that were absent from the last whole reading and are not deleted yet.
    pub absent: u64,
    /// Hash of the user of the credential at the last whole reading after which no deletion was withheld; `None` where unknown.
    pub credential: Option<String>,
}

/// How often a kind is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// From one reading to the next.
    pub every: Duration,
    /// From one whole reading to the next; zero for never again.
    pub whole_every: Duration,
    /// Whether there are readings of updates alone.
    pub has_updates: bool,
}

/// How long after a reading that was not proven the next one begins: it has cost several times as many requests.
pub(crate) fn after_doubt(rhythm: Rhythm) -> Duration {
    if rhythm.has_updates { rhythm.every.max(DOUBT) } else { rhythm.every }
}

/// How long after a reading that failed the next one begins. So one that always fails leaves room for the others.
pub(crate) fn after_failure(rhythm: Rhythm, failure: &Failure) -> Duration {
    if *failure == Failure::Unauthorized { RETRY } else { rhythm.every.clamp(SOONEST, RETRY) }
}

/// No reading is due later than this, whatever a clock said when that was written down.
pub(crate) fn longest_wait(rhythm: Rhythm) -> Duration {
    after_doubt(rhythm).max(RETRY)
}

/// The dates of the next reading, and whether it is of everything. None has an end: what changes meanwhile stays in it.
pub(crate) fn next_reading(progress: &Progress, rhythm: Rhythm, now: Stamp) -> (Window, bool) {
    let to = Stamp::NO_END;
    if !rhythm.has_updates {
        return (Window { from: now.minus(ZONES), to }, true);
    }
    let whole_every = Some(rhythm.whole_every).filter(|every| !every.is_zero());
    let whole_every = if progress.absent > 0 { whole_every.into_iter().chain([MANY_WAIT]).min() } else { whole_every };
    let is_old = |whole: Stamp| whole_every.is_some_and(|every| now.since(whole) >= every);
    match (progress.whole, progress.read) {
        (Some(whole), Some(read)) if !is_old(whole) => (Window { from: read.min(now).minus(UPDATE_OVERLAP), to }, false),
        // Without a beginning, the document has it begin today.
        _ => (Window { from: Stamp::parse("1900-01-01").expect("a date"), to }, true),
    }
}

/// A live row that the last whole reading lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub id: ListingId,
    /// When the first whole reading began that lacked it.
    pub since: Stamp,
}

/// What a whole reading found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub read: u64,
    /// Live rows that were there before it began and are expected in it.
    pub expected: u64,
    pub absent: Vec<Absence>,
    /// Groups of rows (see `Entity::scope`) of which everything is absent.
    pub lost: Vec<String>,
}

/// Which absent rows may be deleted now, and why others may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// The oldest absences first.
    pub ripe: Vec<ListingId>,
    pub withheld: Option<String>,
}

/// Decides on the absences of a whole reading that began at `now`. `is_other` tells that the credential is of somebody else than that
/// of the last reading after which nothing was withheld, and so may see less.
pub(crate) fn rule(found: Found, (confirmed, is_other): (Confirmed, bool), limits: BrakeLimits, now: Stamp) -> Ruling {
    let Found { read, expected, mut absent, lost } = found;
    if absent.is_empty() {
        return Ruling::default();
    }
    if read == 0 {
        // That no open house lies ahead is usual.
        let withheld = (confirmed != Confirmed::ReadAgain)
            .then(|| format!("the vendor returned none although {expected} are live in the file; nothing is deleted"));
        return Ruling { ripe: Vec::new(), withheld };
    }
    let count = absent.len() as u64;
    let withheld = |why: String| Ruling { ripe: Vec::new(), withheld: Some(why) };
    if is_other {
        return withheld(format!(
            "the vendor does not return {count} of {expected}, and the credential is another one than before; nothing is deleted"
        ));
    }
    if let Some(scope) = lost.first() {
        return withheld(format!(
            "the vendor returns nothing of {scope} any more; nothing is deleted: the credential may see less than before"
        ));
    }
    // Hardly anything vanishes from an account, and most have a few hundred rows.
    let most = if confirmed == Confirmed::Both { limits.count / 10 } else { limits.count };
    let many = count > most && count as f64 / expected.max(1) as f64 > limits.share;
    let wait = match confirmed {
        Confirmed::Both if many => {
            return withheld(format!(
                "the vendor no longer returns {count} of {expected}; nothing is deleted: the credential may see less than before"
            ));
        }
        _ if many => MANY_WAIT,
        Confirmed::Asked => Duration::ZERO,
        Confirmed::ReadAgain => TWO_READINGS,
        Confirmed::Both => ANOTHER_READING,
    };
    absent.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    let budget = usize::try_from(limits.budget).unwrap_or(usize::MAX);
    let ripe: Vec<ListingId> = absent
        .into_iter()
        .filter(|absence| now.since(absence.since) >= wait && absence.since <= now)
        .map(|absence| absence.id)
        .take(budget)
        .collect();
    let withheld = many.then(|| {
        format!("the vendor no longer returns {count} of {expected}; they are deleted if a whole reading lacks them a day later, too")
    });
    Ruling { ripe, withheld }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cut, FeedId, ListingKey, Record, Reject, raw_hash};
    use Confirmed::{Asked, Both, ReadAgain};

    fn page(ids: &str, total: u64, next_page: Option<u32>) -> Page {
        let record = |id: &str| Record {
            key: ListingKey { feed: FeedId("A".to_owned()), listing: ListingId(id.to_owned()) },
            stamp: None,
            mirrored_at: None,
            raw_hash: raw_hash(id.as_bytes()),
            raw: String::new(),
            cut: Cut::default(),
        };
        let reject = |raw: &str| Reject { reason: String::new(), listing: None, raw_hash: raw_hash(raw.as_bytes()), raw: raw.to_owned() };
        let (rejects, records): (Vec<&str>, Vec<&str>) = ids.split_whitespace().partition(|id| *id == "?");
        Page {
            records: records.into_iter().map(record).collect(),
            rejects: rejects.into_iter().map(reject).collect(),
            total,
            next_page,
            vendor_now: None,
        }
    }

    /// Reads these answers; tells the pages that were asked for, and how it ended.
    fn check(answers: &[(&str, u64)], expected: (&[u32], Result<(), &str>)) {
        let (mut reading, mut asked, mut number) = (Reading::default(), Vec::new(), 1);
        for (ids, total) in answers {
            asked.push(number);
            match reading.on_page(&page(ids, *total, None)) {
                Next::Page(next) => number = next,
                Next::Proven => return assert_eq!((&asked[..], Ok(())), expected, "{answers:?}"),
                Next::Doubtful(why) => {
                    let words = expected.1.expect_err("it was to be proven");
                    assert_eq!(asked, expected.0, "{answers:?}");
                    return assert!(why.contains(words), "{answers:?}: {why}");
                }
            }
        }
        panic!("{answers:?} do not end the reading, which wants page {number}");
    }

    #[test]
    fn a_reading_is_proven_by_its_total_and_by_its_first_page_once_more() {
        check(&[("", 0)], (&[1], Ok(())));
        check(&[("a b", 2)], (&[1], Ok(())));
        check(&[("a b", 3), ("c", 3), ("b a", 3)], (&[1, 2, 1], Ok(())));
        check(&[("a b", 3), ("c", 4)], (&[1, 2], Err("from 3 to 4")));
        check(&[("a b", 3), ("c", 3), ("a x", 3)], (&[1, 2, 1], Err("first page changed")));
        check(&[("a b", 3), ("b", 3), ("a b", 3)], (&[1, 2, 1], Err("counts 3, and 2 different")));
        check(&[("a b", 3), ("", 3), ("a b", 3)], (&[1, 2, 1], Err("counts 3, and 2 different")));
        check(&[("a b", 3), ("", 0), ("a b", 3)], (&[1, 2, 1], Err("counts 3, and 2 different")));
        check(&[("a b", 1)], (&[1], Err("counts 1, and 2 different")));
        check(&[("a ?", 2)], (&[1], Ok(())));
    }

    #[test]
    fn a_vendor_that_repeats_its_page_is_not_read_for_ever() {
        let mut reading = Reading::default();
        assert_eq!(reading.on_page(&page("a b", 2, Some(2))), Next::Page(2));
        assert_eq!(reading.on_page(&page("a b", 2, Some(2))), Next::Page(1));
        assert_eq!(reading.on_page(&page("a b", 2, Some(2))), Next::Proven);
    }

    #[test]
    fn what_lies_past_the_end_is_answered_in_many_ways() {
        for past in [page("", 0, None), page("", 2, None), page("b", 2, None)] {
            let mut reading = Reading::default();
            assert_eq!(reading.on_page(&page("a b", 2, Some(2))), Next::Page(2));
            assert_eq!(reading.on_page(&past), Next::Page(1));
            assert_eq!(reading.on_page(&page("a b", 2, Some(2))), Next::Proven);
        }
    }

    #[test]
    fn a_list_that_shows_nothing_new_on_its_first_page_is_known() {
        let keys: BTreeSet<ListingId> = ["a", "b", "c"].into_iter().map(|id| ListingId(id.to_owned())).collect();
        let check = |ids: &str, total: u64, expected: bool| {
            assert_eq!(Known { keys: &keys, count: 2 }.is_all_of(&page(ids, total, Some(2))), expected, "{ids} of {total}");
        };
        check("", 0, true);
        check("a", 1, true);
        check("a b", 2, true);
        check("a b", 3, false);
        check("a d", 2, false);
        check("d", 1, false);
        check("a ?", 2, false);
    }

    const LIMITS: BrakeLimits = BrakeLimits { count: 2, share: 0.5, budget: 10 };

    fn ruled(read: u64, confirmed: Confirmed, ages: &[u64]) -> (usize, bool) {
        let now = Stamp::parse("2026-05-01T12:00:00").expect("a date");
        let absent = ages
            .iter()
            .enumerate()
            .map(|(number, age)| Absence { id: ListingId(number.to_string()), since: now.minus(Duration::from_secs(*age)) });
        let ruling = rule(Found { read, expected: 5, absent: absent.collect(), lost: Vec::new() }, (confirmed, false), LIMITS, now);
        (ruling.ripe.len(), ruling.withheld.is_some())
    }

    #[test]
    fn few_absences_are_asked_about_at_once_or_wait_for_a_second_reading() {
        assert_eq!(ruled(3, Asked, &[0, 0]), (2, false));
        assert_eq!(ruled(4, ReadAgain, &[0, 600]), (1, false));
        assert_eq!(ruled(5, Asked, &[]), (0, false));
        assert_eq!(ruled(3, Both, &[0, 1]), (1, false), "asked about, once two readings lack it");
    }

    #[test]
    fn many_absences_wait_for_a_day_and_an_empty_answer_deletes_nothing() {
        assert_eq!(ruled(2, Asked, &[0, 0, 0]), (0, true));
        assert_eq!(ruled(2, Asked, &[86_400, 86_399, 86_400]), (2, true), "it stays told while they are deleted");
        assert_eq!(ruled(2, Both, &[86_400, 86_400, 86_400]), (0, true), "for ever");
        assert_eq!(ruled(0, Both, &[86_400]), (0, true));
        assert_eq!(ruled(0, Asked, &[86_400]), (0, true));
        assert_eq!(ruled(0, ReadAgain, &[86_400]), (0, false), "no open house ahead is no trouble");
    }

    #[test]
    fn what_a_narrower_credential_cannot_see_is_not_deleted() {
        let now = Stamp::parse("2026-05-01T12:00:00").expect("a date");
        let absent = vec![Absence { id: ListingId("1".to_owned()), since: now.minus(RETRY) }];
        let found = Found { read: 9, expected: 10, absent, lost: Vec::new() };
        assert_eq!(rule(found.clone(), (Both, false), LIMITS, now).ripe.len(), 1);
        let told = |found: Found, is_other| rule(found, (Both, is_other), LIMITS, now).withheld.unwrap_or_default();
        assert!(told(found.clone(), true).contains("another one"));
        assert!(told(Found { lost: vec!["the MLS 2".to_owned()], ..found.clone() }, false).contains("nothing of the MLS 2 any more"));
        assert_eq!(told(Found { absent: Vec::new(), ..found }, true), "");
    }

    #[test]
    fn updates_are_read_between_whole_readings_unless_absences_wait() {
        let now = Stamp::parse("2026-05-10T12:00:00").expect("a date");
        let before = |hours: u64| Some(now.minus(Duration::from_secs(hours * 3600)));
        let rhythm = Rhythm { every: RETRY, whole_every: Duration::from_secs(7 * 86_400), has_updates: true };
        let is_whole = |whole, read, absent| next_reading(&Progress { whole, read, absent, ..Progress::default() }, rhythm, now).1;
        assert!(is_whole(None, None, 0));
        assert!(!is_whole(before(100), before(1), 0));
        assert!(is_whole(before(168), before(1), 0));
        assert!(is_whole(before(24), before(1), 1));
        assert!(!is_whole(before(23), before(1), 1));
        let (window, _) = next_reading(&Progress { whole: before(100), read: before(1), ..Progress::default() }, rhythm, now);
        assert_eq!(Some(window.from), before(27));
        assert!(
            next_reading(
                &Progress { whole: before(1), read: before(1), ..Progress::default() },
                Rhythm { has_updates: false, ..rhythm },
                now
            )
            .1
        );
    }
}
