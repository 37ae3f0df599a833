//! What became of a request that writes.

use super::refusal::SparkRefusal;

/// What became of a request that writes, as far as its answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome<T> {
    /// The vendor did it.
    Done(T),
    /// HTTP 202, or a success that does not say what was made: treat it as if the answer was lost.
    Accepted,
    /// The vendor certainly did not do it.
    Refused(SparkRefusal),
    /// The answer was lost, cut or unreadable, or was HTTP 5xx: it may have happened. Settled by reading, never by sending again.
    Unknown(String),
}

impl<T> WriteOutcome<T> {
    /// What was done, read further; `None` from `read` means that the answer does not say it.
    pub(super) fn and_then<R>(self, read: impl FnOnce(T) -> Option<R>) -> WriteOutcome<R> {
        match self {
            WriteOutcome::Done(done) => read(done).map_or(WriteOutcome::Accepted, WriteOutcome::Done),
            WriteOutcome::Accepted => WriteOutcome::Accepted,
            WriteOutcome::Refused(refusal) => WriteOutcome::Refused(refusal),
            WriteOutcome::Unknown(why) => WriteOutcome::Unknown(why),
        }
    }
}
