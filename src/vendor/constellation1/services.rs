//! The services of the partner API besides SyncListings and GetListingDetail, each in its turn in the budget of the credential.

use super::call::Call;
use super::fields::entities::{AGENT, LISTING_OPEN_HOUSE, LISTING_SUMMARY, OFFICE};
use super::fields::services::{
    GET_AGENTS, GET_LISTINGS, GET_LISTINGS_BY_ADDRESS, GET_LISTINGS_BY_GEOGRAPHY, GET_LISTINGS_BY_LOCATION, GET_LISTINGS_OPEN_HOUSE,
    GET_OFFICES, GET_SOLD_LISTINGS_BY_LOCATION,
};
use super::items::Items;
use super::requests::{AgentsRequest, ByAddress, ByGeography, ByLocation, Filters, OfficesRequest, OpenHousesRequest};
use crate::record::Field;
use crate::vendor::{Error, Priority, Vendor};
use tokio_util::sync::CancellationToken;

/// `None`: stopped before the answer came.
type Outcome<T> = Option<Result<T, Error>>;

/// Every method waits for its turn, and gives `None` as soon as `stop` is cancelled. An answer that takes longer than 30 seconds is
/// given up: it holds a place that polls may need. A method fails with every [`Failure`](crate::record::Failure), in the vendor's
/// words; with `Refused`, and without asking, where the request cannot be sent as it is. After a 429 nobody asks until the time that
/// it named has passed.
///
/// A `Vendor` spends a budget of its own. Beside a running mirror with the same credential, let `mls-sync ask` make the calls instead,
/// which the daemon counts with its own requests.
/// The fields of each result are in [`fields::entities`](super::fields::entities).
impl Vendor {
    /// GetListings: searches by filters; the results are summaries.
    pub async fn listings(&self, request: &Filters, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_LISTINGS, request), &LISTING_SUMMARY, priority, stop).await
    }

    /// GetListingsByAddress: the same around an address.
    pub async fn listings_by_address(&self, request: &ByAddress, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_LISTINGS_BY_ADDRESS, request), &LISTING_SUMMARY, priority, stop).await
    }

    /// GetListingsByGeography: the same by the name of a place.
    pub async fn listings_by_geography(&self, request: &ByGeography, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_LISTINGS_BY_GEOGRAPHY, request), &LISTING_SUMMARY, priority, stop).await
    }

    /// GetListingsByLocation: the same around a point or within a boundary.
    pub async fn listings_by_location(&self, request: &ByLocation, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_LISTINGS_BY_LOCATION, request), &LISTING_SUMMARY, priority, stop).await
    }

    /// GetSoldListingsByLocation: the same among sold listings.
    pub async fn sold_listings_by_location(&self, request: &ByLocation, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_SOLD_LISTINGS_BY_LOCATION, request), &LISTING_SUMMARY, priority, stop).await
    }

    /// GetAgents: a page of a feed's agents, 1000 at most. They carry neither their feed nor a date.
    pub async fn agents(&self, request: &AgentsRequest, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_AGENTS, request), &AGENT, priority, stop).await
    }

    /// GetOffices: a page of a feed's offices, in the same way.
    pub async fn offices(&self, request: &OfficesRequest, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_OFFICES, request), &OFFICE, priority, stop).await
    }

    /// GetListingsOpenHouse: open houses by their dates.
    pub async fn open_houses(&self, request: &OpenHousesRequest, priority: Priority, stop: &CancellationToken) -> Outcome<Items> {
        self.items(Call::of(&GET_LISTINGS_OPEN_HOUSE, request), &LISTING_OPEN_HOUSE, priority, stop).await
    }

    /// Any service, its answer as sent: JSON, whatever is in it.
    pub async fn ask(&self, call: &Call, priority: Priority, stop: &CancellationToken) -> Outcome<String> {
        self.in_turn(priority, stop, || self.client().json(call)).await
    }

    pub(super) async fn items(
        &self,
        call: Result<Call, Error>,
        fields: &'static [Field],
        priority: Priority,
        stop: &CancellationToken,
    ) -> Outcome<Items> {
        match call {
            Ok(call) => self.in_turn(priority, stop, || self.client().items(&call, fields)).await,
            Err(error) => Some(Err(error)),
        }
    }
}
