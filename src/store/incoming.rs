//! What was heard of a listing, on its way into the file.

use crate::plan::merge::News;
use crate::record::{Content, Hash, ListingKey, Record, Stamp};

/// The longest record whose text is kept, in bytes, should it be older than its row. A longer one can be taken over when it is
/// heard again, and not by a scan.
const LONGEST_RAW: usize = 1 << 20;

/// What was heard of a listing, on its way into the file.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub key: ListingKey,
    /// What was heard, and from whom.
    pub news: News,
    /// Its stamp; `None` where it has none that can be read.
    pub stamp: Option<Stamp>,
    /// Hash of the record as sent.
    pub raw_hash: Hash,
    /// Its content; `None` if the stored row was made of a record with the same hash, and for the deletion of a row.
    pub content: Option<Content>,
    /// A live copy as sent, unless it is too long to be kept: should it be older than its row, it may yet be the truth.
    pub raw: Option<String>,
    /// Whether it was proven that the vendor has this now, whatever its stamp.
    pub proven: bool,
}

impl Incoming {
    /// A record of the vendor.
    pub(crate) fn new(record: Record, news: News, content: Option<Content>) -> Incoming {
        let Record { key, stamp, raw_hash, raw } = record;
        let raw = (news == News::Live && raw.len() <= LONGEST_RAW).then_some(raw);
        Incoming { key, news, stamp, raw_hash, content, raw, proven: false }
    }

    /// What is heard without a record: that a listing is gone, for this reason.
    pub(super) fn without_record(key: ListingKey, news: News) -> Incoming {
        Incoming { key, news, stamp: None, raw_hash: Hash::default(), content: None, raw: None, proven: false }
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
}
