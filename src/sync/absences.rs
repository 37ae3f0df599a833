//! What a whole reading lacks: each is asked for by itself, and deleted once that confirms it.

use super::census::{Kind, Round, census};
use crate::entity::Confirmed;
use crate::plan::census::{Found, rule};
use crate::record::{Failure, FeedId, ListingId, Presence, Stamp};
use crate::store::{Error as StoreError, Withheld};
use crate::sync::heartbeat::Beat;
use std::collections::BTreeSet;
use std::mem::take;

/// After so many of which it cannot be learnt whether they are gone, no more is asked until the next reading.
const MOST_UNKNOWN: usize = 10;
/// So many are deleted together, so that a crash costs few answers; many at once are told as a mass update.
const TOGETHER: usize = 50;

/// What the vendor answers about one.
pub(super) enum Answer {
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
        (keys, live, is_other): (BTreeSet<ListingId>, u64, bool),
    ) -> Result<Option<Option<String>>, StoreError> {
        let (tools, catalogue) = (self.tools, &kind.catalogue);
        let found = tools.store.absences(census(kind, feed), began.to_owned(), keys).await?;
        let Some(time) = Stamp::parse(began) else { return Ok(Some(None)) };
        let found = Found { read: live, ..found };
        let (read, expected, absent) = (found.read, found.expected, found.absent.len() as u64);
        let mut ruling = rule(found, (catalogue.confirmed(), is_other), kind.limits, time);
        if catalogue.confirmed() == Confirmed::Both {
            match &mut ruling.withheld {
                Some(why) => {
                    let run = tools.store.withhold(census(kind, feed), Withheld { read, expected, absent, why: why.clone() }).await?;
                    why.push_str(&format!(
                        ". Check at the vendor; if these records are really gone, run `mls-sync reconcile --approve {run}`"
                    ));
                }
                None => tools.store.settle_withheld(census(kind, feed)).await?,
            }
        }
        let (mut gone, mut unknown, mut is_stopped) = (Vec::new(), Vec::new(), false);
        for id in ruling.ripe {
            match self.answer(kind, feed, &id).await? {
                None => is_stopped = true,
                Some(Answer::Gone) => gone.push(id),
                Some(Answer::There) => tools.store.not_absent(census(kind, feed), id).await?,
                Some(Answer::Unknown { why, is_general }) => {
                    unknown.push(format!("it is not known whether {} {id} is gone: {why}", catalogue.entity().name));
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
        let service = kind.catalogue.service();
        tracing::info!(%feed, service, deleted = gone.len(), "a whole reading lacks rows, so they are deleted");
        self.tools.store.delete_absent(census(kind, feed), gone).await
    }

    /// Asks for one by its id, and stores what comes. `None` when stopped.
    pub(super) async fn answer(&self, kind: &Kind, feed: &FeedId, id: &ListingId) -> Result<Option<Answer>, StoreError> {
        // Where it cannot be asked for, a second reading has confirmed it.
        if kind.catalogue.confirmed() == Confirmed::ReadAgain {
            return Ok(Some(Answer::Gone));
        }
        self.tools.beat(Beat::Queued);
        let page = match kind.catalogue.entry(feed, id, &self.tools.stop).await {
            None => return Ok(None),
            Some(Err(error)) => {
                let is_general = !matches!(error.failure, Failure::Refused | Failure::Malformed);
                return Ok(Some(Answer::Unknown { why: error.message, is_general }));
            }
            Some(Ok(page)) => page,
        };
        let is_there = page.records.iter().any(|record| record.key.listing == *id);
        let is_complete = page.rejects.is_empty() && page.total == page.records.len() as u64;
        self.store(kind, feed, (Presence::Live, page)).await?;
        Ok(Some(match (is_there, is_complete) {
            (true, _) => Answer::There,
            (false, true) => Answer::Gone,
            (false, false) => Answer::Unknown { why: "the vendor does not answer with all that it counts".to_owned(), is_general: false },
        }))
    }
}
