//! A span of time as people say it.

use std::time::Duration;

/// The units, longest first: seconds, word.
const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
/// Below this, seconds have a fraction.
const FINE: Duration = Duration::from_secs(10);
/// From here on nobody asks for seconds.
const COARSE: u64 = 600;

/// `0.5 s`, `20 s`, `2 min 5 s`, `15 min`, `2 h 5 min`: at most two units, rounded.
#[must_use]
pub fn spoken(span: Duration) -> String {
    if span < FINE {
        let tenths = (span.as_secs_f64() * 10.0).round() / 10.0;
        return format!("{tenths} s");
    }
    let seconds = span.as_secs() + u64::from(span.subsec_millis() >= 500);
    let grain = if seconds < COARSE {
        1
    } else if seconds < 86_400 {
        60
    } else {
        3600
    };
    let seconds = (seconds + grain / 2) / grain * grain;
    let at = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let parts = UNITS[at..].iter().take(2).map(|(unit, word)| {
        let count = left / unit;
        left %= unit;
        (count > 0).then(|| format!("{count} {word}"))
    });
    parts.flatten().collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_exact_as_people_are() {
        for (millis, expected) in [
            (0, "0 s"),
            (480, "0.5 s"),
            (2_000, "2 s"),
            (9_960, "10 s"),
            (20_626, "21 s"),
            (59_600, "1 min"),
            (125_000, "2 min 5 s"),
            (600_000, "10 min"),
            (903_200, "15 min"),
            (3_599_000, "1 h"),
            (7_500_000, "2 h 5 min"),
            (86_400_000, "1 d"),
            (100_000_000, "1 d 4 h"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), expected, "{millis}");
        }
    }
}
