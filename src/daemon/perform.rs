//! A job of an account is done: by the running process for another command, or by that command itself.

use super::socket::Job;
use crate::store::Error as StoreError;
use crate::sync::account::Account;
use crate::sync::control::Reply;
use crate::sync::{ask, settling, tickets, writes};
use crate::vendor::SparkListing;
use serde_json::Value;

/// Does a job. `None` when stopped.
///
/// # Errors
/// When the file cannot be used.
pub(super) async fn perform(account: &Account, job: Job) -> Result<Option<Reply>, StoreError> {
    let parsed = |listing: &str| listing.parse::<SparkListing>();
    match job {
        Job::Write { write, expected } => writes::write(account, write, expected.0).await,
        Job::Entry { id } => Ok(ask::entry(&account.kind.catalogue, &account.name(), &id, &account.tools.stop).await),
        Job::History { id } => Ok(ask::history(&account.kind.catalogue, &id, &account.tools.stop).await),
        Job::Settle { intent } => settling::settle(account, intent).await,
        Job::Ticket { listing, path, service } => match parsed(&listing) {
            Ok(listing) => tickets::make_ticket(account, (&listing, path), &service).await,
            Err(why) => Ok(Some(Reply::Failed(why))),
        },
        Job::Validate { listing, body } => match listing.as_deref().map(parsed).transpose() {
            Ok(listing) => Ok(tickets::validate(account, listing.as_ref(), &Value::Object(body.0)).await),
            Err(why) => Ok(Some(Reply::Failed(why))),
        },
    }
}
