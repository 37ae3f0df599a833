//! The vendor in memory, behind real HTTP: for `mls-sync sandbox`, `mls-sync demo` and the tests.
//!
//! ```text
//! request ─► connection ─► server ─► signature, rate_limit ─► faulty_answer ─► endpoints ─► select ─► render ─► answer
//!                                                                                            ▲
//!                                 world: feed ─► listing_state ─► attributes, media, vocabulary (all drawn from seeds)
//! ```
//!
//! The services besides SyncListings and GetListingDetail have their own way: `binding`, `services`, then `search` or `directory`.
//!
//! Where the vendor's document is silent or contradicts itself, an option chooses the reading. A listing is kept as a few
//! numbers; its record is drawn from them each time, so tens of thousands cost nothing. `verify` is the other half: it reads
//! a database as any consumer would and compares it with the world, listing by listing.

mod account_truth;
mod admin;
mod answer;
mod attributes;
mod backup;
mod connection;
mod directory;
mod endpoints;
mod fault;
mod faulty_answer;
mod feed;
mod in_memory;
mod key;
mod listing_state;
mod media;
mod options;
mod parameters;
mod random;
mod rate_limit;
mod render;
mod search;
mod select;
mod server;
mod service_options;
mod services;
mod shared_state;
mod signature;
pub mod spark;
pub mod spotahome;
mod truth;
pub mod verify;
mod vocabulary;
mod world;

pub use account_truth::{Life, TrueRow, TrueRows};
pub use backup::Backup;
pub use fault::{Edit, Fault, TextEdit};
pub use in_memory::Reply;
pub use key::Key;
pub use options::{
    Bounds, DeletedContent, DeletedDetail, FarDistance, FeedList, Foreign, FromMode, HexCase, ListForm, MediaKey, NextPage, Options,
    PagePastEnd, PointForm, RetryAfter, ServiceOptions, Shape, SortOrder, StampGrain,
};
pub use service_options::Happened;
pub use shared_state::Asked;
pub use truth::{Truth, Truths};
pub use world::{Change, World};

use axum::Router;
use shared_state::SharedState;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a stop waits for answers that are under way.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// A running server. Dropping it stops it without waiting.
pub struct Sandbox {
    shared: SharedState,
    address: SocketAddr,
    stopping: CancellationToken,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Sandbox {
    /// Makes the world and serves it; port 0 takes a free port.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options, listen: SocketAddr) -> io::Result<Sandbox> {
        Sandbox::serve(World::new(options), listen).await
    }

    /// Serves a world that exists already.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(world: World, listen: SocketAddr) -> io::Result<Sandbox> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = SharedState::new(world);
        let app = Router::new().fallback(server::serve).with_state(shared.clone());
        let stopping = CancellationToken::new();
        let served =
            axum::serve(connection::ConnectionListener(listener), app.into_make_service_with_connect_info::<connection::DeliveryControl>())
                .with_graceful_shutdown(stopping.clone().cancelled_owned());
        Ok(Sandbox { shared, address, stopping, server: Some(tokio::spawn(served.into_future())) })
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

    /// Changes switches while it runs. What shapes the first listings has no effect any more.
    pub fn reconfigure(&self, f: impl FnOnce(&mut Options)) {
        f(&mut self.shared.lock().world.options);
    }

    /// The last 100 000 requests of the vendor's endpoints, in the order of their answers.
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.lock().log.iter().cloned().collect()
    }

    /// The same, and forgets them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Asked> {
        self.shared.lock().log.drain(..).collect()
    }

    /// How long it has been serving: the clock of [`Asked::came`] and [`Asked::at`].
    #[must_use]
    pub fn up(&self) -> Duration {
        self.shared.lock().started.elapsed()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.lock().log.clear();
    }

    /// Queues a fault: the next SyncListings request that is properly signed gets it.
    pub fn fault_next(&self, fault: Fault) {
        self.shared.lock().next.push_back(fault);
    }

    /// Sets or lifts a fault for every request that names this feed; without a feed, for every request.
    pub fn set_fault(&self, feed: Option<String>, fault: Option<Fault>) {
        let standing = &mut self.shared.lock().standing;
        match fault {
            Some(fault) => standing.insert(feed, fault),
            None => standing.remove(&feed),
        };
    }

    /// Waits until the server has stopped: asks, answers that which is under way, gives up after a second.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_LIMIT, &mut server).await.is_err()
        {
            server.abort();
        }
    }

    /// Waits for the server to end; it does so only when its listener fails.
    ///
    /// # Errors
    /// What the listener failed with.
    pub async fn run(mut self) -> io::Result<()> {
        match self.server.take() {
            Some(server) => server.await.unwrap_or_else(|panic| Err(io::Error::other(panic))),
            None => Ok(()),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}
