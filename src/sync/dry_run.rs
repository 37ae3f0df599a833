//! What a reconcile of an account would do, without doing it.

use super::absences::Answer;
use super::census::{Kind, Outcome, Round, census};
use super::tools::CensusTools;
use crate::plan::census::{Found, Ruling, next_reading, rule};
use crate::plan::merge::ActionKind;
use crate::record::{FeedId, ListingId, Stamp};
use crate::store::Error as StoreError;
use crate::vendor::Error;
use serde::Serialize;

/// What a reconcile of an account would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DryRun {
    pub account: String,
    /// Records that the second reading held; `None` where none was whole.
    pub read: Option<u64>,
    /// Rows that would be added.
    pub added: u64,
    /// Rows that would be changed, or that would come back.
    pub changed: u64,
    /// Rows that would be deleted: the vendor says that they are, or both readings lack them and the vendor confirms.
    pub deleted: u64,
    /// Rows that the second reading lacks and that would stay.
    pub withheld: u64,
    /// Why they would, or why nothing is known.
    pub note: Option<String>,
}

impl DryRun {
    fn count(&mut self, action: ActionKind) {
        match action {
            ActionKind::Insert | ActionKind::InsertTombstone => self.added += 1,
            ActionKind::Update | ActionKind::Revive => self.changed += 1,
            ActionKind::Tombstone => self.deleted += 1,
            ActionKind::Restamp | ActionKind::Unchanged | ActionKind::Superseded => {}
        }
    }
}

/// Reads an account twice and sets it against the rows, which stay as they are. `None` when stopped.
pub(crate) async fn dry_run(tools: &CensusTools, kind: &Kind, account: &FeedId) -> Result<Option<DryRun>, StoreError> {
    let mut dry = DryRun { account: account.0.clone(), ..DryRun::default() };
    let round = Round::dry(tools);
    let progress = tools.store.census(census(kind, account)).await?;
    let (window, _) = next_reading(&progress, kind.rhythm, Stamp::from_utc(chrono::Utc::now()));
    let mut before = None;
    loop {
        match round.attempts(kind, account, window).await? {
            None => return Ok(None),
            Some(Outcome::Failed(Error { message: why, .. }) | Outcome::Doubtful(why)) => {
                dry.note = Some(why);
                return Ok(Some(dry));
            }
            Some(Outcome::Proven { began, keys, live, credential, unreadable, changed }) => {
                let Some(first) = before.take() else {
                    before = Some((began, keys));
                    continue;
                };
                dry.read = Some(live);
                changed.into_values().for_each(|action| dry.count(action));
                let Some(time) = Stamp::parse(&began) else { return Ok(Some(dry)) };
                let found = tools.store.lacking(census(kind, account), first, (began, keys)).await?;
                dry.withheld = found.absent.len() as u64;
                let is_other = progress.credential.is_some() && progress.credential != credential;
                let ruling = match unreadable {
                    0 => rule(Found { read: live, ..found }, (kind.catalogue.confirmed(), is_other), kind.limits, time),
                    _ => Ruling {
                        withheld: Some(format!("{unreadable} records could not be read, so nothing is deleted")),
                        ..Ruling::default()
                    },
                };
                dry.note = ruling.withheld;
                return round.confirm(kind, account, (ruling.ripe, dry)).await;
            }
        }
    }
}

impl Round<'_> {
    /// Asks about each row that may be deleted, as far as the vendor answers.
    async fn confirm(
        &self,
        kind: &Kind,
        account: &FeedId,
        (ripe, mut dry): (Vec<ListingId>, DryRun),
    ) -> Result<Option<DryRun>, StoreError> {
        for id in ripe {
            match self.answer(kind, account, &id).await? {
                None => return Ok(None),
                Some(Answer::Gone) => (dry.deleted, dry.withheld) = (dry.deleted + 1, dry.withheld - 1),
                Some(Answer::There) => dry.withheld -= 1,
                Some(Answer::Unknown { why, is_general }) => {
                    dry.note = Some(why);
                    if is_general {
                        break;
                    }
                }
            }
        }
        Ok(Some(dry))
    }
}
