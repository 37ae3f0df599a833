//! What a whole reading of agents, offices or open houses lacks: each is asked for by itself, and deleted once that confirms it.

use super::census::{Kind, Round};
use super::clock::mirror_time;
use crate::plan::census::rule;
use crate::record::{Failure, FeedId, ListingId, Stamp};
use crate::store::{Census, Error as StoreError};
use crate::sync::heartbeat::Beat;
use std::collections::BTreeSet;
use std::mem::take;

/// After so many of which it cannot be learnt whether they are gone, no more is asked until the next reading.
const MOST_UNKNOWN: usize = 10;
/// So many are deleted together, so that a crash costs few answers; many at once are told as a mass update.
const TOGETHER: usize = 50;

/// What the vendor answers about one.
enum Answer {
    Gone,
    There,
    /// Not known, for this reason, and whether the next one is likely to end the same way.
    Unknown {
        why: String,
        is_general: bool,
    },
}

impl Round<'_> {
    /// Deletes what a whole reading lacks, as far as that may be; tells why the rest may not. The outer `None` when stopped.
    pub(super) async fn sweep(
        &self,
        kind: &Kind,
        feed: &FeedId,
        began: &str,
        keys: BTreeSet<ListingId>,
    ) -> Result<Option<Option<String>>, StoreError> {
        let (tools, directory) = (self.tools, kind.directory);
        let census = || Census { entity: directory.entity, feed: feed.clone(), at: mirror_time() };
        let found = tools.store.absences(census(), began.to_owned(), keys).await?;
        let Some(time) = Stamp::parse(began) else { return Ok(Some(None)) };
        let ruling = rule(found, directory.has_ids(), kind.limits, time);
        let (mut gone, mut unknown, mut is_stopped) = (Vec::new(), Vec::new(), false);
        for id in ruling.ripe {
            match self.answer(kind, feed, &id).await? {
                None => is_stopped = true,
                Some(Answer::Gone) => gone.push(id),
                Some(Answer::There) => tools.store.not_absent(census(), id).await?,
                Some(Answer::Unknown { why, is_general }) => {
                    unknown.push(format!("whether {} {id} is gone could not be learnt: {why}", directory.entity.name));
                    if is_general {
                        break;
                    }
                }
            }
            if gone.len() >= TOGETHER {
                self.delete(kind, feed, take(&mut gone)).await?;
            }
            if is_stopped || unknown.len() >= MOST_UNKNOWN {
                break;
            }
        }
        self.delete(kind, feed, gone).await?;
        Ok((!is_stopped).then(|| ruling.withheld.or_else(|| unknown.pop())))
    }

    async fn delete(&self, kind: &Kind, feed: &FeedId, gone: Vec<ListingId>) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let service = kind.directory.service();
        tracing::info!(%feed, service, deleted = gone.len(), "a whole reading lacks rows, so they are deleted");
        let census = Census { entity: kind.directory.entity, feed: feed.clone(), at: mirror_time() };
        self.tools.store.delete_absent(census, gone).await
    }

    /// Asks for one by its id, and stores what comes. `None` when stopped.
    async fn answer(&self, kind: &Kind, feed: &FeedId, id: &ListingId) -> Result<Option<Answer>, StoreError> {
        // Where it cannot be asked for, a second reading has confirmed it.
        if !kind.directory.has_ids() {
            return Ok(Some(Answer::Gone));
        }
        self.tools.progress.census_beat(Beat::Queued);
        let page = match self.tools.vendor.directory_entry(kind.directory, (feed, id), &self.tools.stop).await {
            None => return Ok(None),
            Some(Err(error)) => {
                let is_general = !matches!(error.failure, Failure::Refused | Failure::Malformed);
                return Ok(Some(Answer::Unknown { why: error.message, is_general }));
            }
            Some(Ok(page)) => page,
        };
        let is_there = page.records.iter().any(|record| record.key.listing == *id);
        let is_complete = page.rejects.is_empty() && page.total == page.records.len() as u64;
        self.store(kind, feed, page).await?;
        Ok(Some(match (is_there, is_complete) {
            (true, _) => Answer::There,
            (false, true) => Answer::Gone,
            (false, false) => Answer::Unknown { why: "the vendor does not answer with all that it counts".to_owned(), is_general: false },
        }))
    }
}
