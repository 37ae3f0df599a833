//! Which processes are asked for.

use super::fields::{CANCELLED, UNASSIGNED};
use std::fmt;

/// The id of a process: the only number among the ids of this API, and all that a path is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub i64);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose processes are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfAgent {
    /// Those of this agent.
    Agent(String),
    /// Those without an agent.
    Unassigned,
}

/// The filters of the list of processes. The document names them side by side; that all of them hold at once is assumed. Several
/// states in one request are not documented, so there is room for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFilter {
    /// The one with this id.
    pub id: Option<ProcessId>,
    /// Those of this account of the vendor's (`accountId`).
    pub account: Option<String>,
    /// Those of this property (`propertyId`).
    pub property: Option<String>,
    /// Those of this agent, or of none.
    pub agent: Option<OfAgent>,
    /// Those in this state.
    pub state: Option<String>,
}

impl ProcessFilter {
    /// The cancelled ones.
    pub(crate) fn cancelled() -> ProcessFilter {
        ProcessFilter { state: Some(CANCELLED.to_owned()), ..ProcessFilter::default() }
    }

    /// The parameters, in the order of the document.
    pub(super) fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let agent = self.agent.as_ref().map(|agent| match agent {
            OfAgent::Agent(id) => id.clone(),
            OfAgent::Unassigned => UNASSIGNED.to_owned(),
        });
        let id = self.id.map(|id| id.to_string());
        let values = [id, self.account.clone(), self.property.clone(), agent, self.state.clone()];
        ["id", "accountId", "propertyId", "agentId", "state"].into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}
