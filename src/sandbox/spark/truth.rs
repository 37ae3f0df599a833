//! What is true of the identities, for whoever compares a mirror with it.

use super::world::World;
use crate::record::Kind;
use crate::sandbox::account_truth::{Life, TrueRow, TrueRows};
use crate::vendor::spark::fields::{ACCOUNT, IDENTITY};
use serde_json::{Map, Value};

/// Members of a record that are columns without being fields, because they move without a change.
const MOVING: [(&str, &str); 4] = [
    ("LastActive", "last_active"),
    ("ModificationTimestamp", "modification_timestamp"),
    ("Editable", "editable"),
    ("ResourceUri", "resource_uri"),
];

impl World {
    /// What is true of each identity.
    #[must_use]
    pub fn truth(&mut self) -> TrueRows {
        let all = [(self.live(), Life::Live), (self.deleted(), Life::Deleted)];
        let all = all.into_iter().flat_map(|(ids, life)| ids.into_iter().map(move |id| (id, life)));
        all.filter_map(|(id, life)| Some((id, TrueRow { life, columns: columns(&self.record(id)?) }))).collect()
    }
}

/// A record by the names of the columns. Its contacts have no order of their own; the column has that of the e-mail addresses.
fn columns(record: &Value) -> Map<String, Value> {
    let of_fields = IDENTITY.iter().filter(|field| field.wire != ACCOUNT).map(|field| {
        let value = match field.wire.split_once('.') {
            Some((outer, inner)) => &record[outer][inner],
            None => &record[field.wire],
        };
        (field.column, if field.kind == Kind::Json { in_order(value) } else { value.clone() })
    });
    let moving = MOVING.into_iter().map(|(wire, column)| (column, record[wire].clone()));
    // A record has no member besides these.
    let named = of_fields.chain(moving).chain([("extra", Value::Null)]);
    named.map(|(column, value)| (column.to_owned(), value)).collect()
}

fn in_order(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(contacts) = value.as_array_mut() {
        contacts.sort_by_key(|contact| contact["Email"].as_str().map(str::to_owned));
    }
    value
}
