//! What all workers of one vendor share.

use super::clock::Clock;
use super::heartbeat::Beat;
use super::progress::Progress;
use super::shared::Shared;
use super::trouble_log::TroubleLog;
use crate::entity::Entity;
use crate::store::Store;
use crate::vendor::Vendor;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What those share who read whole kinds of things with one credential.
#[derive(Clone, Debug)]
pub(crate) struct CensusTools {
    /// The name of the vendor, under which the progress is told.
    pub vendor: &'static str,
    /// The file.
    pub store: Store,
    /// The clocks.
    pub clock: Arc<Clock>,
    /// The counters.
    pub progress: Progress,
    /// Begins a reading of everything before it is due.
    pub again: Arc<Notify>,
    /// Ends every wait.
    pub stop: CancellationToken,
}

impl CensusTools {
    /// Tells what the reading does from now on.
    pub(super) fn beat(&self, beat: Beat) {
        self.progress.census_beat(self.vendor, beat);
    }
}

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

impl Tools {
    /// Those for reading agents, offices and open houses.
    pub(crate) fn for_census(&self) -> CensusTools {
        let Tools { store, clock, progress, stop, .. } = self.clone();
        CensusTools { vendor: "constellation1", store, clock, progress, again: Arc::default(), stop }
    }
}
