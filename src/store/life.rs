//! Whether the file is the one that was written last, or an older copy that was put in its place.
//!
//! A copy goes on with numbers that were given before, to other changes. Two things tell it: the lock file remembers the last
//! number that was given here, and the file remembers the inode that held it. What was put back together with its whole
//! file system looks as if nothing had happened.

use super::query::value;
use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The numbers of a new epoch begin at the next multiple of this, so that none is given twice even where nobody remembers the
/// last one.
const EPOCH: i64 = 1_000_000_000;

/// What was last written here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Life {
    file_id: String,
    /// The last number that was given.
    seq: i64,
}

impl Life {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Life> {
        let sql = "SELECT file_id, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) FROM schema_meta";
        connection.prepare_cached(sql)?.query_row([], |row| Ok(Life { file_id: row.get(0)?, seq: row.get(1)? }))
    }
}

/// Begins a new epoch if the file is not the one that was written last. `remembered` was read before the file was opened.
pub(super) fn recognize(connection: &mut Connection, path: &Path, remembered: Option<&Life>) -> rusqlite::Result<()> {
    let (now, here) = (Life::of(connection)?, inode(path));
    let known: Option<String> = value(connection, "SELECT inode FROM schema_meta", [])?;
    let newer = remembered.filter(|life| life.file_id == now.file_id && life.seq > now.seq);
    let moved = known.is_some() && known != here;
    if newer.is_none() && known == here {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("UPDATE schema_meta SET inode = ?1", [here])?;
    if newer.is_some() || moved {
        let last = newer.map_or(now.seq, |life| life.seq);
        begin_epoch(&tx, (last / EPOCH + 1) * EPOCH)?;
        tracing::warn!(
            "the database was put back from a copy, or moved: its numbers of changes begin anew, and who follows them is told to read \
             everything again"
        );
    }
    tx.commit()
}

fn begin_epoch(tx: &Connection, from: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE schema_meta SET epoch = lower(hex(randomblob(8))), epoch_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", [])?;
    if tx.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'changes'", [from])? == 0 {
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', ?1)", [from])?;
    }
    Ok(())
}

/// The inode that holds a file, with its birth where the file system knows it: numbers alone are given again.
fn inode(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    let born = found.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
    Some(format!("{}:{}", found.ino(), born.map_or(0, |born| born.as_nanos())))
}
