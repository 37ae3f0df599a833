//! The state that all requests to the sandbox share.

use super::fault::Fault;
use super::rate_limit::TokenBucket;
use super::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many requests are remembered, because a sandbox may run for weeks.
const LONGEST_LOG: usize = 100_000;

/// One request that was answered, or whose connection was reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The endpoint's name in the document.
    pub endpoint: &'static str,
    /// The feeds that it names, as sent.
    pub feeds: Vec<String>,
    /// The stream's number.
    pub status: u8,
    /// FromUpdatedDate, as sent.
    pub from: Option<String>,
    /// ToUpdatedDate, as sent.
    pub to: Option<String>,
    /// The page, from 1.
    pub page: u32,
    /// The HTTP status of the answer; 0 for a reset.
    pub answered: u16,
    /// When it came, counted from the start of the server.
    pub came: Duration,
    /// When it was answered, counted from there too.
    pub at: Duration,
    /// How long a 429 in the document's words asks to wait.
    pub wait: Option<Duration>,
    /// The `Total` of a page.
    pub total: Option<u64>,
}

/// All that requests share.
pub(super) struct VendorState {
    pub(super) world: World,
    pub(super) log: VecDeque<Asked>,
    pub(super) next: VecDeque<Fault>,
    /// Standing faults by feed; under `None`, of every request.
    pub(super) standing: BTreeMap<Option<String>, Fault>,
    pub(super) bucket: TokenBucket,
    pub(super) started: Instant,
}

impl VendorState {
    /// Remembers a request, and forgets the oldest where there are too many.
    pub(super) fn remember(&mut self, asked: Asked) {
        if self.log.len() == LONGEST_LOG {
            self.log.pop_front();
        }
        self.log.push_back(asked);
    }
}

/// The state of the vendor, shared by all connections.
#[derive(Clone)]
pub(super) struct SharedState(Arc<Mutex<VendorState>>);

impl SharedState {
    pub(super) fn new(world: World) -> SharedState {
        let bucket = TokenBucket::new(world.options.rate_burst);
        let (log, next, standing) = (VecDeque::new(), VecDeque::new(), BTreeMap::new());
        SharedState(Arc::new(Mutex::new(VendorState { world, log, next, standing, bucket, started: Instant::now() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VendorState> {
        // A test that panics inside `with_world` must fail alone, not through every later request.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
