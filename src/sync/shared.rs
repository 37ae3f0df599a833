//! The queues in which workers wait for requests that feeds share.

use crate::plan::options::Purpose;
use crate::plan::sharing::Question;
use crate::record::{Page, PageRequest, Stream};
use crate::vendor::{Error as VendorError, Priority};
use tokio::sync::{mpsc, oneshot};

/// At most so many feeds wait at once in each queue; others ask alone.
const MOST_WAITING: usize = 10_000;

/// The queues, as workers see them. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    polls: mpsc::Sender<Ask>,
    lookbacks: mpsc::Sender<Ask>,
}

/// What a worker asks for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) stream: Stream,
    pub(super) question: Question,
    pub(super) reply: oneshot::Sender<Result<Page, VendorError>>,
}

/// The other end of [`Shared`]: what its service works on.
#[derive(Debug)]
pub(crate) struct Waiting(pub(super) Vec<(Priority, mpsc::Receiver<Ask>)>);

impl Shared {
    /// The queues, and their other ends.
    pub(crate) fn new() -> (Shared, Waiting) {
        let ((polls, first), (lookbacks, second)) = (mpsc::channel(MOST_WAITING), mpsc::channel(MOST_WAITING));
        (Shared { polls, lookbacks }, Waiting(vec![(Priority::Poll, first), (Priority::Fill, second)]))
    }

    /// Asks together with others; `None` where the feed is to ask alone.
    pub(crate) async fn ask(&self, purpose: Purpose, request: &PageRequest) -> Option<Result<Page, VendorError>> {
        let question = Question::of(purpose, request)?;
        let queue = if purpose == Purpose::Poll { &self.polls } else { &self.lookbacks };
        let (reply, answer) = oneshot::channel();
        queue.try_send(Ask { stream: request.stream, question, reply }).ok()?;
        // The gatherer limits each round; beyond that, only a closed gate or a spent budget can make this wait long, as for any request.
        answer.await.ok()
    }
}
