//! The shared nouns: what a vendor's answer becomes before anything is decided about it.

mod field;
mod geography;
mod hash;
mod ledger;
mod source;
mod spoken;
mod stamp;
mod totals;
mod write;
pub mod zone;

pub use field::{Cell, Content, ContentHasher, Field, Kind, NamedBy};
pub use geography::{Location, Position};
pub use hash::{Hash, raw_hash};
pub use ledger::{ClosedGate, Counts, Ledger, Period};
pub use source::Source;
pub use spoken::spoken;
pub use stamp::{DayTime, Stamp};
pub use totals::{ProcessTotals, StateTotal};
pub use write::{Fields, Verb, Write, WriteState};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// After so many requests for polls, one is made for other work that waits: where the vendor takes fewer requests than polls
/// alone want, a third of them reads the past all the same. The plan keeps this share where polls are due so often that nothing
/// else would ever wait, and the limiter among those that wait.
pub(crate) const POLLS_PER_OTHER: u32 = 2;

/// An MLS feed, as the vendor names it (`GAMLS`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedId(pub String);

impl FeedId {
    /// Whether this is that feed: upper and lower case do not matter.
    #[must_use]
    pub fn is(&self, other: &FeedId) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape_controls(&self.0, f)
    }
}

/// A listing inside a feed: the MLS number. Unique only together with its feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListingId(pub String);

impl fmt::Display for ListingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape_controls(&self.0, f)
    }
}

/// The vendor's words never reach a terminal raw: control characters are shown as escapes.
fn escape_controls(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        if steers(c) {
            write!(f, "{}", c.escape_default())?;
        } else {
            write!(f, "{c}")?;
        }
    }
    Ok(())
}

/// Whether a character steers a terminal or the reading of a line, in place of being read: controls, separators of lines, and
/// marks that turn the direction of what follows.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Makes a text of the vendor's fit for a log line or a terminal: escaped, and cut at `limit` characters.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(limit) {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

/// The primary key of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListingKey {
    /// The feed it belongs to.
    pub feed: FeedId,
    /// Its number inside the feed.
    pub listing: ListingId,
}

/// What a request asks for: one of the vendor's streams of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Stream {
    /// Everything. Whether this includes deleted listings is not documented.
    All,
    /// Active, contingent or pending.
    Active,
    /// Sold.
    Sold,
    /// The deletions.
    Deleted,
}

impl Stream {
    /// The number that stands for it in the file, in the configuration and in messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Stream::All => 0,
            Stream::Active => 1,
            Stream::Sold => 2,
            Stream::Deleted => 3,
        }
    }

    /// What the vendor says of every record that this stream returns.
    #[must_use]
    pub fn presence(self) -> Presence {
        match self {
            Stream::All | Stream::Active | Stream::Sold => Presence::Live,
            Stream::Deleted => Presence::Deleted,
        }
    }
}

impl TryFrom<u8> for Stream {
    type Error = String;

    fn try_from(status: u8) -> Result<Self, String> {
        match status {
            0 => Ok(Stream::All),
            1 => Ok(Stream::Active),
            2 => Ok(Stream::Sold),
            3 => Ok(Stream::Deleted),
            other => Err(format!("Status {other} does not exist; the vendor knows 0, 1, 2, 3")),
        }
    }
}

impl From<Stream> for u8 {
    fn from(stream: Stream) -> u8 {
        stream.number()
    }
}

/// Whether the vendor presents a record as live or as deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Returned by a stream of live listings.
    Live,
    /// Returned by the stream of deletions.
    Deleted,
}

/// A closed range of vendor stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Its oldest stamp.
    pub from: Stamp,
    /// Its newest stamp.
    pub to: Stamp,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} .. {}", self.from, self.to)
    }
}

/// One request of SyncListings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The feeds asked for; empty means every feed that the credential can see.
    pub feeds: Vec<FeedId>,
    /// Which stream.
    pub stream: Stream,
    /// The stamps asked for, to the millisecond.
    pub window: Window,
    /// The page, from 1.
    pub page: u32,
}

/// A part of a text, in bytes; nothing where it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// Where it has ended.
    pub end: u32,
}

impl Span {
    /// This part of a text.
    #[must_use]
    pub fn of(self, text: &str) -> Option<&str> {
        (self.end > self.start).then(|| text.get(self.start as usize..self.end as usize)).flatten()
    }
}

/// Where the values of a record lie in its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// By the place of their field; nothing where the record does not have it.
    pub fields: Vec<Span>,
    /// Of members that are no fields, each with the place where its name begins.
    pub others: Vec<(u32, Span)>,
}

/// One record of a page: its key and hash known, its fields not decoded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its primary key, as sent.
    pub key: ListingKey,
    /// Its `MlsUpdateDate`; `None` when absent, null, unreadable or .NET's year 1.
    pub stamp: Option<Stamp>,
    /// When a mirror stored it that answers in the vendor's place (`mls-sync serve`); `None` where the vendor answers.
    pub mirrored_at: Option<Stamp>,
    /// Hash of the bytes as sent.
    pub raw_hash: Hash,
    /// The JSON object as sent.
    pub raw: String,
    /// Where its values lie in it.
    pub cut: Cut,
}

impl Record {
    /// The date by which windows select it: a mirror selects by what it stored when, the vendor by the stamp.
    pub(crate) fn selected_by(&self) -> Option<Stamp> {
        self.mirrored_at.or(self.stamp)
    }
}

/// A record that could not become a row. It is stored, so that a cursor may pass it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What is wrong with it, for a person.
    pub reason: String,
    /// The key, as far as it could be read.
    pub listing: Option<ListingId>,
    /// Hash of the bytes as sent: the reject's identity.
    pub raw_hash: Hash,
    /// The JSON as sent.
    pub raw: String,
}

/// One answered page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records in the order of the page.
    pub records: Vec<Record>,
    /// What could not be read as a record.
    pub rejects: Vec<Reject>,
    /// The vendor's count of all matches of the request.
    pub total: u64,
    /// The vendor's next page, if it names one.
    pub next_page: Option<u32>,
    /// The vendor's clock when it answered, from its `Date` header (whole seconds).
    pub vendor_now: Option<Stamp>,
}

/// Why a request brought no page, as far as a decision depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429: nobody may ask before the wait is over.
    Throttled {
        /// How long the vendor said, or our default where it did not say.
        wait: Duration,
    },
    /// A network fault or a 5xx: likely to pass by itself.
    Unavailable,
    /// 401, 403: the credential is unknown, or blocked from this.
    Unauthorized,
    /// 400 and other 4xx: the same request will be refused again.
    Refused,
    /// An answer that is not a page: it does not count as read.
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_obeyed() {
        let nasty = "a\u{1b}[31m\u{9b}\u{202e}\u{2028}\u{feff}é番";
        let shown = "a\\u{1b}[31m\\u{9b}\\u{202e}\\u{2028}\\u{feff}é番";
        assert_eq!(printable(nasty, 100), shown);
        assert_eq!(FeedId(nasty.to_owned()).to_string(), shown);
        assert_eq!(printable("abc", 2), "ab…");
    }
}
