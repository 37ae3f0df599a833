//! Readers whose transaction lasts long: what they keep from being folded into the file, and who they are.

use super::files::beside;
use crate::record::printable;
use rusqlite::Connection;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// SQLite tidies up every 16 MB (1000 pages of 16 KB); when as much again is left over, somebody is in the way.
const NOTABLE: u64 = 32 << 20;
/// In the -shm file, a reader holds a shared lock on one of these bytes for as long as its transaction lasts.
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// A process that reads the database at this moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reader {
    /// Its process id; 0 where it is out of sight, as in another container.
    pub pid: u32,
    /// Its name, as far as it can be seen.
    pub name: Option<String>,
}

/// Copies what it can from the WAL into the file; tells how many bytes a reader keeps it from copying, where they are many.
pub(super) fn tidy(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let (log, copied): (i64, i64) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let left = u64::try_from((log - copied).saturating_mul(page)).unwrap_or(0);
    Ok((left > NOTABLE).then_some(left))
}

/// What a person should know about it.
pub(super) fn complaint(bytes: u64, readers: &[Reader]) -> String {
    let who = match readers {
        [] => "which it is, `mls-sync status` may see".to_owned(),
        readers => format!("reading now: {}", readers.iter().map(named).collect::<Vec<_>>().join(", ")),
    };
    let megabytes = bytes >> 20;
    format!("a program reads in one long transaction, so {megabytes} MB cannot be folded into the file, and the WAL grows; {who}")
}

fn named(reader: &Reader) -> String {
    format!("{} (PID {})", reader.name.as_deref().map_or("?".to_owned(), |name| printable(name, 20)), reader.pid)
}

/// Who reads the database at this moment, besides this process; empty where the system does not tell.
#[must_use]
pub(super) fn readers(database: &Path) -> Vec<Reader> {
    let Ok(shm) = fs::metadata(beside(database, "-shm")) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pids = locks.lines().filter_map(|line| read_lock(line, shm.ino()));
    let mut readers: Vec<Reader> = pids.filter(|pid| *pid != std::process::id()).map(reader).collect();
    readers.sort();
    readers.dedup();
    readers
}

fn reader(pid: u32) -> Reader {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    Reader { pid, name: name.map(|name| name.trim_end().to_owned()) }
}

/// The process of a line of /proc/locks, if the line is a read lock on this file. `12: POSIX  ADVISORY  READ 4711
/// 08:01:263432 124 124`: number, kind, mode, access, process, device and inode, first byte, last byte.
fn read_lock(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(3);
    let is_read = words.next()? == "READ";
    let pid = words.next()?.parse::<i64>().ok()?;
    let (file, first) = (words.next()?, words.next()?.parse().ok()?);
    let is_ours = file.rsplit(':').next()?.parse() == Ok(inode);
    (is_read && is_ours && READ_LOCKS.contains(&first)).then(|| u32::try_from(pid).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_lock_on_the_file_names_its_process() {
        assert_eq!(read_lock("12: POSIX  ADVISORY  READ 4711 08:01:263432 124 124", 263_432), Some(4711));
        assert_eq!(read_lock("12: POSIX  ADVISORY  READ -1 08:01:263432 124 124", 263_432), Some(0));
        for line in [
            "12: POSIX  ADVISORY  WRITE 4711 08:01:263432 120 120",
            "12: POSIX  ADVISORY  READ 4711 08:01:263432 128 128",
            "12: POSIX  ADVISORY  READ 4711 08:01:263433 124 124",
            "12: -> POSIX  ADVISORY  READ 4711 08:01:263432 124 124",
            "",
        ] {
            assert_eq!(read_lock(line, 263_432), None, "{line}");
        }
    }

    #[test]
    fn a_reader_is_seen_while_its_transaction_lasts() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mls.db");
        let writer = Connection::open(&path).expect("opened");
        writer.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).expect("WAL");
        writer.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("written");
        assert_eq!(tidy(&writer).expect("tidied"), None);
        assert_eq!(readers(&path), []);
    }
}
