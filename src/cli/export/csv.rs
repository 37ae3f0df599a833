//! Rows as comma-separated values, by RFC 4180 but for the end of a line. Null is an empty field and an empty text is "", which no
//! library writes.

use crate::record::Cell;
use crate::store::export::Column;
use std::io::{self, Write};

/// The line of names.
pub(super) fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.join(",") + "\n"
}

pub(super) fn row(out: &mut dyn Write, _: &[Column], cells: &[Cell]) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Absent | Cell::Null => {}
            Cell::Integer(number) => write!(out, "{number}")?,
            Cell::Real(number) => write!(out, "{number}")?,
            Cell::Text(text) if is_plain(text) => out.write_all(text.as_bytes())?,
            Cell::Text(text) => write!(out, "\"{}\"", text.replace('"', "\"\""))?,
        }
    }
    out.write_all(b"\n")
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(['"', ',', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_an_empty_text_differ_and_what_would_end_a_field_is_quoted() {
        let texts = ["", "plain", "a,b", "say \"so\"", "two\nlines", " blank"].map(|text| Cell::Text(text.into()));
        let cells = [vec![Cell::Null, Cell::Integer(-1), Cell::Real(0.5), Cell::Real(3.0)], texts.to_vec()].concat();
        let mut out = Vec::new();
        row(&mut out, &[], &cells).expect("written");
        let expected = ",-1,0.5,3,\"\",plain,\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\" blank\"\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
