//! What a worker may be told while it works: orders, with the replies to whoever gave them.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// An order to one feed's worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// The reason of failures may be gone: what waits for its next try is tried at once.
    TryAgain,
    /// Reconcile the feed: [`Reply::Begun`] is sent when the run begins and [`Reply::Done`] when it is over. A channel that
    /// is closed before the run begins withdraws the order.
    /// A worker never waits for whoever asked: replies are sent with `try_send`, and one that finds no room is lost.
    Reconcile { dry_run: bool, reply: mpsc::Sender<Reply> },
}

/// One reply to a control request, as the worker gives it and as it is written to the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The reconcile run has begun; another reply follows.
    /// Its number is that in `reconcile_runs`.
    Begun { run: i64 },
    /// The reconcile run is over. It is the last reply.
    Done,
    /// The vendor's record as sent, null if the vendor does not have the listing. It is the last reply.
    Record(Option<String>),
    /// What a service of the vendor answered, as JSON. It is the last reply.
    Answer(String),
    /// Why the request could not be done, for a person. It is the last reply.
    Failed(String),
}
