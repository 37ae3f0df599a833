//! Asks the vendor for a person: for one listing, to be compared with its row (`mls-sync why --ask`) or to be stored
//! (`mls-sync refetch`), or any service (`mls-sync ask`).

use super::account::text;
use crate::entity::Entity;
use crate::plan::merge::ActionKind;
use crate::record::{Cell, Content, FeedId, ListingId, ListingKey};
use crate::store::{Error as StoreError, Store};
use crate::sync::clock::mirror_time;
use crate::sync::control::{Refetched, Reply};
use crate::vendor::catalogue::Catalogue;
use crate::vendor::{Call, Priority, Vendor};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// The vendor's answer about a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    pub found: bool,
    pub looks_deleted: bool,
    /// Its date, status and price, whether or not they differ.
    pub main: Vec<Side>,
    /// The other columns that differ; empty if the file has no row.
    pub differing: Vec<Side>,
}

/// One column on both sides, as text; null where it holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Side {
    pub column: &'static str,
    pub file: Option<String>,
    pub vendor: Option<String>,
}

/// Asks for a listing; tells the record as sent, null if the vendor does not have it. `None` when stopped.
pub(crate) async fn ask(vendor: &Vendor, key: &ListingKey, stop: &CancellationToken) -> Option<Reply> {
    let answer = vendor.listing_detail(&key.feed, &key.listing, Priority::Poll, stop).await?;
    Some(match answer {
        Ok(record) => Reply::Record(record.map(|record| record.raw)),
        Err(error) => Reply::Failed(error.message),
    })
}

/// Asks an account for one of its things by the id; tells the record as sent, null if the vendor does not have it. `None` when stopped.
pub(crate) async fn entry(catalogue: &Catalogue, account: &FeedId, id: &ListingId, stop: &CancellationToken) -> Option<Reply> {
    let page = match catalogue.entry(account, id, stop).await? {
        Ok(page) => page,
        Err(error) => return Some(Reply::Failed(error.message)),
    };
    let record = page.records.into_iter().find(|record| record.key.listing == *id);
    Some(match (record, page.rejects.into_iter().next()) {
        (None, Some(reject)) => Reply::Failed(format!("its record cannot be read: {}", reject.reason)),
        (record, _) => Reply::Record(record.map(|record| record.raw)),
    })
}

/// Asks for the history of a thing; tells it as JSON, or that there is none. `None` when stopped.
pub(crate) async fn history(catalogue: &Catalogue, id: &ListingId, stop: &CancellationToken) -> Option<Reply> {
    Some(match catalogue.history(id, stop).await? {
        Ok(Some(history)) => Reply::Answer(history),
        Ok(None) => Reply::Record(None),
        Err(error) => Reply::Failed(error.message),
    })
}

/// Asks for a listing and stores it, as a page would be stored. It deletes nothing: of a deletion a single answer is no proof.
/// `None` when stopped.
///
/// # Errors
/// Why the record could not be stored.
pub(crate) async fn refetch(
    (vendor, store, entity): (&Vendor, &Store, &Entity),
    key: ListingKey,
    stop: &CancellationToken,
) -> Result<Option<Reply>, StoreError> {
    let feed = store.named(&key.feed).await?;
    if !store.feeds().await?.contains(&feed) {
        return Ok(Some(Reply::Failed("this feed is not mirrored; `mls-sync feeds` lists those that are".to_owned())));
    }
    let Some(answer) = vendor.listing_detail(&feed, &key.listing, Priority::Fill, stop).await else { return Ok(None) };
    let refetched = match answer {
        Err(error) => return Ok(Some(Reply::Failed(error.message))),
        Ok(None) => Refetched::Missing,
        Ok(Some(record)) if (entity.looks_deleted)(&(entity.decode)(&record)) => Refetched::LooksDeleted,
        Ok(Some(record)) => match store.refetched(record, mirror_time()).await? {
            ActionKind::Insert => Refetched::Added,
            ActionKind::Update => Refetched::Changed,
            ActionKind::Revive => Refetched::Restored,
            ActionKind::Superseded => Refetched::Older,
            ActionKind::Unchanged | ActionKind::Restamp | ActionKind::Tombstone | ActionKind::InsertTombstone => Refetched::Unchanged,
        },
    };
    Ok(Some(Reply::Refetched(refetched)))
}

/// Calls a service; tells its answer as sent. `None` when stopped. Polls go before it, and their part of a budget is not for it.
pub(crate) async fn call(vendor: &Vendor, call: &Call, stop: &CancellationToken) -> Option<Reply> {
    Some(match vendor.ask(call, Priority::Fill, stop).await? {
        Ok(answer) => Reply::Answer(answer),
        Err(error) => Reply::Failed(error.message),
    })
}

/// Compares a record as sent with a row; `None` for a record that the vendor does not have.
///
/// # Errors
/// Why the record cannot be read.
pub(crate) fn compare_with_row(entity: &Entity, record: Option<&str>, row: Option<&Content>) -> Result<Asked, String> {
    let Some(raw) = record else { return Ok(compare(entity, None, row)) };
    let record = (entity.read)(raw)?;
    Ok(compare(entity, Some(&(entity.decode)(&record)), row))
}

fn compare<'a>(entity: &Entity, vendor: Option<&'a Content>, row: Option<&'a Content>) -> Asked {
    let sides = entity.fields.iter().enumerate().map(|(index, field)| {
        let of = |content: Option<&'a Content>| content.and_then(|content| content.cells.get(index)).unwrap_or(&Cell::Absent);
        (field.column, of(row), of(vendor))
    });
    let (main, others): (Vec<_>, Vec<_>) = sides.partition(|(column, _, _)| entity.headline.contains(column));
    // A field that the answer leaves out says nothing.
    let differs = |(_, file, vendor): &(&str, &Cell, &Cell)| **vendor != Cell::Absent && text(file) != text(vendor);
    let side = |(column, file, vendor): (&'static str, &Cell, &Cell)| Side { column, file: text(file), vendor: text(vendor) };
    let both = vendor.is_some() && row.is_some();
    Asked {
        found: vendor.is_some(),
        looks_deleted: vendor.is_some_and(entity.looks_deleted),
        main: main.into_iter().map(side).collect(),
        differing: others.into_iter().filter(|found| both && differs(found)).map(side).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::LISTINGS;

    fn content(price: Cell<'static>, city: Cell<'static>) -> Content<'static> {
        let cell = |column: &str| match column {
            "price" => price.clone(),
            "city" => city.clone(),
            _ => Cell::Null,
        };
        Content { cells: LISTINGS.fields.iter().map(|field| cell(field.column)).collect(), extra: None }
    }

    #[test]
    fn the_main_columns_are_shown_and_the_others_where_they_differ() {
        let town = |name: &str| Cell::Text(name.to_owned().into());
        let asked = compare(&LISTINGS, Some(&content(Cell::Integer(2), town("B"))), Some(&content(Cell::Integer(1), town("A"))));
        assert_eq!(
            asked.main.iter().map(|side| side.column).collect::<std::collections::BTreeSet<_>>(),
            LISTINGS.headline.iter().copied().collect()
        );
        let city = Side { column: "city", file: Some("A".to_owned()), vendor: Some("B".to_owned()) };
        assert_eq!(asked.differing, [city]);
    }

    #[test]
    fn what_the_answer_leaves_out_does_not_differ() {
        let asked =
            compare(&LISTINGS, Some(&content(Cell::Absent, Cell::Absent)), Some(&content(Cell::Integer(1), Cell::Text("A".into()))));
        assert_eq!(asked.differing, []);
    }

    #[test]
    fn a_listing_that_the_vendor_lacks_differs_in_nothing() {
        let asked = compare(&LISTINGS, None, Some(&content(Cell::Integer(1), Cell::Null)));
        assert_eq!((asked.found, asked.differing.len()), (false, 0));
    }
}
