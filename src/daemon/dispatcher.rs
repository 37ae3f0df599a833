//! Where other commands leave their errands, and the workers get them.

use crate::record::{FeedId, ListingKey};
use crate::store::{Errand, ErrandKind, ErrandResult, Error as StoreError};
use crate::sync::ask;
use crate::sync::clock::mirror_time;
use crate::sync::tools::Tools;
use crate::sync::worker::Order;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often errands are looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Orders that may wait for a worker.
const WAITING: usize = 16;

/// The dispatcher.
#[derive(Debug)]
pub(super) struct Dispatcher {
    tools: Tools,
    workers: BTreeMap<FeedId, mpsc::Sender<Order>>,
    asks: JoinSet<()>,
    /// Errands that an earlier process has left undone are ended.
    cleared: bool,
}

impl Dispatcher {
    pub(super) fn new(tools: Tools) -> Dispatcher {
        Dispatcher { tools, workers: BTreeMap::new(), asks: JoinSet::new(), cleared: false }
    }

    /// The end at which a new worker listens.
    pub(super) fn seat(&mut self, feed: &FeedId) -> mpsc::Receiver<Order> {
        let (orders, seat) = mpsc::channel(WAITING);
        self.workers.insert(feed.clone(), orders);
        seat
    }

    /// Everybody who waits for a retry tries at once. Whoever has no room for it has enough to do.
    pub(super) fn try_again(&self) {
        for worker in self.workers.values() {
            worker.try_send(Order::TryAgain).ok();
        }
    }

    /// Hands out what was left since the last time.
    pub(super) async fn serve(&mut self) -> Result<(), StoreError> {
        while self.asks.try_join_next().is_some() {}
        if !self.cleared {
            self.tools.store.clear_errands(mirror_time()).await?;
            self.cleared = true;
        }
        for errand in self.tools.store.take_errands(mirror_time()).await? {
            if let Err(why) = self.hand_out(&errand) {
                self.tools.store.end_errand(errand.id, ErrandResult::Failed(why), mirror_time()).await?;
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, errand: &Errand) -> Result<(), String> {
        match &errand.kind {
            ErrandKind::Ask(key) => {
                self.asks.spawn(ask_vendor(self.tools.clone(), errand.id, key.clone()));
                Ok(())
            }
            ErrandKind::Reconcile { feed, dry_run } => {
                let worker = self.workers.get(feed).ok_or_else(|| format!("the running process does not mirror the feed {feed}"))?;
                let order = Order::Reconcile { errand: errand.id, dry_run: *dry_run };
                worker.try_send(order).map_err(|_| format!("the worker of the feed {feed} takes no more orders at present"))
            }
        }
    }

    /// Waits for what is under way; the stop has ended it.
    pub(super) async fn close(&mut self) {
        while self.asks.join_next().await.is_some() {}
    }
}

async fn ask_vendor(tools: Tools, errand: i64, key: ListingKey) {
    let answer = ask::ask(&tools.vendor, &key, &tools.stop).await;
    let result = answer.unwrap_or_else(|| ErrandResult::Failed("the process was stopped before the vendor answered".to_owned()));
    if let Err(error) = tools.store.end_errand(errand, result, mirror_time()).await {
        tracing::warn!(%error, "the answer to an errand could not be written down");
    }
}
