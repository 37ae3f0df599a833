//! Rows as lines of JSON: an object with every column, in which JSON is nested.

use crate::record::{Cell, Kind};
use crate::store::export::Column;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};

pub(super) fn row(out: &mut dyn Write, columns: &[Column], cells: &[Cell]) -> io::Result<()> {
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut map = json.serialize_map(Some(columns.len()))?;
    for (column, cell) in columns.iter().zip(cells) {
        map.serialize_entry(&column.name, &Value(column.kind, cell))?;
    }
    map.end()?;
    out.write_all(b"\n")
}

struct Value<'a>(Kind, &'a Cell<'a>);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (_, Cell::Absent | Cell::Null) => out.serialize_unit(),
            (_, Cell::Integer(number)) => out.serialize_i64(*number),
            (_, Cell::Real(number)) => out.serialize_f64(*number),
            (Kind::Json, Cell::Text(text)) => match serde_json::from_str::<&RawValue>(&in_one_line(text)) {
                Ok(json) => json.serialize(out),
                Err(_) => out.serialize_str(text),
            },
            (_, Cell::Text(text)) => out.serialize_str(text),
        }
    }
}

/// JSON has line breaks between its values alone; those inside of texts are escaped.
fn in_one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_nested_as_it_was_sent_and_a_row_is_one_line() {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = [
            column("a", Kind::Text),
            column("b", Kind::Json),
            column("c", Kind::Json),
            column("d", Kind::Real),
            column("e", Kind::Integer),
        ];
        let text = |text: &'static str| Cell::Text(text.into());
        let cells = [text("{\n}"), text("{\n\"x\": 1.50,\r\n\"y\": \"\\n\"}"), text("no JSON"), Cell::Real(2.0), Cell::Null];
        let mut out = Vec::new();
        row(&mut out, &columns, &cells).expect("written");
        let expected = "{\"a\":\"{\\n}\",\"b\":{ \"x\": 1.50,  \"y\": \"\\n\"},\"c\":\"no JSON\",\"d\":2.0,\"e\":null}\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
