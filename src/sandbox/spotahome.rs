//! Spotahome's Listing Processes API in memory, behind real HTTP.
//!
//! ```text
//! request ─► connection ─► server ─► access ─► search, list or writes ─► answer
//!                                                     ▲
//!                                        world: process, one after the other
//! ```
//!
//! The vendor's document leaves most things open; an option chooses the reading of each (`readings`, `forms`). Where it is silent about
//! what leads from one state to the next, a plain machine is assumed.

mod access;
mod admin;
mod answer;
mod forms;
mod list;
mod options;
mod process;
mod query;
mod readings;
mod search;
mod server;
mod shared_state;
mod truth;
mod world;
mod writes;

pub use forms::{Case, GetContentType, IdForm, ManyStates, StateWeight, Transitions, UnknownId};
pub use options::Options;
pub use process::{Facts, Process};
pub use readings::{
    AssignCancelled, CancelTwice, Cancellable, Cancelled, Count, Empty, Forbidden, Links, NoProperty, Order, PagePastEnd, PageSizeOver,
    Reassign, RetryAfter, Scheme, StateForm, Throttle, Total, UnassignTwice, Unassigned, UnknownAgent,
};
pub use shared_state::{Asked, Fault};
pub use world::World;

use super::connection::{ConnectionListener, DeliveryControl};
use axum::Router;
use shared_state::SharedState;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server. Dropping it stops it without waiting.
pub struct SpotahomeSandbox {
    shared: SharedState,
    address: SocketAddr,
    stopping: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

impl SpotahomeSandbox {
    /// Makes the world and serves it; port 0 takes a free port.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options, listen: SocketAddr) -> io::Result<SpotahomeSandbox> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = SharedState::new(World::new(options));
        let app = Router::new().fallback(server::serve).with_state(shared.clone());
        let stopping = CancellationToken::new();
        let served = axum::serve(ConnectionListener(listener), app.into_make_service_with_connect_info::<DeliveryControl>())
            .with_graceful_shutdown(stopping.clone().cancelled_owned());
        Ok(SpotahomeSandbox { shared, address, stopping, server: tokio::spawn(served.into_future()) })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world, or changes it, between two requests.
    pub fn with_world<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        f(&mut self.shared.lock().world)
    }

    /// Changes switches while it runs. What shapes the first processes has no effect any more.
    pub fn reconfigure(&self, f: impl FnOnce(&mut Options)) {
        f(&mut self.shared.lock().world.options);
    }

    /// The last 100 000 requests of the vendor's endpoints, in the order of their answers.
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.lock().log.iter().cloned().collect()
    }

    /// Queues a fault: the next request with a good token gets it.
    pub fn fault_next(&self, fault: Fault) {
        self.shared.lock().next.push_back(fault);
    }

    /// Waits for the server to end; it does so only when its listener fails.
    ///
    /// # Errors
    /// What the listener failed with.
    pub async fn run(mut self) -> io::Result<()> {
        (&mut self.server).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}

impl Drop for SpotahomeSandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}
