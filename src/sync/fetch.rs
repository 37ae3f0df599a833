//! Asks the vendor: for a page, alone or together with other feeds, or for a single listing.

use super::intake::Stored;
use super::messages::Event;
use super::tools::Tools;
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Record};
use crate::store::Error as StoreError;
use crate::vendor::{Error as VendorError, Priority};
use std::panic::resume_unwind;
use tokio::task::JoinHandle;

/// So many listings that a scan has just read are asked for one by one, to see whether the vendor answers for single listings at
/// all. It is more than one because a listing may have been deleted meanwhile.
const WITNESSES: usize = 3;

/// A page that is being stored.
pub(super) type Storing = JoinHandle<Result<Stored, StoreError>>;

/// What a vendor said of a single listing.
type One = Result<Option<Record>, VendorError>;

/// What came of a request for a page, and when; `None` when stopped.
pub(super) async fn fetch(tools: Tools, feed: FeedId, purpose: Purpose, request: PageRequest) -> Option<(Event, Now)> {
    let shared = match &tools.shared {
        Some(shared) => shared.ask(purpose, &request).await,
        None => None,
    };
    let answer = match shared {
        Some(answer) => answer,
        None => alone(&tools, &feed, purpose, &request).await?,
    };
    let event = match answer {
        Ok(page) => Event::Page(purpose, request, page),
        Err(error) => Event::Failed(purpose, request, error),
    };
    Some((event, tools.clock.now()))
}

async fn alone(tools: &Tools, feed: &FeedId, purpose: Purpose, request: &PageRequest) -> Option<Result<Page, VendorError>> {
    let priority = match purpose {
        Purpose::Poll => Priority::Poll,
        Purpose::Lookback | Purpose::Fill | Purpose::Scan => Priority::Fill,
    };
    let answer = tools.vendor.sync_listings(request, priority, &tools.stop).await?;
    tools.progress.update(feed, |counters| counters.requests += 1);
    let vendor_now = answer.as_ref().map_or_else(|error| error.vendor_now, |page| page.vendor_now);
    vendor_now.inspect(|utc| tools.clock.hear(*utc));
    Some(answer)
}

/// What the vendor says of one listing; `None` when stopped. `knows_listings`: in this scan, it has answered for a single listing.
pub(super) async fn fetch_one(
    tools: &Tools,
    feed: &FeedId,
    listing: &ListingId,
    knows_listings: &mut bool,
) -> Result<Option<One>, StoreError> {
    let Some(mut answer) = detail(tools, feed, listing).await else { return Ok(None) };
    if matches!(answer, Ok(None)) && !*knows_listings {
        // A vendor that cannot be asked for single listings answers 404 for all of them. So the first one counts only if the vendor
        // answers for another listing, where the file has one.
        for other in tools.store.just_read(feed, WITNESSES).await? {
            answer = match detail(tools, feed, &other).await {
                None => return Ok(None),
                Some(Ok(Some(_))) => {
                    *knows_listings = true;
                    Ok(None)
                }
                Some(Ok(None)) => Err(knows_none()),
                Some(Err(error)) => Err(error),
            };
            if *knows_listings {
                break;
            }
        }
    }
    Ok(Some(answer))
}

async fn detail(tools: &Tools, feed: &FeedId, listing: &ListingId) -> Option<One> {
    let answer = tools.vendor.listing_detail(feed, listing, Priority::Fill, &tools.stop).await?;
    tools.progress.update(feed, |counters| counters.requests += 1);
    Some(answer)
}

fn knows_none() -> VendorError {
    let message = "asked for single listings, the vendor also denies those that it has just returned, so its answers do not show that the \
                   missing ones are gone";
    VendorError { failure: Failure::Refused, message: message.to_owned(), status: None, vendor_now: None }
}

/// What comes of the page that is being stored; never ready where there is none.
pub(super) async fn joined(storing: Option<&mut Storing>) -> Result<Stored, StoreError> {
    match storing {
        Some(storing) => storing.await.unwrap_or_else(|failed| resume_unwind(failed.into_panic())),
        None => std::future::pending().await,
    }
}
