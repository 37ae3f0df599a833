//! A kind of thing that is read in full, with the requests of its vendor.

use super::spark::{IDENTITIES, IdentityPage, Spark};
use super::spotahome::fields::AGENT;
use super::spotahome::{PROCESSES, ProcessFilter, ProcessId, Spotahome, is_cancelled};
use super::{Directory, Error, Vendor, WriteOutcome};
use crate::entity::{Confirmed, Deletions, Entity};
use crate::record::{Failure, FeedId, ListingId, Page, Presence, Record, Verb, Window, Write};
use serde_json::Value;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A kind of thing, with the vendor that is asked for it.
#[derive(Clone, Debug)]
pub(crate) enum Catalogue {
    /// Agents, offices or open houses of a feed.
    Directory(Arc<Vendor>, &'static Directory),
    /// Developer identities.
    Identities(Arc<Spark>),
    /// Listing processes, so many on a page.
    Processes(Arc<Spotahome>, u32),
}

/// One of the lists of a kind of thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    /// What the vendor says of everything in it.
    pub presence: Presence,
    /// The lists before it may hold everything in it, and then it need not be read; nor where it is refused.
    pub repeats: bool,
}

/// Everything that is not deleted.
const LIVE: List = List { presence: Presence::Live, repeats: false };

impl Catalogue {
    /// What it is.
    pub(crate) fn entity(&self) -> &'static Entity {
        match self {
            Catalogue::Directory(_, directory) => directory.entity,
            Catalogue::Identities(_) => &IDENTITIES,
            Catalogue::Processes(..) => &PROCESSES,
        }
    }

    /// What the service is called, for a person.
    pub(crate) fn service(&self) -> &'static str {
        match self {
            Catalogue::Directory(_, directory) => directory.service(),
            Catalogue::Identities(_) => "developers/identities",
            Catalogue::Processes(..) => "listing-processes",
        }
    }

    /// How an absence is confirmed.
    pub(crate) fn confirmed(&self) -> Confirmed {
        match self.entity().deletions {
            Deletions::Absence(confirmed) => confirmed,
            Deletions::Stream => Confirmed::Both,
        }
    }

    /// Whose the credential in use is, as a hash; `None` where an absence does not depend on that.
    pub(crate) fn credential(&self) -> Option<String> {
        let subject = match self {
            Catalogue::Directory(..) => return None,
            Catalogue::Identities(vendor) => vendor.subject(),
            Catalogue::Processes(vendor, _) => vendor.subject(),
        };
        Some(format!("{:032x}", u128::from_be_bytes(subject)))
    }

    /// Its lists, in the order in which they must be read: what is deleted meanwhile stands in the later one.
    pub(crate) fn lists(&self) -> &'static [List] {
        match self {
            Catalogue::Directory(..) => &[LIVE],
            Catalogue::Identities(_) => &[LIVE, List { presence: Presence::Deleted, repeats: false }],
            // That the list without a filter holds cancelled ones is not documented.
            Catalogue::Processes(..) => &[LIVE, List { presence: Presence::Live, repeats: true }],
        }
    }

    /// Whether a record is in the list that repeats those before it.
    pub(crate) fn is_repeated(&self, record: &Record) -> bool {
        match self {
            Catalogue::Directory(..) | Catalogue::Identities(_) => false,
            Catalogue::Processes(..) => is_cancelled(record),
        }
    }

    /// A page of a list, by the range of dates where the service has one.
    ///
    /// # Errors
    /// As those of the service; the outer `None` as soon as `stop` is cancelled.
    pub(crate) async fn page(
        &self,
        list: List,
        (feed, window, number): (&FeedId, Window, u32),
        stop: &CancellationToken,
    ) -> Option<Result<Page, Error>> {
        match self {
            Catalogue::Directory(vendor, directory) => vendor.directory(directory, (feed, window, number), stop).await,
            Catalogue::Identities(vendor) => {
                let answer = match list.presence {
                    Presence::Live => vendor.identities(number, stop).await?,
                    Presence::Deleted => vendor.deleted_identities(number, stop).await?,
                };
                Some(answer.map(|answer| paged(list, answer)))
            }
            Catalogue::Processes(vendor, size) => {
                let filter = if list.repeats { ProcessFilter::cancelled() } else { ProcessFilter::default() };
                vendor.processes(&filter, number, *size, stop).await
            }
        }
    }

    /// One of them by its id; an empty page where the vendor does not have it.
    ///
    /// # Errors
    /// As [`Catalogue::page`].
    pub(crate) async fn entry(&self, feed: &FeedId, id: &ListingId, stop: &CancellationToken) -> Option<Result<Page, Error>> {
        match self {
            Catalogue::Directory(vendor, directory) => vendor.directory_entry(directory, (feed, id), stop).await,
            Catalogue::Identities(vendor) => {
                let id = id.0.parse().expect("the id of a row is a number");
                Some(vendor.identity(id, stop).await?.map(entry))
            }
            Catalogue::Processes(vendor, _) => {
                let id = ProcessId(id.0.parse().expect("the id of a row is a number"));
                Some(vendor.process(id, stop).await?.map(entry))
            }
        }
    }

    /// What the vendor tells of the past of one of them, as JSON; `None` inside where it has no service for that.
    ///
    /// # Errors
    /// As [`Catalogue::page`].
    pub(crate) async fn history(&self, id: &ListingId, stop: &CancellationToken) -> Option<Result<Option<String>, Error>> {
        match self {
            Catalogue::Directory(..) | Catalogue::Processes(..) => Some(Ok(None)),
            Catalogue::Identities(vendor) => {
                let id = id.0.parse().expect("the id of a row is a number");
                Some(vendor.identity_history(id, stop).await?.map(Some))
            }
        }
    }
}

/// A list of one of these lengths may be the first page alone: the vendor's default and its largest page.
const CUT: [usize; 2] = [10, 25];

/// A page of identities. Without a total, a list of live ones is never proven whole. A list of deleted ones is, if its length is not
/// that of a page and a request for page 2 brings nothing new.
fn paged(list: List, answer: IdentityPage) -> Page {
    let IdentityPage { mut page, has_pagination, .. } = answer;
    if !has_pagination {
        let rows = page.records.len() + page.rejects.len();
        let is_doubtful = list.presence == Presence::Live || CUT.contains(&rows);
        page.total = rows as u64 + u64::from(is_doubtful && rows > 0);
        page.next_page = (rows > 0).then_some(2);
    }
    page
}

/// The page of one that was asked for by its id.
fn entry(found: Option<Record>) -> Page {
    let records: Vec<Record> = found.into_iter().collect();
    Page { total: records.len() as u64, records, rejects: Vec::new(), next_page: None, vendor_now: None }
}

/// What the vendor said of a change: the id of what was made, or its words of a refusal.
pub(crate) type Told = WriteOutcome<Option<String>, String>;

impl Catalogue {
    /// The name of the vendor.
    pub(crate) fn vendor(&self) -> &'static str {
        match self {
            Catalogue::Directory(..) => "constellation1",
            Catalogue::Identities(_) => "spark",
            Catalogue::Processes(..) => "spotahome",
        }
    }

    /// The Spark API, where that is the vendor.
    pub(crate) fn spark(&self) -> Option<&Spark> {
        match self {
            Catalogue::Identities(vendor) => Some(vendor),
            Catalogue::Directory(..) | Catalogue::Processes(..) => None,
        }
    }

    /// Sends a change once, whatever happens. `None` where `stop` was cancelled before it left.
    ///
    /// # Errors
    /// It has certainly not left: no connection, or the vendor has no such change.
    pub(crate) async fn write(&self, write: &Write, stop: &CancellationToken) -> Option<Result<Told, Error>> {
        let target = write.target.as_deref().and_then(|target| target.parse().ok());
        match (self, target) {
            (Catalogue::Identities(vendor), target) => write_identity(vendor, write, target, stop).await,
            (Catalogue::Processes(vendor, _), Some(id)) => write_process(vendor, write, ProcessId(id), stop).await,
            (Catalogue::Processes(..) | Catalogue::Directory(..), _) => Some(Err(no_such_change(write))),
        }
    }
}

async fn write_identity(vendor: &Spark, write: &Write, id: Option<i64>, stop: &CancellationToken) -> Option<Result<Told, Error>> {
    let fields = || Value::Object(write.fields.0.clone());
    let strange = |error: serde_json::Error| Some(Err(Error::new(Failure::Refused, &format!("these fields cannot be sent: {error}"))));
    let done = match (write.verb, id) {
        (Verb::Create, None) => match serde_json::from_value(fields()) {
            Ok(new) => vendor.create_identity(&new, stop).await?.map(|told| told.and_then(|id| Some(Some(id.to_string())))),
            Err(error) => return strange(error),
        },
        (Verb::Update, Some(id)) => match serde_json::from_value(fields()) {
            Ok(change) => vendor.update_identity(id, &change, stop).await?.map(|told| told.and_then(|()| Some(None))),
            Err(error) => return strange(error),
        },
        (Verb::Delete, Some(id)) => vendor.delete_identity(id, stop).await?.map(|told| told.and_then(|()| Some(None))),
        (Verb::Create | Verb::Update | Verb::Delete | Verb::Cancel | Verb::Assign | Verb::Unassign, _) => Err(no_such_change(write)),
    };
    Some(done.map(|told| told.map_refusal(|refusal| refusal.error().message)))
}

async fn write_process(vendor: &Spotahome, write: &Write, id: ProcessId, stop: &CancellationToken) -> Option<Result<Told, Error>> {
    let done = match (write.verb, write.fields.0.get(AGENT).and_then(Value::as_str)) {
        (Verb::Cancel, _) => vendor.cancel(id, stop).await?,
        (Verb::Assign, Some(agent)) => vendor.assign(id, agent, stop).await?,
        (Verb::Unassign, _) => vendor.unassign(id, stop).await?,
        (Verb::Create | Verb::Update | Verb::Delete | Verb::Assign, _) => Err(no_such_change(write)),
    };
    Some(done.map(|told| told.and_then(|()| Some(None)).map_refusal(|refusal| refusal.to_string())))
}

fn no_such_change(write: &Write) -> Error {
    Error::new(Failure::Refused, &format!("the vendor has no way to {} a thing of the kind {}", write.verb, write.entity))
}
