//! The control socket beside the database: its address, and the JSON lines that are sent through it.

use crate::plan::settle::Columns;
use crate::record::{FeedId, ListingId, Write};
use crate::vendor::TicketPath;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Only the user of the process may connect: a request spends the budget of the credential, and may delete.
const MODE: u32 = 0o600;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 256;
/// Bytes of a path that fit the address of a socket everywhere; Linux takes a few more.
const LONGEST_ADDRESS: usize = 100;

/// What another command asks of the process that mirrors. There is one request per connection; closing the connection
/// withdraws what has not begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Reconcile a feed.
    Reconcile { feed: FeedId, dry_run: bool },
    /// Ask the vendor for a listing.
    Ask { feed: FeedId, listing: ListingId },
    /// Ask the vendor for a listing, and store it.
    Refetch { feed: FeedId, listing: ListingId },
    /// Call a service of the vendor.
    Call { service: String, parameters: Parameters },
    /// Do something with the account of this vendor.
    Account { vendor: String, job: Job },
}

/// What another command asks about an account of Spark or Spotahome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    /// Change something, if it is as expected.
    Write { write: Write, expected: Expected },
    /// Ask for one of its things.
    Entry { id: ListingId },
    /// Ask for the history of one of its things.
    History { id: ListingId },
    /// Find out what became of a change.
    Settle { intent: i64 },
    /// Make a ticket.
    Ticket { listing: String, path: TicketPath, service: String },
    /// Have a listing validated.
    Validate { listing: Option<String>, body: Parameters },
}

/// What a person saw of what is to be changed. It may name persons, so that no log shows it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Expected(pub(super) Columns);

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// What a service is called with. It may name persons and places, so that no log shows it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(pub(super) Map<String, Value>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Listens at this path. What lies there must be the socket of a process that has ended.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let (address, _directory) = address(path)?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(address)?;
    // Nobody can connect before `listen`, so nobody connects with the rights that the umask leaves.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)
}

pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (address, _directory) = address(path)?;
    UnixStream::connect(address).await
}

/// A path too long for the address of a socket is reached through its directory, which must stay open meanwhile.
fn address(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::InvalidInput.into()) };
    if path.as_os_str().len() <= LONGEST_ADDRESS {
        return Ok((path.to_owned(), None));
    }
    let directory = File::open(directory)?;
    Ok((Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name), Some(directory)))
}

/// Reads one line of at most `most` bytes; `None` if the connection ends before the line does.
pub(super) async fn read_line<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin), most: u64) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(most).read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") {
        return Ok(Some(serde_json::from_slice(&line)?));
    }
    if line.len() as u64 == most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line of more than {most} bytes")));
    }
    Ok(None)
}

/// Writes one line.
pub(super) async fn write_line(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    async fn check(sent: &str, expected: Result<Option<Request>, &str>) {
        let read = read_line::<Request>(&mut BufReader::new(sent.as_bytes()), 60).await;
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{sent}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{sent}: {error}"),
            (read, expected) => panic!("{sent}: {read:?} is not {expected:?}"),
        }
    }

    #[tokio::test]
    async fn a_line_is_a_request_or_is_told_to_be_none() {
        let feed = FeedId("A".to_owned());
        let call = Request::Call { service: "GetAgents".to_owned(), parameters: Parameters(Map::new()) };
        let ask = Request::Ask { feed: feed.clone(), listing: ListingId("1\n".to_owned()) };
        check("{\"ask\":{\"feed\":\"A\",\"listing\":\"1\\n\"}}\n", Ok(Some(ask))).await;
        check("{\"call\":{\"service\":\"GetAgents\",\"parameters\":{}}}\n", Ok(Some(call))).await;
        check("{\"reconcile\":{\"feed\":\"A\",\"dry_run\":true}}\nmore", Ok(Some(Request::Reconcile { feed, dry_run: true }))).await;
        check("", Ok(None)).await;
        check("{\"ask\":{\"fe", Ok(None)).await;
        check("\n", Err("EOF")).await;
        check("GET / HTTP/1.1\r\n\r\n", Err("expected value")).await;
        check("{\"ask\":{\"feed\":\"A\"}}\n", Err("missing field `listing`")).await;
        check("{\"stop\":{}}\n", Err("unknown variant `stop`")).await;
        check(&"x".repeat(61), Err("more than 60 bytes")).await;
    }

    #[tokio::test]
    async fn a_socket_is_reached_however_long_its_path_is_and_whatever_a_killed_process_left() {
        let root = tempfile::tempdir().expect("a directory");
        for directory in [root.path().to_owned(), root.path().join("d".repeat(120)).join("e".repeat(120))] {
            fs::create_dir_all(&directory).expect("directories");
            let path = directory.join("mls.db.sock");
            drop(bind(&path).expect("bound"));
            assert!(connect(&path).await.is_err(), "nobody listens any more");
            let listener = bind(&path).expect("bound again");
            let (mut client, (mut server, _)) = tokio::try_join!(connect(&path), listener.accept()).expect("connected");
            assert_eq!(fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, MODE);
            write_line(&mut client, &7).await.expect("written");
            assert_eq!(read_line::<u8>(&mut BufReader::new(&mut server), 10).await.expect("read"), Some(7));
        }
        let file = root.path().join("file");
        fs::write(&file, "somebody's").expect("written");
        assert!(bind(&file).is_err() && fs::read(&file).expect("it stays") == b"somebody's");
    }
}
