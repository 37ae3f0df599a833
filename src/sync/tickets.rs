//! Tickets of Spark, and what its rules say of a listing.

use super::account::Account;
use super::clock::mirror_time;
use super::control::{Finding, Findings, MadeTicket, Reply, Secret, Written};
use super::intents::{begin, ending, not_sent, of_outcome, record};
use crate::plan::settle::Columns;
use crate::record::{FeedId, Fields, Stamp, Verb, Write, WriteState, raw_hash};
use crate::store::{Error as StoreError, NewIntent, SavedIntent, Store};
use crate::vendor::{HttpOptions, SparkListing, SparkProblem, Ticket, TicketPath, Upload, Validation, WriteOutcome, upload};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a ticket lives by the vendor's document.
const LIFE: Duration = Duration::from_secs(3600);
/// What a ticket, and the upload of a file, are called in the table `intents`.
const TICKET: &str = "ticket";
pub(super) const UPLOAD: &str = "upload";
/// How long an upload may take.
pub(crate) const UPLOADING: Duration = Duration::from_secs(600);
const NO_SPARK: &str = "this account is not one of Spark";

/// Makes a ticket. `None` when stopped before anything was written down.
///
/// # Errors
/// When the file cannot be used.
pub(crate) async fn make_ticket(
    account: &Account,
    (listing, path): (&SparkListing, TicketPath),
    service: &str,
) -> Result<Option<Reply>, StoreError> {
    let Some(spark) = account.kind.catalogue.spark() else { return Ok(Some(not_sent(NO_SPARK))) };
    let fields: Map<String, Value> =
        [("Service".to_owned(), service.into()), ("path".to_owned(), path.word().into())].into_iter().collect();
    let write = Write { entity: TICKET.to_owned(), verb: Verb::Create, target: Some(listing.to_string()), fields: Fields(fields) };
    let number = match begin(account, write, Columns::new()).await? {
        Ok(number) => number,
        Err(reply) => return Ok(Some(reply)),
    };
    let (ending, ticket) = match spark.create_ticket((listing, path), service, &account.tools.stop).await {
        None => (ending(WriteState::NotDone, "it was stopped before it was sent", None), None),
        Some(Err(error)) => (ending(WriteState::NotDone, &format!("it was not sent: {}", error.message), None), None),
        Some(Ok(WriteOutcome::Done(ticket))) => (of_outcome(WriteOutcome::Done(None)), Some(ticket)),
        Some(Ok(told)) => (of_outcome(told.and_then(|_| None).map_refusal(|refusal| refusal.error().message)), None),
    };
    let ending = record(&account.tools.store, number, ending).await;
    account.sending.end(number);
    Ok(Some(match ticket {
        Some(ticket) => Reply::Ticket(MadeTicket {
            intent: number,
            uri: ticket.uri.to_string(),
            token: Secret(ticket.token.expose_secret().to_owned()),
            expires_in: ticket.expires_in.map(|left| left.as_secs()),
            service: ticket.service,
        }),
        None => Reply::Written(Written { intent: Some(number), state: ending.state, target: Some(listing.to_string()), note: ending.note }),
    }))
}

/// A ticket can neither be read nor taken back: it ends by its time. What was uploaded, a person must look for.
pub(super) async fn settle_ticket(account: &Account, number: i64, intent: SavedIntent) -> Result<Reply, StoreError> {
    let SavedIntent { write, changed_at, .. } = intent;
    let is_ticket = write.entity == TICKET;
    let ends = Stamp::parse(&changed_at).map(|since| since.plus(LIFE));
    let is_over = Stamp::parse(&mirror_time()) > ends;
    let (state, note) = match (is_ticket, ends) {
        (true, Some(_)) if is_over => (WriteState::Forgotten, "if it was made, its time is over".to_owned()),
        (true, Some(ends)) => {
            let until = ends.to_wire();
            (WriteState::Unknown, format!("the vendor has no way to read a ticket; if it was made, it lives until {until} (UTC)"))
        }
        (true, None) | (false, _) => {
            let forget = format!("then give it up with `mls-sync intents forget {number}`");
            (
                WriteState::Unknown,
                format!("look at the photos and documents of listing {}; {forget}", write.target.clone().unwrap_or_default()),
            )
        }
    };
    if state == WriteState::Forgotten {
        account.tools.store.end_intent(number, ending(state, &note, None)).await?;
    }
    Ok(Reply::Written(Written { intent: Some(number), state, target: write.target, note: Some(note) }))
}

/// Has a listing validated: its creation, or with its id an update. `None` when stopped.
pub(crate) async fn validate(account: &Account, listing: Option<&SparkListing>, body: &Value) -> Option<Reply> {
    let Some(spark) = account.kind.catalogue.spark() else { return Some(not_sent(NO_SPARK)) };
    Some(match spark.validate(listing, body, &account.tools.stop).await? {
        Ok(Validation { fatal, warnings }) => {
            let all = |found: Vec<SparkProblem>| found.into_iter().map(finding).collect();
            Reply::Findings(Findings { fatal: all(fatal), warnings: all(warnings) })
        }
        Err(error) => Reply::Failed(error.message),
    })
}

fn finding(problem: SparkProblem) -> Finding {
    let SparkProblem { field, message, rule, .. } = problem;
    Finding { field, message, rule }
}

/// Spends a ticket on a file, and writes that down. `hosts` are those that a ticket may name.
///
/// # Errors
/// When the file of the mirror cannot be used.
pub(crate) async fn spend(
    (store, account): (&Store, FeedId),
    (listing, ticket): (&SparkListing, MadeTicket),
    (file, hosts, http): (Upload<'_>, &[String], HttpOptions),
    stop: &CancellationToken,
) -> Result<Written, StoreError> {
    let told = |intent, state, note| Written { intent, state, target: Some(listing.to_string()), note };
    let Ok(uri) = ticket.uri.parse() else {
        return Ok(told(None, WriteState::NotDone, Some("the ticket names no place".to_owned())));
    };
    let left = ticket.expires_in.map(Duration::from_secs);
    let ticket = Ticket { uri, token: ticket.token.0.into(), expires_in: left, service: ticket.service };
    let content = raw_hash(file.bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let fields = [("Name".to_owned(), Value::from(file.name)), ("hash".to_owned(), content.into())].into_iter().collect();
    let write = Write { entity: UPLOAD.to_owned(), verb: Verb::Create, target: Some(listing.to_string()), fields: Fields(fields) };
    let intent = NewIntent { vendor: "spark", account, write, before: Columns::new(), at: mirror_time() };
    let number = match store.begin_intent(intent).await? {
        Ok(number) => number,
        Err(open) => {
            let why = format!(
                "the outcome of intent {open}, the same file for this listing, is not known. Look at the listing's photos, then give it up \
                 with `mls-sync intents forget {open}`"
            );
            return Ok(told(None, WriteState::NotDone, Some(why)));
        }
    };
    let ending = match upload(http, (&ticket, file), hosts, stop).await {
        None => ending(WriteState::NotDone, "it was stopped before it was sent", None),
        Some(Err(error)) => ending(WriteState::NotDone, &error.message, None),
        Some(Ok(told)) => of_outcome(told.and_then(|_| Some(None)).map_refusal(|refusal| refusal.error().message)),
    };
    let ending = record(store, number, ending).await;
    Ok(told(Some(number), ending.state, ending.note))
}
