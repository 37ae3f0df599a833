//! Decodes the kept rejects again, and stores those that can be read now, without asking the vendor.

use crate::entity::Entity;
use crate::store::{Error, KeptReject, Replayed, Store};
use crate::sync::clock::mirror_time;

/// What a replay of all rejects did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplayCount {
    /// Rejects that were decoded again.
    pub tried: u64,
    /// Those that are records now, and no rejects any more.
    pub stored: u64,
}

/// Decodes every reject again that was kept whole, and stores those that fit.
///
/// # Errors
/// When SQLite refuses; the rejects stored before stay stored.
pub(crate) async fn replay(entity: &Entity, store: &Store) -> Result<ReplayCount, Error> {
    let mut outcome = ReplayCount::default();
    let mut after = 0;
    loop {
        let rejects = store.rejects(after).await?;
        let Some(last) = rejects.last() else { return Ok(outcome) };
        after = last.reject_id;
        outcome.tried += rejects.len() as u64;
        let records: Vec<Replayed> = rejects.iter().filter_map(|reject| read_again(entity, reject)).collect();
        outcome.stored += records.len() as u64;
        if !records.is_empty() {
            store.replay(records, mirror_time()).await?;
        }
    }
}

/// The record of a reject, if it can be read now. One of another feed than the one that was asked for is left out.
fn read_again(entity: &Entity, reject: &KeptReject) -> Option<Replayed> {
    let mut record = (entity.read)(&reject.raw).ok().filter(|record| record.key.feed.is(&reject.feed))?;
    record.key.feed = reject.feed.clone();
    Some(Replayed { reject_id: reject.reject_id, stream: reject.stream, record })
}
