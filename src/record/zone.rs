//! The zone in which the vendor writes its dates, which its document does not tell.

use super::Stamp;
use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Where MLSs are: proposed when the stamps show another zone than the one that is set.
const LIKELY: [chrono_tz::Tz; 7] = [
    chrono_tz::UTC,
    chrono_tz::America::New_York,
    chrono_tz::America::Chicago,
    chrono_tz::America::Denver,
    chrono_tz::America::Los_Angeles,
    chrono_tz::America::Anchorage,
    chrono_tz::Pacific::Honolulu,
];

/// A zone: `UTC`, a name of the IANA data base, or a fixed offset such as `-08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampZone {
    /// A zone with its own rules for summer time.
    Named(chrono_tz::Tz),
    /// An offset that never changes.
    Fixed(FixedOffset),
}

impl Default for TimestampZone {
    fn default() -> Self {
        TimestampZone::Named(chrono_tz::UTC)
    }
}

impl FromStr for TimestampZone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(zone) = text.parse::<chrono_tz::Tz>() {
            return Ok(TimestampZone::Named(zone));
        }
        let offset = text.parse::<FixedOffset>().map(TimestampZone::Fixed);
        offset.map_err(|_| format!("\"{text}\" is no time zone; write UTC, America/Los_Angeles or -08:00"))
    }
}

impl fmt::Display for TimestampZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimestampZone::Named(zone) => write!(f, "{zone}"),
            TimestampZone::Fixed(offset) => write!(f, "{offset}"),
        }
    }
}

impl<'de> Deserialize<'de> for TimestampZone {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl TimestampZone {
    /// The instant as this zone's clocks show it. `utc` is a stamp read as UTC.
    #[must_use]
    pub fn local(self, utc: Stamp) -> Stamp {
        let seconds = self.offset(utc).local_minus_utc();
        let shift = std::time::Duration::from_secs(u64::from(seconds.unsigned_abs()));
        if seconds < 0 { utc.minus(shift) } else { utc.plus(shift) }
    }

    fn offset(self, utc: Stamp) -> FixedOffset {
        match self {
            TimestampZone::Named(zone) => zone.offset_from_utc_datetime(&naive(utc)).fix(),
            TimestampZone::Fixed(offset) => offset,
        }
    }

    /// The setting that would account for stamps that are off by so many minutes now.
    #[must_use]
    pub fn likely(self, off_minutes: i64, utc: Stamp) -> String {
        let wanted = i64::from(self.offset(utc).local_minus_utc()) + off_minutes * 60;
        let same = |zone: &&chrono_tz::Tz| i64::from(zone.offset_from_utc_datetime(&naive(utc)).fix().local_minus_utc()) == wanted;
        let named = LIKELY.iter().find(same).map(ToString::to_string);
        let fixed = || i32::try_from(wanted).ok().and_then(FixedOffset::east_opt).map_or_else(|| "unknown".to_owned(), |o| o.to_string());
        named.unwrap_or_else(fixed)
    }
}

fn naive(utc: Stamp) -> NaiveDateTime {
    let ticks = utc.0.clamp(-60_000_000_000_000_000, 250_000_000_000_000_000);
    DateTime::<Utc>::from_timestamp(ticks.div_euclid(10_000_000), 0).unwrap_or_default().naive_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, utc: &str, local: &str) {
        let zone: TimestampZone = zone.parse().expect("a zone");
        let shown = zone.local(Stamp::parse(utc).expect("a date"));
        assert_eq!(shown.to_string(), local, "{zone}");
    }

    #[test]
    fn an_instant_is_shown_as_the_zone_shows_it() {
        check("UTC", "2024-07-01T12:00:00.5", "2024-07-01T12:00:00.5");
        check("America/Los_Angeles", "2024-07-01T12:00:00", "2024-07-01T05:00:00");
        check("America/Los_Angeles", "2024-12-01T12:00:00", "2024-12-01T04:00:00");
        check("-08:00", "2024-07-01T12:00:00", "2024-07-01T04:00:00");
        check("+05:30", "2024-07-01T12:00:00", "2024-07-01T17:30:00");
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        assert!("Mars".parse::<TimestampZone>().is_err());
        assert!("+99:00".parse::<TimestampZone>().is_err());
    }

    #[test]
    fn the_likely_zone_follows_from_how_far_stamps_are_off() {
        let winter = Stamp::parse("2024-12-01T12:00:00").expect("a date");
        let utc = TimestampZone::default();
        assert_eq!(utc.likely(-480, winter), "America/Los_Angeles");
        assert_eq!(utc.likely(-300, winter), "America/New_York");
        assert_eq!(utc.likely(330, winter), "+05:30");
        let pacific: TimestampZone = "America/Los_Angeles".parse().expect("a zone");
        assert_eq!(pacific.likely(480, winter), "UTC");
    }
}
