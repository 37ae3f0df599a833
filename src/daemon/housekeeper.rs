//! The housekeeper: it keeps the count of requests saved and the database's files small.

use crate::record::spoken;
use crate::store::{Error as StoreError, Store};
use crate::sync::clock::mirror_time;
use crate::sync::trouble_log::{Kind, TroubleLog, log_failure};
use crate::vendor::Limiter;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the files are looked after.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How often is looked for contents that may not be kept any more; and the pause between two steps, in which pages are stored.
const PURGE_EVERY: Duration = Duration::from_secs(60);
const PURGE_PAUSE: Duration = Duration::from_millis(200);
/// The first wait when the ledger cannot be saved, and the longest. No request leaves meanwhile.
const SAVE_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// A one-shot run gives up after so many failed saves in a row.
const ONCE_FAULTS: u32 = 5;

pub(super) struct Housekeeper {
    tasks: JoinSet<Result<(), StoreError>>,
    stop: CancellationToken,
}

/// The budget of one credential.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// Its name in the file: the client and where it asks.
    pub(super) name: String,
    pub(super) limiter: Arc<Limiter>,
}

/// What saves the count of requests of one credential.
struct LedgerKeeper {
    budget: Budget,
    store: Store,
    troubles: TroubleLog,
    /// A one-shot run does not wait for a database for ever.
    once: bool,
    stop: CancellationToken,
}

impl Housekeeper {
    /// Goes on where the last process was. No request leaves before this.
    pub(super) async fn begin(store: Store, troubles: TroubleLog, budgets: Vec<Budget>, once: bool) -> Result<Housekeeper, StoreError> {
        for budget in &budgets {
            budget.limiter.resume(store.ledger(budget.name.clone()).await?);
        }
        // Its own token: it outlives those who make requests.
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(tidy(store.clone(), stop.clone()));
        tasks.spawn(purge(store.clone(), stop.clone()));
        for budget in budgets {
            let (store, troubles, stop) = (store.clone(), troubles.clone(), stop.clone());
            tasks.spawn(LedgerKeeper { budget, store, troubles, once, stop }.run());
        }
        Ok(Housekeeper { tasks, stop })
    }

    /// Waits until a task fails; for ever, if none does.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error.into(),
            Some(Err(error)) => anyhow::anyhow!("the housekeeper did not end as it should: {error}"),
            Some(Ok(Ok(()))) | None => std::future::pending().await,
        }
    }

    /// Saves the count of requests a last time; nobody makes requests any more.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl LedgerKeeper {
    async fn run(self) -> Result<(), StoreError> {
        while self.stop.run_until_cancelled(self.budget.limiter.unsaved()).await.is_some() {
            if !self.save().await? {
                break;
            }
            self.budget.limiter.saved();
        }
        // What cannot be saved now was counted before it was spent.
        let settled = self.store.save_ledger(self.budget.name.clone(), self.budget.limiter.settle(), mirror_time()).await;
        if let Err(error) = settled {
            tracing::debug!(%error, "the count of requests could not be settled");
        }
        Ok(())
    }

    /// Saves the ledger, however long that takes; `false` when stopped.
    async fn save(&self) -> Result<bool, StoreError> {
        let mut wait = SAVE_AGAIN.0;
        for attempt in 1_u32.. {
            match self.store.save_ledger(self.budget.name.clone(), self.budget.limiter.ledger(), mirror_time()).await {
                Ok(()) => {
                    self.troubles.stored(None);
                    return Ok(true);
                }
                Err(fatal) if !fatal.is_passing() || self.once && attempt >= ONCE_FAULTS => return Err(fatal),
                Err(error) => {
                    let begins = self.troubles.failed(Kind::Database, None, &error.to_string());
                    log_failure!(begins, %error, retry_in = spoken(wait), "the database cannot be written, so no request leaves");
                }
            }
            if self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(false);
            }
            wait = (wait * 2).min(SAVE_AGAIN.1);
        }
        Ok(false)
    }
}

/// Looks after the files. A failure that passes is no reason to stop.
async fn tidy(store: Store, stop: CancellationToken) -> Result<(), StoreError> {
    while stop.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
        match store.tidy(mirror_time()).await {
            Ok(()) => {}
            Err(error) if error.is_passing() => tracing::debug!(%error, "the files could not be looked after"),
            Err(fatal) => return Err(fatal),
        }
    }
    Ok(())
}

/// Takes out what may not be kept. A failure that passes is no reason to stop.
async fn purge(store: Store, stop: CancellationToken) -> Result<(), StoreError> {
    let (mut wait, mut fails) = (PURGE_PAUSE, false);
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = match store.purge(mirror_time()).await {
            Ok(more) => {
                fails = false;
                if more { PURGE_PAUSE } else { PURGE_EVERY }
            }
            Err(error) if error.is_passing() => {
                log_failure!(!fails, %error, "what the licence does not let be kept could not be taken out; it is tried again");
                fails = true;
                PURGE_EVERY
            }
            Err(fatal) => return Err(fatal),
        };
    }
    Ok(())
}
