//! The one thread that writes.

use super::database::Database;
use super::error::Error;
use super::files::Files;
use super::idle::Idle;
use super::instance::Instance;
use super::licences::StoreOptions;
use super::life::{self, Life};
use super::notice::{self, Notice};
use super::open_error::{OpenError, unusable};
use super::purge::Walk;
use super::row_sql::RowSql;
use super::{commit, instance, long_readers, purge, retention, schema, sqlite};
use crate::entity::Entity;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a statement waits for another process during a stop.
const HURRIED: Duration = Duration::from_millis(20);

/// Something to do on the writer's thread.
pub(super) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// The owner of the only connection that writes.
pub(super) struct Writer {
    pub(super) database: Database,
    files: Files,
    /// Where troubles are told that the database itself cannot hold.
    instance: Option<Instance>,
    /// How long changes are kept; `None` for ever.
    keep: Option<Duration>,
    /// How far the rows were gone through that hold fields which are not stored any more.
    walk: Option<Walk>,
    /// Something may have been taken out since the WAL was last folded in whole.
    purged: bool,
    /// The backlog that was told of.
    backlog: Option<u64>,
    /// A stop is under way, and whether that was heard.
    hurry: Arc<AtomicBool>,
    hurries: bool,
}

impl Writer {
    pub(super) fn open(
        path: &Path,
        entity: &'static Entity,
        mut instance: Option<Instance>,
        hurry: Arc<AtomicBool>,
    ) -> Result<Writer, OpenError> {
        let remembered = instance::remembered(path);
        let mut connection = open_newest(path, entity, instance.is_some())?;
        sqlite::keep_statements_in_memory(&connection).map_err(|error| unusable(path, error))?;
        life::recognize(&mut connection, path, remembered.as_ref()).map_err(|error| unusable(path, error))?;
        let mut files = Files::of(path);
        if let Some(instance) = &mut instance {
            files.watch(instance.path());
            instance.opened();
            super::lost_intents::lose(&connection).map_err(|error| unusable(path, error))?;
        }
        let database = Database {
            connection,
            sql: RowSql::new(entity),
            beside: entity.beside.iter().map(|entity| RowSql::new(entity)).collect(),
            idle: Idle::default(),
        };
        Ok(Writer { database, files, instance, keep: None, walk: None, purged: false, backlog: None, hurry, hurries: false })
    }

    pub(super) fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            job(&mut self);
        }
        // What others use is not folded together with what was taken away.
        if self.files.check().is_ok() {
            if let Err(error) = commit::write_idle(&mut self.database) {
                tracing::warn!(%error, "the last polls could not be written down; they are read again");
            }
            close(&self.database.connection);
        }
    }

    /// Writes, if the files are still those that were opened, and tells beside the file how that went.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Database) -> Result<T, Error>) -> Result<T, Error> {
        if self.hurry.load(Ordering::Relaxed) && !self.hurries {
            self.hurries = self.database.connection.busy_timeout(HURRIED).is_ok();
        }
        let done = self.files.check().and_then(|()| write(&mut self.database));
        if done.is_err() {
            self.database.idle.refused();
        }
        match (&done, &mut self.instance) {
            (Ok(_), Some(instance)) => {
                instance.tell(None);
                Life::of(&self.database.connection).into_iter().for_each(|life| instance.remember(life));
            }
            (Err(error @ (Error::Sqlite(_) | Error::Gone(_))), Some(instance)) => instance.tell(Some(&error.to_string())),
            (Err(_), Some(_)) | (_, None) => {}
        }
        done
    }

    /// Stores by these options from now on. Where anything may have to go, it is overwritten with zeros.
    pub(super) fn configure(&mut self, options: StoreOptions) -> rusqlite::Result<()> {
        let Database { connection, sql, beside, .. } = &mut self.database;
        connection.pragma_update(None, "secure_delete", options.licences.restricts())?;
        beside.iter_mut().for_each(|other| other.licences = options.licences.clone());
        (sql.ignores_queries, sql.licences) = (options.ignore_queries, options.licences);
        self.keep = options.keep_history;
        Ok(())
    }

    /// Takes a step towards what the licences allow; tells whether there may be more to do.
    pub(super) fn purge(&mut self, at: &str) -> Result<bool, Error> {
        self.files.check()?;
        let more = purge::step(&mut self.database, &mut self.walk, at)?;
        if more {
            self.purged = true;
            // That nothing was to be done does not say that anything can be written; this does.
            self.write(|_| Ok(()))?;
        } else if std::mem::take(&mut self.purged) {
            // What was taken out still stands in the WAL. A reader that is in the way of this does no harm: the next one comes.
            fold_in(&self.database.connection);
        }
        Ok(more)
    }

    /// Folds into the file what can be folded in, and puts up a notice where a reader is in the way. It writes what is
    /// written already: that it succeeds does not say that anything new can be.
    pub(super) fn tidy(&mut self, at: String) -> Result<(), Error> {
        self.files.check()?;
        if self.database.idle.is_due() {
            commit::write_idle(&mut self.database)?;
        }
        if let Some(keep) = self.keep {
            retention::cut(&mut self.database, keep, &at)?;
        }
        let backlog = long_readers::tidy(&self.database.connection)?;
        // Told anew when it has grown by a quarter: it is never the same twice.
        let same = match (self.backlog, backlog) {
            (Some(told), Some(now)) => now < told + told / 4,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return Ok(());
        }
        let note = backlog.map(|bytes| long_readers::complaint(bytes, &long_readers::readers(self.files.database())));
        match &note {
            Some(note) => tracing::warn!("{note}"),
            None => tracing::info!("the WAL is tidied up again"),
        }
        notice::save(&self.database.connection, &Notice { feed: None, kind: "snapshot", note, at })?;
        self.backlog = backlog;
        Ok(())
    }
}

/// Opens the file in the newest version of the schema; creates it if there is none. A command that does not hold the file takes its
/// lock while it brings an old file up to date: a process of the version that wrote it may still be at work.
fn open_newest(path: &Path, entity: &'static Entity, held: bool) -> Result<Connection, OpenError> {
    let mut connection = sqlite::open(path)?;
    if !sqlite::is_old(path, &connection)? {
        return Ok(connection);
    }
    let _lock = if held { None } else { Some(Instance::take(path, "(bringing the file up to date)")?) };
    schema::migrate(&mut connection, entity).map_err(|error| unusable(path, format!("it could not be brought up to date: {error}")))?;
    tracing::info!(version = schema::VERSION, "the database was brought up to date");
    Ok(connection)
}

/// Folds the WAL into the file. Readers that hold a snapshot may prevent it; the WAL then stays, which loses nothing.
fn close(connection: &Connection) {
    if let Err(error) = connection.busy_timeout(Duration::ZERO) {
        tracing::debug!(%error, "the wait for others could not be shortened");
    }
    fold_in(connection);
}

fn fold_in(connection: &Connection) {
    if let Err(error) = connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(())) {
        tracing::debug!(%error, "the WAL could not be folded into the file");
    }
}
