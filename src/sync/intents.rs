//! A change at a vendor, as it is written down before it is sent and after.

use super::account::{Account, columns};
use super::clock::mirror_time;
use super::control::Reply;
use crate::plan::settle::Columns;
use crate::record::{Write, WriteState};
use crate::store::{Ending, Error as StoreError, NewIntent, Store};
use crate::vendor::WriteOutcome;
use serde_json::{Map, Value};

/// Writes down that a request is about to be sent.
pub(super) async fn begin(account: &Account, write: Write, before: Columns) -> Result<Result<i64, Reply>, StoreError> {
    let vendor = account.kind.catalogue.vendor();
    let intent = NewIntent { vendor, account: account.name(), write, before, at: mirror_time() };
    let begun = account.tools.store.begin_intent(intent).await?;
    Ok(begun.inspect(|number| account.sending.begin(*number)).map_err(|open| {
        not_sent(&format!(
            "the outcome of intent {open} is not known, and it concerns the same record, or another new one. Find it out first, with \
             `mls-sync intents settle {open}`, or give it up with `mls-sync intents forget {open}`"
        ))
    }))
}

/// Writes down what became of a request. Where that fails, a note tells it: the outcome is known, although the file does not have it.
pub(super) async fn record(store: &Store, number: i64, ending: Ending) -> Ending {
    match store.end_intent(number, ending.clone()).await {
        Ok(()) => ending,
        Err(error) => {
            let told = ending.note.map(|note| format!("{note}; ")).unwrap_or_default();
            Ending {
                note: Some(format!("{told}this could not be written into the file, where the outcome is still open: {error}")),
                ..ending
            }
        }
    }
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

/// Whether everything that a change asks for can be read back.
pub(super) fn can_be_read(write: &Write, wanted: &Columns) -> bool {
    let members = write.fields.0.values().map(|value| value.as_object().map_or(1, Map::len));
    members.sum::<usize>() == wanted.len()
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
