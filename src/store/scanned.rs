//! The state of the accounts of Spark and Spotahome: counts of rows, the last whole reading, problems.

use super::process_states::{self, TotalsReport};
use super::query::rows;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::BTreeMap;

/// One account, and what is read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScannedReport {
    /// The kind of thing: `identity`, `process`.
    pub entity: String,
    /// The name of the account.
    pub account: String,
    /// Live rows.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
    /// Of processes, how many live ones are in each state.
    pub states: BTreeMap<String, u64>,
    /// Of processes, how many live ones are not cancelled and have no agent.
    pub unassigned: Option<u64>,
    /// Of identities, how many live ones were active in the last 30 days.
    pub active: Option<u64>,
    /// When the last reading began that was proven whole.
    pub proven_at: Option<String>,
    /// How many it held.
    pub proven_rows: Option<u64>,
    /// Live rows that it lacks.
    pub absent: u64,
    /// When the next reading is due.
    pub due_at: Option<String>,
    /// Changes that were sent and whose outcome is not known.
    pub open_intents: u64,
    /// What is wrong.
    pub problem: Option<String>,
    /// Of processes, what the vendor last counted.
    pub vendor_totals: Option<TotalsReport>,
}

impl ScannedReport {
    /// Whether everything was read, and nothing is wrong.
    pub(crate) fn is_whole(&self) -> bool {
        self.proven_at.is_some() && self.problem.is_none()
    }
}

/// The accounts that were ever read.
pub(super) fn reports(connection: &Connection) -> rusqlite::Result<Vec<ScannedReport>> {
    let sql = "SELECT entity, feed_id, proven_at, proven_rows, absent, due_at, problem,
             CASE entity WHEN 'identity' THEN (SELECT count(*) FROM live_identities WHERE account = feed_id)
                 ELSE (SELECT count(*) FROM listing_processes WHERE account = feed_id AND deleted_at IS NULL) END,
             CASE entity WHEN 'identity' THEN (SELECT count(*) FROM identities WHERE account = feed_id AND deleted_at IS NOT NULL)
                 ELSE (SELECT count(*) FROM listing_processes WHERE account = feed_id AND deleted_at IS NOT NULL) END,
             iif(entity = 'identity', (SELECT count(*) FROM live_identities
                 WHERE account = feed_id AND unixepoch(last_active) >= unixepoch('now', '-30 days')), NULL),
             iif(entity = 'process', (SELECT count(*) FROM open_processes WHERE account = feed_id AND agent_id IS NULL), NULL),
             (SELECT count(*) FROM intents WHERE account = feed_id AND state IN ('sent', 'unknown')
                 AND (intents.entity = censuses.entity OR censuses.entity = 'identity' AND intents.entity IN ('ticket', 'upload')))
         FROM censuses WHERE entity IN ('identity', 'process') ORDER BY entity, feed_id";
    let mut reports: Vec<ScannedReport> = rows(connection, sql, [], |row| {
        let (entity, account, proven_at, proven_rows, absent, due_at, problem, live, deleted, active, unassigned, open_intents) =
            row.try_into()?;
        let (states, vendor_totals) = (BTreeMap::new(), None);
        Ok(ScannedReport {
            entity,
            account,
            live,
            deleted,
            states,
            unassigned,
            active,
            proven_at,
            proven_rows,
            absent,
            due_at,
            open_intents,
            problem,
            vendor_totals,
        })
    })?;
    for report in reports.iter_mut().filter(|report| report.entity == "process") {
        report.states = states(connection, &report.account)?;
        report.vendor_totals = process_states::report(connection, &report.account)?;
    }
    Ok(reports)
}

/// How many processes of an account that are not deleted are in each state.
fn states(connection: &Connection, account: &str) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql = "SELECT coalesce(state, ''), count(*) FROM listing_processes WHERE deleted_at IS NULL AND account = ?1 GROUP BY state";
    let found: Vec<(String, u64)> = rows(connection, sql, [account], |row| row.try_into())?;
    Ok(found.into_iter().collect())
}
