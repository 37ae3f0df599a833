//! What a credential has spent: kept, so that no restart spends it twice.

use super::database::Database;
use super::query::rows;
use crate::record::{ClosedGate, Counts, Ledger, Period};
use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use std::time::Duration;

/// Periods that are kept per credential, the newest: for people.
const KEPT: u32 = 24 * 8;

/// How a credential stands with the vendor, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountReport {
    /// The client and where it asks.
    pub account: String,
    /// Requests per second at present; null at the configured ceiling.
    pub rate: Option<f64>,
    /// No request before then; null while requests are taken.
    pub closed_until: Option<String>,
    /// The wait that the vendor asked for, in seconds; null while requests are taken.
    pub closed_for_s: Option<f64>,
    /// Requests in this hour, UTC.
    pub requests_this_hour: u64,
    /// Requests today, UTC.
    pub requests_today: u64,
}

/// What is remembered of a credential; nothing if it is new.
pub(super) fn load(connection: &Connection, account: &str) -> rusqlite::Result<Ledger> {
    let mut ledger = connection
        .query_row("SELECT rate, closed_until, closed_for_s FROM accounts WHERE account = ?1", [account], |row| {
            Ok(Ledger { rate: row.get(0)?, closed: closed(row)?, counts: Counts::new() })
        })
        .optional()?
        .unwrap_or_default();
    let sql = "SELECT period, began_at, requests FROM request_counts WHERE account = ?1";
    let counts: Vec<(String, String, u64)> = rows(connection, sql, [account], |row| row.try_into())?;
    for (word, began, requests) in counts {
        let period = Period::ALL.into_iter().find(|period| period.word() == word);
        if let (Some(period), Ok(began)) = (period, DateTime::parse_from_rfc3339(&began)) {
            ledger.counts.insert((period, began.timestamp()), requests);
        }
    }
    Ok(ledger)
}

fn closed(row: &Row) -> rusqlite::Result<Option<ClosedGate>> {
    let (until, wait): (Option<String>, Option<f64>) = (row.get(1)?, row.get(2)?);
    let until = until.and_then(|until| DateTime::parse_from_rfc3339(&until).ok());
    let wait = wait.and_then(|wait| Duration::try_from_secs_f64(wait).ok());
    Ok(until.zip(wait).map(|(until, wait)| ClosedGate { until_ms: until.timestamp_millis(), wait }))
}

/// Saves it.
pub(super) fn save(database: &mut Database, account: &str, ledger: &Ledger, at: &str) -> rusqlite::Result<()> {
    let (tx, _) = database.begin()?;
    let until = ledger.closed.and_then(|closed| DateTime::from_timestamp_millis(closed.until_ms)).map(written);
    let wait = ledger.closed.map(|closed| closed.wait.as_secs_f64());
    tx.prepare_cached(
        "INSERT INTO accounts (account, rate, closed_until, closed_for_s, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (account) DO UPDATE SET rate = ?2, closed_until = ?3, closed_for_s = ?4, updated_at = ?5",
    )?
    .execute(params![account, ledger.rate, until, wait, at])?;
    for ((period, began), requests) in &ledger.counts {
        let began = DateTime::from_timestamp(*began, 0).map(written);
        tx.prepare_cached(
            "INSERT INTO request_counts (account, period, began_at, requests) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, period, began_at) DO UPDATE SET requests = ?4 WHERE requests <> ?4",
        )?
        .execute(params![account, period.word(), began, requests])?;
    }
    tx.prepare_cached(
        "DELETE FROM request_counts WHERE account = ?1 AND (period, began_at) NOT IN
             (SELECT period, began_at FROM request_counts WHERE account = ?1 ORDER BY began_at DESC LIMIT ?2)",
    )?
    .execute(params![account, KEPT])?;
    tx.commit()
}

/// The credentials that were used.
pub(super) fn report(connection: &Connection, now: DateTime<Utc>) -> rusqlite::Result<Vec<AccountReport>> {
    let accounts: Vec<String> = rows(connection, "SELECT account FROM accounts ORDER BY account", [], |row| row.get(0))?;
    accounts.into_iter().map(|account| Ok(of(load(connection, &account)?, account, now))).collect()
}

fn of(ledger: Ledger, account: String, now: DateTime<Utc>) -> AccountReport {
    let count = |period: Period| ledger.counts.get(&(period, period.began(now.timestamp()))).copied().unwrap_or(0);
    let closed = ledger.closed.filter(|closed| closed.until_ms > now.timestamp_millis());
    AccountReport {
        account,
        rate: ledger.rate,
        closed_until: closed.and_then(|closed| DateTime::from_timestamp_millis(closed.until_ms)).map(written),
        closed_for_s: closed.map(|closed| closed.wait.as_secs_f64()),
        requests_this_hour: count(Period::Hour),
        requests_today: count(Period::Day),
    }
}

/// As the mirror's other times.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
