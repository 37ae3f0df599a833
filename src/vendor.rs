//! The outside world, in: a vendor's API becomes pages of records.

pub mod constellation1;
mod error;
mod limiter;

pub use error::Error;
pub use limiter::{Limiter, LimiterOptions, Priority};

use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Record};
use constellation1::Client;
use secrecy::SecretString;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A vendor's API under one credential: every request waits its turn in the credential's budget.
#[derive(Debug)]
pub struct Vendor {
    client: Client,
    limiter: Limiter,
}

impl Vendor {
    /// A client with the budget of its credential.
    #[must_use]
    pub fn new(client: Client, limiter: Limiter) -> Vendor {
        Vendor { client, limiter }
    }

    /// Asks for one page in its turn; `None` as soon as `stop` is cancelled, whether waiting or in flight.
    ///
    /// # Errors
    /// As [`Client::sync_listings`]; a `Throttled` has already closed the gate for everybody.
    pub async fn sync_listings(&self, request: &PageRequest, priority: Priority, stop: &CancellationToken) -> Option<Result<Page, Error>> {
        self.in_turn(priority, stop, self.client.sync_listings(request)).await
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
        self.in_turn(priority, stop, self.client.listing_detail(feed, listing)).await
    }

    /// Uses another key from the next request on.
    ///
    /// # Errors
    /// What is wrong with the key, never the key; the one in use stays.
    pub fn set_key(&self, key: SecretString) -> Result<(), String> {
        self.client.set_key(key)
    }

    /// The budget of the credential.
    pub(crate) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// How long the vendor still wants no request at all; `None` when it takes them.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        self.limiter.closed_for()
    }

    /// The request is a future that has not begun, so its timestamp is of the moment it leaves.
    async fn in_turn<T>(
        &self,
        priority: Priority,
        stop: &CancellationToken,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        let permit = self.limiter.admit(priority, stop).await?;
        let outcome = stop.run_until_cancelled(request).await?;
        match &outcome {
            Ok(_) => self.limiter.answered(&permit),
            Err(Error { failure: Failure::Throttled { wait }, .. }) => self.limiter.throttled(&permit, *wait),
            Err(_) => {}
        }
        // Only now may the next request take the place: the gate is closed before it looks.
        drop(permit);
        Some(outcome)
    }
}
