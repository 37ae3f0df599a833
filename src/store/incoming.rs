//! What was heard of a listing, on its way into the file.

use super::row_sql::Stored;
use crate::plan::merge::News;
use crate::record::{Hash, ListingKey, Presence, Record, Stamp};

/// The longest record whose text is kept, in bytes, should it be older than its row. A longer one can be taken over when it is
/// heard again, and not by a scan.
const LONGEST_RAW: usize = 1 << 20;

/// What was heard of a listing, on its way into the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub(super) key: &'a ListingKey,
    /// What was heard, and from whom.
    pub(super) news: News,
    /// Its stamp; `None` where it has none that can be read.
    pub(super) stamp: Option<Stamp>,
    /// Hash of the record as sent.
    pub(super) raw_hash: Hash,
    /// The record itself, where it was heard with one.
    pub(super) record: Option<&'a Record>,
    /// Whether it was proven that the vendor has this now, whatever its stamp. A mirror that answers in the vendor's place has one
    /// version of each row, and the pages of a feed come one after the other.
    pub(super) proven: bool,
}

impl<'a> Incoming<'a> {
    /// A record of the vendor.
    pub(super) fn of(record: &'a Record, presence: Presence) -> Incoming<'a> {
        let Record { key, stamp, raw_hash, mirrored_at, .. } = record;
        Incoming { key, news: presence.into(), stamp: *stamp, raw_hash: *raw_hash, record: Some(record), proven: mirrored_at.is_some() }
    }

    /// What is heard without a record: that a listing is gone, for this reason.
    pub(super) fn without_record(key: &'a ListingKey, news: News) -> Incoming<'a> {
        Incoming { key, news, stamp: None, raw_hash: Hash::default(), record: None, proven: false }
    }

    /// The record whose content is to be set against the row: none if the row was made of the same, nor for the deletion of a row,
    /// which keeps what it last had. A row whose deletion was only inferred comes back to life by the same record.
    pub(super) fn news_of(&self, stored: Option<&Stored>) -> Option<&'a Record> {
        let is_new = |stored: &Stored| stored.is_inferred() || stored.raw_hash != self.raw_hash && self.news == News::Live;
        self.record.filter(|_| stored.is_none_or(is_new))
    }

    /// A live copy as sent, unless it is too long to be kept: should it be older than its row, it may yet be the truth.
    pub(super) fn raw(&self) -> Option<&'a str> {
        let raw = self.record.map(|record| record.raw.as_str());
        raw.filter(|raw| self.news == News::Live && raw.len() <= LONGEST_RAW)
    }

    /// The word for it in `deleted_cause`.
    pub(super) fn cause(&self) -> &'static str {
        match self.news {
            News::Live | News::Deleted => "vendor",
            News::Absent => "absent",
            News::FeedRemoved => "feed_removed",
        }
    }
}

/// When something was heard, and by what.
#[derive(Clone, Copy)]
pub(super) struct Hearing<'a> {
    /// The mirror's clock.
    pub(super) at: &'a str,
    /// The reconcile run whose scan heard it.
    pub(super) run: Option<i64>,
    /// The vendor's clock, where it was heard in an answer of now.
    pub(super) vendor_now: Option<Stamp>,
    /// It is one record of many, whose new rows are numbered together.
    pub(super) of_many: bool,
}

impl<'a> Hearing<'a> {
    /// Something that comes from no page.
    pub(super) fn at(at: &'a str) -> Hearing<'a> {
        Hearing { at, run: None, vendor_now: None, of_many: false }
    }
}
