//! Readings of a kind of thing, until one is proven whole.

use super::census::{Kind, Outcome, Round};
use super::clock::mirror_time;
use crate::plan::census::{ATTEMPTS, Next, Reading};
use crate::record::{Failure, FeedId, Page, Presence, Window};
use crate::store::Error as StoreError;
use crate::sync::heartbeat::Beat;
use crate::vendor::Error;
use crate::vendor::catalogue::List;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;

/// The number of attempts for a page, and the pause between two of them.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

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
        let (mut all, mut live, mut unreadable, mut changed) = (BTreeSet::new(), 0, 0, 0);
        for list in kind.catalogue.lists() {
            let (mut reading, mut number) = (Reading::default(), 1);
            loop {
                let page = match self.page(kind, *list, (feed, window, number)).await {
                    None => return Ok(None),
                    Some(Err(error)) => return Ok(Some(Outcome::Failed(error))),
                    Some(Ok(page)) => page,
                };
                let next = reading.on_page(&page);
                changed += self.store(kind, feed, (list.presence, page)).await?;
                match next {
                    Next::Page(next) => number = next,
                    Next::Proven => break,
                    Next::Doubtful(why) => return Ok(Some(Outcome::Doubtful(why))),
                }
            }
            unreadable += reading.unreadable();
            let mut keys = reading.into_keys();
            live += if list.presence == Presence::Live { keys.len() as u64 } else { 0 };
            all.append(&mut keys);
        }
        if kind.catalogue.credential() != credential {
            return Ok(Some(Outcome::Doubtful("the credential was changed while it was read".to_owned())));
        }
        Ok(Some(Outcome::Proven { began, keys: all, live, credential, unreadable, changed }))
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
