//! Reading identities: the live ones, the deleted ones, one, its history.

use super::client::Call;
use super::envelope::{Granted, Reply};
use super::identity::of_account;
use super::service::Spark;
use crate::record::{Failure, Page, Record};
use crate::vendor::error::Error;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

/// The vendor's highest page number.
const LAST_PAGE: u32 = 100_000;
const LIVE: &str = "developers/identities";
const DELETED: &str = "developers/identities/deleted";
const NOT_FOUND: u16 = 404;

/// One answered page of identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPage {
    /// The records and rejects. `total` is the vendor's TotalRows, or without it the rows of this page. `next_page` is the next
    /// number wherever one more page may exist.
    pub page: Page,
    /// The vendor's PageSize, which may be smaller than what was asked for.
    pub page_size: Option<u32>,
    /// Whether the vendor told the total. Without it, the page alone proves nothing.
    pub has_pagination: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List<'a> {
    #[serde(borrow, default)]
    results: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pagination {
    total_rows: u64,
    page_size: Option<u32>,
}

impl Spark {
    /// One page of the live identities that the key can see, pages from 1. `None` as soon as `stop` is cancelled.
    ///
    /// # Errors
    /// Every [`Failure`]; a 404 of the list is `Refused`, for it says nothing of what exists. A `Throttled` has already closed
    /// the gate for everybody.
    pub async fn identities(&self, page: u32, stop: &CancellationToken) -> Option<Result<IdentityPage, Error>> {
        self.list(LIVE, page, stop).await
    }

    /// One page of the deleted identities. The document gives this service no parameters, so whether it has pages is not known.
    ///
    /// # Errors
    /// As [`Spark::identities`].
    pub async fn deleted_identities(&self, page: u32, stop: &CancellationToken) -> Option<Result<IdentityPage, Error>> {
        self.list(DELETED, page, stop).await
    }

    async fn list(&self, path: &str, page: u32, stop: &CancellationToken) -> Option<Result<IdentityPage, Error>> {
        let limit = self.client.page_size;
        let query = vec![("_limit", limit.to_string()), ("_pagination", "1".to_owned()), ("_page", page.to_string())];
        let granted = self.granted(&Call { query, ..Call::new(Method::GET, path) }, stop).await?;
        Some(granted.and_then(|granted| read_page(&granted, &self.client.account, Asked { page, limit })))
    }

    /// One identity; `None` inside where the vendor does not have it or does not show it to this key. A deleted one may come as
    /// a record that says so.
    ///
    /// # Errors
    /// Every [`Failure`]; an answer that is another identity is `Malformed`.
    pub async fn identity(&self, id: i64, stop: &CancellationToken) -> Option<Result<Option<Record>, Error>> {
        let call = Call::new(Method::GET, format!("{LIVE}/{id}"));
        Some(match self.ask(&call, stop).await? {
            Ok(Reply::Granted(granted)) => one(&granted, &self.client.account, id),
            Ok(Reply::Refused(refusal)) if refusal.http == NOT_FOUND || refusal.code == Some(NOT_FOUND.into()) => Ok(None),
            Ok(Reply::Refused(refusal)) => Err(refusal.error()),
            Err(error) => Err(error),
        })
    }

    /// The history of an identity, as the vendor's `D` in JSON, without the API keys that its entries name. The service is not
    /// in the documents of the contract.
    ///
    /// # Errors
    /// Every [`Failure`].
    pub async fn identity_history(&self, id: i64, stop: &CancellationToken) -> Option<Result<String, Error>> {
        let granted = self.granted(&Call::new(Method::GET, format!("{LIVE}/{id}/history")), stop).await?;
        Some(granted.and_then(|granted| {
            let mut d = serde_json::from_str(&granted.d)
                .map_err(|_| Error::new(Failure::Malformed, "the history cannot be read").at(granted.vendor_now))?;
            drop_keys(&mut d);
            Ok(d.to_string())
        }))
    }
}

/// Drops the member `Key` at any depth.
fn drop_keys(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.eq_ignore_ascii_case("Key"));
            members.values_mut().for_each(drop_keys);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(Clone, Copy)]
struct Asked {
    page: u32,
    limit: u32,
}

fn list(granted: &Granted) -> Result<List<'_>, Error> {
    let read = serde_json::from_str(&granted.d);
    read.map_err(|_| Error::new(Failure::Malformed, "the answer's Results or Pagination cannot be read").at(granted.vendor_now))
}

fn read_page(granted: &Granted, account: &str, asked: Asked) -> Result<IdentityPage, Error> {
    let List { results, pagination } = list(granted)?;
    let results = results.unwrap_or_default();
    let rows = results.len() as u64;
    let (mut records, mut rejects) = (Vec::new(), Vec::new());
    for sent in results {
        match of_account(sent.get(), account) {
            Ok(record) => records.push(record),
            Err(reject) => rejects.push(reject),
        }
    }
    let page_size = pagination.as_ref().and_then(|pagination| pagination.page_size);
    let total = pagination.as_ref().map(|pagination| pagination.total_rows);
    let has_more = may_have_more(asked, page_size, rows, total);
    let page = Page {
        records,
        rejects,
        total: total.unwrap_or(rows),
        next_page: has_more.then(|| asked.page.saturating_add(1)),
        vendor_now: granted.vendor_now,
    };
    Ok(IdentityPage { page, page_size, has_pagination: pagination.is_some() })
}

/// A full page, or fewer rows so far than the total. An empty page is the last.
fn may_have_more(asked: Asked, page_size: Option<u32>, rows: u64, total: Option<u64>) -> bool {
    let size = u64::from(page_size.unwrap_or(asked.limit).min(asked.limit));
    let so_far = u64::from(asked.page.saturating_sub(1)) * size + rows;
    rows > 0 && asked.page < LAST_PAGE && (rows >= size || total.is_some_and(|total| so_far < total))
}

fn one(granted: &Granted, account: &str, id: i64) -> Result<Option<Record>, Error> {
    let malformed = |what: &str| Error::new(Failure::Malformed, what).at(granted.vendor_now);
    let results = list(granted)?.results.unwrap_or_default();
    let [sent] = results.as_slice() else { return Err(malformed("the answer is not one identity")) };
    match of_account(sent.get(), account) {
        Ok(record) if record.key.listing.0 == id.to_string() => Ok(Some(record)),
        Ok(_) => Err(malformed("the answer is another identity")),
        Err(reject) => Err(malformed(&format!("the answer is no identity: {}", reject.reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: u32, page_size: Option<u32>, rows: u64, total: Option<u64>, expected: bool) {
        let asked = Asked { page, limit: 25 };
        assert_eq!(may_have_more(asked, page_size, rows, total), expected, "{page} {page_size:?} {rows} {total:?}");
    }

    #[test]
    fn a_next_page_is_named_wherever_one_may_exist() {
        check(1, Some(25), 25, Some(60), true);
        check(3, Some(25), 10, Some(60), false);
        check(2, Some(25), 25, Some(50), true);
        check(3, Some(25), 0, Some(60), false);
        check(1, Some(10), 10, Some(60), true);
        check(1, Some(25), 7, Some(60), true);
        check(1, None, 25, None, true);
        check(1, None, 40, None, true);
        check(1, None, 10, None, false);
        check(LAST_PAGE, Some(25), 25, Some(60), false);
    }

    #[test]
    fn a_page_without_results_is_empty_and_one_of_another_shape_is_malformed() {
        let read =
            |d: &str| read_page(&Granted { d: d.to_owned(), is_accepted: false, vendor_now: None }, "mls", Asked { page: 1, limit: 25 });
        let empty = read(r#"{"Success":true}"#).expect("a page");
        assert!(empty.page.records.is_empty() && !empty.has_pagination && empty.page.next_page.is_none());
        let page =
            read(r#"{"Success":true,"Results":[{"Id":5},{"Id":"x"},7],"Pagination":{"TotalRows":3,"PageSize":25}}"#).expect("a page");
        assert_eq!((page.page.records.len(), page.page.rejects.len(), page.page.total, page.page_size), (1, 2, 3, Some(25)));
        assert!(read(r#"{"Results":5}"#).is_err());
    }
}
