//! `mls-sync wait`: returns once the file is complete up to a moment, or holds a change.

use super::exit::reached_end;
use crate::config::Config;
use crate::record::zone::TimestampZone;
use crate::record::{DayTime, FeedId, Stamp};
use crate::store::{Awaited, FollowError, Lookout, instance};
use anyhow::bail;
use chrono::Utc;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Summer time ends by setting the clocks back so far, or less.
const SET_BACK: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
For batch jobs: `mls-sync wait && your-job`. Where nothing changes, it takes up to poll.interval and a minute more \
until the file says so; with a poll.interval of more than 2 minutes, set a longer timeout.

Exit codes: 0 complete, 1 not within the timeout, 2 something is missing or wrong, 4 this file never had change N: an older copy was put back.")]
pub(super) struct Arguments {
    /// Complete up to the moment at which this command began, or up to this time, UTC: 2024-01-31 or 2024-01-31T08:30:00
    #[arg(long, value_name = "now|TIME", default_value = "now")]
    until: Until,
    /// Until change N is in the file
    #[arg(long, value_name = "N", conflicts_with_all = ["until", "feed"], value_parser = clap::value_parser!(i64).range(0..))]
    seq: Option<i64>,
    /// Only this feed [default: every feed that is mirrored]
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// How long to wait; 0s looks once
    #[arg(long, default_value = "3m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// A moment.
#[derive(Clone, Copy, Debug)]
enum Until {
    Now,
    Time(DayTime),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" { Ok(Until::Now) } else { text.parse().map(Until::Time) }
    }
}

pub(super) fn wait(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let begun = (Instant::now(), Stamp::from_utc(Utc::now()));
    let utc = match arguments.until {
        Until::Now => begun.1,
        Until::Time(DayTime(time)) => time,
    };
    let until = vendor_time(config.constellation1.timestamp_zone, utc);
    let named = || config.constellation1.feeds.iter().cloned().map(FeedId).collect();
    let awaited = match (arguments.seq, arguments.feed) {
        (Some(seq), _) => Awaited::Change(seq),
        (None, Some(feed)) => Awaited::Feed { until, feed: FeedId(feed) },
        (None, None) => Awaited::Feeds { until, named: named() },
    };
    let mut lookout = Lookout::new(&config.database);
    let mut missing = Ok(Vec::new());
    loop {
        match lookout.look(&awaited) {
            Ok(Some(nothing)) if nothing.is_empty() => return Ok(reached_end(true)),
            Err(FollowError::Lost(lost)) => return Err(lost.into()),
            Ok(None) => {}
            Ok(Some(still)) => missing = Ok(still),
            // The file does not exist yet, or the program that is to bring it up to date has not begun.
            Err(FollowError::Report(error)) => missing = Err(error),
        }
        let left = arguments.timeout.saturating_sub(begun.0.elapsed());
        if left.is_zero() {
            let timeout = humantime::format_duration(arguments.timeout);
            bail!("not within {timeout}: {}. {}", missing?.join("; "), holder(&config.database));
        }
        std::thread::sleep(left.min(LOOK_EVERY));
    }
}

/// The latest that the clocks of a zone have shown up to a moment: an hour that they show twice is over when it was shown twice.
fn vendor_time(zone: TimestampZone, utc: Stamp) -> Stamp {
    zone.local(utc).max(zone.local(utc.minus(SET_BACK)).plus(SET_BACK))
}

fn holder(database: &Path) -> String {
    match instance::holder(database) {
        Ok(Some(holder)) => format!("`mls-sync {}` (PID {}) mirrors into the file", holder.command, holder.pid),
        Ok(None) => "Nobody mirrors into the file: start `mls-sync run`".to_owned(),
        Err(error) => format!("Whether a process mirrors into the file cannot be seen: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, utc: &str, expected: &str) {
        let (zone, utc) = (zone.parse().expect("a zone"), Stamp::parse(utc).expect("a date"));
        assert_eq!(vendor_time(zone, utc).to_string(), expected, "{zone} {utc}");
    }

    #[test]
    fn a_moment_is_that_of_the_vendors_zone_and_never_one_that_its_clocks_show_again() {
        check("UTC", "2024-07-01T12:00:00.5", "2024-07-01T12:00:00.5");
        check("America/Chicago", "2024-07-01T12:00:00", "2024-07-01T07:00:00");
        // Summer time ended at 07:00 UTC, and began at 08:00 UTC.
        check("America/Chicago", "2024-11-03T06:30:00", "2024-11-03T01:30:00");
        check("America/Chicago", "2024-11-03T07:30:00", "2024-11-03T02:30:00");
        check("America/Chicago", "2024-11-03T08:00:00", "2024-11-03T02:00:00");
        check("America/Chicago", "2024-03-10T08:30:00", "2024-03-10T03:30:00");
    }
}
