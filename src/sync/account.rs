//! An account of a vendor that is read whole, for what concerns one of its things: asking for it, and changing it.

use super::census::{self, Kind};
use super::clock::mirror_time;
use super::tools::CensusTools;
use crate::entity::Entity;
use crate::plan::settle::Columns;
use crate::record::{Cell, Content, FeedId, Field, ListingId, ListingKey, Presence, Record};
use crate::store::{Census, Error as StoreError};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a reading that was asked for is waited for.
const READING: Duration = Duration::from_secs(120);
/// How often it is looked whether it is over.
const LOOK: Duration = Duration::from_millis(500);

/// An account of a vendor.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// What is read of it, and how it is asked.
    pub kind: Kind,
    /// The file and the clocks.
    pub tools: CensusTools,
    /// For so long, what the vendor answers may be older than what was written.
    pub read_lag: Duration,
    /// Whether it is read again and again by this process.
    pub is_followed: bool,
    /// The numbers of the changes that this process is sending.
    pub sending: InFlight,
}

/// The numbers of the changes that a process is sending. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<BTreeSet<i64>>>);

impl InFlight {
    pub(super) fn begin(&self, intent: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(intent);
    }

    pub(super) fn end(&self, intent: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&intent);
    }

    pub(super) fn has(&self, intent: i64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&intent)
    }
}

/// What the vendor has of one thing.
#[derive(Debug)]
pub(super) enum Found {
    /// It does not have it, or has it as deleted.
    Gone,
    /// It has it.
    There(Box<Record>),
}

impl Account {
    /// The kind of thing that it has.
    pub(super) fn entity(&self) -> &'static Entity {
        self.kind.catalogue.entity()
    }

    /// Its name in the file.
    pub(crate) fn name(&self) -> FeedId {
        self.kind.account.clone().expect("what is read of an account names it")
    }

    /// The key of one of its things.
    pub(super) fn key(&self, id: &str) -> ListingKey {
        ListingKey { feed: self.name(), listing: ListingId(id.to_owned()) }
    }

    /// Asks the vendor for one of its things, and stores what comes. `None` when stopped; the inner error says why there is no answer.
    pub(super) async fn look(&self, id: &str) -> Result<Option<Result<Found, String>>, StoreError> {
        let key = self.key(id);
        let page = match self.kind.catalogue.entry(&key.feed, &key.listing, &self.tools.stop).await {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(Err(error.message))),
            Some(Ok(page)) => page,
        };
        let record = page.records.iter().find(|record| record.key == key).cloned();
        if record.is_some() {
            self.tools.store.store_census(self.census(), (Presence::Live, page), false).await?;
        }
        let entity = self.entity();
        let live = record.filter(|record| !(entity.looks_deleted)(&(entity.decode)(record)));
        Ok(Some(Ok(live.map_or(Found::Gone, |record| Found::There(Box::new(record))))))
    }

    /// Reads everything, or has the process's own reading begin, and waits for its end within limits.
    pub(super) async fn read_again(&self) -> Result<(), StoreError> {
        if !self.is_followed {
            return census::now(&self.tools, &self.kind).await;
        }
        let before = self.tools.store.census(self.census()).await?.whole;
        self.tools.again.notify_one();
        let ends = tokio::time::Instant::now() + READING;
        while tokio::time::Instant::now() < ends && self.tools.store.census(self.census()).await?.whole == before {
            if self.tools.stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn census(&self) -> Census {
        Census { entity: self.entity(), feed: self.name(), at: mirror_time() }
    }
}

/// The columns of a record, as text. What it leaves out is not among them, nor what is masked or fits no column, which stands in `extra`.
pub(super) fn columns(entity: &Entity, content: &Content) -> Columns {
    let unfit: Map<String, Value> = content.extra.as_deref().and_then(|extra| serde_json::from_str(extra).ok()).unwrap_or_default();
    let is_shown = |(field, cell): &(&Field, &Cell)| !matches!(cell, Cell::Absent) && !unfit.contains_key(field.wire);
    let shown = entity.fields.iter().zip(&content.cells).filter(is_shown);
    shown.map(|(field, cell)| (field.column.to_owned(), text(cell))).collect()
}

/// A cell as text.
pub(super) fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Absent | Cell::Null => None,
        Cell::Integer(value) => Some(value.to_string()),
        Cell::Real(value) => Some(value.to_string()),
        Cell::Text(value) => Some(value.to_string()),
    }
}
