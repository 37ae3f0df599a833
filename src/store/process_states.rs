//! The table `process_states`: what a vendor last counted of its processes.

use super::error::Error;
use super::handle::Store;
use super::query::{rows, value};
use crate::plan::totals::notices;
use crate::record::{FeedId, ProcessTotals, Stamp, StateTotal};
use rusqlite::{Connection, params};
use serde::Serialize;

/// What a vendor last counted of an account's processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TotalsReport {
    /// When.
    pub checked_at: String,
    /// The vendor's numbers.
    #[serde(flatten)]
    pub totals: ProcessTotals,
    /// What they tell a person.
    pub notices: Vec<String>,
}

impl Store {
    /// Puts the totals of an account in the place of those before.
    pub(crate) async fn save_totals(&self, account: FeedId, totals: ProcessTotals, at: String) -> Result<(), Error> {
        self.write(move |db| {
            let (tx, _) = db.begin()?;
            save(&tx, &account, &totals, &at)?;
            tx.commit().map_err(Error::from)
        })
        .await
    }

    /// When the totals of an account were last read.
    pub(crate) async fn totals_checked(&self, account: FeedId) -> Result<Option<Stamp>, Error> {
        let sql = "SELECT max(checked_at) FROM process_states WHERE account = ?1";
        self.read(move |db| value(&db.connection, sql, [account])).await
    }
}

fn save(tx: &Connection, account: &FeedId, totals: &ProcessTotals, at: &str) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM process_states WHERE account = ?1", [account])?;
    let sql = "INSERT INTO process_states (account, counted, state, is_listed, is_documented, total, checked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = tx.prepare_cached(sql)?;
    for (counted, total) in [("all", totals.all), ("unassigned", totals.unassigned)] {
        insert.execute(params![account, counted, "", false, false, total, at])?;
    }
    for StateTotal { state, is_listed, is_documented, total } in &totals.states {
        insert.execute(params![account, "state", state, is_listed, is_documented, total, at])?;
    }
    Ok(())
}

/// The totals of an account; `None` where they were never read.
pub(super) fn report(connection: &Connection, account: &str) -> rusqlite::Result<Option<TotalsReport>> {
    let sql = "SELECT counted, state, is_listed, is_documented, total, checked_at FROM process_states WHERE account = ?1 ORDER BY state";
    let (mut totals, mut last) = (ProcessTotals::default(), None);
    let counts: Vec<(String, String, bool, bool, Option<u64>, String)> = rows(connection, sql, [account], |row| row.try_into())?;
    for (counted, state, is_listed, is_documented, total, checked_at) in counts {
        match counted.as_str() {
            "all" => totals.all = total,
            "unassigned" => totals.unassigned = total,
            _ => totals.states.push(StateTotal { state, is_listed, is_documented, total }),
        }
        last = Some(checked_at);
    }
    Ok(last.map(|checked_at| TotalsReport { checked_at, notices: notices(&totals), totals }))
}
