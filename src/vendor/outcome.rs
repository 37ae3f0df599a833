//! What became of a request that changes something at a vendor.

/// What became of a request that was sent once, as far as its answer tells: `T` is what was made, and `R` the vendor's words of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome<T, R> {
    /// The vendor did it.
    Done(T),
    /// HTTP 202, or a success that does not say what was made: treat it as if the answer was lost.
    Accepted,
    /// The vendor says in readable words that it did not do it.
    Refused(R),
    /// The answer was lost, cut or unreadable, or was HTTP 5xx or one of a proxy: it may have happened. Says what was seen. Settled by
    /// reading, never by sending again.
    Unknown(String),
}

impl<T, R> WriteOutcome<T, R> {
    /// What was done, read further; `None` from `read` means that the answer does not say it.
    pub(crate) fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> WriteOutcome<U, R> {
        match self {
            WriteOutcome::Done(done) => read(done).map_or(WriteOutcome::Accepted, WriteOutcome::Done),
            WriteOutcome::Accepted => WriteOutcome::Accepted,
            WriteOutcome::Refused(refusal) => WriteOutcome::Refused(refusal),
            WriteOutcome::Unknown(why) => WriteOutcome::Unknown(why),
        }
    }

    /// With other words of a refusal.
    pub(crate) fn map_refusal<S>(self, words: impl FnOnce(R) -> S) -> WriteOutcome<T, S> {
        match self {
            WriteOutcome::Done(done) => WriteOutcome::Done(done),
            WriteOutcome::Accepted => WriteOutcome::Accepted,
            WriteOutcome::Refused(refusal) => WriteOutcome::Refused(words(refusal)),
            WriteOutcome::Unknown(why) => WriteOutcome::Unknown(why),
        }
    }
}
