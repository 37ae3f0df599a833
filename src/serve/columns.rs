//! In memory, the columns that searches compare, of every listing that is not deleted. To read them from a file of 500,000 listings for
//! each search would take up to a second.
//!
//! They follow the file by `change_seq`, in the transaction of each search, so what is found is of the same moment as the rows that
//! are shown.

use super::values::Value;
use crate::record::{Position, Stamp};
use indexmap::IndexSet;
use rusqlite::{Connection, Row};
use std::ops::Range;
use std::sync::Arc;

/// What searches compare apart from dates, places and remarks: columns of `numeric_listings`, and SQL expressions.
pub(super) const VALUES: [&str; 36] = [
    "feed_id",
    IS_ON_MAP,
    OPEN_UNTIL,
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
/// Whether the public may see where the listing is.
pub(super) const IS_ON_MAP: &str = "show_address = 1 AND show_on_map = 1";

/// When the last of its active open houses ends. This is later than another date exactly where the view `open_houses_upcoming` would
/// have an open house of the listing after that date: both compare texts.
pub(super) const OPEN_UNTIL: &str = "CASE WHEN open_houses LIKE '[{%' AND json_valid(open_houses) THEN (
    SELECT max(coalesce(house.value ->> '$.EndDate', house.value ->> '$.StartDate')) FROM json_each(open_houses) AS house
    WHERE house.type = 'object' AND coalesce(house.value ->> '$.IsActive', 1)) END";

/// The dates that searches compare. Nearly every listing has one of its own.
const DATES: [&str; 3] = ["mls_update_date", "first_seen_at", SOLD_AT];
/// When it was sold, if it was.
pub(super) const SOLD_AT: &str = "coalesce(sale_date, last_listing_status_change_date, mls_update_date)";

/// The feed and the number of a listing.
pub(super) type Key = (Arc<str>, Arc<str>);

/// A dictionary-encoded column: the values that occur, and for each listing the number of its value. So a test runs once for each value.
#[derive(Default)]
struct Column {
    values: IndexSet<Value>,
    codes: Vec<u32>,
}

/// The columns. A listing has the same index in all of them, and keeps it when it is deleted.
#[derive(Default)]
pub(super) struct Columns {
    /// The file of which they are, by its `file_id` and `epoch`.
    file: String,
    /// The newest change that they hold.
    change_seq: i64,
    feeds: IndexSet<Arc<str>>,
    keys: IndexSet<Key>,
    /// The indexes in the order of the keys.
    order: Vec<u32>,
    is_live: Vec<bool>,
    values: Vec<Column>,
    /// As in `Stamp`; `i64::MIN` where there is no valid date.
    dates: Vec<Vec<i64>>,
    /// NaN, which lies between no bounds, where there is none.
    positions: Vec<Position>,
}

impl Columns {
    /// Reads what changed since the last time. What was read before an error is kept.
    pub(super) fn follow(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let newest = "SELECT file_id || epoch, (SELECT coalesce(max(change_seq), 0) FROM listings) FROM schema_meta";
        let (file, newest): (String, i64) = connection.prepare_cached(newest)?.query_row([], |row| row.try_into())?;
        // Values that no listing has any more are kept, until there may be as many as listings.
        let most = 2 * self.keys.len() + 1000;
        let is_full = self.values.iter().any(|column| column.values.len() > most);
        if file != self.file || newest < self.change_seq || is_full {
            let values = VALUES.iter().map(|_| Column::default()).collect();
            *self = Columns { file, values, dates: vec![Vec::new(); DATES.len()], ..Columns::default() };
        }
        if newest > self.change_seq {
            self.read_changes(connection)?;
            self.change_seq = newest;
        }
        self.sort();
        Ok(())
    }

    fn read_changes(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.keys.is_empty() {
            self.forget_deleted(connection)?;
        }
        let mut statement = connection.prepare_cached(&changed())?;
        let mut rows = statement.query([self.change_seq])?;
        while let Some(row) = rows.next()? {
            self.put(row)?;
            self.change_seq = row.get(0)?;
        }
        Ok(())
    }

    fn forget_deleted(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT feed_id, listing_id FROM listings WHERE change_seq > ?1 AND (deleted_at IS NOT NULL OR purged_at IS NOT NULL)";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.change_seq])?;
        while let Some(row) = rows.next()? {
            let key: Key = (row.get(0)?, row.get(1)?);
            if let Some(index) = self.keys.get_index_of(&key) {
                self.is_live[index] = false;
            }
        }
        Ok(())
    }

    fn put(&mut self, row: &Row) -> rusqlite::Result<()> {
        // The name of a feed is in memory once.
        let (feed, _) = self.feeds.insert_full(row.get(1)?);
        let (index, _) = self.keys.insert_full((self.feeds[feed].clone(), row.get(2)?));
        set(&mut self.is_live, index, true);
        let (longitude, latitude): (Option<f64>, Option<f64>) = (row.get(3)?, row.get(4)?);
        // As in `listing_location`, both 0 is no position.
        let position = longitude.zip(latitude).filter(|position| *position != (0.0, 0.0));
        let (longitude, latitude) = position.unwrap_or((f64::NAN, f64::NAN));
        set(&mut self.positions, index, Position { longitude, latitude });
        for (number, dates) in self.dates.iter_mut().enumerate() {
            let stamp = row.get_ref(FIRST_DATE + number)?.as_str().ok().and_then(Stamp::parse);
            set(dates, index, stamp.map_or(i64::MIN, |stamp| stamp.0));
        }
        for (number, Column { values, codes }) in self.values.iter_mut().enumerate() {
            let (code, _) = values.insert_full(row.get_ref(FIRST_DATE + DATES.len() + number)?.into());
            set(codes, index, code as u32);
        }
        Ok(())
    }

    /// A few new keys are inserted one by one. Of many, each insertion would move all that follow: to sort them all is faster.
    fn sort(&mut self) {
        let Columns { keys, order, .. } = self;
        let new = order.len()..keys.len();
        if new.len() < FEW {
            for index in new {
                let at = order.partition_point(|earlier| keys[*earlier as usize] < keys[index]);
                order.insert(at, index as u32);
            }
        } else {
            order.extend(new.map(|index| index as u32));
            order.sort_by(|one, other| keys[*one as usize].cmp(&keys[*other as usize]));
        }
    }

    /// All listings of these feeds, in the order of their keys.
    pub(super) fn of_feeds(&self, feeds: &[String]) -> Matches<'_> {
        let live = self.order.iter().copied().filter(|index| self.is_live[*index as usize]);
        let mut matches = Matches { columns: self, indexes: live.collect() };
        matches.keep(&["feed_id"], |value| matches!(value, Value::Text(feed) if feeds.iter().any(|seen| **seen == **feed)));
        matches
    }
}

/// So many new keys are a few.
const FEW: usize = 100;

fn set<T: Clone>(column: &mut Vec<T>, index: usize, value: T) {
    match column.get_mut(index) {
        Some(held) => *held = value,
        // An index that is new is the next one.
        None => column.resize(index + 1, value),
    }
}

/// Where the dates begin in a row of `changed`.
const FIRST_DATE: usize = 5;

/// Listings that changed since, with all columns.
fn changed() -> String {
    let columns: Vec<&str> = DATES.into_iter().chain(VALUES).collect();
    format!(
        "SELECT change_seq, feed_id, listing_id, longitude, latitude, {} FROM numeric_listings
         WHERE change_seq > ?1 AND purged_at IS NULL ORDER BY change_seq",
        columns.join(", ")
    )
}

/// The listings that match what a search has asked for so far.
pub(super) struct Matches<'a> {
    columns: &'a Columns,
    indexes: Vec<u32>,
}

fn number_of(columns: &[&str], name: &str) -> usize {
    columns.iter().position(|column| *column == name).expect("a column that searches compare")
}

impl Matches<'_> {
    pub(super) fn len(&self) -> usize {
        self.indexes.len()
    }

    /// Keeps the listings of which at least one of the columns passes.
    pub(super) fn keep(&mut self, names: &[&str], test: impl Fn(&Value) -> bool) {
        let columns = names.iter().map(|name| &self.columns.values[number_of(&VALUES, name)]);
        let tested: Vec<(&[u32], Vec<bool>)> =
            columns.map(|column| (column.codes.as_slice(), column.values.iter().map(&test).collect())).collect();
        self.indexes.retain(|index| tested.iter().any(|(codes, passes)| passes[codes[*index as usize] as usize]));
    }

    /// Keeps those that have the date, if it passes.
    pub(super) fn keep_by_date(&mut self, name: &str, test: impl Fn(Stamp) -> bool) {
        let dates = &self.columns.dates[number_of(&DATES, name)];
        self.indexes.retain(|index| dates[*index as usize] != i64::MIN && test(Stamp(dates[*index as usize])));
    }

    pub(super) fn keep_by_position(&mut self, test: impl Fn(Position) -> bool) {
        self.indexes.retain(|index| test(self.columns.positions[*index as usize]));
    }

    /// Sorts by a column if it is one of `VALUES`; equals stay in the order of their keys.
    pub(super) fn sort_by(&mut self, name: &str) -> bool {
        if !VALUES.contains(&name) {
            return false;
        }
        let Column { values, codes } = &self.columns.values[number_of(&VALUES, name)];
        let mut sorted: Vec<u32> = (0..values.len() as u32).collect();
        sorted.sort_unstable_by_key(|code| &values[*code as usize]);
        let mut ranks = vec![0; values.len()];
        (0..).zip(sorted).for_each(|(rank, code): (u32, _)| ranks[code as usize] = rank);
        self.indexes.sort_by_key(|index| ranks[codes[*index as usize] as usize]);
        true
    }

    /// The keys of those in a range, as far as there are any.
    pub(super) fn keys(&self, range: Range<usize>) -> Vec<Key> {
        self.indexes.iter().skip(range.start).take(range.len()).map(|index| self.columns.keys[*index as usize].clone()).collect()
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

    /// All that the columns hold of each listing that is found, in their order.
    fn told(columns: &Columns) -> Vec<(Key, Vec<Value>, Vec<i64>, String)> {
        let matches = columns.of_feeds(&["A".to_owned(), "B".to_owned()]);
        let held = |index: usize| {
            let values = columns.values.iter().map(|column| column.values[column.codes[index] as usize].clone()).collect();
            let dates = columns.dates.iter().map(|dates| dates[index]).collect();
            // NaN does not equal itself.
            (columns.keys[index].clone(), values, dates, format!("{:?}", columns.positions[index]))
        };
        matches.indexes.iter().map(|index| held(*index as usize)).collect()
    }

    /// Follows; the columns then hold what they would if they were read anew. Tells how many listings are found.
    fn check(columns: &mut Columns, file: &Connection) -> usize {
        columns.follow(file).expect("the columns");
        let mut anew = Columns::default();
        anew.follow(file).expect("the columns");
        let followed = told(columns);
        assert_eq!(followed, told(&anew));
        assert!(followed.is_sorted_by_key(|(key, ..)| key));
        followed.len()
    }

    #[test]
    fn what_changes_is_followed() {
        let (file, mut columns) = (empty(), Columns::default());
        assert_eq!(check(&mut columns, &file), 0);
        insert(&file, "B", 0..300);
        assert_eq!(check(&mut columns, &file), 300);
        insert(&file, "A", 7..10);
        assert_eq!(check(&mut columns, &file), 303);
        insert(&file, "A", 10..200);
        assert_eq!(check(&mut columns, &file), 493);
        insert(&file, "A", 3..5);
        change(&file, "0299", "price = 5, mls_update_date = '2026-03-01', longitude = -77, latitude = 38, city = 'Fargo'");
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
        let (file, mut columns) = (empty(), Columns::default());
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
    fn what_was_read_before_an_error_is_in_order_where_nothing_else_came() {
        let (file, mut columns) = (empty(), Columns::default());
        insert(&file, "B", 0..3);
        insert(&file, "A", 0..3);
        // As if the last row was read, and then the query was interrupted.
        columns.read_changes(&file).expect("the columns");
        assert_eq!(check(&mut columns, &file), 6);
    }

    #[test]
    fn values_that_no_listing_has_any_more_do_not_stay_for_ever() {
        let (file, mut columns) = (empty(), Columns::default());
        insert(&file, "A", 0..3);
        let mut most = 0;
        for number in 0..3000 {
            change(&file, "0001", &format!("subdivision = 'Park {number}'"));
            columns.follow(&file).expect("the columns");
            most = most.max(columns.values.iter().map(|column| column.values.len()).max().unwrap_or_default());
        }
        assert_eq!(check(&mut columns, &file), 3);
        assert!(most > 500 && most < 1100, "{most} values of three listings");
    }

    #[test]
    fn another_file_is_read_anew() {
        let (file, mut columns) = (empty(), Columns::default());
        insert(&file, "A", 0..3);
        assert_eq!(check(&mut columns, &file), 3);
        let other = empty();
        insert(&other, "A", 5..9);
        assert_eq!(check(&mut columns, &other), 4);
        assert_eq!(check(&mut columns, &file), 3);
        // A copy of the file, as it was before its last change.
        file.execute_batch("DELETE FROM listings WHERE change_seq = 3").expect("it is deleted");
        assert_eq!(check(&mut columns, &file), 2);
    }
}
