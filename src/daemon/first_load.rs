//! The log of the first load of each feed: how far it is, and when it is complete.

use crate::record::FeedId;
use crate::store::{Error as StoreError, Load};
use crate::sync::tools::Tools;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A line comes with each such part of the records that are known of, and at least this often.
const PARTS: u64 = 10;
const LINE_EVERY: Duration = Duration::from_secs(600);

/// What was last told of a feed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Part(u64, Instant),
    Complete,
}

/// Tells of the feeds that are being loaded, until the process is stopped. Of a feed that is complete at the start there is
/// nothing to tell.
pub(super) async fn watch(tools: Tools, at_start: Vec<Load>) {
    let complete = at_start.into_iter().filter(|load| load.complete_until.is_some());
    let mut told: BTreeMap<FeedId, Told> = complete.map(|load| (load.feed, Told::Complete)).collect();
    while tools.stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        if let Err(error) = look(&tools, &mut told).await {
            tracing::debug!(%error, "how far the loading is cannot be seen");
        }
    }
}

async fn look(tools: &Tools, told: &mut BTreeMap<FeedId, Told>) -> Result<(), StoreError> {
    let counters = tools.progress.snapshot();
    for load in tools.store.loads().await? {
        let Some(counters) = counters.get(&load.feed) else { continue };
        let (read, of) = (counters.filled, counters.expected);
        let now = match &load.complete_until {
            Some(_) => Told::Complete,
            None => Told::Part(read * PARTS / of.max(1), Instant::now()),
        };
        let news = match (told.get(&load.feed), now) {
            // It begins: there is nothing to tell yet.
            (None, Told::Part(..)) => false,
            (Some(Told::Part(part, at)), Told::Part(now, _)) => now > *part || at.elapsed() >= LINE_EVERY,
            (before, now) => before != Some(&now),
        };
        if news {
            tell(&load, tools.store.live(&load.feed).await?, (read, of));
        }
        if news || !told.contains_key(&load.feed) {
            told.insert(load.feed, now);
        }
    }
    Ok(())
}

fn tell(load: &Load, listings: u64, (read, of): (u64, u64)) {
    let feed = &load.feed;
    match (&load.complete_until, &load.back_to) {
        (Some(_), _) if listings == 0 => {
            tracing::warn!(%feed, "the first load is complete, and the vendor has shown no listing of this feed: is its name right?");
        }
        (Some(until), _) => tracing::info!(%feed, listings, "the first load is complete until {until}"),
        (None, Some(back)) => tracing::info!(%feed, listings, read, of, "loading: everything that is stamped since {back} is read"),
        (None, None) => tracing::info!(%feed, listings, read, of, "loading: reading the newest first"),
    }
}
