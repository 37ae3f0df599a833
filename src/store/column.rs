//! How the nouns of `record` and `plan` stand in columns. A value that this program would not write is an error.

use crate::plan::checkpoint::WindowState;
use crate::plan::options::Purpose;
use crate::plan::window::FromRule;
use crate::record::{Cell, FeedId, ListingId, Stamp, Stream};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use std::borrow::Cow;

/// Both ways of a noun: what is written of it, and how that is read; `None` where it is no such noun.
macro_rules! column {
    ($noun:ty, $this:ident => $written:expr, $read:expr) => {
        impl ToSql for $noun {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let $this = self;
                Ok($written.into())
            }
        }

        impl FromSql for $noun {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$noun> {
                let written = FromSql::column_result(value)?;
                ($read)(&written).ok_or_else(|| FromSqlError::Other(format!("{written:?} is no {}", stringify!($noun)).into()))
            }
        }
    };
}

column!(FeedId, feed => feed.0.as_str(), |text: &String| Some(FeedId(text.clone())));
column!(Stamp, stamp => stamp.to_string(), |text: &String| Stamp::parse(text));
column!(Stream, stream => stream.number(), |status: &u8| Stream::try_from(*status).ok());
column!(Purpose, purpose => purpose.word(), |word: &String| Purpose::ALL.into_iter().find(|purpose| purpose.word() == word));
column!(FromRule, rule => rule_word(*rule), |word: &String| {
    [FromRule::Exact, FromRule::Midnight, FromRule::Ignored].into_iter().find(|rule| rule_word(*rule) == word)
});

fn rule_word(rule: FromRule) -> &'static str {
    match rule {
        FromRule::Exact => "exact",
        FromRule::Midnight => "midnight",
        FromRule::Ignored => "ignored",
    }
}

impl ToSql for ListingId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

/// Some vendors number what they have.
impl FromSql for ListingId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<ListingId> {
        key_text(value).map(|id| ListingId(id.into_owned())).ok_or(FromSqlError::InvalidType)
    }
}

/// A part of a key as text; `None` where it is no key.
pub(super) fn key_text(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Integer(number) => Some(number.to_string().into()),
        other => other.as_str().ok().map(Cow::Borrowed),
    }
}

impl ToSql for WindowState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            WindowState::Open => "open",
            WindowState::Complete => "complete",
            WindowState::Suspect => "suspect",
            WindowState::Cut => "cut",
        }
        .into())
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(value_of(self)))
    }
}

/// A cell as its column holds it.
pub(super) fn value_of<'c>(cell: &'c Cell<'_>) -> ValueRef<'c> {
    match cell {
        Cell::Absent | Cell::Null => ValueRef::Null,
        Cell::Integer(value) => ValueRef::Integer(*value),
        Cell::Real(value) => ValueRef::Real(*value),
        Cell::Text(value) => ValueRef::Text(value.as_bytes()),
    }
}
