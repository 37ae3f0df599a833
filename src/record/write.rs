//! A change that is to be made at a vendor, as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Make one.
    Create,
    /// Change some fields of one.
    Update,
    /// Delete one.
    Delete,
    /// Cancel a listing process.
    Cancel,
    /// Give a listing process to an agent.
    Assign,
    /// Take a listing process from its agent.
    Unassign,
}

impl Verb {
    /// The word in the table `intents`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Cancel => "cancel",
            Verb::Assign => "assign",
            Verb::Unassign => "unassign",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is to be different at the vendor, by the vendor's names. It may name persons, so that no log shows it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub Map<String, Value>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// A change that is to be made at a vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// What is changed: `identity` or `process`; `ticket` and `upload` are made, and not mirrored.
    pub entity: String,
    /// What is done.
    pub verb: Verb,
    /// The id of what is changed; of a ticket or an upload, that of the listing. `None` for what is to be made.
    pub target: Option<String>,
    /// What it is to be like afterwards.
    pub fields: Fields,
}

/// How far a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteState {
    /// It is being sent.
    Sent,
    /// It was sent, and nothing tells whether the vendor did it.
    Unknown,
    /// The vendor did it.
    Done,
    /// The vendor said that it did not do it.
    Refused,
    /// It was not done: nothing was sent, or reading showed it.
    NotDone,
    /// A person does not want to know any more.
    Forgotten,
}

impl WriteState {
    /// The word in the table `intents`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            WriteState::Sent => "sent",
            WriteState::Unknown => "unknown",
            WriteState::Done => "done",
            WriteState::Refused => "refused",
            WriteState::NotDone => "not_done",
            WriteState::Forgotten => "forgotten",
        }
    }

    /// Whether it may still turn out either way.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, WriteState::Sent | WriteState::Unknown)
    }
}
