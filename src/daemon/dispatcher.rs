//! The dispatcher: it hands orders to the feeds' workers. Clones share the workers.

use crate::record::FeedId;
use crate::sync::control::{Order, Reply};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Orders that may wait for a worker.
const WAITING: usize = 16;

/// The way to every worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Dispatcher(Arc<Mutex<BTreeMap<FeedId, mpsc::Sender<Order>>>>);

impl Dispatcher {
    /// The orders of a new worker.
    pub(super) fn register(&self, feed: &FeedId) -> mpsc::Receiver<Order> {
        let (orders, receiver) = mpsc::channel(WAITING);
        self.workers().insert(feed.clone(), orders);
        receiver
    }

    /// Orders each worker that waits for its next try to try at once. A worker that has no room for the order is busy anyway.
    pub(super) fn try_again(&self) {
        self.workers().values().for_each(|worker| drop(worker.try_send(Order::TryAgain)));
    }

    /// Orders a reconcile; the worker replies to `reply`.
    ///
    /// # Errors
    /// Why the order cannot be given, for a person.
    pub(super) fn reconcile(&self, feed: &FeedId, dry_run: bool, reply: mpsc::Sender<Reply>) -> Result<(), String> {
        let ordered = self.workers().get(feed).map(|worker| worker.try_send(Order::Reconcile { dry_run, reply }));
        match ordered {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(format!("the worker of the feed {feed} takes no more orders at present")),
            Some(Err(TrySendError::Closed(_))) | None => Err(format!("the running process does not mirror the feed {feed}")),
        }
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<FeedId, mpsc::Sender<Order>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
