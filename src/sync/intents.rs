//! A change at a vendor, as it is written down before it is sent and after.

use super::account::{Account, columns};
use super::clock::mirror_time;
use super::control::Reply;
use crate::plan::settle::Columns;
use crate::record::{Write, WriteState};
use crate::store::{Ending, Error as StoreError, NewIntent};
use crate::vendor::WriteOutcome;
use serde_json::{Map, Value};

/// Writes down that a request is about to be sent.
pub(super) async fn begin(account: &Account, write: Write, before: Columns) -> Result<Result<i64, Reply>, StoreError> {
    let vendor = account.kind.catalogue.vendor();
    let intent = NewIntent { vendor, account: account.name(), write, before, at: mirror_time() };
    let begun = account.tools.store.begin_intent(intent).await?;
    Ok(begun.map_err(|open| {
        not_sent(&format!(
            "intent {open} concerns the same, and its outcome is not known. Find it out first, with `mls-sync intents settle {open}`, or give \
             it up with `mls-sync intents forget {open}`"
        ))
    }))
}

/// What a request came to.
pub(super) fn of_outcome(told: WriteOutcome<Option<String>, String>) -> Ending {
    match told {
        WriteOutcome::Done(made) => Ending { state: WriteState::Done, note: None, made, at: mirror_time() },
        WriteOutcome::Accepted => ending(WriteState::Unknown, "the vendor's answer does not say that it was done", None),
        WriteOutcome::Refused(words) => ending(WriteState::Refused, &words, None),
        WriteOutcome::Unknown(why) => ending(WriteState::Unknown, &why, None),
    }
}

pub(super) fn ending(state: WriteState, note: &str, made: Option<String>) -> Ending {
    Ending { state, note: Some(note.to_owned()), made, at: mirror_time() }
}

pub(super) fn not_sent(why: &str) -> Reply {
    Reply::Failed(format!("nothing was sent: {why}"))
}

/// The columns that a change asks for, read as a record of the vendor's is read.
pub(super) fn wanted(account: &Account, write: &Write) -> Result<Columns, String> {
    let entity = account.entity();
    if write.entity != entity.name {
        return Err(format!("this account has no {}", write.entity));
    }
    let [of_account, of_id] = [&entity.fields[0], &entity.fields[1]];
    let mut members: Map<String, Value> = write.fields.0.clone();
    members.insert(of_account.wire.to_owned(), account.name().0.into());
    members.insert(of_id.wire.to_owned(), write.target.as_deref().and_then(|id| id.parse::<i64>().ok()).unwrap_or_default().into());
    let record = (entity.read)(&Value::Object(members).to_string())?;
    let all = columns(entity, &(entity.decode)(&record));
    let is_sent = |wire: &str| match write.fields.0.get(wire.split('.').next().unwrap_or(wire)) {
        // Of an object, the vendor shows more than was sent.
        Some(Value::Object(_)) => wire.contains('.'),
        Some(_) => true,
        None => false,
    };
    let sent = entity.fields.iter().skip(2).filter(|field| is_sent(field.wire));
    Ok(sent.filter_map(|field| all.get_key_value(field.column)).map(|(column, value)| (column.clone(), value.clone())).collect())
}
