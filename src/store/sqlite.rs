//! Opening the file: pragmas, creation, and the refusal of files that are not ours.

use super::instance::Holder;
use rusqlite::{Connection, FileControl, OpenFlags, TransactionBehavior};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "MLSS", in the header of every file of ours.
const APPLICATION_ID: u32 = 0x4d4c_5353;
/// The version of `schema.sql`.
const SCHEMA_VERSION: u32 = 1;
const SCHEMA: &str = include_str!("../../schema.sql");
/// How long a statement waits for another process that holds the write lock. Short, because a stop waits for it too; what
/// could not be stored is tried again.
const BUSY: Duration = Duration::from_secs(1);
/// Readable by the owner's group, so that consumers need no rights to write.
const FILE_MODE: u32 = 0o640;
/// Statements kept prepared; rusqlite's own default of 16 is fewer than a page needs.
const CACHED_STATEMENTS: usize = 64;

/// Why a file cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is missing, or the file cannot be created or opened.
    #[error("cannot open the database {path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// The file holds something else.
    #[error("{path} is not a database of mls-sync; it was left untouched. Name another file in `database`")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program.
    #[error(
        "{path} has schema version {found}, and this program knows up to {SCHEMA_VERSION}; it was left untouched. Use a newer mls-sync"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another process mirrors into the file.
    #[error("{path} is in use by {}. One process keeps one file: stop that one, or let it do the work", held_by(.holder.as_ref()))]
    Held {
        /// The file.
        path: PathBuf,
        /// Which, as far as it says.
        holder: Option<Holder>,
    },
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or("another mls-sync".to_owned(), |holder| {
        format!("`mls-sync {}` (PID {}, since {})", holder.command, holder.pid, holder.since)
    })
}

pub(super) fn unusable(path: &Path, why: impl Into<String>) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), why: why.into() }
}

/// Opens the file for writing; creates it whole if there is none.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    check_place(path)?;
    create_empty(path)?;
    let failed = |error: rusqlite::Error| unusable(path, format!("{error}. Is it writable, and on a local disk?"));
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    create_schema(&mut connection).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    check_version(path, &connection)?;
    Ok(connection)
}

/// Opens the file for reading, as any consumer would.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return Err(unusable(
            &whole,
            "it does not exist yet. `mls-sync run` creates it; a relative `database` counts from where it is started",
        ));
    }
    check_header(path)?;
    let failed = |error: rusqlite::Error| unusable(path, error.to_string());
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    check_version(path, &connection)?;
    Ok(connection)
}

/// Refuses a place where no file of ours can be, before anything is created.
pub(super) fn check_place(path: &Path) -> Result<(), OpenError> {
    check_directory(path)?;
    check_header(path)
}

fn check_directory(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if directory.is_dir() {
        return Ok(());
    }
    Err(unusable(path, format!("the directory {} does not exist. Create it, or name another file in `database`", directory.display())))
}

/// Reads the file's header without opening it as a database: a foreign file is not even locked.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, format!("{error}. Check its owner and permissions"))),
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(|error| unusable(path, error.to_string()))?,
    };
    // A crash while the file was being created leaves a journal, which SQLite rolls back to an empty file.
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    if header.is_empty() || Path::new(&journal).exists() {
        return Ok(());
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    if !header.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID {
        return Err(OpenError::NotOurs { path: path.to_owned() });
    }
    refuse_newer(path, number(60))
}

fn refuse_newer(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew { path: path.to_owned(), found });
    }
    Ok(())
}

fn check_version(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let failed = |error: rusqlite::Error| unusable(path, error.to_string());
    if pragma("application_id").map_err(failed)? != APPLICATION_ID {
        return Err(OpenError::NotOurs { path: path.to_owned() });
    }
    refuse_newer(path, pragma("user_version").map_err(failed)?)
}

/// SQLite gives the -wal and -shm files the mode of the database, so creating it with the right one is enough.
fn create_empty(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).append(true).create(true).mode(FILE_MODE).open(path);
    opened.map(drop).map_err(|error| unusable(path, format!("{error}. The directory and the file must be writable")))
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Readers never wait for the writer, nor the writer for them.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // A power cut must not take back what a consumer has seen: change_seq would be used twice. It costs a sync a commit.
    connection.pragma_update(None, "synchronous", "full")?;
    // After a reader has kept the WAL from being tidied up, it shrinks to this again.
    connection.pragma_update(None, "journal_size_limit", 32 << 20)?;
    connection.pragma_update(None, "cache_size", -65536)?;
    // Readers without the right to write can open a WAL database only while the -wal and -shm files exist.
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut 1))
}

/// Creates the schema before the file turns to WAL: whose it is must stand in the file itself, where a process that was
/// killed right away has left no WAL behind, or one that is not folded in.
fn create_schema(connection: &mut Connection) -> rusqlite::Result<()> {
    // Rows of 317 columns: larger pages make a smaller file. It has an effect on an empty file only.
    connection.pragma_update(None, "page_size", 16384)?;
    let tables = |connection: &Connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0));
    // Another program that writes at this moment is no reason not to start.
    if tables(connection)? > 0 {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if tables(&tx)? == 0 {
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    tx.commit()
}
