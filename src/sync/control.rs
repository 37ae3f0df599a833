//! What a worker may be told while it works: orders, with the replies to whoever gave them.

use crate::record::WriteState;
use serde::{Deserialize, Serialize};
use std::fmt;
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

/// What became of a listing that the vendor was asked for again, to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refetched {
    /// The file lacked it, and has it now.
    Added,
    /// The row was another version, and is this one now.
    Changed,
    /// The row was a tombstone, and is live now.
    Restored,
    /// The row was the same.
    Unchanged,
    /// The answer is older than the row, which stays. It is noted: heard again, it is taken over.
    Older,
    /// The vendor answered with a record that looks deleted. Nothing was stored.
    LooksDeleted,
    /// The vendor does not have it. Nothing was stored.
    Missing,
}

/// What became of a change at a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Its number in the table `intents`; `None` where nothing had to be sent.
    pub intent: Option<i64>,
    pub state: WriteState,
    /// The id of what was changed or made, where it is known.
    pub target: Option<String>,
    /// What a person should know.
    pub note: Option<String>,
}

/// A secret on its way to the command that asked for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// A ticket that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeTicket {
    /// Its number in the table `intents`.
    pub intent: i64,
    pub uri: String,
    pub token: Secret,
    /// How long it lives from now on, in seconds.
    pub expires_in: Option<u64>,
    pub service: Option<String>,
}

/// What the vendor's rules say of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// With these it would be refused.
    pub fatal: Vec<Finding>,
    /// With these alone it would be taken.
    pub warnings: Vec<Finding>,
}

/// One thing that the vendor's rules find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub field: Option<String>,
    pub message: String,
    /// The rule that was violated, as its kind.
    pub rule: Option<String>,
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
    /// What became of a listing that was asked for again. It is the last reply.
    Refetched(Refetched),
    /// What a service of the vendor answered, as JSON. It is the last reply.
    Answer(String),
    /// What became of a change. It is the last reply.
    Written(Written),
    /// A ticket. It is the last reply.
    Ticket(MadeTicket),
    /// What the vendor's rules say of a listing. It is the last reply.
    Findings(Findings),
    /// Why the request could not be done, for a person. It is the last reply.
    Failed(String),
}

impl Reply {
    /// Why this is no reply of the kind that was asked for, for a person.
    pub(crate) fn why_not(self) -> String {
        match self {
            Reply::Failed(why) => why,
            Reply::Begun { .. }
            | Reply::Done
            | Reply::Record(_)
            | Reply::Refetched(_)
            | Reply::Answer(_)
            | Reply::Written(_)
            | Reply::Ticket(_)
            | Reply::Findings(_) => "the running process answered something else; does it run another version?".to_owned(),
        }
    }
}
