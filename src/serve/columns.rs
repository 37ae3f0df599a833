//! What searches compare, of every listing that is not deleted, in memory: to read it from a file of 500,000 listings takes up to a second.
//!
//! It follows the file by `change_seq`, in the transaction of each search, so what is found is of the same moment as the rows that
//! are shown.

use super::values::Value;
use crate::record::{Position, Stamp};
use crate::store::Identity;
use indexmap::IndexSet;
use rusqlite::{Connection, Row};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The columns of `numeric_listings` that the filters look at but for dates and remarks, and what else a search compares.
pub(super) const VALUES: [&str; 35] = [
    "feed_id",
    IS_ON_MAP,
    "property_type",
    "property_type_search",
    "sale_type",
    "view_search",
    "style_search",
    "listing_status",
    "listing_status_search",
    "listing_agent_id",
    "listing_office_id",
    "school_district",
    "subdivision",
    "land_tenure",
    "neighborhood",
    "city",
    "zip",
    "price",
    "square_feet_number",
    "acre_search",
    "beds",
    "baths_total",
    "year_built_number",
    "days_on_market",
    "has_view",
    "has_ac",
    "has_age_restrictions",
    "has_barn",
    "has_basement",
    "has_fireplace",
    "has_garage",
    "has_handicap_features",
    "has_master_on_main",
    "has_pool",
    "has_waterfront",
];
/// Whether the public may be shown where it lies.
pub(super) const IS_ON_MAP: &str = "show_address = 1 AND show_on_map = 1";

/// The dates that a search compares.
const DATES: [&str; 4] = ["mls_update_date", "first_seen_at", SOLD_AT, OPEN_UNTIL];
/// When it was sold, if it was.
pub(super) const SOLD_AT: &str = "coalesce(sale_date, last_listing_status_change_date, mls_update_date)";
/// When the last of its open houses ends that the view `open_houses_upcoming` may have.
pub(super) const OPEN_UNTIL: &str = "CASE WHEN open_houses LIKE '[{%' THEN (
    SELECT max(coalesce(house.value ->> '$.EndDate', house.value ->> '$.StartDate')) FROM json_each(open_houses) AS house
    WHERE lower(house.type) = 'object' AND coalesce(house.value ->> '$.IsActive', 1)) END";

/// The feed and the number of a listing.
pub(super) type Key = (Arc<str>, Box<str>);

/// Each value that occurs once, and which of them each listing has: a test is made once for each value.
#[derive(Default)]
struct Column {
    values: IndexSet<Value>,
    codes: Vec<u32>,
}

/// The columns. A listing is its place in all of them; one that was deleted keeps it.
#[derive(Default)]
pub(super) struct Columns {
    file: Option<Identity>,
    /// The newest change that they hold.
    change_seq: i64,
    feeds: BTreeSet<Arc<str>>,
    keys: IndexSet<Key>,
    /// The places in the order of the keys.
    order: Vec<u32>,
    is_live: Vec<bool>,
    values: Vec<Column>,
    /// As `Stamp`; what is no date is earlier than any.
    dates: Vec<Vec<i64>>,
    positions: Vec<Position>,
}

impl Columns {
    pub(super) fn new(file: Option<Identity>) -> Columns {
        let values = VALUES.iter().map(|_| Column::default()).collect();
        Columns { file, values, dates: vec![Vec::new(); DATES.len()], ..Columns::default() }
    }

    /// They are read anew where another file was put in the place of theirs.
    pub(super) fn are_of(&mut self, file: Option<Identity>) {
        if self.file != file {
            *self = Columns::new(file);
        }
    }

    /// Takes over what changed since the last time. What was read before an error is kept.
    pub(super) fn follow(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let newest = "SELECT coalesce(max(change_seq), 0) FROM listings";
        let newest: i64 = connection.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
        if newest < self.change_seq {
            // What an older file had was written over this one.
            *self = Columns::new(self.file);
        }
        if newest == self.change_seq {
            return Ok(());
        }
        if !self.keys.is_empty() {
            self.forget_deleted(connection)?;
        }
        let mut statement = connection.prepare_cached(&changed())?;
        let mut rows = statement.query([self.change_seq])?;
        while let Some(row) = rows.next()? {
            self.put(row)?;
            self.change_seq = row.get(0)?;
        }
        self.change_seq = newest;
        self.sort();
        Ok(())
    }

    fn forget_deleted(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT feed_id, listing_id FROM listings WHERE change_seq > ?1 AND (deleted_at IS NOT NULL OR purged_at IS NOT NULL)";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.change_seq])?;
        while let Some(row) = rows.next()? {
            let key: Key = (row.get(0)?, row.get(1)?);
            if let Some(place) = self.keys.get_index_of(&key) {
                self.is_live[place] = false;
            }
        }
        Ok(())
    }

    fn put(&mut self, row: &Row) -> rusqlite::Result<()> {
        let feed: Arc<str> = row.get(1)?;
        // The name of a feed is in memory once.
        let feed = self.feeds.get(&feed).cloned().unwrap_or(feed);
        self.feeds.insert(feed.clone());
        let (place, _) = self.keys.insert_full((feed, row.get(2)?));
        set(&mut self.is_live, place, true);
        let (longitude, latitude): (Option<f64>, Option<f64>) = (row.get(3)?, row.get(4)?);
        let position = longitude.zip(latitude).map_or((f64::NAN, f64::NAN), |position| position);
        set(&mut self.positions, place, Position { longitude: position.0, latitude: position.1 });
        for (index, dates) in self.dates.iter_mut().enumerate() {
            let stamp = row.get_ref(FIRST_DATE + index)?.as_str_or_null()?.and_then(Stamp::parse);
            set(dates, place, stamp.map_or(i64::MIN, |stamp| stamp.0));
        }
        for (index, Column { values, codes }) in self.values.iter_mut().enumerate() {
            let (code, _) = values.insert_full(row.get_ref(FIRST_DATE + DATES.len() + index)?.into());
            set(codes, place, code as u32);
        }
        Ok(())
    }

    /// Few that are new are put between the others; to sort all of them is faster where they are many.
    fn sort(&mut self) {
        let Columns { keys, order, .. } = self;
        let new = order.len()..keys.len();
        if new.len() < 100 {
            for place in new {
                let at = order.partition_point(|earlier| keys[*earlier as usize] < keys[place]);
                order.insert(at, place as u32);
            }
        } else {
            order.extend(new.map(|place| place as u32));
            order.sort_by(|one, other| keys[*one as usize].cmp(&keys[*other as usize]));
        }
    }

    /// All listings of these feeds, in the order of their keys.
    pub(super) fn of_feeds(&self, feeds: &[String]) -> Found<'_> {
        let live = self.order.iter().copied().filter(|place| self.is_live[*place as usize]);
        let mut found = Found { columns: self, places: live.collect() };
        found.keep(&["feed_id"], |value| matches!(value, Value::Text(feed) if feeds.iter().any(|seen| **seen == **feed)));
        found
    }
}

fn set<T: Clone>(column: &mut Vec<T>, place: usize, value: T) {
    match column.get_mut(place) {
        Some(held) => *held = value,
        // A place that is new is the next one, unless an error ended the row before it: that is read again.
        None => column.resize(place + 1, value),
    }
}

/// Where the dates begin in a row of `changed`.
const FIRST_DATE: usize = 5;

/// Listings that changed since, with all columns.
fn changed() -> String {
    let columns: Vec<&str> = DATES.into_iter().chain(VALUES).collect();
    format!(
        "SELECT change_seq, feed_id, listing_id, longitude, latitude, {} FROM numeric_listings AS listing
         WHERE change_seq > ?1 AND purged_at IS NULL ORDER BY change_seq",
        columns.join(", ")
    )
}

/// The listings that a search has found, of which each condition keeps those that fulfil it.
pub(super) struct Found<'a> {
    columns: &'a Columns,
    places: Vec<u32>,
}

fn index_of(columns: &[&str], name: &str) -> Option<usize> {
    columns.iter().position(|column| *column == name)
}

impl Found<'_> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Those of which one of the columns passes the test.
    pub(super) fn keep(&mut self, names: &[&str], test: impl Fn(&Value) -> bool) {
        let columns = names.iter().filter_map(|name| index_of(&VALUES, name)).map(|index| &self.columns.values[index]);
        let tested: Vec<(&[u32], Vec<bool>)> =
            columns.map(|column| (column.codes.as_slice(), column.values.iter().map(&test).collect())).collect();
        self.places.retain(|place| tested.iter().any(|(codes, passes)| passes[codes[*place as usize] as usize]));
    }

    /// Those whose date passes the test, and which have one.
    pub(super) fn keep_dated(&mut self, name: &str, test: impl Fn(Stamp) -> bool) {
        let dates = index_of(&DATES, name).map_or(&[][..], |index| &self.columns.dates[index]);
        self.places.retain(|place| dates.get(*place as usize).is_some_and(|date| *date != i64::MIN && test(Stamp(*date))));
    }

    pub(super) fn keep_placed(&mut self, test: impl Fn(Position) -> bool) {
        self.places.retain(|place| test(self.columns.positions[*place as usize]));
    }

    /// Those whose key passes a test that may need the file.
    pub(super) fn keep_read(&mut self, mut test: impl FnMut(&Key) -> rusqlite::Result<bool>) -> rusqlite::Result<()> {
        let mut kept = Vec::new();
        for place in &self.places {
            if test(&self.columns.keys[*place as usize])? {
                kept.push(*place);
            }
        }
        self.places = kept;
        Ok(())
    }

    /// Sorts by a column if it is here; equals stay in the order of their keys.
    pub(super) fn sort_by(&mut self, name: &str) -> bool {
        if let Some(index) = index_of(&VALUES, name) {
            let Column { values, codes } = &self.columns.values[index];
            let mut sorted: Vec<u32> = (0..values.len() as u32).collect();
            sorted.sort_unstable_by_key(|code| &values[*code as usize]);
            let mut ranks = vec![0; values.len()];
            (0..).zip(sorted).for_each(|(rank, code): (u32, _)| ranks[code as usize] = rank);
            self.places.sort_by_key(|place| ranks[codes[*place as usize] as usize]);
            return true;
        }
        false
    }

    /// Sorts by what the file holds of each.
    pub(super) fn sort_read(&mut self, mut value: impl FnMut(&Key) -> rusqlite::Result<Value>) -> rusqlite::Result<()> {
        let keyed = self.places.iter().map(|place| Ok((value(&self.columns.keys[*place as usize])?, *place)));
        let mut keyed = keyed.collect::<rusqlite::Result<Vec<_>>>()?;
        keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.places = keyed.into_iter().map(|(_, place)| place).collect();
        Ok(())
    }

    /// The keys of those in a range, as far as there are any.
    pub(super) fn keys(&self, range: Range<usize>) -> Vec<Key> {
        self.places.iter().skip(range.start).take(range.len()).map(|place| self.columns.keys[*place as usize].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Connection {
        let file = Connection::open_in_memory().expect("SQLite opens");
        file.execute_batch(include_str!("../../schema.sql")).expect("schema.sql is valid");
        file
    }

    /// Stores listings with these numbers, each with its number as its price.
    fn insert(file: &Connection, feed: &str, numbers: Range<usize>) {
        let newest: usize = file.query_row("SELECT coalesce(max(change_seq), 0) FROM listings", [], |row| row.get(0)).expect("a number");
        for (step, number) in numbers.enumerate() {
            let seq = newest + step + 1;
            let sql = format!(
                "INSERT INTO listings (feed_id, listing_id, price, stamp, first_seen_at, changed_at, change_seq, raw_hash, content_hash)
                 VALUES ('{feed}', '{number:04}', {number}, '2026-01-01', '2026-01-01', '2026-01-01', {seq}, x'00', x'00')"
            );
            file.execute_batch(&sql).expect("a row");
        }
    }

    /// The next change of one listing.
    fn change(file: &Connection, number: &str, set: &str) {
        let seq = "(SELECT max(change_seq) + 1 FROM listings)";
        file.execute_batch(&format!("UPDATE listings SET {set}, change_seq = {seq} WHERE listing_id = '{number}'")).expect("a change");
    }

    /// Follows; the columns then hold what they would if they were read anew. Tells how many listings are found.
    fn check(columns: &mut Columns, file: &Connection) -> usize {
        columns.follow(file).expect("the columns");
        let mut anew = Columns::new(None);
        anew.follow(file).expect("the columns");
        let feeds = ["A".to_owned(), "B".to_owned()];
        let price = |found: &Found, place: u32| {
            let Column { values, codes } = &found.columns.values[index_of(&VALUES, "price").expect("a price")];
            values[codes[place as usize] as usize].clone()
        };
        let told = |columns: &Columns| {
            let found = columns.of_feeds(&feeds);
            let prices: Vec<Value> = found.places.iter().map(|place| price(&found, *place)).collect();
            (found.keys(0..usize::MAX), prices)
        };
        let followed = told(columns);
        assert_eq!(followed, told(&anew));
        assert!(followed.0.is_sorted());
        followed.0.len()
    }

    #[test]
    fn what_changes_is_followed() {
        let (file, mut columns) = (empty(), Columns::new(None));
        assert_eq!(check(&mut columns, &file), 0);
        insert(&file, "B", 0..300);
        assert_eq!(check(&mut columns, &file), 300);
        insert(&file, "A", 7..10);
        assert_eq!(check(&mut columns, &file), 303);
        insert(&file, "A", 10..200);
        assert_eq!(check(&mut columns, &file), 493);
        insert(&file, "A", 3..5);
        change(&file, "0299", "price = 5");
        assert_eq!(check(&mut columns, &file), 495);
        change(&file, "0250", "deleted_at = '2026-01-02', deleted_cause = 'vendor'");
        change(&file, "0260", "purged_at = '2026-01-02'");
        // It comes and goes before anyone looks.
        insert(&file, "A", 1000..1001);
        change(&file, "1000", "deleted_at = '2026-01-02', deleted_cause = 'vendor'");
        assert_eq!(check(&mut columns, &file), 493);
        change(&file, "0250", "deleted_at = NULL, deleted_cause = NULL, price = 6");
        assert_eq!(check(&mut columns, &file), 494);
    }

    #[test]
    fn reading_that_is_broken_off_goes_on_where_it_was() {
        let (file, mut columns) = (empty(), Columns::new(None));
        insert(&file, "A", 0..300);
        let spelled = |text: &str, number: &str| {
            file.execute_batch(&format!("UPDATE listings SET listing_id = {text} WHERE price = {number}")).expect("an update");
        };
        spelled("CAST(x'ff' AS TEXT)", "150");
        assert!(columns.follow(&file).is_err(), "it is no text");
        spelled("'0150'", "150");
        let read = columns.keys.len();
        assert_eq!(read, 150);
        change(&file, "0000", "deleted_at = '2026-01-02', deleted_cause = 'vendor'");
        change(&file, "0001", "price = 9");
        assert_eq!(check(&mut columns, &file), 299);
    }

    #[test]
    fn another_file_is_read_anew() {
        let (file, mut columns) = (empty(), Columns::new(None));
        insert(&file, "A", 0..3);
        assert_eq!(check(&mut columns, &file), 3);
        let older = empty();
        insert(&older, "A", 5..6);
        assert_eq!(check(&mut columns, &older), 1);
        columns.are_of(Some((1, 2)));
        assert_eq!(columns.keys.len(), 0);
        assert_eq!(check(&mut columns, &file), 3);
    }
}
