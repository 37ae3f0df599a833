//! A vendor's date-time: zoneless, in units of 100 ns, because that is the grain of .NET's DateTime.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

const TICKS_PER_SECOND: i64 = 10_000_000;
const NANOS_PER_TICK: i64 = 100;

/// A point on the vendor's clock: ticks of 100 ns since 1970-01-01T00:00:00 of whatever zone the vendor writes.
///
/// The document gives no zone for its dates, so a stamp is compared with stamps of the same vendor only; what
/// is written with an offset is turned into UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

/// A date-time that a person typed: `2024-01-31` or `2024-01-31T08:30:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTime(pub Stamp);

impl Stamp {
    /// 0001-01-01T00:00:00, as early as a vendor's date can be.
    pub const FIRST: Stamp = Stamp(-621_355_968_000_000_000);
    /// 9999-12-31T00:00:00: a window that ends here has no end, and a request for it names none.
    pub const NO_END: Stamp = Stamp(2_534_022_144_000_000_000);

    /// Reads ISO 8601 with 0 to 9 fraction digits, with or without an offset (`Z`, `+02:00`), and what [`Stamp::iso`] makes
    /// such. A date alone is its midnight.
    #[must_use]
    pub fn parse(text: &str) -> Option<Stamp> {
        if let Ok(naive) = text.parse::<NaiveDateTime>() {
            return Stamp::from_naive(naive);
        }
        let text = Stamp::iso(text);
        if let Ok(zoned) = DateTime::parse_from_rfc3339(&text) {
            return Stamp::from_naive(zoned.naive_utc());
        }
        if let Ok(naive) = text.parse::<NaiveDateTime>() {
            return Stamp::from_naive(naive);
        }
        let midnight = text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?;
        Stamp::from_naive(midnight)
    }

    /// Other spellings of a date-time as ISO 8601: a blank in the place of the T, an offset without its colon (`+0000`), and
    /// .NET's old `/Date(1732570195000-0500)/`, whose milliseconds are UTC whatever its offset. Any other text stays.
    #[must_use]
    pub fn iso(text: &str) -> Cow<'_, str> {
        if let Some(millis) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
            return millis_of(millis).map_or(Cow::Borrowed(text), |stamp| Cow::Owned(format!("{stamp}Z")));
        }
        let bytes = text.as_bytes();
        let mut iso = Cow::Borrowed(text);
        if let [.., b'+' | b'-', a, b, c, d] = bytes
            && text.contains(':')
            && [a, b, c, d].into_iter().all(u8::is_ascii_digit)
        {
            iso.to_mut().insert(text.len() - 2, ':');
        }
        if bytes.get(10) == Some(&b' ') && text.is_char_boundary(11) {
            let rest = iso[11..].replace(' ', "");
            iso = Cow::Owned(format!("{}T{rest}", &text[..10]));
        }
        iso
    }

    /// Whether this is .NET's `DateTime.MinValue`, which stands for no date at all: the first day of the year 1.
    #[must_use]
    pub fn is_none_of_dotnet(self) -> bool {
        // With an offset it lies up to a day beside midnight.
        let day = 86_400 * TICKS_PER_SECOND;
        (Stamp::FIRST.0 - day..Stamp::FIRST.0 + 2 * day).contains(&self.0)
    }

    /// The stamp of an instant, read as UTC.
    #[must_use]
    pub fn from_utc(instant: DateTime<Utc>) -> Stamp {
        let seconds = instant.timestamp() * TICKS_PER_SECOND;
        Stamp(seconds + i64::from(instant.timestamp_subsec_nanos()) / NANOS_PER_TICK)
    }

    fn from_naive(naive: NaiveDateTime) -> Option<Stamp> {
        let instant = naive.and_utc();
        let seconds = instant.timestamp().checked_mul(TICKS_PER_SECOND)?;
        seconds.checked_add(i64::from(instant.timestamp_subsec_nanos()) / NANOS_PER_TICK).map(Stamp)
    }

    fn naive(self) -> NaiveDateTime {
        let seconds = self.0.div_euclid(TICKS_PER_SECOND);
        let ticks = self.0.rem_euclid(TICKS_PER_SECOND);
        let delta = TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(ticks * NANOS_PER_TICK);
        DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(delta).unwrap_or(NaiveDateTime::MAX)
    }

    /// As a request writes it: naive, to the millisecond, rounded down.
    #[must_use]
    pub fn to_wire(self) -> String {
        self.naive().format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
    }

    /// This stamp moved later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Stamp {
        Stamp(self.0.saturating_add(ticks(span)))
    }

    /// This stamp moved earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Stamp {
        Stamp(self.0.saturating_sub(ticks(span)))
    }

    /// How much later this stamp is than another; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Stamp) -> Duration {
        let ticks = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_nanos(ticks.unsigned_abs().saturating_mul(NANOS_PER_TICK.unsigned_abs()))
    }

    /// The stamp half way between two.
    #[must_use]
    pub fn midpoint(self, other: Stamp) -> Stamp {
        Stamp(self.0.midpoint(other.0))
    }

    /// Midnight of the stamp's own day.
    #[must_use]
    pub fn midnight(self) -> Stamp {
        let day = 86_400 * TICKS_PER_SECOND;
        Stamp(self.0.div_euclid(day) * day)
    }
}

/// Milliseconds since 1970, UTC, perhaps with an offset behind them that says only where they were written.
fn millis_of(text: &str) -> Option<Stamp> {
    let end = text.rfind(['+', '-']).filter(|at| *at > 0).unwrap_or(text.len());
    let instant = DateTime::from_timestamp_millis(text[..end].parse().ok()?)?;
    (0..=9999).contains(&instant.year()).then(|| Stamp::from_utc(instant))
}

fn ticks(span: Duration) -> i64 {
    i64::try_from(span.as_nanos() / NANOS_PER_TICK.unsigned_abs() as u128).unwrap_or(i64::MAX)
}

/// The form in the database and in logs: ISO 8601, naive, to the tick, trailing zeros dropped; it sorts as text.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.naive().format("%Y-%m-%dT%H:%M:%S");
        let fraction = self.0.rem_euclid(TICKS_PER_SECOND);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:07}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl std::str::FromStr for DayTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stamp = Stamp::parse(text);
        stamp.map(DayTime).ok_or_else(|| format!("\"{text}\" is no date; write 2024-01-31 or 2024-01-31T08:30:00"))
    }
}

impl<'de> serde::Deserialize<'de> for DayTime {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        let stamp = Stamp::parse(text).map(|s| s.to_string());
        assert_eq!(stamp.as_deref(), Some(shown), "{text}");
    }

    #[test]
    fn reads_what_dotnet_writes() {
        check("2019-05-01T12:00:00", "2019-05-01T12:00:00");
        check("2019-05-01T11:15:39.837", "2019-05-01T11:15:39.837");
        check("2019-05-01T11:15:39.8370001", "2019-05-01T11:15:39.8370001");
        check("2019-05-01T11:15:39.83", "2019-05-01T11:15:39.83");
        check("2019-05-01T11:15:39Z", "2019-05-01T11:15:39");
        check("2019-05-01T11:15:39-07:00", "2019-05-01T18:15:39");
        check("2019-05-01", "2019-05-01T00:00:00");
        check("0001-01-01T00:00:00", "0001-01-01T00:00:00");
        check("9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999");
        check("1969-12-31T23:59:59.5", "1969-12-31T23:59:59.5");
    }

    #[test]
    fn reads_other_spellings() {
        check("2026-11-25 21:29:55", "2026-11-25T21:29:55");
        check("2026-11-25 21:29:55.116", "2026-11-25T21:29:55.116");
        check("2026-11-25 21:29:55 +02:00", "2026-11-25T19:29:55");
        check("2026-11-25 21:29:55Z", "2026-11-25T21:29:55");
        check("2026-11-25T21:29:55.116+0000", "2026-11-25T21:29:55.116");
        check("2026-11-25T21:29:55-0530", "2026-11-26T02:59:55");
        check("/Date(1732570195000)/", "2024-11-25T21:29:55");
        check("/Date(1732570195123-0500)/", "2024-11-25T21:29:55.123");
        check("/Date(-62135596800000)/", "0001-01-01T00:00:00");
        assert_eq!(Stamp::iso("2019-05-01T11:15:39.837"), "2019-05-01T11:15:39.837");
        assert_eq!(Stamp::iso("2019-05-01"), "2019-05-01");
        assert_eq!(Stamp::iso("/Date(1732570195000+0000)/"), "2024-11-25T21:29:55Z");
    }

    #[test]
    fn the_first_day_of_dotnet_is_none() {
        let is_none = |text: &str| Stamp::parse(text).expect(text).is_none_of_dotnet();
        assert!(is_none("0001-01-01T00:00:00") && is_none("0001-01-01T00:00:00-08:00") && is_none("0001-01-01"));
        assert!(!is_none("0001-01-03") && !is_none("-0044-03-15") && !is_none("1753-01-01T00:00:00"));
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "/Date()/",
            "/Date(x)/",
            "/Date(99999999999999999)/",
            "11/25/2026 9:29:55 PM",
            "2026-11-25 é",
            "",
            "yesterday",
            "2019-13-01T00:00:00",
            "20190501",
            "2019-05-01T25:00:00",
            "NaN",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_milliseconds_rounded_down() {
        let stamp = Stamp::parse("2019-05-01T11:15:39.8379999").map(Stamp::to_wire);
        assert_eq!(stamp.as_deref(), Some("2019-05-01T11:15:39.837"));
    }

    #[test]
    fn midnight_is_of_the_same_day() {
        let stamp = Stamp::parse("1969-12-31T23:59:59.5").map(|s| s.midnight().to_string());
        assert_eq!(stamp.as_deref(), Some("1969-12-31T00:00:00"));
    }
}
