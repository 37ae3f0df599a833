//! What one client is shown of the file.

use super::accounts::Account;
use crate::record::Field;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;

/// The listings that are not deleted, with numbers beside texts that hold one.
const LIVE: &str = "(SELECT * FROM numeric_listings WHERE purged_at IS NULL)";
/// What of them may be displayed.
const PUBLIC: &str = "public_listings";
/// The photos of such a listing. The view leaves them to `primary_photo` and `listing_photos`.
const PHOTOS: &str =
    "(SELECT whole.media FROM listings AS whole WHERE whole.feed_id = shown.feed_id AND whole.listing_id = shown.listing_id)";

/// What a client is shown, at one moment.
pub(super) struct View {
    /// The feeds that were asked for and may be seen, as the file writes them.
    pub(super) feeds: Vec<String>,
    /// The columns that are shown; `None` for all.
    shown: Option<BTreeSet<String>>,
}

impl View {
    /// Names that are not in the file, or not for this client, are left out. Without a name, these are all feeds of the client.
    pub(super) fn of(connection: &Connection, account: &Account, named: &[String]) -> rusqlite::Result<View> {
        let mut statement = connection.prepare_cached("SELECT feed_id FROM feeds ORDER BY feed_id")?;
        let known = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let is_named = |feed: &String| named.is_empty() || named.iter().any(|name| name.eq_ignore_ascii_case(feed));
        let feeds = known.into_iter().filter(|feed| account.sees(feed) && is_named(feed)).collect();
        Ok(View { feeds, shown: if account.public { Some(columns_of(connection)?) } else { None } })
    }

    /// Its feeds, for `json_each`.
    pub(super) fn feeds_json(&self) -> String {
        Value::from(self.feeds.clone()).to_string()
    }

    /// The condition that a row is of one of its feeds, and what its parameter, which is written as `parameter`, holds. One feed is
    /// compared with it, so that an index gives its rows in their order.
    pub(super) fn of_feeds(&self, parameter: &str) -> (String, String) {
        match self.feeds.as_slice() {
            [feed] => (format!("feed_id = {parameter}"), feed.clone()),
            _ => (format!("feed_id IN (SELECT value FROM json_each({parameter}))"), self.feeds_json()),
        }
    }

    /// Where its listings are read from, without those that are deleted or purged.
    pub(super) fn source(&self) -> &'static str {
        if self.shown.is_some() { PUBLIC } else { LIVE }
    }

    pub(super) fn is_public(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn shows(&self, column: &str) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(column))
    }

    /// What stands for a column: itself, or null where it is not shown.
    pub(super) fn column<'a>(&self, column: &'a str) -> &'a str {
        if self.shows(column) { column } else { "NULL" }
    }

    /// The query of one listing by its feed and number: these fields, and `extra`.
    pub(super) fn listing(&self, fields: &[Field]) -> String {
        let columns: Vec<String> = fields.iter().map(|field| self.output(column_of(field))).collect();
        let (extra, source) = (self.column("extra"), self.source());
        format!("SELECT {}, {extra} FROM {source} AS shown WHERE feed_id = ?1 AND listing_id = ?2", columns.join(", "))
    }

    /// A column that is shown, of a source that is named `shown`.
    pub(super) fn output(&self, column: &str) -> String {
        if self.is_public() && column == "media" { PHOTOS.to_owned() } else { format!("shown.{column}") }
    }

    /// The fields that are shown.
    pub(super) fn fields(&self, fields: &[Field]) -> Vec<Field> {
        fields.iter().filter(|field| self.shows(column_of(field))).copied().collect()
    }
}

/// Where the value of a field is: ListingSummary calls the status by a name of its own.
pub(super) fn column_of(field: &Field) -> &'static str {
    if field.column == "status" { "listing_status" } else { field.column }
}

fn columns_of(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let sql = "SELECT name FROM pragma_table_info(?1) UNION SELECT 'media'";
    connection.prepare_cached(sql)?.query_map([PUBLIC], |row| row.get(0))?.collect()
}
