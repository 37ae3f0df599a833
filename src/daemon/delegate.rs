//! The client of control requests: what the running process does for another command.

use super::socket::{self, Request};
use super::{RunOutcome, StartError};
use crate::config::Config;
use crate::record::FeedId;
use crate::store::{Holder, OpenError, instance};
use crate::sync::control::Reply;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
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
pub(super) const ENDED: &str = "the process that was to do it has ended";

/// Who mirrors into the file at this moment and takes control requests.
///
/// # Errors
/// When somebody does who takes none.
pub(crate) fn daemon(config: &Config) -> Result<Option<Holder>, StartError> {
    match instance::holder(&config.database).unwrap_or_default() {
        Some(holder) if holder.command != DAEMON => Err(OpenError::Held { path: config.database.clone(), holder }.into()),
        holder => Ok(holder),
    }
}

/// Lets the running process reconcile these feeds, and waits for it; tells the runs that began, by `reconcile_runs.run_id`, and
/// which feeds have none that came to its end. Stopped, it withdraws what has not begun.
///
/// # Errors
/// When the running process cannot be reached; nothing was begun then.
pub(crate) async fn reconcile(
    config: &Config,
    feeds: &[FeedId],
    dry_run: bool,
    stop: &CancellationToken,
) -> Result<(BTreeSet<i64>, RunOutcome), StartError> {
    let mut connections = Vec::new();
    for feed in feeds {
        let request = Request::Reconcile { feed: feed.clone(), dry_run };
        connections.push((feed.clone(), Connection::open(&config.database, &request).await?));
    }
    let waiting: JoinSet<_> = connections.into_iter().map(|(feed, connection)| last_reply(feed, connection, stop.clone())).collect();
    let (mut runs, mut outcome) = (BTreeSet::new(), RunOutcome::default());
    for (feed, begun, reply) in waiting.join_all().await {
        runs.extend(begun);
        match reply {
            None => outcome.stopped = true,
            Some(Reply::Done) => {}
            Some(other) => drop(outcome.feeds.insert(feed, vec![other.why_not()])),
        }
    }
    Ok((runs, outcome))
}

/// Waits for the last reply about a feed, `None` when stopped; tells the runs too that began.
async fn last_reply(feed: FeedId, mut connection: Connection, stop: CancellationToken) -> (FeedId, Vec<i64>, Option<Reply>) {
    let mut begun = Vec::new();
    loop {
        match stop.run_until_cancelled(connection.next()).await {
            Some(Reply::Begun { run }) => begun.push(run),
            last => return (feed, begun, last),
        }
    }
}

/// Lets the running process ask the vendor something that has one reply; `None` when stopped.
///
/// # Errors
/// When the running process cannot be reached.
pub(super) async fn ask(config: &Config, request: &Request, stop: &CancellationToken) -> Result<Option<Reply>, StartError> {
    let mut connection = Connection::open(&config.database, request).await?;
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
                let path = path.display();
                return Err(StartError::Refused(format!("cannot reach the running `mls-sync run` through {path}: {error}: {advice}")));
            }
            tokio::time::sleep(CONNECT_AGAIN).await;
        }
    }

    /// The next reply. A line that is no reply, or the end of the connection, means that nobody does the work any more.
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
