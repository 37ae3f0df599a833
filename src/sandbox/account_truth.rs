//! What is true of an account of Spark or Spotahome, as the rows that a mirror must hold.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Whether the vendor has a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has.
    Live,
    /// The vendor says that it is deleted.
    Deleted,
    /// The vendor says nothing of it any more.
    Vanished,
}

/// What is true of one identity or process.
#[derive(Clone, Debug, PartialEq)]
pub struct TrueRow {
    /// Whether the vendor has it.
    pub life: Life,
    /// The vendor's values by the names of the mirror's columns; none of a thing that the vendor says nothing of.
    pub columns: Map<String, Value>,
}

/// What is true of everything that an account ever had, by the id.
pub type TrueRows = BTreeMap<i64, TrueRow>;
