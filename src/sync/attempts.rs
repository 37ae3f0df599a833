//! Readings of a kind of thing, until one is proven whole.

use super::census::{Kind, Outcome, Round};
use super::clock::mirror_time;
use crate::plan::census::{ATTEMPTS, Known, Next, Reading};
use crate::plan::merge::ActionKind;
use crate::record::{Failure, FeedId, ListingId, Page, Presence, Window};
use crate::store::Error as StoreError;
use crate::sync::heartbeat::Beat;
use crate::vendor::Error;
use crate::vendor::catalogue::List;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::time::Duration;
use tokio::time::sleep;

/// The number of attempts for a page, and the pause between two of them.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

/// What an attempt has read.
#[derive(Default)]
struct SoFar {
    keys: BTreeSet<ListingId>,
    /// Those that are in a list which repeats the others.
    repeated: BTreeSet<ListingId>,
    live: u64,
    unreadable: u64,
    changed: BTreeMap<ListingId, ActionKind>,
}

impl Round<'_> {
    /// Reads until a reading is proven, a few times at most; `None` when stopped.
    pub(super) async fn attempts(&self, kind: &Kind, feed: &FeedId, window: Window) -> Result<Option<Outcome>, StoreError> {
        let mut doubt = String::new();
        for _ in 0..ATTEMPTS {
            match self.attempt(kind, feed, window).await? {
                Some(Outcome::Doubtful(why)) => doubt = why,
                ended => return Ok(ended),
            }
        }
        Ok(Some(Outcome::Doubtful(doubt)))
    }

    /// Reads each list of a kind whole.
    async fn attempt(&self, kind: &Kind, feed: &FeedId, window: Window) -> Result<Option<Outcome>, StoreError> {
        let (began, credential) = (mirror_time(), kind.catalogue.credential());
        let mut so_far = SoFar::default();
        for list in kind.catalogue.lists() {
            match self.list(kind, *list, (feed, window), &mut so_far).await? {
                None => return Ok(None),
                Some(Err(ended)) => return Ok(Some(ended)),
                Some(Ok(())) => {}
            }
        }
        if kind.catalogue.credential() != credential {
            return Ok(Some(Outcome::Doubtful("the credential was changed while it was read".to_owned())));
        }
        let SoFar { keys, live, unreadable, changed, .. } = so_far;
        Ok(Some(Outcome::Proven { began, keys, live, credential, unreadable, changed }))
    }

    /// Reads a list whole, or as far as it may hold what those before it do not. `None` when stopped.
    async fn list(
        &self,
        kind: &Kind,
        list: List,
        (feed, window): (&FeedId, Window),
        so_far: &mut SoFar,
    ) -> Result<Option<Result<(), Outcome>>, StoreError> {
        let (mut reading, mut number, mut is_first) = (Reading::default(), 1, true);
        loop {
            let is_first = take(&mut is_first);
            let page = match self.page(kind, list, (feed, window, number)).await {
                None => return Ok(None),
                Some(Err(Error { failure: Failure::Refused, .. })) if list.repeats && is_first => return Ok(Some(Ok(()))),
                Some(Err(error)) => return Ok(Some(Err(Outcome::Failed(error)))),
                Some(Ok(page)) => page,
            };
            let known = Known { keys: &so_far.keys, count: so_far.repeated.len() as u64 };
            let is_known = list.repeats && is_first && known.is_all_of(&page);
            let repeated = page.records.iter().filter(|record| kind.catalogue.is_repeated(record));
            so_far.repeated.extend(repeated.map(|record| record.key.listing.clone()));
            let next = reading.on_page(&page);
            so_far.changed.extend(self.store(kind, feed, (list.presence, page)).await?);
            match next {
                _ if is_known => break,
                Next::Page(next) => number = next,
                Next::Proven => break,
                Next::Doubtful(why) => return Ok(Some(Err(Outcome::Doubtful(why)))),
            }
        }
        so_far.unreadable += reading.unreadable();
        so_far.keys.append(&mut reading.into_keys());
        if list.presence == Presence::Live {
            so_far.live = so_far.keys.len() as u64;
        }
        Ok(Some(Ok(())))
    }

    /// Asks for a page; a few times where the vendor wants a pause, or does not answer. `None` when stopped.
    async fn page(&self, kind: &Kind, list: List, of: (&FeedId, Window, u32)) -> Option<Result<Page, Error>> {
        let (tools, catalogue) = (self.tools, &kind.catalogue);
        for _ in 1..TRIES {
            tools.beat(Beat::Queued);
            match catalogue.page(list, of, &tools.stop).await? {
                // The next request waits for as long as the vendor said.
                Err(Error { failure: Failure::Throttled { .. }, .. }) => {}
                Err(Error { failure: Failure::Unavailable, .. }) => tools.stop.run_until_cancelled(sleep(PAUSE)).await?,
                answer => return Some(answer),
            }
        }
        catalogue.page(list, of, &tools.stop).await
    }
}
