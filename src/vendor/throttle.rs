//! How long a 429 asks everybody to wait.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// Where the vendor says nothing readable.
const DEFAULT: Duration = Duration::from_secs(30);
/// A longer wait is more likely a mistake than a wish; a wrong 429 must not stop the mirror for a week.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(1);

/// The wait, between 1 ms and 24 h, in whole milliseconds rounded up.
///
/// The document tells the seconds only inside the message, as a decimal with seven fraction digits. A proxy may add a
/// `Retry-After` header (seconds, or an HTTP date that is read against `now`). Where both speak the later time counts, so
/// that nobody is asked earlier than anybody said.
#[must_use]
pub fn wait(retry_after: Option<&str>, message: Option<&str>, now: DateTime<Utc>) -> Duration {
    let said = retry_after.and_then(|text| header(text.trim(), now)).max(message.and_then(seconds_in));
    let nanos = said.unwrap_or(DEFAULT).min(LONGEST).as_nanos();
    let millis = u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis).max(SHORTEST)
}

/// Whether a `Retry-After` header names a time.
pub(super) fn is_told(retry_after: Option<&str>, now: DateTime<Utc>) -> bool {
    retry_after.is_some_and(|text| header(text.trim(), now).is_some())
}

fn header(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Some(wait) = seconds(text) {
        return Some(wait);
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
}

/// The words for a unit, by their beginning, and its seconds.
const UNITS: [(&str, f64); 3] = [("second", 1.0), ("minute", 60.0), ("hour", 3600.0)];

/// The wait that a message names. "No more than 100 in 10 seconds; available in 20 seconds" has two numbers: "available in"
/// tells it best, as in the document; then "in"; then whatever stands before a unit. Of equals the largest counts.
fn seconds_in(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let of_unit = |(unit, length): (&'static str, f64)| {
        let lower = &lower;
        lower.match_indices(unit).filter_map(move |(at, _)| wait_before(&lower[..at], length))
    };
    UNITS.into_iter().flat_map(of_unit).max().map(|(_, wait)| wait)
}

/// The wait that ends a text, after how well it is introduced.
fn wait_before(text: &str, length: f64) -> Option<(usize, Duration)> {
    let (before, number) = last_word(text)?;
    let number = number.trim_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'));
    // A server set to a European culture writes a comma before the fraction.
    let wait = seconds(&number.replace(',', "."))?;
    let rank = ["in", "available"].into_iter().scan(before, |before, expected| {
        let (rest, word) = last_word(before)?;
        *before = rest;
        (word == expected).then_some(())
    });
    Some((rank.count(), Duration::try_from_secs_f64(wait.as_secs_f64() * length).unwrap_or(LONGEST)))
}

/// A text's last word, and what stands before it.
fn last_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end();
    let word = text.rsplit(char::is_whitespace).next()?;
    Some((&text[..text.len() - word.len()], word))
}

/// Nothing for a number that is negative, NaN or infinite; a wait too long for a `Duration` is the longest one.
fn seconds(text: &str) -> Option<Duration> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
    Some(Duration::try_from_secs_f64(number).unwrap_or(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn millis(retry_after: Option<&str>, message: Option<&str>) -> u128 {
        let now = Utc.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).single().expect("a date");
        wait(retry_after, message, now).as_millis()
    }

    fn check_message(message: &str, expected: u128) {
        assert_eq!(millis(None, Some(message)), expected, "{message}");
    }

    fn check_header(header: &str, expected: u128) {
        assert_eq!(millis(Some(header), None), expected, "{header}");
    }

    #[test]
    fn reads_the_seconds_of_a_message() {
        check_message("Too many requests. Api will be available in 20.6250626 seconds", 20_626);
        check_message("Too many requests. Api will be available in 20.6250626 seconds\u{201d}", 20_626);
        check_message("available in 1 second", 1_000);
        check_message("100 per 86400 seconds; available in 20 seconds", 20_000);
        check_message("in 10 seconds 100; available in 20 seconds", 20_000);
        check_message("no more than 100 in 1 hour; available in 20 seconds", 20_000);
        check_message("retry after 7 seconds", 7_000);
        check_message("available in 2 hours", 7_200_000);
        check_message("try again in 1.5 minutes", 90_000);
        check_message("available in 1.1 seconds", 1_100);
        check_message("AVAILABLE IN 5 SECONDS.", 5_000);
        check_message("5seconds", 5_000);
        check_message("wait (7 seconds)", 7_000);
        check_message("wait:\u{a0}7\u{a0}seconds", 7_000);
        check_message("wait 20,6250626 seconds", 20_626);
        check_message("wait .5 seconds", 500);
        check_message("a second request too early: 3 seconds", 3_000);
        check_message("wait 2e1 seconds", 20_000);
    }

    #[test]
    fn rounds_up_and_never_to_nothing() {
        check_message("0.0001 seconds", 1);
        check_message("0 seconds", 1);
        check_message("0.0000000001 seconds", 1);
        check_message("1.0000001 seconds", 1_001);
        check_header("0", 1);
    }

    #[test]
    fn falls_back_where_nothing_is_readable() {
        for message in ["", "soon", "seconds", "-5 seconds", "NaN seconds", "inf seconds", "infinity seconds", "1e400 seconds", "x seconds"]
        {
            check_message(message, 30_000);
        }
        for header in ["", "soon", "-1", "NaN", "inf"] {
            check_header(header, 30_000);
        }
        assert_eq!(millis(None, None), 30_000);
    }

    #[test]
    fn caps_the_absurd() {
        check_message("available in 99999999 seconds", 86_400_000);
        check_message("available in 1e300 seconds", 86_400_000);
        check_header("864000", 86_400_000);
        check_header("Fri, 01 Jan 2100 00:00:00 GMT", 86_400_000);
    }

    #[test]
    fn reads_the_header() {
        check_header("12", 12_000);
        check_header(" 1.5 ", 1_500);
        check_header("Wed, 01 Jul 2026 12:00:30 GMT", 30_000);
        check_header("Wed, 01 Jul 2026 11:00:00 GMT", 1);
    }

    #[test]
    fn the_later_of_all_that_is_said_counts() {
        assert_eq!(millis(Some("3"), Some("in 20 seconds")), 20_000);
        assert_eq!(millis(Some("20"), Some("in 3 seconds")), 20_000);
        assert_eq!(millis(Some("soon"), Some("in 20 seconds")), 20_000);
        assert_eq!(millis(Some("3"), Some("soon")), 3_000);
        assert_eq!(millis(Some("Wed, 01 Jul 2026 11:00:00 GMT"), Some("in 20 seconds")), 20_000);
        check_message("no more than 5 in 1 second: available in 20 seconds", 20_000);
        check_message("available in 20 seconds, for you made 5 requests in 1 second", 20_000);
    }
}
