//! Finding out by reading what became of a change whose answer was lost. Nothing is sent again.

use super::account::{Account, Found, columns};
use super::clock::mirror_time;
use super::control::{Reply, Written};
use super::intents::{ending, wanted};
use super::tickets::{UPLOAD, UPLOADING, settle_ticket};
use crate::plan::settle::{Columns, Verdict, settle as rule, settle_made, sight};
use crate::record::{Stamp, Verb, WriteState};
use crate::store::{Error as StoreError, SavedIntent};
use std::time::Duration;
use tokio::time::sleep;

/// The longest wait until the vendor's reads must show a change; after that a person comes back.
const PATIENCE: Duration = Duration::from_secs(120);
/// The columns by which a person tells whether a new identity is the one that was to be made.
const NAMING: [&str; 3] = ["first_name", "last_name", "company"];
/// Between two looks.
const SHORTEST: Duration = Duration::from_millis(500);

/// Settles a change by its number. `None` when stopped.
///
/// # Errors
/// When the file cannot be used.
pub(crate) async fn settle(account: &Account, number: i64) -> Result<Option<Reply>, StoreError> {
    let Some(intent) = account.tools.store.intent(number).await? else {
        return Ok(Some(Reply::Failed(format!("there is no intent {number}; `mls-sync intents --all` lists them"))));
    };
    let [vendor, name] = [account.kind.catalogue.vendor(), &account.name().0];
    if intent.vendor != vendor || intent.account != *name {
        let SavedIntent { vendor: of, account: whose, .. } = intent;
        return Ok(Some(Reply::Failed(format!(
            "intent {number} is of the account {whose} of {of}, and the configuration names {name} of {vendor}"
        ))));
    }
    match intent.state {
        WriteState::Unknown => {}
        // Where nobody sends it any more, its outcome could not be written down.
        WriteState::Sent if !is_being_sent(account, number, &intent) => {
            let lost = ending(WriteState::Unknown, "its outcome could not be written into the file", None);
            account.tools.store.end_intent(number, lost).await?;
        }
        WriteState::Sent => return Ok(Some(Reply::Failed(format!("intent {number} is being sent at this moment")))),
        WriteState::Done | WriteState::Refused | WriteState::NotDone | WriteState::Forgotten => {
            let SavedIntent { write, state, note, .. } = intent;
            return Ok(Some(Reply::Written(Written { intent: Some(number), state, target: write.target, note })));
        }
    }
    if intent.write.entity != account.entity().name {
        return settle_ticket(account, number, intent).await.map(Some);
    }
    by_reading(account, number, intent).await
}

/// An upload is sent by another process, for which there is a limit.
fn is_being_sent(account: &Account, number: i64, intent: &SavedIntent) -> bool {
    let is_upload = intent.write.entity == UPLOAD;
    let is_recent = || Stamp::parse(&intent.changed_at).is_some_and(|since| now().since(since) < UPLOADING);
    account.sending.has(number) || is_upload && is_recent()
}

/// Looks at what the vendor has, again and again where it must soon tell.
async fn by_reading(account: &Account, number: i64, intent: SavedIntent) -> Result<Option<Reply>, StoreError> {
    let SavedIntent { write, before, changed_at, note, .. } = intent;
    let told = |why: String| {
        Reply::Written(Written { intent: Some(number), state: WriteState::Unknown, target: write.target.clone(), note: Some(why) })
    };
    let (wanted, since) = match (wanted(account, &write), Stamp::parse(&changed_at)) {
        (Ok(wanted), Some(since)) => (wanted, since),
        (Err(why), _) => return Ok(Some(told(why))),
        (Ok(_), None) => return Err(StoreError::Strange(format!("the time of intent {number} cannot be read"))),
    };
    let shows_at = since.plus(account.read_lag);
    loop {
        let seen = match &write.target {
            Some(id) => changed(account, (write.verb, id), (&wanted, &before), shows_at).await?,
            None => made(account, number, &wanted, shows_at).await?,
        };
        let (verdict, target) = match seen {
            None => return Ok(None),
            Some(Err(why)) => return Ok(Some(told(format!("{}; reading did not tell more: {why}", note.unwrap_or_default())))),
            Some(Ok(seen)) => seen,
        };
        let (state, words) = match verdict {
            Verdict::Done => (WriteState::Done, "the answer was lost; reading shows that it is done, by this program or by somebody else"),
            Verdict::NotDone => (WriteState::NotDone, "the answer was lost; reading shows that it was not done"),
            Verdict::Different => {
                let seen = match (&write.target, target) {
                    (Some(_), _) => {
                        "the vendor shows neither the values from before nor those that were sent, or does not show them".to_owned()
                    }
                    (None, ids) => format!("these new records may be the one that was made: {}", ids.unwrap_or_default()),
                };
                return Ok(Some(told(format!(
                    "{seen}. Look at the vendor, then give the intent up with `mls-sync intents forget {number}`"
                ))));
            }
            Verdict::Early => {
                let left = shows_at.since(now());
                if left.is_zero() && write.target.is_none() {
                    return Ok(Some(told("the account could not be read whole since then; `mls-sync status` tells why".to_owned())));
                }
                if left > PATIENCE {
                    let (why, when) = (note.unwrap_or_default(), shows_at.to_wire());
                    let next = format!("run `mls-sync intents settle {number}` after {when} (UTC)");
                    return Ok(Some(told(format!("{why}. The vendor does not show it yet; {next}"))));
                }
                if account.tools.stop.run_until_cancelled(sleep((account.read_lag / 2).min(left).max(SHORTEST))).await.is_none() {
                    return Ok(None);
                }
                continue;
            }
        };
        account.tools.store.end_intent(number, ending(state, words, target.clone())).await?;
        if let Some(id) = &target {
            account.tools.store.mark_intent(number, account.entity(), account.key(id)).await?;
        }
        return Ok(Some(Reply::Written(Written { intent: Some(number), state, target, note: Some(words.to_owned()) })));
    }
}

/// A verdict, with the id of what it is about; or why the vendor did not tell. `None` when stopped.
type Seen = Option<Result<(Verdict, Option<String>), String>>;

async fn changed(
    account: &Account,
    (verb, id): (Verb, &String),
    (wanted, before): (&Columns, &Columns),
    shows_at: Stamp,
) -> Result<Seen, StoreError> {
    let is_late = now() >= shows_at;
    let found = match account.look(id).await? {
        None => return Ok(None),
        Some(Err(why)) => return Ok(Some(Err(why))),
        Some(Ok(Found::Gone)) => None,
        // A record may come without saying that it is deleted, while the list of deleted ones has it.
        Some(Ok(Found::There(_))) if verb == Verb::Delete && is_late && is_deleted(account, id).await? => None,
        Some(Ok(Found::There(record))) => Some(columns(account.entity(), &(account.entity().decode)(&record))),
    };
    Ok(Some(Ok((rule(verb, sight(wanted, before, found.as_ref()), is_late), Some(id.clone())))))
}

async fn is_deleted(account: &Account, id: &str) -> Result<bool, StoreError> {
    account.read_again().await?;
    Ok(!account.tools.store.is_live(account.entity(), account.key(id)).await?)
}

/// What was made is found in the file, once everything was read again.
async fn made(account: &Account, number: i64, wanted: &Columns, shows_at: Stamp) -> Result<Seen, StoreError> {
    let store = &account.tools.store;
    let candidates = || store.made_since(number, account.entity(), (wanted.clone(), &NAMING));
    let [mut equal, mut alike] = candidates().await?;
    if equal.is_empty() {
        account.read_again().await?;
        if account.tools.stop.is_cancelled() {
            return Ok(None);
        }
        [equal, alike] = candidates().await?;
    }
    let is_late = store.census(account.census()).await?.whole.is_some_and(|began| began >= shows_at);
    let verdict = settle_made(equal.len(), alike.len(), is_late);
    let named = if equal.is_empty() { alike } else { equal };
    Ok(Some(Ok((verdict, Some(named.join(", ")).filter(|ids| !ids.is_empty())))))
}

fn now() -> Stamp {
    Stamp::parse(&mirror_time()).expect("our own time can be read")
}
