//! What a column holds, as searches compare it.

use rusqlite::types::ValueRef;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A number in the order of SQLite, but for integers of more than 53 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(f64);

impl Number {
    pub(super) fn new(number: f64) -> Number {
        // This makes 0.0 of -0.0, which SQLite takes for the same, and changes no other number.
        Number(number + 0.0)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// What a column holds; in the order of SQLite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Value {
    Null,
    Number(Number),
    Text(Box<str>),
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef) -> Value {
        match value {
            ValueRef::Null | ValueRef::Blob(_) => Value::Null,
            ValueRef::Integer(number) => Value::Number(Number::new(number as f64)),
            ValueRef::Real(number) => Value::Number(Number::new(number)),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn values_come_in_the_order_of_sqlite() {
        let file = Connection::open_in_memory().expect("SQLite opens");
        let sql =
            "SELECT column1 FROM (VALUES ('b'), (2), (-0.0), (NULL), ('B'), (1.5), (-3), ('a'), ('é'), (1e300), ('')) ORDER BY column1";
        let mut statement = file.prepare(sql).expect("valid");
        let values: Vec<Value> =
            statement.query_map([], |row| row.get_ref(0).map(Value::from)).expect("rows").map(|value| value.expect("a value")).collect();
        assert!(values.is_sorted(), "{values:?}");
        assert_eq!(Value::from(ValueRef::Real(-0.0)), Value::from(ValueRef::Integer(0)));
    }
}
