//! Requests whose sender has ended.

use super::query::value;
use rusqlite::Connection;

/// Requests that were being sent are unknown from now on: the process that sent them has ended. Uploads are sent by commands that hold no
/// lock, and may still be under way.
pub(super) fn lose(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE intents SET state = 'unknown', changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
             note = 'the process that sent it ended before the answer came'
         WHERE state = 'sent' AND entity <> 'upload'";
    // Another program may hold the write lock, which is no reason not to start where there is nothing to write.
    if value(connection, "SELECT EXISTS (SELECT 1 FROM intents WHERE state = 'sent' AND entity <> 'upload')", [])? {
        connection.execute(sql, [])?;
    }
    Ok(())
}
