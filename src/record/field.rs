//! A vendor entity's fields as data: one row a field, read by decoder, store, sandbox and tests alike.

use super::hash::{Hash, raw_hash};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the cells of a usual record come to, in bytes.
const USUAL_BYTES: usize = 16 * 1024;

/// What a column holds, and which JSON values fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string, or what a number or a boolean is spelled; TEXT.
    Text,
    /// As `Text`. For fields whose type the document gives in two ways.
    Loose,
    /// A whole number of 64 bits, perhaps in a JSON string; INTEGER.
    Integer,
    /// A number, perhaps in a JSON string; REAL.
    Real,
    /// A boolean, or 0 or 1, perhaps in a JSON string; INTEGER 0 or 1.
    Bool,
    /// A JSON string with a date-time; TEXT as sent where that is ISO 8601, otherwise written so.
    Time,
    /// A JSON array or object; TEXT holding JSON.
    Json,
}

impl Kind {
    /// The column's type in a STRICT table.
    #[must_use]
    pub fn column_type(self) -> &'static str {
        match self {
            Kind::Text | Kind::Loose | Kind::Time | Kind::Json => "TEXT",
            Kind::Integer | Kind::Bool => "INTEGER",
            Kind::Real => "REAL",
        }
    }
}

/// Which half of the vendor's document names a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The response table and the C# class.
    Both,
    /// The response table alone.
    TableOnly,
    /// The C# class alone.
    ClassOnly,
}

/// One field of a vendor entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member's name in the vendor's JSON.
    pub wire: &'static str,
    /// The column's name.
    pub column: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether the document allows null; null is stored in any case.
    pub nullable: bool,
    /// Who names it.
    pub named_by: NamedBy,
}

/// One decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// The member was not in the record: it says nothing.
    Absent,
    /// The member was null, or a date that stands for none, or did not fit its kind.
    Null,
    /// A whole number or a boolean.
    Integer(i64),
    /// A finite number.
    Real(f64),
    /// Text, a date-time or JSON; borrowed from the record where it stands there as it is.
    Text(Cow<'a, str>),
}

/// A decoded record: a cell for each field of its table, in the table's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Content<'a> {
    /// The cells.
    pub cells: Vec<Cell<'a>>,
    /// A JSON object of what has no column or does not fit it, by wire name; `None` when there is nothing.
    pub extra: Option<String>,
}

impl Content<'_> {
    /// Hash of what a row made of this would hold: absent and null are the same there.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut hasher = ContentHasher::default();
        for cell in &self.cells {
            match cell {
                Cell::Absent | Cell::Null => hasher.null(),
                Cell::Integer(value) => hasher.integer(*value),
                Cell::Real(value) => hasher.real(*value),
                Cell::Text(value) => hasher.text(value.as_bytes()),
            }
        }
        hasher.end(self.extra.as_deref().unwrap_or("").as_bytes())
    }

    /// Takes over every cell, and every unknown field, that this record leaves out from an earlier reading of the same
    /// version.
    ///
    /// Answers may come in the shape of the response table or of the C# class, each lacking fields of the other.
    pub fn fill_absent_from(&mut self, earlier: &Content<'static>, fields: &[Field]) {
        for (cell, known) in self.cells.iter_mut().zip(&earlier.cells) {
            if *cell == Cell::Absent {
                *cell = known.clone();
            }
        }
        let Some(known) = members(earlier.extra.as_deref()) else { return };
        let mut extra = members(self.extra.as_deref()).unwrap_or_default();
        for (name, value) in known {
            if !fields.iter().any(|field| field.wire.eq_ignore_ascii_case(&name)) {
                extra.entry(name).or_insert(value);
            }
        }
        let written = serde_json::to_string(&extra).expect("what was JSON can be written as JSON");
        self.extra = (!extra.is_empty()).then_some(written);
    }
}

/// Hashes the cells of a row, in the order of its fields.
pub struct ContentHasher(Vec<u8>);

impl Default for ContentHasher {
    /// All is hashed in one piece: many small ones take several times as long.
    fn default() -> ContentHasher {
        ContentHasher(Vec::with_capacity(USUAL_BYTES))
    }
}

impl ContentHasher {
    /// A cell without a value.
    pub fn null(&mut self) {
        self.0.push(b'-');
    }

    /// A whole number or a boolean.
    pub fn integer(&mut self, value: i64) {
        self.push(b'i', &value.to_le_bytes());
    }

    /// A number. SQLite keeps no sign of a zero.
    pub fn real(&mut self, value: f64) {
        self.push(b'r', &(value + 0.0).to_bits().to_le_bytes());
    }

    /// Text, a date-time or JSON.
    pub fn text(&mut self, value: &[u8]) {
        self.push(b't', &(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// A value that no column of ours holds; it differs from every other.
    pub fn foreign(&mut self, value: &[u8]) {
        self.push(b'?', &(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// The hash, with `extra`, which is empty where there is none.
    #[must_use]
    pub fn end(mut self, extra: &[u8]) -> Hash {
        self.push(b'x', extra);
        raw_hash(&self.0)
    }

    fn push(&mut self, kind: u8, value: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(value);
    }
}

/// Values stay text: a tree of them would round numbers that a double cannot hold, and so look like a change.
fn members(extra: Option<&str>) -> Option<BTreeMap<String, Box<RawValue>>> {
    serde_json::from_str(extra?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(now: Option<&str>, earlier: Option<&str>) -> Option<String> {
        let content = |extra: Option<&str>| Content { cells: Vec::new(), extra: extra.map(str::to_owned) };
        let mut merged = content(now);
        let known = Field { wire: "Beds", column: "beds", kind: Kind::Integer, nullable: true, named_by: NamedBy::Both };
        merged.fill_absent_from(&content(earlier), &[known]);
        merged.extra
    }

    #[test]
    fn unknown_fields_that_are_left_out_are_taken_over() {
        assert_eq!(filled(None, None), None);
        assert_eq!(filled(None, Some(r#"{"A":1}"#)).as_deref(), Some(r#"{"A":1}"#));
        assert_eq!(filled(Some(r#"{"C":3,"a":4}"#), Some(r#"{"A":1,"C":2}"#)).as_deref(), Some(r#"{"A":1,"C":3,"a":4}"#));
        assert_eq!(filled(None, Some(r#"{"Beds":"two"}"#)), None, "a known field speaks for itself");
    }

    #[test]
    fn what_is_taken_over_keeps_its_spelling() {
        let extra = "{\"A\":123456789012345678901234567890,\"B\":[1.50,1E+2,-0],\"Ж\\u0000\":\"\\u0000é\"}";
        assert_eq!(filled(Some(extra), Some(extra)).as_deref(), Some(extra));
        assert_eq!(filled(None, Some(extra)).as_deref(), Some(extra));
    }
}
