//! Where a row and new content of it differ, column by column.

use super::column::value_of;
use super::row_sql::RowSql;
use crate::record::{Content, ListingKey};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The columns that differ, as a JSON object: `"price":[450000,440000]`, without its braces.
#[derive(Default)]
pub(super) struct Diff(String);

impl Diff {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole object.
    pub(super) fn to_json(&self) -> String {
        format!("{{{}}}", self.0)
    }

    /// The same without what was before.
    pub(super) fn without_before(&self) -> Diff {
        self.rewritten(|column, values| {
            let (_, after): (&RawValue, &RawValue) = serde_json::from_str(values).ok()?;
            Some(format!("\"{column}\":[null,{after}]"))
        })
    }

    /// The same of these columns alone.
    pub(super) fn only(&self, stays: impl Fn(&str) -> bool) -> Diff {
        self.rewritten(|column, values| stays(column).then(|| format!("\"{column}\":{values}")))
    }

    fn rewritten(&self, member: impl Fn(&str, &str) -> Option<String>) -> Diff {
        let whole = self.to_json();
        let members: BTreeMap<&str, &RawValue> = serde_json::from_str(&whole).unwrap_or_default();
        let members: Vec<String> = members.iter().filter_map(|(column, values)| member(column, values.get())).collect();
        Diff(members.join(","))
    }

    fn compare(&mut self, column: &str, before: ValueRef, after: ValueRef) {
        if before == after {
            return;
        }
        let comma = if self.is_empty() { "" } else { "," };
        self.0.push_str(&format!("{comma}\"{column}\":[{},{}]", json(before), json(after)));
    }
}

/// What becomes of a row with this content. Nothing of the row is copied but what differs.
pub(super) fn of(connection: &Connection, sql: &RowSql, key: &ListingKey, content: &Content) -> rusqlite::Result<Diff> {
    let fields = sql.entity.fields;
    let compare = |row: &Row| {
        let mut diff = Diff::default();
        // The first two are the key.
        for (index, (field, cell)) in fields.iter().zip(&content.cells).enumerate().skip(2) {
            diff.compare(field.column, row.get_ref(index)?, value_of(cell));
        }
        let extra = content.extra.as_ref().map_or(ValueRef::Null, |extra| ValueRef::Text(extra.as_bytes()));
        diff.compare("extra", row.get_ref(fields.len())?, extra);
        Ok(diff)
    };
    let diff = connection.prepare_cached(&sql.cells)?.query_row(params![key.feed, key.listing], compare).optional()?;
    Ok(diff.unwrap_or_default())
}

/// A value as JSON has it. Columns that hold JSON are text like any other: so nothing of their spelling is lost.
fn json(value: ValueRef) -> String {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => serde_json::Value::from(number).to_string(),
        ValueRef::Text(text) => serde_json::Value::from(String::from_utf8_lossy(text)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_holds_the_columns_that_differ_and_loses_nothing_of_their_values() {
        let mut diff = Diff::default();
        diff.compare("same", ValueRef::Integer(1), ValueRef::Integer(1));
        assert!(diff.is_empty());
        assert_eq!(Diff::default().to_json(), "{}");
        diff.compare("beds", ValueRef::Integer(i64::MAX), ValueRef::Null);
        diff.compare("acres", ValueRef::Real(3.0), ValueRef::Real(0.1));
        diff.compare("media", ValueRef::Text(b"{\"a\":1.50}"), ValueRef::Text("é\u{0}\"".as_bytes()));
        let expected = r#"{"beds":[9223372036854775807,null],"acres":[3.0,0.1],"media":["{\"a\":1.50}","é\u0000\""]}"#;
        assert_eq!(diff.to_json(), expected);
    }
}
