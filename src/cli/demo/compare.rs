//! The rows of an account set against what is true of it: record by record, field by field.

use crate::cli::print::grouped;
use crate::record::printable;
use crate::sandbox::{Life, TrueRow, TrueRows};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Differences that a person is shown; all are counted.
const SHOWN: usize = 10;
/// Characters of a value that fit a line.
const VALUE: usize = 60;

/// The rows of a file by their ids, each by the names of its columns.
pub(super) type FileRows = BTreeMap<i64, Map<String, Value>>;

/// What the comparison found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What several of them are called.
    what: String,
    live: u64,
    /// Deleted or vanished at the vendor.
    gone: u64,
    differences: Vec<String>,
}

impl Verdict {
    /// Nothing differs.
    pub(super) fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { what, live, gone, differences } = self;
        write!(f, "{} {what} compared ({} live, {} deleted): ", grouped(live + gone), grouped(*live), grouped(*gone))?;
        if self.agrees() {
            return f.write_str("no difference");
        }
        write!(f, "{} differences", grouped(differences.len() as u64))?;
        differences.iter().take(SHOWN).try_for_each(|difference| write!(f, "\n  {difference}"))?;
        let more = differences.len().saturating_sub(SHOWN);
        if more > 0 { write!(f, "\n  and {more} more") } else { Ok(()) }
    }
}

/// Compares all rows of an account with what is true.
pub(super) fn compare(what: String, rows: &FileRows, truth: &TrueRows) -> Verdict {
    let live = truth.values().filter(|one| one.life == Life::Live).count() as u64;
    let ids: BTreeSet<i64> = rows.keys().chain(truth.keys()).copied().collect();
    let of_one = |id: i64| differences(rows.get(&id), truth.get(&id)).into_iter().map(move |what| format!("{id}: {what}"));
    let differences = ids.into_iter().flat_map(of_one).collect();
    Verdict { what, live, gone: truth.len() as u64 - live, differences }
}

fn is_live(row: &Map<String, Value>) -> bool {
    row["deleted_at"].is_null()
}

/// A deleted row keeps the values that it had, which the vendor may have changed in its last moments: only live ones are compared.
fn differences(row: Option<&Map<String, Value>>, truth: Option<&TrueRow>) -> Vec<String> {
    let one = |what: &str| vec![what.to_owned()];
    match (row, truth.map(|truth| (truth.life, &truth.columns))) {
        (Some(_), None) => one("in the file, and the vendor never had it"),
        (Some(row), Some((Life::Live, columns))) if is_live(row) => of_columns(row, columns),
        (Some(_), Some((Life::Live, _))) => one("deleted in the file, live at the vendor"),
        // Whether the vendor lists a cancelled process for ever is not documented, so that its absence deletes nothing.
        (Some(row), Some((Life::Vanished, _))) if row.get("state").is_some_and(|state| state == "cancelled") => Vec::new(),
        (Some(row), Some((Life::Deleted | Life::Vanished, _))) if is_live(row) => one("live in the file, gone at the vendor"),
        (None, Some((Life::Live | Life::Deleted, _))) => one("missing in the file"),
        // One that came and vanished between two readings was never seen.
        (Some(_), Some((Life::Deleted | Life::Vanished, _))) | (None, Some((Life::Vanished, _)) | None) => Vec::new(),
    }
}

fn of_columns(row: &Map<String, Value>, truth: &Map<String, Value>) -> Vec<String> {
    let differing = truth.iter().filter(|(column, truth)| !row.get(*column).is_some_and(|cell| equal(cell, truth)));
    let told = differing.map(|(column, truth)| {
        let cell = row.get(column).map_or("no column".to_owned(), Value::to_string);
        format!("{column} is {}, the vendor has {}", printable(&cell, VALUE), printable(&truth.to_string(), VALUE))
    });
    told.collect()
}

/// SQLite has no booleans, and JSON stands in a column as text.
fn equal(cell: &Value, truth: &Value) -> bool {
    match truth {
        Value::Bool(truth) => cell.as_i64() == Some(i64::from(*truth)),
        Value::Array(_) | Value::Object(_) => {
            cell.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).is_some_and(|value| value == *truth)
        }
        Value::Null | Value::Number(_) | Value::String(_) => cell == truth,
    }
}

/// What became of the rows from one moment to another: how many are new, changed, deleted.
pub(super) fn happened(before: &FileRows, after: &FileRows) -> [u64; 3] {
    let mut counts = [0; 3];
    for (id, row) in after {
        match before.get(id) {
            None => counts[0] += 1,
            Some(old) if is_live(old) && !is_live(row) => counts[2] += 1,
            Some(old) => counts[1] += u64::from(old["change_seq"] != row["change_seq"]),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn live(columns: Value) -> Option<TrueRow> {
        Some(TrueRow { life: Life::Live, columns: map(columns) })
    }

    fn gone(life: Life) -> Option<TrueRow> {
        Some(TrueRow { life, columns: Map::new() })
    }

    fn row(deleted_at: Value, state: Value) -> Option<Value> {
        Some(json!({ "deleted_at": deleted_at, "state": state, "change_seq": 1 }))
    }

    fn check(row: Option<Value>, truth: Option<TrueRow>, expected: &[&str]) {
        let rows = row.map(|row| (1, map(row))).into_iter().collect();
        let truth = truth.map(|truth| (1, truth)).into_iter().collect();
        let expected: Vec<String> = expected.iter().map(|what| format!("1: {what}")).collect();
        assert_eq!(compare("things".to_owned(), &rows, &truth).differences, expected);
    }

    #[test]
    fn rows_that_are_lost_invented_or_wrongly_deleted_are_found() {
        let here = || row(Value::Null, json!("a"));
        let deleted = || row(json!("now"), json!("a"));
        check(here(), live(json!({ "state": "a" })), &[]);
        check(None, live(json!({})), &["missing in the file"]);
        check(None, gone(Life::Deleted), &["missing in the file"]);
        check(None, gone(Life::Vanished), &[]);
        check(here(), None, &["in the file, and the vendor never had it"]);
        check(deleted(), live(json!({})), &["deleted in the file, live at the vendor"]);
        check(here(), gone(Life::Vanished), &["live in the file, gone at the vendor"]);
        check(here(), gone(Life::Deleted), &["live in the file, gone at the vendor"]);
        check(deleted(), gone(Life::Deleted), &[]);
    }

    #[test]
    fn each_value_is_compared_as_its_column_holds_it() {
        let value = |cell: Value, truth: Value, expected: &[&str]| check(row(Value::Null, cell), live(json!({ "state": truth })), expected);
        value(json!(1), json!(true), &[]);
        value(json!(1), json!(false), &["state is 1, the vendor has false"]);
        value(json!("{\"b\":1}"), json!({ "b": 1 }), &[]);
        value(json!("{\"b\":2}"), json!({ "b": 1 }), &["state is \"{\\\"b\\\":2}\", the vendor has {\"b\":1}"]);
        value(Value::Null, Value::Null, &[]);
        value(Value::Null, json!("x"), &["state is null, the vendor has \"x\""]);
        check(row(Value::Null, json!("a")), live(json!({ "other": 1 })), &["other is no column, the vendor has 1"]);
    }

    #[test]
    fn what_happened_is_told_by_two_states_of_the_file() {
        let of = |rows: &[(i64, Value, i64)]| -> FileRows {
            rows.iter().map(|(id, deleted, seq)| (*id, map(json!({ "deleted_at": deleted, "change_seq": seq })))).collect()
        };
        let before = of(&[(1, Value::Null, 1), (2, Value::Null, 2), (3, Value::Null, 3)]);
        let after = of(&[(1, Value::Null, 1), (2, Value::Null, 4), (3, json!("now"), 5), (4, Value::Null, 6)]);
        assert_eq!(happened(&before, &after), [1, 1, 1]);
    }
}
