//! The server of control requests: while `mls-sync run` mirrors, other commands have their requests done by it.

use super::dispatcher::Dispatcher;
use super::perform::perform;
use super::socket::{self, Job, Request};
use crate::record::{ListingKey, printable};
use crate::store::instance;
use crate::sync::account::Account;
use crate::sync::ask;
use crate::sync::control::Reply;
use crate::sync::tools::Tools;
use crate::vendor::Call;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 256;
/// Bytes of a request: the parameters of a service may hold a long boundary.
const REQUEST_BYTES: u64 = 1 << 20;
/// Characters of a request that are logged.
const LOGGED: usize = 200;
/// How long a client may take to send its request, and to read a reply.
const CLIENT_TIME: Duration = Duration::from_secs(5);
/// Replies that may wait for a client. A run has two; one that begins anew after a fault of the database has a third.
const REPLIES: usize = 8;
/// Where no connection can be accepted, as without file descriptors, it is tried again after this.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The control socket. Dropping it removes its file.
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    accounts: Arc<Vec<Account>>,
    stop: CancellationToken,
}

/// What requests are carried out with.
#[derive(Clone)]
struct Means {
    listings: Option<(Tools, Dispatcher)>,
    accounts: Arc<Vec<Account>>,
}

impl Control {
    /// Listens beside the database, whose lock must be held: so what is there already was left by a killed process.
    /// Where no socket can be, the mirror goes on without one.
    pub(super) fn listen(database: &Path, accounts: Vec<Account>, stop: CancellationToken) -> Option<Control> {
        let path = instance::socket_path(database);
        match socket::bind(&path) {
            Ok(listener) => Some(Control { listener, path, accounts: Arc::new(accounts), stop }),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "there is no control socket, so other commands cannot reach this process");
                None
            }
        }
    }

    /// Serves until the process is stopped.
    pub(super) async fn serve(self, listings: Option<(Tools, Dispatcher)>) {
        let means = Means { listings, accounts: Arc::clone(&self.accounts) };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = connections.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a control request could not be answered"),
                    Err(error) => tracing::error!(%error, "a control request did not end as it should"),
                },
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(answer(stream, means.clone()))),
                    Err(error) => {
                        tracing::warn!(%error, "no control request can be accepted");
                        self.stop.run_until_cancelled(tokio::time::sleep(ACCEPT_AGAIN)).await;
                    }
                }
            }
        }
        connections.shutdown().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket could not be removed");
        }
    }
}

/// Serves one connection.
async fn answer(stream: UnixStream, means: Means) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let request = timeout(CLIENT_TIME, socket::read_line::<Request>(&mut read, REQUEST_BYTES)).await;
    match request.unwrap_or_else(|late| Err(late.into())) {
        Ok(None) => Ok(()),
        Ok(Some(request)) => {
            tracing::info!(request = printable(&format!("{request:?}"), LOGGED), "another command has sent a control request");
            tokio::select! {
                done = carry_out(request, means, &mut write) => done,
                // The client has gone, or sends more than one request: what was not begun is withdrawn with its channel.
                _ = read.fill_buf() => Ok(()),
            }
        }
        Err(error) => tell(&mut write, &Reply::Failed(format!("this is no control request: {error}"))).await,
    }
}

/// Does what is asked. At a stop of the process, the end of the connection tells the client.
async fn carry_out(request: Request, means: Means, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let Means { listings, accounts } = means;
    if let Request::Account { vendor, job } = request {
        return of_account(accounts.iter().find(|account| account.kind.catalogue.vendor() == vendor), job, write).await;
    }
    let Some((tools, dispatcher)) = listings else {
        return tell(write, &Reply::Failed("the running process mirrors no listings".to_owned())).await;
    };
    let (feed, dry_run) = match request {
        // Answered above.
        Request::Account { .. } => return Ok(()),
        Request::Ask { feed, listing } => {
            let reply = ask::ask(&tools.vendor, &ListingKey { feed, listing }, &tools.stop).await;
            return if let Some(reply) = reply { tell(write, &reply).await } else { Ok(()) };
        }
        Request::Refetch { feed, listing } => {
            let asked = ask::refetch((&tools.vendor, &tools.store, tools.entity), ListingKey { feed, listing }, &tools.stop).await;
            let reply = asked.unwrap_or_else(|error| Some(Reply::Failed(error.to_string())));
            return if let Some(reply) = reply { tell(write, &reply).await } else { Ok(()) };
        }
        Request::Call { service, parameters } => {
            let reply = match Call::new(&service, parameters.0) {
                Ok(call) => ask::call(&tools.vendor, &call, &tools.stop).await,
                Err(why) => Some(Reply::Failed(why)),
            };
            return if let Some(reply) = reply { tell(write, &reply).await } else { Ok(()) };
        }
        Request::Reconcile { feed, dry_run } => (feed, dry_run),
    };
    let (reply, mut replies) = mpsc::channel(REPLIES);
    if let Err(why) = dispatcher.reconcile(&feed, dry_run, reply) {
        return tell(write, &Reply::Failed(why)).await;
    }
    while let Some(reply) = replies.recv().await {
        tell(write, &reply).await?;
        if reply == Reply::Done {
            return Ok(());
        }
    }
    // At a stop, the end of the connection tells more truly why.
    if tools.stop.is_cancelled() {
        return Ok(());
    }
    tell(write, &Reply::Failed(format!("the running process no longer mirrors the feed {feed}"))).await
}

/// Does something with an account. If the client goes away, what has not left is withdrawn; what becomes of the rest is written down.
async fn of_account(account: Option<&Account>, job: Job, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let Some(mut account) = account.cloned() else {
        return tell(write, &Reply::Failed("the running process does not mirror this account".to_owned())).await;
    };
    account.tools.stop = account.tools.stop.child_token();
    let _withdrawn = account.tools.stop.clone().drop_guard();
    let done = tokio::spawn(async move { perform(&account, job).await }).await?;
    match done.unwrap_or_else(|error| Some(Reply::Failed(error.to_string()))) {
        Some(reply) => tell(write, &reply).await,
        None => Ok(()),
    }
}

async fn tell(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    timeout(CLIENT_TIME, socket::write_line(write, reply)).await?
}
