//! The vendor's totals of processes, read when they are due.

use super::clock::mirror_time;
use super::tools::CensusTools;
use crate::record::{FeedId, Stamp};
use crate::store::Error as StoreError;
use crate::vendor::Spotahome;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// After a failure, they are not asked for again sooner than this; nor does any sleep last longer.
const AGAIN: Duration = Duration::from_secs(3600);

/// Whose totals are read, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub vendor: Arc<Spotahome>,
    pub account: FeedId,
    /// From one reading to the next; zero for never.
    pub every: Duration,
}

/// Reads them again and again, until the process is stopped.
pub(crate) async fn work(tools: CensusTools, totals: Totals) {
    let mut is_waiting = !totals.every.is_zero();
    while is_waiting {
        let wait = if_due(&tools, &totals).await.unwrap_or_else(|error| {
            tracing::warn!(%error, vendor = tools.vendor, "the vendor's totals cannot be stored; tried again later");
            AGAIN
        });
        is_waiting = tools.stop.run_until_cancelled(sleep(wait.min(AGAIN))).await.is_some();
    }
}

/// Reads them where they are due; tells how long they will not be.
pub(crate) async fn if_due(tools: &CensusTools, totals: &Totals) -> Result<Duration, StoreError> {
    let checked = tools.store.totals_checked(totals.account.clone()).await?;
    let age = checked.map_or(Duration::MAX, |checked| Stamp::from_utc(chrono::Utc::now()).since(checked));
    let left = totals.every.saturating_sub(age);
    if totals.every.is_zero() || !left.is_zero() {
        return Ok(left);
    }
    Ok(if read(tools, totals).await? { totals.every } else { AGAIN })
}

/// Reads them now; tells whether the vendor told them. Why not is logged.
pub(crate) async fn read(tools: &CensusTools, totals: &Totals) -> Result<bool, StoreError> {
    match totals.vendor.totals(&tools.stop).await {
        None => Ok(false),
        Some(Err(error)) => {
            tracing::warn!("the vendor's states and totals could not be read: {}", error.message);
            Ok(false)
        }
        Some(Ok(read)) => tools.store.save_totals(totals.account.clone(), read, mirror_time()).await.map(|()| true),
    }
}
