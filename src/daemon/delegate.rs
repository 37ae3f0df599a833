//! The client of control requests: what the running process does for another command.

use super::StartError;
use super::socket::{self, Request};
use crate::config::Config;
use crate::record::{FeedId, ListingKey};
use crate::store::{Holder, OpenError, instance};
use crate::sync::control::Reply;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The command that takes control requests.
pub(crate) const DAEMON: &str = "run";
/// A process that begins or ends has a lock and no socket for a moment.
const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// Bytes of a reply: a record of the vendor as a JSON string.
const REPLY_BYTES: u64 = 256 << 20;
const ENDED: &str = "the process that was to do it has ended";

/// Who mirrors into the file at this moment and takes control requests.
///
/// # Errors
/// When somebody does who takes none.
pub(crate) fn daemon(config: &Config) -> Result<Option<Holder>, StartError> {
    let path = &config.database;
    let holder = instance::holder(path).unwrap_or_default();
    match holder {
        Some(holder) if holder.command != DAEMON => Err(StartError::Database(OpenError::Held { path: path.clone(), holder: Some(holder) })),
        holder => Ok(holder),
    }
}

/// What the running process did for another command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delegated {
    /// The reconcile runs that began, by `reconcile_runs.run_id`.
    pub runs: BTreeSet<i64>,
    /// Why a feed has no run, or none that came to its end.
    pub failed: BTreeMap<FeedId, String>,
    /// Whether this command was stopped before.
    pub stopped: bool,
}

/// Lets the running process reconcile these feeds, and waits for it. Stopped, it withdraws what has not begun.
///
/// # Errors
/// When the running process cannot be reached; nothing was begun then.
pub(crate) async fn reconcile(config: &Config, feeds: &[FeedId], dry_run: bool, stop: &CancellationToken) -> Result<Delegated, StartError> {
    let mut connections = Vec::new();
    for feed in feeds {
        let request = Request::Reconcile { feed: feed.clone(), dry_run };
        connections.push((feed.clone(), Connection::open(&config.database, &request).await?));
    }
    let (sender, mut replies) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    for (feed, connection) in connections {
        readers.spawn(forward(feed, connection, sender.clone()));
    }
    drop(sender);
    let mut done = Delegated::default();
    loop {
        match stop.run_until_cancelled(replies.recv()).await {
            // Dropping the readers closes their connections.
            None => return Ok(Delegated { stopped: true, ..done }),
            Some(None) => return Ok(done),
            Some(Some((_, Reply::Begun { run }))) => drop(done.runs.insert(run)),
            Some(Some((feed, Reply::Failed(why)))) => drop(done.failed.insert(feed, why)),
            Some(Some((_, Reply::Done | Reply::Record(_)))) => {}
        }
    }
}

/// Passes each reply on, up to the last.
async fn forward(feed: FeedId, mut connection: Connection, replies: mpsc::Sender<(FeedId, Reply)>) {
    loop {
        let reply = connection.next().await;
        let goes_on = matches!(reply, Reply::Begun { .. });
        if replies.send((feed.clone(), reply)).await.is_err() || !goes_on {
            return;
        }
    }
}

/// Lets the running process ask the vendor for a listing; `None` when stopped.
///
/// # Errors
/// When the running process cannot be reached.
pub(super) async fn ask(config: &Config, key: &ListingKey, stop: &CancellationToken) -> Result<Option<Reply>, StartError> {
    let request = Request::Ask { feed: key.feed.clone(), listing: key.listing.clone() };
    let mut connection = Connection::open(&config.database, &request).await?;
    Ok(stop.run_until_cancelled(connection.next()).await)
}

/// One request that was sent. Dropping it withdraws the request.
struct Connection(BufReader<UnixStream>);

impl Connection {
    async fn open(database: &Path, request: &Request) -> Result<Connection, StartError> {
        let path = instance::socket_path(database);
        let patience = Instant::now() + PATIENCE;
        loop {
            let error = match send(&path, request).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let passes = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock);
            if !passes || Instant::now() >= patience {
                let advice = match error.kind() {
                    ErrorKind::PermissionDenied => "run this command as the user of that process",
                    _ => "has it just ended, or was its socket removed? Restart it, or try again",
                };
                return Err(StartError::Unreachable { path, why: format!("{error}: {advice}") });
            }
            tokio::time::sleep(CONNECT_AGAIN).await;
        }
    }

    /// The next reply. What is no reply, and the end of the connection, mean that nobody does the work any more.
    async fn next(&mut self) -> Reply {
        match socket::read_line(&mut self.0, REPLY_BYTES).await {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::Failed(ENDED.to_owned()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Reply::Failed(ENDED.to_owned()),
            Err(error) => Reply::Failed(format!("the running process gave a reply that cannot be read: {error}")),
        }
    }
}

async fn send(path: &Path, request: &Request) -> std::io::Result<Connection> {
    let mut stream = socket::connect(path).await?;
    socket::write_line(&mut stream, request).await?;
    Ok(Connection(BufReader::new(stream)))
}
