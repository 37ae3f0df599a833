//! The state that all requests to the sandbox share.

use super::world::World;
use crate::sandbox::rate_limit::TokenBucket;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many requests are remembered, because a sandbox may run for weeks.
const LONGEST_LOG: usize = 100_000;

/// One request that was answered, or whose connection was reset. Headers are not kept: one of them is the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The query, as sent.
    pub query: String,
    /// The HTTP status of the answer; 0 for a reset.
    pub status: u16,
}

/// A fault in the place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The problem of this status; what was asked is not done.
    Problem(u16),
    /// A page of HTML with this status, as a proxy sends it.
    Html(u16),
    /// This text with a 200.
    Text(String),
    /// What was asked is done, and the answer is cut half way.
    Cut,
    /// What was asked is done, and the connection is reset.
    LostAnswer,
    /// What was asked is not done, and the connection is reset.
    LostRequest,
}

/// All that requests share.
pub(super) struct VendorState {
    pub(super) world: World,
    pub(super) log: VecDeque<Asked>,
    pub(super) next: VecDeque<Fault>,
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
        let bucket = TokenBucket::new(1);
        let (log, next) = (VecDeque::new(), VecDeque::new());
        SharedState(Arc::new(Mutex::new(VendorState { world, log, next, bucket, started: Instant::now() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VendorState> {
        // A test that panics inside `with_world` must fail alone, not through every later request.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
