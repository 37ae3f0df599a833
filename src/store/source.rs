//! The table `source`: which vendor's system and account the file mirrors. Listings of two must never be mixed.

use super::database::Database;
use super::query::value;
use crate::record::{FeedId, Source, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What a process is about to mirror into the file.
#[derive(Clone, Debug)]
pub(crate) struct Takeover {
    pub source: Source,
    /// `backfill.since` of the configuration.
    pub since: Stamp,
    /// The file may be taken over from another source.
    pub adopt: bool,
    pub at: String,
}

/// How a file takes what is to be mirrored into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It mirrors that already, or from now on.
    Ours,
    /// It named another source and held no listing of it; it mirrors this one from now on.
    Emptied,
    /// It was taken over from this source, and whatever was claimed of that is forgotten.
    Adopted(Source),
    /// It mirrors this source; nothing was changed.
    Refused(Source),
}

/// What is forgotten with the source it was read from. What was rejected there must not be stored as the new one's. Other
/// vendors' things stay.
const FORGET: &str = "
    DELETE FROM cursors;
    DELETE FROM covered;
    DELETE FROM known_gaps;
    DELETE FROM lookbacks;
    DELETE FROM contested;
    DELETE FROM windows;
    DELETE FROM window_marks;
    DELETE FROM reconcile_seen;
    DELETE FROM rejects WHERE entity IN ('listing', 'agent', 'office', 'open_house');
    DELETE FROM late_listings;
    DELETE FROM freshness_counts;
    DELETE FROM notices WHERE feed_id <> '';
    UPDATE feeds SET activity = 'new', note = NULL, polled_at = NULL, load_requests = 0, page_size = NULL, loaded_at = NULL;";

/// The source that the file mirrors; `None` where none was written down yet.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<Source>> {
    let read = |row: &Row| Ok(Source { vendor: row.get(0)?, place: row.get(1)?, client: row.get(2)? });
    connection.query_row("SELECT vendor, place, client FROM source", [], read).optional()
}

/// Writes down whom the file mirrors from now on, if it may. Mostly there is nothing to write: another program that writes at this
/// moment is no reason not to start.
pub(super) fn take(database: &mut Database, takeover: &Takeover) -> rusqlite::Result<Taken> {
    let known = "SELECT count(*) FROM source WHERE (vendor, place, client, since) = (?1, ?2, ?3, ?4)";
    let Source { vendor, place, client } = &takeover.source;
    if value(&database.connection, known, params![vendor, place, client, takeover.since])? {
        return Ok(Taken::Ours);
    }
    let (tx, sql) = database.begin()?;
    let table = sql.entity.table;
    let other = load(&tx)?.filter(|known| *known != takeover.source);
    // What holds no listing has nothing to mix: the first configuration may have been a mistake.
    let empty = || value(&tx, &format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), []);
    let taken = match other {
        None => Taken::Ours,
        Some(other) if takeover.adopt => Taken::Adopted(other),
        Some(other) if !empty()? => return Ok(Taken::Refused(other)),
        Some(_) => Taken::Emptied,
    };
    if taken != Taken::Ours {
        forget(&tx, table, &takeover.at)?;
    }
    widen(&tx, takeover.since)?;
    save(&tx, takeover, matches!(taken, Taken::Adopted(_)))?;
    tx.commit()?;
    Ok(taken)
}

/// Forgets what was read. The rows stay, without their stamps: whatever the new source says of a listing is newer.
fn forget(tx: &Connection, table: &str, at: &str) -> rusqlite::Result<()> {
    tx.execute_batch(FORGET)?;
    tx.execute_batch(
        "DELETE FROM censuses WHERE entity IN ('agent', 'office', 'open_house');
         DELETE FROM census_absent WHERE entity IN ('agent', 'office', 'open_house')",
    )?;
    tx.execute(
        "UPDATE reconcile_runs SET state = 'failed', note = 'the file was taken over for another source', ended_at = ?1
         WHERE state IN ('scanning', 'confirming', 'withheld') AND feed_id IN (SELECT feed_id FROM feeds)",
        [at],
    )?;
    // FAIL, because the transaction is given up anyway, and SQLite would keep a copy of the whole table to take it back by itself.
    tx.execute(&format!("UPDATE OR FAIL {table} SET stamp = NULL, raw_hash = zeroblob(16)"), []).map(drop)
}

/// Where the configuration now begins earlier, the feeds do: what lies between is a gap. It begins later: what is held stays.
fn widen(tx: &Connection, since: Stamp) -> rusqlite::Result<()> {
    tx.execute("UPDATE feeds SET since = ?1 WHERE since > ?1 AND ?1 <> (SELECT since FROM source)", [since]).map(drop)
}

fn save(tx: &Connection, takeover: &Takeover, adopted: bool) -> rusqlite::Result<()> {
    let Takeover { source: Source { vendor, place, client }, since, at, .. } = takeover;
    tx.execute(
        "INSERT INTO source (id, vendor, place, client, named_at, since) VALUES (1, ?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET vendor = ?1, place = ?2, client = ?3, since = ?5,
             named_at = iif((vendor, place, client) = (?1, ?2, ?3), named_at, ?4), adopted_at = iif(?6, ?4, adopted_at)
         WHERE (vendor, place, client, since) <> (?1, ?2, ?3, ?5)",
        params![vendor, place, client, at, since, adopted],
    )
    .map(drop)
}

/// Whether a feed was not reconciled since the file was taken over: it may hold rows that its new source never had.
pub(super) fn owes_reconcile(connection: &Connection, feed: &FeedId) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM feeds, source WHERE feed_id = ?1 AND added_at < adopted_at AND NOT EXISTS (
             SELECT 1 FROM reconcile_runs AS run WHERE run.feed_id = ?1 AND run.started_at >= adopted_at
                 AND NOT run.dry_run AND run.state IN ('confirming', 'done', 'withheld', 'approved'))";
    value(connection, sql, [feed])
}
