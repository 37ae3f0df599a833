//! Further readings of the document: ids, states and filters.

use crate::vendor::spotahome::fields::STATES;
use clap::ValueEnum;
use std::str::FromStr;

/// The answer to an id that does not exist in the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownId {
    /// An empty list.
    Empty,
    /// 404.
    NotFound,
}

/// What becomes of several states in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ManyStates {
    /// 400.
    Refuse,
    /// The first one counts.
    First,
    /// Each of them matches.
    Any,
}

/// How ids are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdForm {
    /// `111`.
    Integer,
    /// `111.0`.
    Float,
    /// `"111"`.
    Text,
}

/// Whether the case of states and of `unassigned` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// It does.
    Exact,
    /// It does not.
    Any,
}

impl Case {
    pub(super) fn is(self, asked: &str, word: &str) -> bool {
        match self {
            Case::Exact => asked == word,
            Case::Any => asked.eq_ignore_ascii_case(word),
        }
    }
}

/// Whether the list of processes wants a Content-Type, which the document's sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GetContentType {
    /// It does not look at it.
    Any,
    /// 400 without it.
    Required,
}

/// Which states follow which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transitions {
    /// waitingProperty, waitingContent, propertyUnverified, and from there to propertyVerified and back.
    Machine,
    /// Each may follow each.
    Any,
}

/// How often a state is drawn at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWeight {
    /// The state.
    pub state: String,
    /// Its weight among all.
    pub weight: u64,
}

impl FromStr for StateWeight {
    type Err = String;

    fn from_str(text: &str) -> Result<StateWeight, String> {
        let (state, weight) = text.split_once('=').ok_or("it is STATE=WEIGHT")?;
        if !STATES.contains(&state) {
            return Err(format!("the states are {}", STATES.join(", ")));
        }
        let weight = weight.parse().map_err(|_| "the weight is a whole number".to_owned())?;
        Ok(StateWeight { state: state.to_owned(), weight })
    }
}
