//! `mls-sync why identity` and `mls-sync why process`: what is known of one thing of an account.

use super::sides::{VALUE, print_asked, shown};
use crate::cli::exit::{reached_end, refuse};
use crate::cli::print::print_json;
use crate::cli::privacy;
use crate::cli::run::stop_on_signals;
use crate::cli::status::scanned;
use crate::config::Config;
use crate::daemon::jobs::{self, EntryAsked};
use crate::entity::{Confirmed, Deletions, Entity};
use crate::record::{FeedId, ListingId, ListingKey, printable};
use crate::store::IntentReport;
use crate::store::why_entry::{self, EntryReport};
use crate::vendor::LISTINGS;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Characters of an entry of the vendor's history that fit a line.
const HISTORY: usize = 300;

/// The kind of thing that has this name, if accounts have it.
pub(super) fn kind(word: &str) -> Option<&'static Entity> {
    LISTINGS.all().find(|known| known.name == word && known.deletions == Deletions::Absence(Confirmed::Both))
}

pub(super) async fn why(path: &Path, (entity, id): (&'static Entity, &str), ask: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let Ok(number) = id.parse::<i64>() else {
        return refuse(format!("{} is no id of {}: that is a whole number", printable(id, VALUE), entity.plural()));
    };
    let vendor = scanned::vendor(entity.name);
    let config = if ask { Config::read(path)? } else { Config::read_for_reading(path)? };
    if ask {
        config.clone().narrow(vendor).or_else(refuse)?;
        privacy::warn_of_open_files(path, &config);
    }
    let account = if entity.name == "identity" { &config.spark.account } else { &config.spotahome.account };
    let key = ListingKey { feed: FeedId(account.clone()), listing: ListingId(number.to_string()) };
    let report = why_entry::why(&config.database, entity, &key)?;
    let asked = if ask { Some(jobs::ask(&config, vendor, (entity, &key), stop_on_signals()?).await?) } else { None };
    if as_json {
        print_json(&json(&report, asked.as_ref())?)?;
    } else {
        lines(&report).iter().for_each(|line| println!("{line}"));
        asked.iter().for_each(print_told);
    }
    Ok(reached_end(report.row.is_some()))
}

fn json(report: &EntryReport, asked: Option<&EntryAsked>) -> serde_json::Result<Value> {
    let mut json = serde_json::to_value(report)?;
    json["asked"] = serde_json::to_value(asked.map(|told| &told.asked))?;
    if let Some(Ok(history)) = asked.and_then(|told| told.history.as_ref()) {
        json["asked"]["history"] = serde_json::from_str(history)?;
    }
    Ok(json)
}

/// What is known, as a person reads it.
fn lines(report: &EntryReport) -> Vec<String> {
    let EntryReport { entity, account, id, row, changes, intents, .. } = report;
    let state = row.as_ref().map_or_else(|| never(report), state);
    let mut lines = vec![format!("{entity} {id} of {}: {state}", printable(account, VALUE))];
    if let Some(row) = row {
        lines.push(format!("  {}", headline(entity, row)));
        let [first, changed] = ["first_seen_at", "changed_at"].map(|column| text(row, column));
        lines.push(format!("  first seen {first}, last changed {changed} (change {})", row["change_seq"]));
    }
    lines.extend(changes.iter().map(|row| change(row, intents)));
    lines.extend(intents.iter().map(|intent| {
        let IntentReport { intent_id, verb, state, sent_at, note, .. } = intent;
        let note = note.as_ref().map(|note| format!(": {}", printable(note, HISTORY))).unwrap_or_default();
        format!("  intent {intent_id} of {sent_at}, {verb}: {state}{note}")
    }));
    lines.extend(report.proven_at.iter().filter(|_| row.is_some()).map(|at| {
        let since = report.absent_since.as_ref();
        let lacks = since.map_or(String::new(), |since| format!("; the whole readings since {since} lack it, and it is not deleted yet"));
        format!("  the last whole reading of the account began {at}{lacks}")
    }));
    lines
}

fn state(row: &Map<String, Value>) -> String {
    match (row["deleted_at"].as_str(), row["deleted_cause"].as_str()) {
        (None, _) => "live".to_owned(),
        (Some(at), Some("vendor")) => format!("deleted, learnt at {at}: the vendor said so"),
        (Some(at), _) => format!("deleted, learnt at {at}: two whole readings lacked it, and the vendor does not have it"),
    }
}

/// Why it may never have been stored.
fn never(report: &EntryReport) -> String {
    let why = match &report.proven_at {
        Some(at) => format!("The last whole reading of this account began at {at}, and it was not there"),
        None => "This account was never read whole; `mls-sync run` reads the one that the configuration names".to_owned(),
    };
    format!("never stored. {why}")
}

/// What a person looks for first.
fn headline(entity: &str, row: &Map<String, Value>) -> String {
    let text = |column: &str| text(row, column);
    if entity == "identity" {
        let active = row["last_active"].as_str().map_or("never active".to_owned(), |at| format!("last active {}", printable(at, VALUE)));
        return format!("{} {}, {}, {active}", text("first_name"), text("last_name"), text("company"));
    }
    let agent = row["agent_id"].as_str().map_or("unassigned".to_owned(), |id| format!("agent {}", printable(id, VALUE)));
    format!("{}, {}, {agent}, property {}", text("locator"), text("state"), text("property_id"))
}

fn text(row: &Map<String, Value>, column: &str) -> String {
    shown(row[column].as_str())
}

/// When it happened, and what it changed. The vendor dates none of it: one reading still saw what was before, and a later one did not.
fn change(change: &Map<String, Value>, intents: &[IntentReport]) -> String {
    let at = text(change, "at");
    let when = match change.get("not_before").and_then(Value::as_str) {
        Some(after) => format!("between {after} and {at}"),
        None => format!("by {at}"),
    };
    let diff = change["diff"].as_str().and_then(|diff| serde_json::from_str::<BTreeMap<String, [Value; 2]>>(diff).ok());
    let columns = diff.into_iter().flatten().map(|(column, [before, after])| format!("{column} {} -> {}", value(&before), value(&after)));
    let columns: Vec<String> = columns.collect();
    let colon = if columns.is_empty() { "" } else { ": " };
    let ours = intents.iter().find(|intent| intent.change_seq.is_some() && intent.change_seq == change["seq"].as_i64());
    let ours = ours.map(|intent| format!(" (intent {})", intent.intent_id)).unwrap_or_default();
    format!("  change {} {} {when}{ours}{colon}{}", change["seq"], text(change, "kind"), columns.join(", "))
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text, VALUE),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => printable(&value.to_string(), VALUE),
    }
}

fn print_told(told: &EntryAsked) {
    print_asked(&told.asked);
    match &told.history {
        None => {}
        Some(Err(why)) => println!("  the vendor does not tell its history: {}", printable(why, HISTORY)),
        Some(Ok(history)) => {
            println!("  its history, as the vendor tells it:");
            entries(history).iter().for_each(|entry| println!("    {}", printable(entry, HISTORY)));
        }
    }
}

/// The entries of the vendor's history, each as JSON; all of the answer where it holds no list of them.
fn entries(history: &str) -> Vec<String> {
    let answer: Value = serde_json::from_str(history).unwrap_or_default();
    answer["Results"].as_array().map_or_else(|| vec![history.to_owned()], |results| results.iter().map(Value::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn report(row: Option<Value>) -> EntryReport {
        EntryReport {
            entity: "process",
            account: "spotahome".to_owned(),
            id: "111".to_owned(),
            row: row.map(map),
            changes: Vec::new(),
            proven_at: Some("2026-05-02T00:00:00Z".to_owned()),
            intents: Vec::new(),
            absent_since: None,
        }
    }

    #[test]
    fn a_change_has_an_interval_where_a_reading_before_it_is_known() {
        let check = |fields: Value, expected: &str| {
            let mut fields = map(fields);
            fields.extend(map(json!({ "seq": 7, "at": "T2" })));
            assert_eq!(change(&fields, &[]), expected);
        };
        check(json!({ "kind": "added", "diff": null }), "  change 7 added by T2");
        check(json!({ "kind": "added", "not_before": null, "diff": null }), "  change 7 added by T2");
        let assigned = json!({ "kind": "changed", "not_before": "T1", "diff": "{\"agent_id\":[null,\"a\"],\"deleted\":[0,1]}" });
        check(assigned, "  change 7 changed between T1 and T2: agent_id - -> a, deleted 0 -> 1");
        check(json!({ "kind": "changed", "diff": "no JSON" }), "  change 7 changed by T2");
    }

    #[test]
    fn the_state_says_how_a_deletion_was_learnt_and_what_readings_lack() {
        let row = |at: Value, cause: Value| {
            json!({
                "locator": "L-1", "state": "waitingContent", "agent_id": null, "property_id": "p", "first_seen_at": "T1",
                "changed_at": "T2", "change_seq": 5, "deleted_at": at, "deleted_cause": cause,
            })
        };
        let check = |report: EntryReport, words: &[&str]| {
            let lines = lines(&report).join("\n");
            words.iter().for_each(|words| assert!(lines.contains(words), "{words} is not in\n{lines}"));
        };
        check(report(None), &["process 111 of spotahome: never stored. The last whole reading of this account began at 2026-05-02"]);
        check(EntryReport { proven_at: None, ..report(None) }, &["never stored. This account was never read whole"]);
        let live = report(Some(row(Value::Null, Value::Null)));
        check(
            live.clone(),
            &[": live\n  L-1, waitingContent, unassigned, property p\n", "(change 5)", "account began 2026-05-02T00:00:00Z"],
        );
        check(EntryReport { absent_since: Some("T9".to_owned()), ..live }, &["since T9 lack it, and it is not deleted yet"]);
        check(report(Some(row(json!("T3"), json!("vendor")))), &["deleted, learnt at T3: the vendor said so"]);
        check(report(Some(row(json!("T3"), json!("absent")))), &["deleted, learnt at T3: two whole readings lacked it"]);
    }

    #[test]
    fn only_words_of_things_that_accounts_have_are_no_feeds() {
        let is_kind = |word: &str| kind(word).is_some();
        assert_eq!(["identity", "process", "agent", "listing", "GAMLS", "Identity"].map(is_kind), [true, true, false, false, false, false]);
    }

    #[test]
    fn a_history_is_told_entry_by_entry_and_otherwise_as_it_came() {
        assert_eq!(entries(r#"{"Results":[{"a":1},{"b":2}],"Success":true}"#), [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!(entries(r#"{"Success":true}"#), [r#"{"Success":true}"#]);
    }
}
