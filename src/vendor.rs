//! The outside world, in: a vendor's API becomes pages of records.

mod answer;
mod body;
pub(crate) mod catalogue;
mod charset;
pub mod constellation1;
mod error;
mod http;
mod limiter;
mod outcome;
pub mod spark;
pub mod spotahome;
mod throttle;
mod turn;
mod value;

pub use constellation1::{AGENT_DIRECTORY, Call, Directory, OFFICE_DIRECTORY, OPEN_HOUSE_DIRECTORY};
pub use error::Error;
pub use http::HttpOptions;
pub(crate) use http::check_url;
pub use limiter::{Limiter, LimiterOptions, Priority};
pub use outcome::WriteOutcome;
pub use spark::{Spark, SparkAuth, SparkListing, SparkProblem, Ticket, TicketPath, Upload, Validation, upload};
pub use spark::{change as identity_change, creation as identity_creation, deletion as identity_deletion};
pub use spotahome::Spotahome;
pub use spotahome::{assignation, cancellation, unassignation};
pub use throttle::wait;

use crate::entity::Entity;
use crate::record::{FeedId, ListingId, Page, PageRequest, Record};
use constellation1::{AGENTS, Client, OFFICES, OPEN_HOUSES};
use error::Unanswered;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The listings, and beside them every other kind of thing that stands in a file.
pub static LISTINGS: Entity =
    Entity { beside: &[&AGENTS, &OFFICES, &OPEN_HOUSES, &spark::IDENTITIES, &spotahome::PROCESSES], ..constellation1::LISTING };

/// The longest wait for an answer that several feeds share.
const SHARED: Duration = Duration::from_secs(10);

/// A vendor's API under one credential: every request waits its turn in the credential's budget.
#[derive(Debug)]
pub struct Vendor {
    client: Client,
    limiter: Arc<Limiter>,
}

impl Vendor {
    /// A client with the budget of its credential.
    #[must_use]
    pub fn new(client: Client, limiter: Limiter) -> Vendor {
        Vendor { client, limiter: Arc::new(limiter) }
    }

    /// Asks for one page in its turn; `None` as soon as `stop` is cancelled, whether waiting or in flight.
    ///
    /// # Errors
    /// As [`Client::sync_listings`]; a `Throttled` has already closed the gate for everybody.
    pub async fn sync_listings(&self, request: &PageRequest, priority: Priority, stop: &CancellationToken) -> Option<Result<Page, Error>> {
        self.in_turn(priority, stop, || self.client.page(request, None)).await
    }

    /// The same for several feeds at once, or to find out which of them causes a trouble. It is given up after ten seconds, so that one
    /// slow feed does not hold up the others for long.
    ///
    /// # Errors
    /// As [`Vendor::sync_listings`].
    pub(crate) async fn sync_feeds(
        &self,
        request: &PageRequest,
        priority: Priority,
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        self.in_turn(priority, stop, || self.client.page(request, Some(SHARED))).await
    }

    /// Asks for one listing in its turn; the outer `None` as soon as `stop` is cancelled.
    ///
    /// # Errors
    /// As [`Client::listing_detail`]; a `Throttled` has already closed the gate for everybody.
    pub async fn listing_detail(
        &self,
        feed: &FeedId,
        listing: &ListingId,
        priority: Priority,
        stop: &CancellationToken,
    ) -> Option<Result<Option<Record>, Error>> {
        self.in_turn(priority, stop, || self.client.listing(feed, listing)).await
    }

    /// Uses another key from the next request on.
    ///
    /// # Errors
    /// What is wrong with the key, never the key; the one in use stays.
    pub fn set_key(&self, key: SecretString) -> Result<(), String> {
        self.client.set_key(key)
    }

    fn client(&self) -> &Client {
        &self.client
    }

    /// The budget of the credential.
    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Who is asked, for a person.
    #[must_use]
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// Requests per second that may leave at present.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.limiter.rate()
    }

    /// How long the vendor still wants no request at all; `None` when it takes them.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        self.limiter.closed_for()
    }

    async fn in_turn<T, F>(&self, priority: Priority, stop: &CancellationToken, ask: impl Fn() -> F) -> Option<Result<T, Error>>
    where
        F: Future<Output = Result<T, Unanswered>>,
    {
        turn::reading(&self.limiter, priority, stop, ask).await
    }
}
