//! How stamps, streams and other values of the plan are written into the file, and read from it.

use super::error::Error;
use crate::plan::checkpoint::WindowState;
use crate::plan::options::Purpose;
use crate::plan::window::FromRule;
use crate::record::{Stamp, Stream};
use rusqlite::Row;

/// Reads a stamp that this program wrote.
pub(super) fn stamp_of(text: &str) -> Result<Stamp, Error> {
    Stamp::parse(text).ok_or_else(|| Error::Strange(format!("the date {text:?}")))
}

pub(super) fn stamp_at(row: &Row, index: usize) -> Result<Option<Stamp>, Error> {
    row.get::<_, Option<String>>(index)?.map(|text| stamp_of(&text)).transpose()
}

pub(super) fn needed(row: &Row, index: usize) -> Result<Stamp, Error> {
    stamp_of(&row.get::<_, String>(index)?)
}

pub(super) fn text(stamp: Option<Stamp>) -> Option<String> {
    stamp.map(|stamp| stamp.to_string())
}

/// Reads a stream's number that this program wrote.
pub(super) fn stream_of(status: u8) -> Result<Stream, Error> {
    Stream::try_from(status).map_err(Error::Strange)
}

pub(super) fn rule_name(rule: FromRule) -> &'static str {
    match rule {
        FromRule::Exact => "exact",
        FromRule::Midnight => "midnight",
        FromRule::Ignored => "ignored",
    }
}

pub(super) fn rule_of(name: &str) -> Result<FromRule, Error> {
    let rules = [FromRule::Exact, FromRule::Midnight, FromRule::Ignored];
    rules.into_iter().find(|rule| rule_name(*rule) == name).ok_or_else(|| Error::Strange(format!("the rule {name:?}")))
}

pub(super) fn purpose_of(name: &str) -> Result<Purpose, Error> {
    Purpose::ALL.into_iter().find(|purpose| purpose.word() == name).ok_or_else(|| Error::Strange(format!("the purpose {name:?}")))
}

pub(super) fn state_name(state: WindowState) -> &'static str {
    match state {
        WindowState::Open => "open",
        WindowState::Complete => "complete",
        WindowState::Suspect => "suspect",
        WindowState::Cut => "cut",
    }
}
