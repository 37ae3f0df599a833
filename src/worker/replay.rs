//! A kept reject on its way back into the file, without asking the vendor.

use crate::clock::mirror_time;
use crate::provider::constellation1;
use crate::store::{Error, Incoming, KeptReject, Replayed, Store};

/// What a replay of all rejects did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rejects that were decoded again.
    pub tried: u64,
    /// Those that are records now, and no rejects any more.
    pub stored: u64,
}

/// Decodes every reject again that was kept whole, and stores those that fit.
///
/// # Errors
/// When SQLite refuses; the rejects stored before stay stored.
pub async fn replay(store: &Store) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut after = 0;
    loop {
        let rejects = store.rejects(after).await?;
        let Some(last) = rejects.last() else { return Ok(outcome) };
        after = last.reject_id;
        outcome.tried += rejects.len() as u64;
        let records: Vec<Replayed> = rejects.iter().filter_map(decoded).collect();
        outcome.stored += records.len() as u64;
        if !records.is_empty() {
            store.replay(records, mirror_time()).await?;
        }
    }
}

/// A record of another feed than the one that was asked for is not this feed's to store.
fn decoded(reject: &KeptReject) -> Option<Replayed> {
    let record = constellation1::replay(&reject.raw).ok().filter(|record| record.key.feed == reject.feed)?;
    let content = constellation1::decode(&record).ok()?;
    let said = reject.stream.says();
    let record = Incoming { key: record.key, stamp: record.stamp, said, raw_hash: record.raw_hash, content: Some(content) };
    Some(Replayed { reject_id: reject.reject_id, record })
}
