//! The independent oracle: reads a database as any stranger would and compares it with the world, listing by listing.
//!
//! It knows the contract with consumers (`schema.sql`) and the table of fields, nothing of how the file came to be.

use super::options::{Options, Shape};
use super::render::loose_text;
use super::truth::{Truth, Truths};
use crate::record::{FeedId, Field, Kind, ListingId, NamedBy};
use crate::vendor::constellation1::fields::{ALIASES, LISTING_DETAILS};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, Statement};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// How many differences are kept; all are counted.
const MOST_DIFFERENCES: usize = 1000;
/// How many of them a person is shown.
const SHOWN_DIFFERENCES: usize = 10;
/// How much of a value a person is shown.
const SHOWN_CHARACTERS: usize = 60;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Listings looked at: those of the world, and those that only the file has.
    pub compared: u64,
    /// Of these, live in the world.
    pub live: u64,
    /// Of these, deleted in the world.
    pub deleted: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many differences there are.
    pub difference_count: u64,
}

/// One thing that the file has otherwise than the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The feed.
    pub feed: FeedId,
    /// The listing.
    pub listing: ListingId,
    /// What differs, for a person.
    pub what: String,
}

impl Verdict {
    /// Nothing differs.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.difference_count == 0
    }

    fn differ(&mut self, feed: &FeedId, listing: &ListingId, what: String) {
        self.difference_count += 1;
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(Difference { feed: feed.clone(), listing: listing.clone(), what });
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listings compared ({} live, {} deleted): ", self.compared, self.live, self.deleted)?;
        if self.agrees() {
            return f.write_str("no difference");
        }
        write!(f, "{} differences", self.difference_count)?;
        for difference in self.differences.iter().take(SHOWN_DIFFERENCES) {
            write!(f, "\n  {} {}: {}", difference.feed, difference.listing, difference.what)?;
        }
        let shown = self.differences.len().min(SHOWN_DIFFERENCES) as u64;
        if self.difference_count > shown { write!(f, "\n  and {} more", self.difference_count - shown) } else { Ok(()) }
    }
}

/// Compares a database with what is true. The options say what the vendor never sends in its shape.
///
/// # Errors
/// The file cannot be opened or lacks what the contract promises; that is worse than any difference.
pub fn compare(database: &Path, truths: &Truths, options: &Options) -> rusqlite::Result<Verdict> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(database, flags)?;
    // One snapshot for everything, however long it takes and whoever writes meanwhile.
    let snapshot = connection.transaction()?;
    let mut verdict = Verdict::default();
    let mut seen = Seen::default();
    {
        let mut reader = Reader::open(&snapshot, options.shape)?;
        let mut live = snapshot.prepare("SELECT * FROM live_listings ORDER BY feed_id, listing_id")?;
        let columns = Columns::find(&live)?;
        let mut rows = live.query([])?;
        while let Some(row) = rows.next()? {
            let (feed, listing) = (FeedId(row.get("feed_id")?), ListingId(row.get("listing_id")?));
            match truths.get(&feed).and_then(|listings| listings.get(&listing)) {
                None => {
                    verdict.compared += 1;
                    verdict.differ(&feed, &listing, "live in the file, unknown to the vendor (invented)".to_owned());
                }
                Some(truth) if truth.deleted => verdict.differ(&feed, &listing, "live in the file, deleted at the vendor".to_owned()),
                Some(truth) => {
                    for what in reader.differences(row, &columns, truth)? {
                        verdict.differ(&feed, &listing, what);
                    }
                }
            }
            seen.insert((feed, listing));
        }
    }
    count(&mut verdict, truths, &seen);
    Ok(verdict)
}

type Seen = BTreeSet<(FeedId, ListingId)>;

/// Counts the world's listings, and reports the live ones that the file lacks.
fn count(verdict: &mut Verdict, truths: &Truths, seen: &Seen) {
    for (feed, listings) in truths {
        for (listing, truth) in listings {
            verdict.compared += 1;
            if truth.deleted {
                verdict.deleted += 1;
                continue;
            }
            verdict.live += 1;
            if !seen.contains(&(feed.clone(), listing.clone())) {
                verdict.differ(feed, listing, format!("live at the vendor since {}, missing in the file", truth.stamp));
            }
        }
    }
}

/// Where each field stands in a row.
struct Columns {
    fields: Vec<usize>,
    extra: usize,
}

impl Columns {
    fn find(statement: &Statement<'_>) -> rusqlite::Result<Columns> {
        let fields = LISTING_DETAILS.iter().map(|field| statement.column_index(field.column)).collect::<Result<_, _>>()?;
        Ok(Columns { fields, extra: statement.column_index("extra")? })
    }
}

/// What may stand in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The value itself.
    Exactly,
    /// The value or null: an answer that the row was made from may have lacked the field.
    OrNull,
}

fn expected(shape: Shape, named_by: NamedBy) -> Expected {
    match (shape, named_by) {
        (Shape::Union, _) | (_, NamedBy::Both) | (Shape::Class, NamedBy::ClassOnly) | (Shape::Table, NamedBy::TableOnly) => {
            Expected::Exactly
        }
        (Shape::Class, NamedBy::TableOnly) | (Shape::Table, NamedBy::ClassOnly) | (Shape::Mixed, _) => Expected::OrNull,
    }
}

struct Reader<'c> {
    shape: Shape,
    photos: Statement<'c>,
    houses: Statement<'c>,
}

impl<'c> Reader<'c> {
    fn open(connection: &'c Connection, shape: Shape) -> rusqlite::Result<Reader<'c>> {
        let photos = "SELECT sequence, normal_size_url, large_size_url FROM listing_photos
                      WHERE feed_id = ?1 AND listing_id = ?2 ORDER BY sequence";
        let houses = "SELECT is_active, start_date, end_date, remarks FROM listing_open_houses WHERE feed_id = ?1 AND listing_id = ?2";
        Ok(Reader { shape, photos: connection.prepare(photos)?, houses: connection.prepare(houses)? })
    }

    fn differences(&mut self, row: &Row<'_>, columns: &Columns, truth: &Truth) -> rusqlite::Result<Vec<String>> {
        let record = truth.record();
        let mut found = Vec::new();
        for (field, &column) in LISTING_DETAILS.iter().zip(&columns.fields) {
            let cell = row.get_ref(column)?;
            let forgiven = cell == ValueRef::Null && expected(self.shape, field.named_by) == Expected::OrNull;
            if !forgiven && !equal(field, cell, &record[field.wire]) {
                found.push(format!("{} is {}, the vendor has {}", field.column, in_words(cell), short(&record[field.wire])));
            }
        }
        let (feed, listing) = (record["FeedId"].as_str().unwrap_or(""), record["ListingId"].as_str().unwrap_or(""));
        let in_file = rows(&mut self.photos, feed, listing)?;
        let forgiven = in_file.is_empty() && expected(self.shape, NamedBy::ClassOnly) == Expected::OrNull;
        let in_truth = children(&record["Media"]["Photos"], &["Sequence", "NormalSizeUrl", "LargeSizeUrl"]);
        if !forgiven && in_file != in_truth {
            found.push(format!("listing_photos has {} rows, the vendor {} photos, or they differ", in_file.len(), in_truth.len()));
        }
        let mut in_file = rows(&mut self.houses, feed, listing)?;
        let mut in_truth = children(&record["OpenHouses"], &["IsActive", "StartDate", "EndDate", "Remarks"]);
        // Nothing orders open houses; sorted by their text both sides are comparable.
        in_file.sort_by_key(|house| format!("{house:?}"));
        in_truth.sort_by_key(|house| format!("{house:?}"));
        if in_file != in_truth {
            found.push(format!("listing_open_houses has {} rows, the vendor {}, or they differ", in_file.len(), in_truth.len()));
        }
        found.extend(extra(row.get_ref(columns.extra)?, record));
        Ok(found)
    }
}

/// Whether a column holds what the record says, each kind in its own way.
fn equal(field: &Field, cell: ValueRef<'_>, truth: &Value) -> bool {
    match (field.kind, cell) {
        (_, ValueRef::Null) => truth.is_null(),
        (Kind::Text | Kind::Time, ValueRef::Text(text)) => truth.as_str().is_some_and(|truth| truth.as_bytes() == text),
        (Kind::Loose, ValueRef::Text(text)) => loose_text(truth).is_some_and(|truth| truth.as_bytes() == text),
        (Kind::Integer, ValueRef::Integer(value)) => truth.as_i64() == Some(value),
        (Kind::Bool, ValueRef::Integer(value)) => truth.as_bool().map(i64::from) == Some(value),
        (Kind::Real, ValueRef::Real(value)) => truth.as_f64() == Some(value),
        (Kind::Json, ValueRef::Text(text)) => serde_json::from_slice::<Value>(text).is_ok_and(|value| value == *truth),
        (Kind::Text | Kind::Time | Kind::Loose | Kind::Integer | Kind::Bool | Kind::Real | Kind::Json, _) => false,
    }
}

/// Every member without a column has to be in `extra`, and nothing else.
fn extra(cell: ValueRef<'_>, record: Value) -> Option<String> {
    let Value::Object(mut truth) = record else {
        return Some("the truth is no JSON object".to_owned());
    };
    for field in &LISTING_DETAILS {
        truth.remove(field.wire);
    }
    let mut kept = match cell {
        ValueRef::Text(text) => serde_json::from_slice(text).unwrap_or_default(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Map::new(),
    };
    // Another name of a field that has its column may be kept or not; it says nothing new.
    kept.retain(|name, _| ALIASES.iter().all(|(alias, _)| alias != name));
    let differs = kept != truth;
    differs.then(|| format!("extra is {}, the vendor has {}", short(&Value::Object(kept)), short(&Value::Object(truth))))
}

/// The child rows of a listing, as SQL has them.
fn rows(statement: &mut Statement<'_>, feed: &str, listing: &str) -> rusqlite::Result<Vec<Vec<Sql>>> {
    let width = statement.column_count();
    let rows = statement.query_map([feed, listing], |row| (0..width).map(|column| row.get(column)).collect())?;
    rows.collect()
}

/// The same rows, as the record has them.
fn children(list: &Value, members: &[&str]) -> Vec<Vec<Sql>> {
    let row = |child: &Value| members.iter().map(|member| sql(&child[*member])).collect();
    list.as_array().into_iter().flatten().map(row).collect()
}

fn sql(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Value::Number(number) => number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or(f64::NAN)), Sql::Integer),
        Value::String(text) => Sql::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Sql::Text(value.to_string()),
    }
}

fn in_words(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) => short(&Value::String(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}

fn short(value: &Value) -> String {
    shown(&value.to_string())
}

fn shown(text: &str) -> String {
    crate::record::printable(text, SHOWN_CHARACTERS)
}
