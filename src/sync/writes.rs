//! Changes at a vendor: each is compared with what the vendor has, written down, and sent once.

use super::account::{Account, Found, columns};
use super::control::{Reply, Written};
use super::intents::{begin, can_be_read, ending, not_sent, of_outcome, record, wanted};
use super::settling::settle;
use crate::plan::settle::{Columns, is_same};
use crate::record::{Record, Stamp, Verb, Write, WriteState};
use crate::store::{Ending, Error as StoreError};

/// Makes a change at the vendor, if the thing is as `expected`: columns that are not named there may be anything. `None` when stopped
/// before anything was written down.
///
/// # Errors
/// When the file cannot be used. What was sent by then stands in it as sent, and is unknown after a restart.
pub(crate) async fn write(account: &Account, write: Write, expected: Columns) -> Result<Option<Reply>, StoreError> {
    let wanted = match wanted(account, &write) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Some(not_sent(&why))),
    };
    let before = match before(account, &write, (&expected, &wanted)).await? {
        None => return Ok(None),
        Some(Err(reply)) => return Ok(Some(reply)),
        Some(Ok(before)) => before,
    };
    let number = match begin(account, write.clone(), before).await? {
        Ok(number) => number,
        Err(reply) => return Ok(Some(reply)),
    };
    let sent = match account.kind.catalogue.write(&write, &account.tools.stop).await {
        None => ending(WriteState::NotDone, "it was stopped before it was sent", None),
        Some(Err(error)) => ending(WriteState::NotDone, &format!("it was not sent: {}", error.message), None),
        Some(Ok(told)) => of_outcome(told),
    };
    let Ending { state, note, made, .. } = record(&account.tools.store, number, sent).await;
    account.sending.end(number);
    match state {
        WriteState::Done => {
            let target = write.target.clone().or(made);
            // It is done, whatever happens from here on.
            let seen = read_back(account, number, (write.verb, target.as_deref()), &wanted).await;
            let note = seen.unwrap_or_else(|error| Some(format!("it could not be read back: {error}"))).or(note);
            Ok(Some(Reply::Written(Written { intent: Some(number), state, target, note })))
        }
        WriteState::Unknown => {
            let unknown = Written { intent: Some(number), state, target: write.target, note };
            Ok(Some(settle(account, number).await.ok().flatten().unwrap_or(Reply::Written(unknown))))
        }
        WriteState::Sent | WriteState::Refused | WriteState::NotDone | WriteState::Forgotten => {
            Ok(Some(Reply::Written(Written { intent: Some(number), state, target: write.target, note })))
        }
    }
}

/// The columns concerned, as the vendor has them; or why nothing is to be sent. `None` when stopped.
async fn before(
    account: &Account,
    write: &Write,
    (expected, wanted): (&Columns, &Columns),
) -> Result<Option<Result<Columns, Reply>>, StoreError> {
    let Some(id) = &write.target else {
        // Without a whole reading before it, nothing would tell one that was made from one that was always there.
        let is_known = account.tools.store.census(account.census()).await?.whole.is_some();
        let unread = || {
            not_sent(
                "all identities must have been read once before one can be created, or a lost answer could not be found out; run `mls-sync run`",
            )
        };
        return Ok(Some(if is_known { Ok(Columns::new()) } else { Err(unread()) }));
    };
    let now = match account.look(id).await? {
        None => return Ok(None),
        Some(Err(why)) => return Ok(Some(Err(not_sent(&format!("the vendor did not say what it has now: {why}"))))),
        Some(Ok(Found::Gone)) => return Ok(Some(Err(not_sent("the vendor does not have it, or has it as deleted")))),
        Some(Ok(Found::There(record))) => shown(account, &record),
    };
    let differing = differing(expected, &now);
    if !differing.is_empty() {
        let told = format!(
            "the record at the vendor differs from what is expected: {}. Its row was updated; look at it, and repeat the command",
            differing.join(", ")
        );
        return Ok(Some(Err(not_sent(&told))));
    }
    let has =
        |(column, value): (&String, &Option<String>)| now.get(column).is_some_and(|found| is_same(value.as_deref(), found.as_deref()));
    if write.verb != Verb::Delete && can_be_read(write, wanted) && wanted.iter().all(has) {
        let note = Some("the vendor already has these values; nothing was sent".to_owned());
        return Ok(Some(Err(Reply::Written(Written { intent: None, state: WriteState::Done, target: Some(id.clone()), note }))));
    }
    Ok(Some(Ok(now.into_iter().filter(|(column, _)| wanted.contains_key(column)).collect())))
}

/// The columns of a record, those that move by themselves too.
fn shown(account: &Account, record: &Record) -> Columns {
    let entity = account.entity();
    let mut shown = columns(entity, &(entity.decode)(record));
    if let Some(quiet) = entity.quiet {
        let cells = (quiet.read)(record);
        shown.extend(quiet.columns.iter().zip(&cells).map(|(column, cell)| ((*column).to_owned(), super::account::text(cell))));
    }
    shown
}

/// Where the vendor has something else than expected, in words. A column that it does not show says nothing.
fn differing(expected: &Columns, now: &Columns) -> Vec<String> {
    let word = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| format!("{value:?}"));
    let is_moment = |one: &Option<String>, other: &Option<String>| {
        let [one, other] = [one, other].map(|text| text.as_deref().and_then(Stamp::parse));
        one.is_some() && one == other
    };
    let both = expected.iter().filter_map(|(column, value)| Some((column, value, now.get(column)?)));
    let differing = both.filter(|(_, value, found)| !is_same(value.as_deref(), found.as_deref()) && !is_moment(value, found));
    differing.map(|(column, value, found)| format!("{column} is {} instead of {}", word(found), word(value))).collect()
}

/// Reads what was changed, so that the file shows it; tells what is not as it was asked for.
async fn read_back(
    account: &Account,
    number: i64,
    (verb, id): (Verb, Option<&str>),
    wanted: &Columns,
) -> Result<Option<String>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let found = account.look(id).await?;
    account.tools.store.mark_intent(number, account.entity(), account.key(id)).await?;
    Ok(match (verb, found) {
        (_, None) => None,
        (_, Some(Err(why))) => Some(format!("the vendor says that it is done, and could not be asked how it looks now: {why}")),
        (Verb::Delete, Some(Ok(Found::Gone))) => None,
        (_, Some(Ok(Found::Gone))) => Some("the vendor says that it is done, and does not show it yet".to_owned()),
        (Verb::Delete, Some(Ok(Found::There(_)))) => Some("the vendor says that it is done, and still shows it".to_owned()),
        (Verb::Create | Verb::Update | Verb::Cancel | Verb::Assign | Verb::Unassign, Some(Ok(Found::There(record)))) => {
            let differing = differing(wanted, &shown(account, &record));
            (!differing.is_empty()).then(|| format!("the vendor says that it is done, and shows: {}", differing.join(", ")))
        }
    })
}
