//! How the file is opened, and which files are refused.

use super::files::beside;
use super::open_error::{OpenError, unusable};
use super::schema::{self, APPLICATION_ID, VERSION};
use rusqlite::{Connection, FileControl, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process that holds the write lock. Short, because a stop waits for it too; what
/// could not be stored is tried again.
const BUSY: Duration = Duration::from_secs(1);
/// Readable by the owner's group, so that consumers need no rights to write.
const FILE_MODE: u32 = 0o640;
/// How much of the file is kept in memory: KiB, which SQLite wants as a negative number.
const CACHE: i32 = -65536;
/// The same while an index is built: what is sorted for it takes as much again, and the rows are read once, one after the other.
const CACHE_TO_SORT: i32 = -16384;
/// Statements kept prepared; rusqlite's own default of 16 is fewer than a page needs.
const CACHED_STATEMENTS: usize = 64;

/// Opens the file for writing; creates it whole if there is none. It may be of an older version: see [`is_old`].
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    check_place(path)?;
    create_empty(path)?;
    let failed = |error: rusqlite::Error| unusable(path, format!("{error}. Is it writable, and on a local disk?"));
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    schema::create(&mut connection).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    refuse_newer(path, version(path, &connection)?)?;
    Ok(connection)
}

/// Whether the file has an older version of the schema.
pub(super) fn is_old(path: &Path, connection: &Connection) -> Result<bool, OpenError> {
    Ok(version(path, connection)? < VERSION)
}

/// Opens the file for reading, as any consumer would.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let why = "it does not exist yet. `mls-sync run` creates it; a relative `database` counts from where it is started";
        return Err(unusable(&whole, why));
    }
    check_header(path)?;
    // A connection never serves two threads at once, so SQLite need not lock it for each value that is read.
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = opened.and_then(|connection| connection.busy_timeout(BUSY).map(|()| connection));
    let connection = connection.map_err(|error| unusable(path, error))?;
    match version(path, &connection)? {
        VERSION => Ok(connection),
        found if found < VERSION => Err(OpenError::Unusable(format!(
            "{} has the schema of an older mls-sync (version {found}; this one reads {VERSION}); it was left untouched. Start \
             `mls-sync run` once: it brings the file up to date",
            path.display()
        ))),
        found => Err(too_new(path, found)),
    }
}

/// Refuses a place where no file of ours can be, before anything is created.
pub(super) fn check_place(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        let why = format!("the directory {} does not exist. Create it, or name another file in `database`", directory.display());
        return Err(unusable(path, why));
    }
    check_header(path)
}

/// Reads the file's header without opening it as a database: a foreign file is not even locked.
fn check_header(path: &Path) -> Result<(), OpenError> {
    // Whoever opens a pipe waits for somebody who writes into it.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(unusable(path, "it is no regular file. Name another file in `database`"));
    }
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, format!("{error}. Check its owner and permissions"))),
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(|error| unusable(path, error))?,
    };
    // A crash while the file was being created leaves a journal, which SQLite rolls back to an empty file.
    if header.is_empty() || beside(path, "-journal").exists() {
        return Ok(());
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    if !header.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID {
        return Err(not_ours(path));
    }
    refuse_newer(path, number(60))
}

fn refuse_newer(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > VERSION { Err(too_new(path, found)) } else { Ok(()) }
}

fn too_new(path: &Path, found: u32) -> OpenError {
    let path = path.display();
    OpenError::Unusable(format!(
        "{path} has schema version {found}, and this program knows up to {VERSION}; it was left untouched. Use a newer mls-sync"
    ))
}

fn not_ours(path: &Path) -> OpenError {
    let path = path.display();
    OpenError::Unusable(format!("{path} is not a database of mls-sync; it was left untouched. Name another file in `database`"))
}

/// The version of the schema of a file that is ours.
fn version(path: &Path, connection: &Connection) -> Result<u32, OpenError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    if pragma("application_id").map_err(|error| unusable(path, error))? != APPLICATION_ID {
        return Err(not_ours(path));
    }
    pragma("user_version").map_err(|error| unusable(path, error))
}

/// What a statement would take back if it failed is kept in memory and not in a temporary file: a row whose triggers write into other
/// tables needs that each time. An older file is brought up to date before this, because that makes large temporary tables.
pub(super) fn keep_statements_in_memory(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "temp_store", "memory")
}

/// Before an index is built: what is sorted for it goes to temporary files, because it may take more memory than there is.
pub(super) fn begin_to_sort(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", CACHE_TO_SORT)?;
    connection.pragma_update(None, "temp_store", "file")
}

/// The settings that a connection has otherwise.
pub(super) fn end_sorting(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", CACHE)?;
    keep_statements_in_memory(connection)
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
    // A power cut must not take back what a consumer has seen: change_seq would be used twice. It costs one sync per commit.
    connection.pragma_update(None, "synchronous", "full")?;
    // After a reader has kept the WAL from being tidied up, it shrinks to this again.
    connection.pragma_update(None, "journal_size_limit", 32 << 20)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    // Readers without the right to write can open a WAL database only while the -wal and -shm files exist.
    connection.file_control(None::<&str>, FileControl::PersistWal(&mut 1))
}
