//! The Spark API in memory, behind real HTTP: identities that change, tickets that are spent, validation by rules.
//!
//! Where the vendor's documents are silent or contradict themselves, an option chooses the reading.

mod access;
mod admin;
mod choices;
mod envelope;
mod identities;
mod identity;
mod options;
mod record_options;
mod routes;
mod server;
mod tickets;
mod truth;
mod validation;
mod world;

pub use choices::{
    Auth, ByIdDeleted, CreateAnswer, CreateTwice, DeletedFlag, DeletedPaging, KeyMember, LimitOver, Order, PutContacts, PutNull, Rate,
    RetryAfter, Secret, StampForm, TicketServices, UriVersion, ValidationErrors, WarnAs,
};
pub use options::Options;
pub use record_options::RecordOptions;
pub use world::{Asked, World};

use axum::Router;
use server::Shared;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server. Dropping it stops it without waiting.
pub struct SparkSandbox {
    shared: Shared,
    address: SocketAddr,
    stopping: CancellationToken,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl SparkSandbox {
    /// Makes the world and serves it; port 0 takes a free port.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options, listen: SocketAddr) -> io::Result<SparkSandbox> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(World::new(options, format!("http://{address}")));
        let app = Router::new().fallback(server::serve).with_state(shared.clone());
        let stopping = CancellationToken::new();
        let connections = super::connection::ConnectionListener(listener);
        let served = axum::serve(connections, app.into_make_service_with_connect_info::<super::connection::DeliveryControl>())
            .with_graceful_shutdown(stopping.clone().cancelled_owned());
        Ok(SparkSandbox { shared, address, stopping, server: Some(tokio::spawn(served.into_future())) })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world, or changes it, between two requests.
    pub fn with_world<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        f(&mut self.shared.lock())
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

impl Drop for SparkSandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}
