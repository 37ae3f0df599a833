//! A pool of connections that only read, and what searches hold of the file in memory.
//!
//! Each question is asked in one read transaction, within a time limit.

use super::columns::Columns;
use crate::store::{Identity, OpenError, identity, open_read_only};
use rusqlite::{Connection, InterruptHandle};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{self, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a question may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a question waits for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("it took longer than {} seconds", LONGEST.as_secs())]
    Slow,
    #[error("all connections are at work, or what searches compare is still being read")]
    Busy,
    #[error("the question ended in a panic")]
    Panic,
}

/// A connection, and the file that it has open.
struct Opened {
    connection: Connection,
    identity: Option<Identity>,
}

/// The pool.
pub(super) struct Connections {
    path: PathBuf,
    /// KiB for each connection.
    kept: usize,
    idle: Mutex<Vec<Opened>>,
    permits: Arc<Semaphore>,
    columns: Arc<sync::Mutex<Columns>>,
}

/// Interrupts a question when nobody waits for its answer any more.
struct EndsQuestion(InterruptHandle);

impl Drop for EndsQuestion {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Connections {
    pub(super) fn new(path: &Path, connections: usize) -> Connections {
        let (permits, columns) = (Arc::new(Semaphore::new(connections)), Arc::default());
        Connections { path: path.to_owned(), kept: KEPT / connections.max(1), idle: Mutex::default(), permits, columns }
    }

    /// Asks the file; the answer comes with the time of the newest change of the same moment.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(T, Option<String>), Trouble> {
        let permit = self.permit().await?;
        self.within_time((self.take().await?, permit), question).await
    }

    /// The same for a question that needs the columns. One search at a time has them, until it lets go of them.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, OwnedMutexGuard<Columns>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(T, Option<String>), Trouble> {
        let columns = timeout(PATIENCE, self.columns.clone().lock_owned()).await;
        let columns = columns.map_err(|_| Trouble::Busy)?;
        let permit = self.permit().await?;
        let opened = self.take().await?;
        let answer = self.within_time((opened, permit), |connection| question(connection, columns)).await;
        if matches!(answer, Err(Trouble::Sqlite(rusqlite::Error::QueryReturnedNoRows) | Trouble::Panic)) {
            // A listing is gone without a change, because a person deleted it by hand; or a row was read in part. All is read anew.
            *self.columns.lock().await = Columns::default();
        }
        answer
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let permit = timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        permit.map_err(|_| Trouble::Busy)?.map_err(|_| Trouble::Busy)
    }

    async fn within_time<T: Send + 'static>(
        &self,
        (opened, permit): (Opened, OwnedSemaphorePermit),
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(T, Option<String>), Trouble> {
        let ends = EndsQuestion(opened.connection.get_interrupt_handle());
        let mut work = tokio::task::spawn_blocking(move || {
            let answer = in_one_moment(&opened.connection, question);
            (opened, answer, permit)
        });
        let (done, late) = match timeout(LONGEST, &mut work).await {
            Ok(done) => (done, false),
            Err(_) => {
                ends.0.interrupt();
                (work.await, true)
            }
        };
        let (opened, answer, _permit) = done.map_err(|_| Trouble::Panic)?;
        // This interrupts, too, so it must come before another question has the connection.
        drop(ends);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
        answer.map_err(|error| if late { Trouble::Slow } else { error.into() })
    }

    /// A connection to the file that is there now: another one may have been put in its place.
    async fn take(&self) -> Result<Opened, Trouble> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let present = identity(&self.path);
        match idle.filter(|opened| present.is_some() && opened.identity == present) {
            Some(opened) => Ok(opened),
            None => {
                let (path, kept) = (self.path.clone(), self.kept);
                tokio::task::spawn_blocking(move || open(&path, kept)).await.map_err(|_| Trouble::Panic)?
            }
        }
    }
}

/// The first bytes of the file are mapped into memory, which saves a call of the system for each page. SQLite maps less than 2 GiB.
const MAPPED: i64 = (2 << 30) - 1;

/// KiB of the other pages that all connections together keep. Without them, what an index has there is read again for each row.
const KEPT: usize = 128 << 10;

fn open(path: &Path, kept: usize) -> Result<Opened, Trouble> {
    let identity = identity(path);
    let connection = open_read_only(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "mmap_size", MAPPED)?;
    connection.pragma_update(None, "cache_size", -(kept as i64))?;
    Ok(Opened { connection, identity })
}

fn in_one_moment<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<(T, Option<String>)> {
    let moment = connection.unchecked_transaction()?;
    let newest = "SELECT (SELECT changed_at FROM listings ORDER BY change_seq DESC LIMIT 1)";
    let mut newest = moment.prepare_cached(newest)?;
    // The query stays open beside the question, because SQLite forgets an interrupt that comes while no query runs.
    let mut rows = newest.query([])?;
    let newest = rows.next()?.map(|row| row.get(0)).transpose()?.flatten();
    Ok((question(&moment)?, newest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_question_of_many_short_queries_ends_when_nobody_waits_for_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mls.db");
        let schema = format!("PRAGMA application_id = 0x4d4c5353; PRAGMA user_version = 3; {}", include_str!("../../schema.sql"));
        Connection::open(&path).expect("SQLite opens").execute_batch(&schema).expect("schema.sql is valid");
        let connections = Connections::new(&path, 1);
        let begun = Instant::now();
        let endless = connections.ask(move |file| {
            // It ends at some time even if nothing interrupts it.
            while begun.elapsed() < PATIENCE * 2 {
                file.prepare_cached("SELECT 1")?.query_row([], |_| Ok(()))?;
            }
            Ok(())
        });
        assert!(timeout(Duration::from_millis(300), endless).await.is_err());
        // There is one connection, and the question before has it until it ends.
        connections.ask(|_| Ok(())).await.expect("an answer");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}
