//! `mls-sync status`: how true the file is, feed by feed.

mod censuses;
mod one_vendor;
pub(super) mod scanned;

use super::exit::refuse;
use super::print::{grouped, print_json};
use crate::config::{Config, Rate};
use crate::record::{Source, printable};
use crate::store::report::{self, FeedReport, Status};
use crate::store::{AccountReport, FirstLoad, Freshness, Holder, KnownGapReport, Lateness, RunReport};
use chrono::{DateTime, Utc};
use std::cmp::Ordering;
use std::process::ExitCode;
use std::time::Duration;

/// Characters of a note that fit a line.
const NOTE: usize = 200;
/// Fields with values that do not fit, that are shown.
const MISFITS: usize = 5;
/// Gaps that are shown.
const GAPS: usize = 3;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 shown, 2 there is no database yet, it cannot be read, or the configuration does not name the vendor."
)]
pub(super) struct Arguments {
    /// For programs: one JSON object {"process": {..}, "source": {..}, "accounts": [..], "readers": [..], "notices": [..], "feeds": [..], "scanned": [..]}
    #[arg(long)]
    json: bool,
    /// Only of this vendor of the configuration: constellation1, spark or spotahome
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
}

pub(super) fn status(mut config: Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(vendor) = &arguments.vendor {
        config.narrow(vendor).or_else(refuse)?;
    }
    let config = &config;
    let mut status = report::status(&config.database)?;
    if arguments.vendor.is_some() {
        one_vendor::leave(&mut status, config);
    }
    if arguments.json {
        return print_json(&against_limits(&status, config)?);
    }
    head(&status, config, Utc::now()).iter().for_each(|line| println!("{line}"));
    if status.feeds.is_empty() && config.mirrors_listings() {
        println!("{}", no_feed(&status));
    }
    let width = status.feeds.iter().map(|report| report.feed_id.to_string().chars().count()).max().unwrap_or(0);
    for report in &status.feeds {
        println!("{}", line(report, width, status.process.is_some(), Utc::now()));
        for detail in details(report, config, Utc::now()) {
            println!("{:<width$}  {detail}", "");
        }
    }
    for report in &status.scanned {
        scanned::lines(report, |at| format!("{} ago", age(at, Utc::now()))).iter().for_each(|line| println!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The report, with how old each feed's last proof is, and whether that is more than the licence allows.
fn against_limits(status: &Status, config: &Config) -> serde_json::Result<serde_json::Value> {
    let mut told = serde_json::to_value(status)?;
    for (feed, report) in told["feeds"].as_array_mut().into_iter().flatten().zip(&status.feeds) {
        let (age, limit) = (proof_age(report, Utc::now()), config.licence.max_age(&report.feed_id));
        feed["age_s"] = age.map(|age| age.as_secs()).into();
        feed["max_age_s"] = limit.map(|limit| limit.as_secs()).into();
        feed["too_old"] = limit.is_some_and(|limit| age.is_none_or(|age| age > limit)).into();
    }
    Ok(told)
}

/// How long ago the feed was last proven complete; `None` where it never was.
fn proof_age(report: &FeedReport, now: DateTime<Utc>) -> Option<Duration> {
    let polled = report.polled_at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok())?;
    (now - polled.to_utc()).to_std().ok()
}

/// The last proof is older than the licence allows.
fn too_old(report: &FeedReport, config: &Config, now: DateTime<Utc>) -> Option<String> {
    let limit = config.licence.max_age(&report.feed_id)?;
    proof_age(report, now).filter(|age| *age > limit)?;
    let (age, limit) = (age(report.polled_at.as_deref().unwrap_or_default(), now), humantime::format_duration(limit));
    Some(format!("! licence: last proven complete {age} ago, and licence.max_age allows {limit}"))
}

/// Who mirrors, how the vendor is asked, and what is wrong with the machine.
fn head(status: &Status, config: &Config, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = vec![process(status.process.as_ref(), now)];
    lines.extend(status.accounts.iter().map(|account| asking(account, config.rate_of(&account.account))));
    lines.extend(status.source.as_ref().and_then(|source| other_source(source, &config.source())));
    lines.extend(astray(status, config));
    lines.extend(status.notices.iter().map(|notice| format!("! {}: {}", notice.kind, printable(&notice.note, NOTE))));
    lines.extend(status.readers.iter().map(|reader| {
        let name = reader.name.as_deref().unwrap_or("a process out of sight");
        format!("  reading now: {} (PID {})", printable(name, 20), reader.pid)
    }));
    lines
}

/// A section of the licence that holds for no feed: its name may be misspelt, and what it forbids is stored.
fn astray(status: &Status, config: &Config) -> Vec<String> {
    let is_there = |name: &str| status.feeds.iter().any(|feed| feed.feed_id.0.eq_ignore_ascii_case(name));
    let named = config.licence.named().filter(|name| !status.feeds.is_empty() && !is_there(name));
    named.map(|name| format!("! licence: [licence.feeds.{}] is for a feed that is not mirrored", printable(name, 40))).collect()
}

/// A configuration for readers need not name a client.
fn other_source(mirrored: &Source, configured: &Source) -> Option<String> {
    let other = mirrored != configured && !configured.client.is_empty();
    other.then(|| format!("! source: this file mirrors {mirrored}, and the configuration names {configured}"))
}

fn no_feed(status: &Status) -> &'static str {
    if status.process.is_some() { "No feed yet: they are being looked for." } else { "No feed yet: `mls-sync run` finds and loads them." }
}

fn process(holder: Option<&Holder>, now: DateTime<Utc>) -> String {
    let Some(holder) = holder else { return "stopped: nobody mirrors into this file at present".to_owned() };
    let trouble = noted("\n! database: ", holder.trouble.as_deref());
    format!("mls-sync {} (PID {}) for {}{trouble}", printable(&holder.command, 40), holder.pid, age(&holder.since, now))
}

/// A note behind these words; nothing where there is none.
fn noted(words: &str, note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!("{words}{}", printable(note, NOTE)))
}

fn asking(account: &AccountReport, rate: &Rate) -> String {
    let [hour, today] = [account.requests_this_hour, account.requests_today].map(grouped);
    let mut line = format!("{}: {hour} requests this hour, {today} today", printable(&account.account, 100));
    if let (Some(until), Some(wait)) = (&account.closed_until, account.closed_for_s) {
        let time = until.split(['T', '.']).nth(1).filter(|_| wait < 43_200.0);
        let until = time.map_or_else(|| until.clone(), |time| format!("{time} UTC"));
        line.push_str(&format!("; no request until {until} (vendor said {wait:.1} s)"));
    }
    if let Some(slow) = account.rate {
        line.push_str(&format!("; slowed to {slow:.2} of {} requests a second", rate.requests_per_second));
    }
    for (limit, spent, period) in
        [(rate.requests_per_hour, account.requests_this_hour, "hour"), (rate.requests_per_day, account.requests_today, "day")]
    {
        if limit > 0 && spent >= limit {
            line.push_str(&format!("; the {period}'s budget of {} is spent", grouped(limit)));
        }
    }
    line
}

fn line(report: &FeedReport, width: usize, mirrors: bool, now: DateTime<Utc>) -> String {
    let dropped = report.notices.iter().any(|notice| notice.kind == "dropped");
    let complete = reach(report);
    let polled = report.polled_at.as_deref().map(|at| age(at, now)).map_or("never polled".to_owned(), |age| {
        // A later poll that found nothing need not be written down yet.
        if mirrors && report.note.is_none() && !dropped { format!("polled in the last {age}") } else { format!("polled {age} ago") }
    });
    let (feed, live, deleted) = (report.feed_id.to_string(), grouped(report.live), grouped(report.deleted));
    let activity = if dropped { "not mirrored" } else { &report.activity };
    let note = noted(": ", report.note.as_deref());
    format!("{feed:<width$}  {live:>9} live  {deleted:>7} deleted  {complete}  {polled}  {activity}{note}")
}

/// How far a feed was read. That nothing is missing of a feed of which nothing was ever seen is no news.
fn reach(report: &FeedReport) -> String {
    // What is known to be unreadable is told in lines of its own.
    let gaps = if report.known_gaps.is_empty() { "" } else { ", but for known gaps" };
    match (&report.complete_but_for_known_gaps_until, &report.back_to) {
        (Some(_), _) if report.is_unknown() => "unknown to the vendor?".to_owned(),
        (Some(until), _) => format!("complete until {until}{gaps}"),
        (None, Some(back)) => format!("loading, back to {back}"),
        (None, None) => "loading".to_owned(),
    }
}

/// The file holds more, or less, than the configuration says.
fn since(report: &FeedReport, configured: &str) -> Option<String> {
    let since = &report.since;
    match since.as_str().cmp(configured) {
        Ordering::Equal => None,
        Ordering::Less => Some(format!("begins at {since}, before backfill.since ({configured}): what is there stays and is kept true")),
        Ordering::Greater => {
            Some(format!("begins at {since}, after backfill.since ({configured}): `mls-sync run --backfill` loads what lies between"))
        }
    }
}

/// What is not as it should be, and how far the file was checked.
fn details(report: &FeedReport, config: &Config, now: DateTime<Utc>) -> Vec<String> {
    // The known gaps are told below, each by itself.
    let notices = report.notices.iter().filter(|notice| notice.kind != "known_gap");
    let mut details: Vec<String> = notices.map(|notice| format!("! {}: {}", notice.kind, printable(&notice.note, NOTE))).collect();
    details.extend(too_old(report, config, now));
    details.extend(since(report, &config.backfill.since.0.to_string()));
    let unread = || report.gaps.iter().filter(|gap| !report.known_gaps.iter().any(|known| known.covers(gap.status, &gap.from, &gap.to)));
    details.extend(unread().take(GAPS).map(|gap| format!("Status={} still unread: {} .. {}", gap.status, gap.from, gap.to)));
    let more = unread().count().saturating_sub(GAPS);
    if more > 0 {
        details.push(format!("and {more} more gaps"));
    }
    details.extend(report.known_gaps.iter().take(GAPS).map(known_gap));
    if report.known_gaps.len() > GAPS {
        details.push(format!("and {} more known gaps: see the table known_gaps", report.known_gaps.len() - GAPS));
    }
    if let Some(late) = report.late_s {
        details.push(format!("rows come up to {} late here, so completeness is told up to that long ago", span(late)));
    }
    details.extend(report.first_load.iter().filter(|load| is_news(load, now)).map(first_load));
    details.extend(report.fresh.iter().map(freshness));
    details.extend(report.late.iter().map(|late| lateness(late, config.poll.overlap.0)));
    details.extend(report.last_reconcile.iter().map(reconciled));
    details.extend(censuses::lines(&report.censuses, |at| age(at, now)));
    if report.rejects > 0 || report.rejects_cut > 0 {
        let cut = if report.rejects_cut > 0 { format!(", {} were cut", grouped(report.rejects_cut)) } else { String::new() };
        details.push(format!("{} rejected records are kept{cut}: `mls-sync rejects`", grouped(report.rejects)));
    }
    if !report.misfits.is_empty() {
        let shown = report.misfits.iter().take(MISFITS);
        let shown: Vec<String> = shown.map(|misfit| format!("{} of {}", misfit.field, grouped(misfit.listings))).collect();
        let more = report.misfits.len().saturating_sub(MISFITS);
        let more = if more > 0 { format!(" and {more} more fields") } else { String::new() };
        details.push(format!("values that do not fit their columns (kept in `extra`): {}{more} listings", shown.join(", ")));
    }
    if report.extra_cut > 0 {
        details.push(format!("the unknown fields of {} records were too long to be kept", grouped(report.extra_cut)));
    }
    details
}

/// For a day after its end.
fn is_news(load: &FirstLoad, now: DateTime<Utc>) -> bool {
    let ended = load.ended_at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    load.requests > 0 && ended.is_none_or(|at| (now - at.to_utc()).num_hours() < 24)
}

fn first_load(load: &FirstLoad) -> String {
    format!("first load: {} requests for {} pages", grouped(load.requests), grouped(load.pages))
}

fn known_gap(gap: &KnownGapReport) -> String {
    let KnownGapReport { status, from, to, reason, tried, retry_at, .. } = gap;
    let times = if *tried == 1 { "once".to_owned() } else { format!("{tried} times") };
    format!("known gap: Status={status} from {from} to {to}: {}; tried {times}, next at {retry_at}", printable(reason, NOTE))
}

fn freshness(fresh: &Freshness) -> String {
    let (changes, [half, most]) = (grouped(fresh.changes), [fresh.p50_s, fresh.p99_s].map(span));
    format!(
        "fresh: of {changes} changes in this hour and the last, half were in the file within {half} of their stamp, 99 of 100 within {most}"
    )
}

fn lateness(late: &Lateness, overlap: Duration) -> String {
    let (count, [half, nine, most]) = (grouped(late.count), [late.half_s, late.nine_tenths_s, late.most_s].map(span));
    let mut line = format!("late: {count} listings, half within {half}, 9 of 10 within {nine}, at most {most}");
    if late.beyond_overlap > 0 {
        let overlap = humantime::format_duration(overlap);
        line.push_str(&format!("; poll.overlap = {overlap} is too short for {} of them", grouped(late.beyond_overlap)));
    }
    line
}

fn reconciled(run: &RunReport) -> String {
    let when = run.ended_at.as_ref().unwrap_or(&run.started_at);
    let dry = if run.dry_run { " (dry run)" } else { "" };
    let [read, missing, stale, absent, deleted] = [run.read, run.missing, run.stale, run.absent, run.deleted].map(grouped);
    let (id, state, note) = (run.run_id, &run.state, noted("; ", run.note.as_deref()));
    let back = if run.taken_back > 0 { format!(", {} taken back", grouped(run.taken_back)) } else { String::new() };
    format!(
        "reconcile run {id} {state}{dry} at {when}: {read} read, {missing} missing, {stale} stale, {absent} absent, {deleted} deleted\
         {back}{note}"
    )
}

/// Seconds as people read them: below ten minutes to the second, above to the minute.
fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX).as_secs();
    let grain = if whole < 600 { 1 } else { 60 };
    humantime::format_duration(Duration::from_secs(whole.div_ceil(grain) * grain)).to_string()
}

fn age(at: &str, now: DateTime<Utc>) -> String {
    let since = DateTime::parse_from_rfc3339(at).map(|at| (now - at.to_utc()).num_seconds().max(0)).unwrap_or(0);
    humantime::format_duration(Duration::from_secs(since.unsigned_abs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FeedId;

    fn report() -> FeedReport {
        FeedReport {
            feed_id: FeedId("GAMLS".to_owned()),
            live: 12_345,
            deleted: 67,
            since: "1900-01-01T00:00:00".to_owned(),
            complete_until: Some("2024-05-01T12:00:00".to_owned()),
            back_to: None,
            gaps: Vec::new(),
            polled_at: Some("2024-05-01T12:00:05.000Z".to_owned()),
            activity: "blocked".to_owned(),
            activity_at: "2024-05-01T12:00:05.000Z".to_owned(),
            note: Some("HTTP 403\u{1b}[31m".to_owned()),
            rejects: 0,
            rejects_cut: 0,
            extra_cut: 0,
            misfits: Vec::new(),
            censuses: Vec::new(),
            known_gaps: Vec::new(),
            complete_but_for_known_gaps_until: Some("2024-05-01T12:00:00".to_owned()),
            late_s: None,
            proven_at: Some("2024-05-01T10:00:00.000Z".to_owned()),
            first_load: None,
            notices: Vec::new(),
            fresh: None,
            late: None,
            last_reconcile: None,
        }
    }

    #[test]
    fn a_line_says_counts_reach_age_and_what_is_being_done() {
        let now = DateTime::parse_from_rfc3339("2024-05-01T12:01:05Z").expect("a date").to_utc();
        let expected =
            "GAMLS     12,345 live       67 deleted  complete until 2024-05-01T12:00:00  polled 1m ago  blocked: HTTP 403\\u{1b}[31m";
        assert_eq!(line(&report(), 5, true, now), expected);
        let well = FeedReport { note: None, ..report() };
        assert!(line(&well, 5, true, now).contains("  polled in the last 1m  "), "a later poll may not be written down yet");
        assert!(line(&well, 5, false, now).contains("  polled 1m ago  "));
        assert_eq!(details(&report(), &Config::default(), now), Vec::<String>::new());
        let [just, over] = [43_140, 43_200].map(|seconds| details(&report(), &Config::default(), now + Duration::from_secs(seconds)));
        assert_eq!(just, Vec::<String>::new());
        assert_eq!(over, ["! licence: last proven complete 12h 1m ago, and licence.max_age allows 12h"]);
    }

    #[test]
    fn the_head_says_who_mirrors_and_how_the_vendor_is_asked() {
        let now = DateTime::parse_from_rfc3339("2024-05-01T12:01:05Z").expect("a date").to_utc();
        let since = "2024-05-01T12:00:05.000Z".to_owned();
        let mut holder = Holder { pid: 7, command: "run".to_owned(), since, trouble: None, shm: None };
        assert_eq!(process(Some(&holder), now), "mls-sync run (PID 7) for 1m");
        holder.trouble = Some("database or disk is full".to_owned());
        assert_eq!(process(Some(&holder), now), "mls-sync run (PID 7) for 1m\n! database: database or disk is full");
        let mut account = AccountReport {
            account: "demo@example.com".to_owned(),
            rate: None,
            closed_until: None,
            closed_for_s: None,
            requests_this_hour: 12,
            requests_today: 3456,
        };
        let rate = Rate { requests_per_hour: 12, ..Config::default().rate };
        assert_eq!(asking(&account, &Config::default().rate), "demo@example.com: 12 requests this hour, 3,456 today");
        (account.rate, account.closed_for_s) = (Some(0.5), Some(20.625));
        account.closed_until = Some("2024-05-01T14:03:10.123Z".to_owned());
        let expected = "demo@example.com: 12 requests this hour, 3,456 today; no request until 14:03:10 UTC (vendor said 20.6 s); \
                        slowed to 0.50 of 2 requests a second; the hour's budget of 12 is spent";
        assert_eq!(asking(&account, &rate), expected);
    }

    #[test]
    fn fresh_changes_show_how_long_half_and_nearly_all_of_them_took() {
        let fresh = Freshness { changes: 1234, p50_s: 33.4, p99_s: 71.0 };
        let expected =
            "fresh: of 1,234 changes in this hour and the last, half were in the file within 34s of their stamp, 99 of 100 within 1m 11s";
        assert_eq!(freshness(&fresh), expected);
    }

    #[test]
    fn late_listings_show_how_long_the_overlap_should_be() {
        let mut late = Lateness { count: 12, half_s: 39.2, nine_tenths_s: 180.0, most_s: 4000.0, beyond_overlap: 0 };
        let distribution = "late: 12 listings, half within 40s, 9 of 10 within 3m, at most 1h 7m";
        assert_eq!(lateness(&late, Duration::from_secs(120)), distribution);
        late.beyond_overlap = 3;
        assert_eq!(lateness(&late, Duration::from_secs(120)), format!("{distribution}; poll.overlap = 2m is too short for 3 of them"));
    }
}
