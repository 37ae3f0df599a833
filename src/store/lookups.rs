//! The values of the vendor's lookups, from the view `lookups`.

use super::query::rows;
use super::report::{ReportError, read};
use crate::record::FeedId;
use rusqlite::params;
use serde::Serialize;
use std::path::Path;

/// One value of one lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lookup {
    pub feed_id: FeedId,
    /// The vendor's name of the lookup.
    pub lookup: String,
    /// As sent, several in one text included.
    pub value: String,
    /// Listings that have it and are not deleted.
    pub listings: u64,
}

/// The values of all lookups, or of one, in all feeds or in one; in the order of feeds, lookups and values.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn lookups(path: &Path, feed: Option<&str>, lookup: Option<&str>) -> Result<Vec<Lookup>, ReportError> {
    let sql = "SELECT feed_id, lookup, value, listings FROM lookups
         WHERE (?1 IS NULL OR feed_id = ?1 COLLATE NOCASE) AND (?2 IS NULL OR lookup = ?2 COLLATE NOCASE) ORDER BY 1, 2, 3";
    read(path, |connection| {
        rows(connection, sql, params![feed, lookup], |row| {
            let (feed_id, lookup, value, listings) = row.try_into()?;
            Ok(Lookup { feed_id, lookup, value, listings })
        })
    })
}
