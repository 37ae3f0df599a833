//! Describes a page for the plan, and stores it with its checkpoint.

use crate::plan::checkpoint::Checkpoint;
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::plan::page::{Mark, PageFacts, PageSeen};
use crate::plan::window::FromRule;
use crate::plan::zone::ZoneFinding;
use crate::record::{FeedId, ListingKey, Page, PageRequest, Record, Stamp};
use crate::store::{Committed, Error, PageCommit, Store};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Describes a page for the plan. `vendor_now` is the vendor's clock as this answer told it, in the zone of the vendor's dates.
#[must_use]
pub fn describe(feed: &FeedId, request: &PageRequest, page: &Page, vendor_now: Option<Stamp>) -> PageSeen {
    let own = |record: &&Record| record.key.feed == *feed;
    let mark = |record: &Record| -> Mark {
        match own(&record) {
            true => record.key.listing.0.as_str().into(),
            false => format!("{}\u{0}{}", record.key.feed.0, record.key.listing.0).into(),
        }
    };
    let rejects = page.rejects.iter().map(|reject| format!("\u{0}{:x}", u128::from_be_bytes(reject.raw_hash)).into());
    PageSeen {
        facts: PageFacts {
            page: request.page,
            marks: page.records.iter().map(mark).chain(rejects).collect(),
            total: page.total,
            // A next page that does not come after this one is ignored: following it would never end.
            more: page.next_page.is_some_and(|next| next > request.page),
        },
        stamps: page.records.iter().filter(own).filter_map(|record| record.selected_by()).collect(),
        newest: page.records.iter().filter(own).filter_map(|record| Some((record.selected_by()?, mark(record)))).max(),
        foreign: page.records.iter().filter(|record| !own(record)).count(),
        vendor_now,
    }
}

/// A page that is to be stored.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The request that it answers.
    pub request: PageRequest,
    /// The page.
    pub page: Page,
    /// What is saved with it.
    pub checkpoint: Checkpoint,
    /// What the stamps seen so far show of the vendor's zone.
    pub zone: Option<ZoneFinding>,
    /// When it came.
    pub now: Now,
}

/// A page that was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The request that it answered.
    pub request: PageRequest,
    /// Which kind of work it belongs to.
    pub purpose: Purpose,
    /// What it did to the rows.
    pub committed: Committed,
    /// How many records were read, repetitions left out.
    pub records: u64,
    /// The vendor's count of all matches of the request.
    pub total: u64,
    /// All streams are now polled up to one moment, and each is proven.
    pub round_proven: bool,
    /// What the server was seen to make of the lower bound of a window.
    pub from_rule: FromRule,
    /// What the stamps seen so far show of the vendor's zone.
    pub zone: Option<ZoneFinding>,
}

/// Stores a page and its checkpoint. `waited` is how long ago the page came.
///
/// # Errors
/// When the database refuses; nothing of the page is stored then.
pub async fn store(store: &Store, arrival: Arrival, waited: Duration) -> Result<Stored, Error> {
    let begun = Instant::now();
    let arrived = begun.checked_sub(waited).unwrap_or(begun);
    let Arrival { request, page, checkpoint, zone, now } = arrival;
    let (purpose, total, round_proven) = (checkpoint.purpose, page.total, checkpoint.round_proven);
    let from_rule = checkpoint.state.as_ref().map_or(FromRule::Exact, |state| state.from_rule);
    let own = page.records.into_iter().filter(|record| record.key.feed == checkpoint.feed);
    let records: Vec<Record> = one_per_key(own).collect();
    let count = records.len() as u64;
    let commit = PageCommit { records, rejects: page.rejects, checkpoint, vendor_now: now.vendor, arrived, at: now.written() };
    let committed = store.commit(commit).await?;
    Ok(Stored { request, purpose, committed, records: count, total, round_proven, from_rule, zone })
}

/// Of several records with one key in a page, the newest; of equally new ones always the same, in whatever order they come.
fn one_per_key(records: impl Iterator<Item = Record>) -> impl Iterator<Item = Record> {
    let mut chosen: BTreeMap<ListingKey, Record> = BTreeMap::new();
    for record in records {
        let rank = |record: &Record| (record.stamp, record.raw_hash);
        match chosen.get(&record.key) {
            Some(other) if rank(other) >= rank(&record) => {}
            Some(_) | None => drop(chosen.insert(record.key.clone(), record)),
        }
    }
    chosen.into_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cut, ListingId, raw_hash};

    /// A record of listing 7, its stamp as the day of a month.
    fn record(day: Option<u32>, raw: &str) -> Record {
        let key = ListingKey { feed: FeedId("A".to_owned()), listing: ListingId("7".to_owned()) };
        let stamp = day.map(|day| Stamp::parse(&format!("2024-01-{day:02}")).expect("a date"));
        Record { key, stamp, mirrored_at: None, raw_hash: raw_hash(raw.as_bytes()), raw: raw.to_owned(), cut: Cut::default() }
    }

    /// What is chosen of two records, whichever comes first.
    fn chosen(one: &Record, other: &Record) -> String {
        let choose = |records: [&Record; 2]| one_per_key(records.into_iter().cloned()).map(|record| record.raw).collect::<Vec<_>>();
        let found = choose([one, other]);
        assert_eq!(found, choose([other, one]), "the order of the page decides");
        assert_eq!(found.len(), 1);
        found.concat()
    }

    #[test]
    fn of_a_key_that_comes_twice_the_newest_counts() {
        assert_eq!(chosen(&record(Some(1), "old"), &record(Some(2), "new")), "new");
        assert_eq!(chosen(&record(None, "undated"), &record(Some(1), "dated")), "dated");
    }

    #[test]
    fn of_two_that_are_equally_new_it_is_always_the_same() {
        for (one, other) in [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("same", "same")] {
            chosen(&record(Some(1), one), &record(Some(1), other));
            chosen(&record(None, one), &record(None, other));
        }
    }

    #[test]
    fn other_keys_are_no_repetition() {
        let mut other = record(Some(1), "b");
        other.key.feed = FeedId("B".to_owned());
        assert_eq!(one_per_key([record(Some(1), "a"), other].into_iter()).count(), 2);
    }
}
