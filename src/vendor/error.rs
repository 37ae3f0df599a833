//! Why a request failed, for the program and for a person.

use crate::record::{Failure, Stamp, printable};

/// The longest message, in characters: a log line, not a document.
const MESSAGE_LIMIT: usize = 500;

/// A request that brought no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What a decision depends on.
    pub failure: Failure,
    /// What happened, in printable characters and at most about 500 of them. Holds no key, body or query.
    pub message: String,
    /// The HTTP status, where the vendor refused with one.
    pub status: Option<u16>,
    /// The vendor's clock, where the vendor answered with a `Date` header (whole seconds).
    pub vendor_now: Option<Stamp>,
}

impl Error {
    pub(super) fn new(failure: Failure, message: &str) -> Error {
        Error { failure, message: printable(message, MESSAGE_LIMIT), status: None, vendor_now: None }
    }

    /// With more that a person should know.
    pub(super) fn and(mut self, more: &str) -> Error {
        self.message = format!("{}, {more}", self.message);
        self
    }

    pub(super) fn at(mut self, vendor_now: Option<Stamp>) -> Error {
        self.vendor_now = vendor_now;
        self
    }
}

/// Why a request brought nothing, as far as the vendor's own modules tell them apart.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// A connection that was kept open turned out to be dead. The vendor has probably not seen the request.
    Dead(Error),
    /// No connection came about, so the request has certainly not left.
    Unsent(Error),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Unanswered {
        Unanswered::Failed(error)
    }
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Error {
        match unanswered {
            Unanswered::Dead(error) | Unanswered::Unsent(error) | Unanswered::Failed(error) => error,
        }
    }
}
