//! Agents, offices and open houses, asked for in their turn.

use super::call::Call;
use super::directory::Directory;
use crate::record::{FeedId, ListingId, Page, Stamp, Window};
use crate::vendor::{Error, Priority, Vendor};
use serde_json::json;
use tokio_util::sync::CancellationToken;

impl Vendor {
    /// A page of what a feed has of a kind, by the range of dates; an end that is open is not sent.
    ///
    /// # Errors
    /// As the other services; the outer `None` as soon as `stop` is cancelled.
    pub(crate) async fn directory(
        &self,
        directory: &Directory,
        (feed, window, page): (&FeedId, Window, u32),
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        let [from, to] = directory.dates;
        let end = (window.to < Stamp::NO_END).then(|| (to, json!(window.to.to_wire())));
        let page_of = directory.service.parameter("Page").map(|(name, _)| (name, json!(page)));
        let call = directory.call(feed, [(from, json!(window.from.to_wire()))].into_iter().chain(end).chain(page_of));
        self.read_directory(directory, feed, call, stop).await
    }

    /// One of them by its id; an empty page where the vendor does not have it.
    ///
    /// # Errors
    /// As [`Vendor::directory`]. An empty list or a 404 tells that there is none.
    pub(crate) async fn directory_entry(
        &self,
        directory: &Directory,
        (feed, id): (&FeedId, &ListingId),
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        // Without a beginning, the document has it begin today.
        let from = (directory.dates[0], json!(Stamp::parse("1900-01-01")?.to_wire()));
        let call = directory.call(feed, directory.one.map(|one| (one, json!(id))).into_iter().chain([from]));
        match self.read_directory(directory, feed, call, stop).await? {
            Err(error) if error.status == Some(404) => {
                Some(Ok(Page { records: Vec::new(), rejects: Vec::new(), total: 0, next_page: None, vendor_now: error.vendor_now }))
            }
            answer => Some(answer),
        }
    }

    async fn read_directory(
        &self,
        directory: &Directory,
        feed: &FeedId,
        call: Result<Call, Error>,
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        let answer = self.items(call, directory.fields, Priority::Fill, stop).await?;
        Some(answer.map(|answer| directory.page(feed, answer)))
    }
}
