//! What all workers of one vendor share.

use super::clock::Clock;
use super::progress::Progress;
use super::shared::Shared;
use super::trouble_log::TroubleLog;
use crate::entity::Entity;
use crate::store::Store;
use crate::vendor::Vendor;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The vendor, file, clocks, counters and troubles that all workers of one vendor share.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The kind of thing that is mirrored.
    pub entity: &'static Entity,
    /// The vendor, with the budget of its credential.
    pub vendor: Arc<Vendor>,
    /// The file.
    pub store: Store,
    /// The clocks.
    pub clock: Arc<Clock>,
    /// The counters.
    pub progress: Progress,
    /// The requests that feeds share; `None` where each asks alone.
    pub shared: Option<Shared>,
    /// What fails at present.
    pub troubles: TroubleLog,
    /// Ends every wait.
    pub stop: CancellationToken,
}
