//! A row as the JSON object that the vendor would send.

use crate::record::{Field, Kind};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows};
use serde_json::Number;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Writes the object. The first columns of the row are those of the fields, and `extra` follows: what it holds did not fit its column
/// or has none, and goes back to where it was. A field without a value is null.
pub(super) fn write(row: &Row, fields: &[Field], out: &mut String) -> rusqlite::Result<()> {
    let extra = row.get_ref(fields.len())?.as_str_or_null()?;
    let mut extra: BTreeMap<String, &RawValue> = extra.and_then(|extra| serde_json::from_str(extra).ok()).unwrap_or_default();
    let mut before = '{';
    for (index, field) in fields.iter().enumerate() {
        out.push(before);
        push_plain(field.wire, out);
        out.push(':');
        match extra.remove(field.wire) {
            Some(raw) => out.push_str(raw.get()),
            None => push_value(row.get_ref(index)?, field.kind, out),
        }
        before = ',';
    }
    for (name, raw) in extra {
        out.push(before);
        push_text(&name, out);
        out.push(':');
        out.push_str(raw.get());
    }
    out.push('}');
    Ok(())
}

/// Writes the objects of all rows, with commas between; tells how many there are.
pub(super) fn all(rows: &mut Rows, fields: &[Field]) -> rusqlite::Result<(String, usize)> {
    let (mut results, mut count) = (String::new(), 0);
    while let Some(row) = rows.next()? {
        if count > 0 {
            results.push(',');
        }
        write(row, fields, &mut results)?;
        count += 1;
    }
    Ok((results, count))
}

fn push_value(value: ValueRef, kind: Kind, out: &mut String) {
    match (value, kind) {
        (ValueRef::Null | ValueRef::Blob(_), _) => out.push_str("null"),
        (ValueRef::Integer(number), Kind::Bool) => out.push_str(if number == 0 { "false" } else { "true" }),
        (ValueRef::Integer(number), _) => out.push_str(&number.to_string()),
        (ValueRef::Real(number), _) => {
            out.push_str(&Number::from_f64(number).map_or_else(|| "null".to_owned(), |number| number.to_string()))
        }
        (ValueRef::Text(json), Kind::Json) => out.push_str(&String::from_utf8_lossy(json)),
        (ValueRef::Text(text), _) => push_text(&String::from_utf8_lossy(text), out),
    }
}

fn push_text(text: &str, out: &mut String) {
    let is_plain = text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\'));
    if is_plain { push_plain(text, out) } else { out.push_str(&serde_json::to_string(text).expect("a text is JSON")) }
}

/// A text without anything to escape.
fn push_plain(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}
