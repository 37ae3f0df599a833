//! One listing process of the world.

use super::forms::IdForm;
use super::options::Options;
use super::readings::{NoProperty, StateForm, Unassigned};
use crate::record::Stamp;
use crate::vendor::spotahome::fields::UNASSIGNED;
use serde_json::{Map, Value, json};

/// The state that a process does not leave by itself.
pub(super) const CANCELLED: &str = "cancelled";

/// What changes of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `None` where it has none yet.
    pub property: Option<String>,
    /// `None` where it is unassigned.
    pub agent: Option<String>,
    /// One of the document's words, or another.
    pub state: String,
}

/// A listing process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub id: i64,
    /// A code for people.
    pub locator: String,
    /// The account that it belongs to.
    pub account: String,
    /// What is true of it now.
    pub facts: Facts,
    /// When it last changed.
    pub updated: Stamp,
    /// What lists still show of it, and until when.
    pub(super) before: Option<(Stamp, Facts)>,
}

impl Process {
    /// Whether it is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.facts.state == CANCELLED
    }

    /// What lists show of it at this moment.
    pub(super) fn shown(&self, now: Stamp) -> &Facts {
        match &self.before {
            Some((until, before)) if now < *until => before,
            _ => &self.facts,
        }
    }

    /// Changes it by a request, which lists show only at `shown_from`.
    pub(super) fn write(&mut self, now: Stamp, shown_from: Stamp, change: impl FnOnce(&mut Facts)) {
        let before = self.shown(now).clone();
        self.before = Some((shown_from, before));
        self.updated = now;
        change(&mut self.facts);
    }

    /// As an element of the list.
    pub(super) fn json(&self, facts: &Facts, options: &Options) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), self.id_json(options.id_form));
        members.insert("locator".to_owned(), json!(self.locator));
        members.insert("accountId".to_owned(), json!(self.account));
        let no_property = match options.no_property {
            NoProperty::Null => Some(Value::Null),
            NoProperty::Absent => None,
            NoProperty::Empty => Some(json!("")),
        };
        let unassigned = match options.unassigned {
            Unassigned::Null => Some(Value::Null),
            Unassigned::Absent => None,
            Unassigned::Empty => Some(json!("")),
            Unassigned::Word => Some(json!(UNASSIGNED)),
        };
        let given = |value: &Option<String>, none: Option<Value>| value.as_ref().map(|value| json!(value)).or(none);
        let property = given(&facts.property, no_property).map(|value| ("propertyId".to_owned(), value));
        let agent = given(&facts.agent, unassigned).map(|value| ("agentId".to_owned(), value));
        members.extend(property.into_iter().chain(agent));
        let state = match options.state_form {
            StateForm::Object => json!({ "state": facts.state }),
            StateForm::Text => json!(facts.state),
        };
        members.insert("state".to_owned(), state);
        Value::Object(members)
    }

    fn id_json(&self, form: IdForm) -> Value {
        match form {
            IdForm::Integer => json!(self.id),
            IdForm::Float => json!(self.id as f64),
            IdForm::Text => json!(self.id.to_string()),
        }
    }

    /// What is true of it, whatever lists show.
    pub(super) fn truth(&self) -> Value {
        let Facts { property, agent, state } = &self.facts;
        json!({
            "id": self.id, "locator": self.locator, "accountId": self.account, "propertyId": property, "agentId": agent, "state": state,
            "updated": self.updated.to_string(),
        })
    }
}
