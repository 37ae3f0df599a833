//! The table `intents`: each request that changes something at a vendor, written down before it is sent.

use super::database::Database;
use super::error::Error;
use super::handle::Store;
use super::intent_report::{REPORT, report};
use super::row_sql::key_columns;
use super::scanned_rows::{objects, text};
use crate::entity::Entity;
use crate::plan::settle::{Columns, is_same};
use crate::record::{FeedId, ListingKey, Write, WriteState, raw_hash};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A shorter text stands in ordinary words by chance.
const SHORTEST: usize = 3;
/// How far the vendor's clock may be behind ours.
const CLOCKS: &str = "-5 minutes";

/// A write that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct NewIntent {
    /// The name of the vendor.
    pub vendor: &'static str,
    /// The account at the vendor.
    pub account: FeedId,
    /// What is to be sent.
    pub write: Write,
    /// The columns concerned, as the vendor showed them just before.
    pub before: Columns,
    /// The mirror's clock.
    pub at: String,
}

/// How a write ended, or that it is not known.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub state: WriteState,
    /// Why, for a person.
    pub note: Option<String>,
    /// The id of what was made.
    pub made: Option<String>,
    /// The mirror's clock.
    pub at: String,
}

/// A write as it was written down.
#[derive(Clone, Debug)]
pub(crate) struct SavedIntent {
    pub vendor: String,
    pub account: String,
    pub write: Write,
    pub state: WriteState,
    pub before: Columns,
    /// Since when it is in its state.
    pub changed_at: String,
    pub note: Option<String>,
}

impl Store {
    /// Writes down that a request is about to be sent; tells its number, or that of an open one that concerns the same.
    pub(crate) async fn begin_intent(&self, intent: NewIntent) -> Result<Result<i64, i64>, Error> {
        self.write(move |db| begin(db, &intent)).await
    }

    /// Writes down what became of a request, unless that was known already.
    pub(crate) async fn end_intent(&self, number: i64, ending: Ending) -> Result<(), Error> {
        self.write(move |db| end(&db.connection, number, &ending)).await
    }

    /// Marks the change that shows what a request did, where the row of the thing has changed since.
    pub(crate) async fn mark_intent(&self, number: i64, entity: &'static Entity, key: ListingKey) -> Result<(), Error> {
        self.write(move |db| mark(&db.connection, number, entity, &key)).await
    }

    /// Whether a thing has a row that is not deleted.
    pub(crate) async fn is_live(&self, entity: &'static Entity, key: ListingKey) -> Result<bool, Error> {
        self.read(move |db| is_live(&db.connection, entity, &key)).await
    }

    /// A request as it was written down.
    pub(crate) async fn intent(&self, number: i64) -> Result<Option<SavedIntent>, Error> {
        self.write(move |db| saved(&db.connection, number)).await
    }

    /// The ids of the rows that came up after a request to make one: those that have all values that it asked for, and those that have
    /// no other in these columns, as far as they have any.
    pub(crate) async fn made_since(
        &self,
        number: i64,
        entity: &'static Entity,
        (wanted, naming): (Columns, &'static [&'static str]),
    ) -> Result<[Vec<String>; 2], Error> {
        self.read(move |db| made_since(&db.connection, number, entity, (&wanted, naming))).await
    }

    /// A person gives up a request whose outcome is not known; tells whether it was one. One that is being sent is given up only if
    /// `is_idle`: no process is there that sends it.
    pub(crate) async fn forget_intent(&self, number: i64, is_idle: bool, at: String) -> Result<bool, Error> {
        self.write(move |db| forget(&db.connection, number, is_idle, &at)).await
    }
}

fn begin(database: &mut Database, intent: &NewIntent) -> rusqlite::Result<Result<i64, i64>> {
    let NewIntent { vendor, account, write, before, at } = intent;
    let Write { entity, verb, target, fields } = write;
    let fields = Value::Object(fields.0.clone()).to_string();
    let hash = raw_hash(format!("{entity} {verb} {} {fields}", target.as_deref().unwrap_or_default()).as_bytes());
    let hash = format!("{:032x}", u128::from_be_bytes(hash));
    let (tx, _) = database.begin()?;
    let open = "SELECT intent_id FROM intents WHERE state IN ('sent', 'unknown') AND vendor = ?1 AND account = ?2 AND entity = ?3
             AND (body_hash = ?5 OR target = ?4 AND entity IN ('identity', 'process') OR target IS NULL AND ?4 IS NULL)
         ORDER BY intent_id LIMIT 1";
    let open = tx.query_row(open, params![vendor, account, entity, target, hash], |row| row.get(0)).optional()?;
    if let Some(open) = open {
        return Ok(Err(open));
    }
    tx.execute(
        "INSERT INTO intents (vendor, account, entity, verb, target, state, sent_at, changed_at, body_hash, fields, before)
         VALUES (?1, ?2, ?3, ?4, ?5, 'sent', ?6, ?6, ?7, ?8, ?9)",
        params![vendor, account, entity, verb.word(), target, at, hash, fields, columns_to_json(before)],
    )?;
    let number = tx.last_insert_rowid();
    tx.commit()?;
    Ok(Ok(number))
}

/// What was sent may name persons, so it goes as soon as nobody needs it to find out what became of it.
fn end(connection: &Connection, number: i64, ending: &Ending) -> rusqlite::Result<()> {
    let Ending { state, note, made, at } = ending;
    let named = "SELECT iif(entity = 'identity' OR verb = 'assign', fields, NULL) FROM intents WHERE intent_id = ?1";
    let sent: Option<String> = connection.query_row(named, [number], |row| row.get(0))?;
    let note = note.as_deref().map(|note| sent.as_deref().filter(|_| !state.is_open()).map_or(note.to_owned(), |sent| without(sent, note)));
    let sql = "UPDATE intents SET state = ?2, note = ?3, target = coalesce(target, ?4), changed_at = ?5,
             fields = iif(?6, fields, NULL), before = iif(?6, before, NULL), body_hash = iif(?6, body_hash, '')
         WHERE intent_id = ?1 AND state IN ('sent', 'unknown')";
    connection.execute(sql, params![number, state.word(), note, made, at, state.is_open()]).map(drop)
}

/// A note without the values that were sent: the vendor may repeat them where it refuses.
fn without(sent: &str, note: &str) -> String {
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(members) => members.values().for_each(|member| texts(member, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    texts(&serde_json::from_str(sent).unwrap_or_default(), &mut found);
    found.iter().filter(|text| text.len() >= SHORTEST).fold(note.to_owned(), |note, text| note.replace(text.as_str(), "(hidden)"))
}

fn mark(connection: &Connection, number: i64, entity: &Entity, key: &ListingKey) -> rusqlite::Result<()> {
    let ([account, id], table) = (key_columns(entity), entity.table);
    let sql = format!(
        "UPDATE intents SET change_seq = (SELECT change_seq FROM {table} WHERE {account} = ?2 AND {id} = ?3 AND changed_at >= intents.sent_at)
         WHERE intent_id = ?1"
    );
    connection.execute(&sql, params![number, key.feed, key.listing]).map(drop)
}

fn is_live(connection: &Connection, entity: &Entity, key: &ListingKey) -> rusqlite::Result<bool> {
    let ([account, id], table) = (key_columns(entity), entity.table);
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {account} = ?1 AND {id} = ?2 AND deleted_at IS NULL)");
    connection.query_row(&sql, params![key.feed, key.listing], |row| row.get(0))
}

fn saved(connection: &Connection, number: i64) -> Result<Option<SavedIntent>, Error> {
    let sql = format!("SELECT {REPORT}, coalesce(fields, '{{}}'), coalesce(before, '{{}}') FROM intents WHERE intent_id = ?1");
    let read = |row: &Row| Ok((report(row)?, row.get::<_, String>(11)?, row.get::<_, String>(12)?));
    let Some((report, fields, before)) = connection.query_row(&sql, [number], read).optional()? else { return Ok(None) };
    let strange = |what: &str| Error::Strange(format!("{what} of intent {number} cannot be read"));
    let write = Write {
        entity: report.entity,
        verb: word(&report.verb).ok_or_else(|| strange("the verb"))?,
        target: report.target,
        fields: serde_json::from_str(&fields).map_err(|_| strange("what was sent"))?,
    };
    Ok(Some(SavedIntent {
        vendor: report.vendor,
        account: report.account,
        write,
        state: word(&report.state).ok_or_else(|| strange("the state"))?,
        before: serde_json::from_str(&before).map_err(|_| strange("what was before"))?,
        changed_at: report.changed_at,
        note: report.note,
    }))
}

/// A word of the table as a value.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::from(text)).ok()
}

/// Those of other requests are none of this one's.
fn made_since(
    connection: &Connection,
    number: i64,
    entity: &Entity,
    (wanted, naming): (&Columns, &[&str]),
) -> rusqlite::Result<[Vec<String>; 2]> {
    let ([account, id], table) = (key_columns(entity), entity.table);
    let sql = format!(
        "SELECT found.* FROM {table} AS found JOIN intents ON intent_id = ?1 AND found.{account} = intents.account
         WHERE found.first_seen_at >= intents.sent_at
             AND (created_timestamp IS NULL OR julianday(created_timestamp) >= julianday(intents.sent_at, '{CLOCKS}'))
             AND CAST(found.{id} AS TEXT) NOT IN (
                 SELECT target FROM intents AS other WHERE other.vendor = intents.vendor AND other.account = intents.account
                     AND other.entity = intents.entity AND verb = 'create' AND target IS NOT NULL)
         ORDER BY found.{id}"
    );
    let found = objects(connection, &sql, params![number])?;
    let has = |row: &Map<String, Value>, column: &str| row.get(column).and_then(text);
    let is_equal = |row: &&Map<String, Value>| wanted.iter().all(|(column, value)| is_same(value.as_deref(), has(row, column).as_deref()));
    let is_alike = |row: &&Map<String, Value>| {
        naming.iter().all(|column| {
            let both = wanted.get(*column).cloned().flatten().zip(has(row, column));
            both.is_none_or(|(wanted, found)| wanted.to_lowercase() == found.to_lowercase())
        })
    };
    let ids = |rows: Vec<&Map<String, Value>>| rows.into_iter().filter_map(|row| text(&row[id])).collect();
    Ok([ids(found.iter().filter(is_equal).collect()), ids(found.iter().filter(is_alike).collect())])
}

fn forget(connection: &Connection, number: i64, is_idle: bool, at: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE intents SET state = 'forgotten', changed_at = ?2, fields = NULL, before = NULL, body_hash = ''
         WHERE intent_id = ?1 AND (state = 'unknown' OR state = 'sent' AND (?3 OR entity = 'upload'))";
    Ok(connection.execute(sql, params![number, at, is_idle])? > 0)
}

fn columns_to_json(columns: &Columns) -> String {
    serde_json::to_string(columns).expect("a map of texts is JSON")
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_note_does_not_keep_what_was_sent() {
        let sent = r#"{"Email":"ann@x","User":{"Id":"20110112"},"AdditionalContacts":[{"Name":"Bob","Type":"A"}]}"#;
        let note = "HTTP 409: ann@x is taken; 20110112 and Bob are not A";
        assert_eq!(without(sent, note), "HTTP 409: (hidden) is taken; (hidden) and (hidden) are not A");
        assert_eq!(without("{}", note), note);
    }
}
