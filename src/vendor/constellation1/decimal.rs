//! A JSON number as its decimal digits, before any rounding.

/// digits × 10^exponent. Digits have no zero at either end; zero has none at all.
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Longer texts than this many places are not spelled out.
const LONGEST_PLAIN: i64 = 40;

impl Decimal {
    /// Reads a valid JSON number. `None` when the text is something else.
    pub(super) fn parse(number: &str) -> Option<Decimal> {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        let all = format!("{unsigned}{fraction}");
        if unsigned.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // An exponent beyond i32 says "too far" whatever its exact value.
        let exponent = exponent.parse::<i32>().unwrap_or(if exponent.starts_with('-') { i32::MIN } else { i32::MAX });
        let digits = all.trim_end_matches('0');
        let dropped = i64::try_from(all.len() - digits.len()).ok()? - i64::try_from(fraction.len()).ok()?;
        let digits = digits.trim_start_matches('0').to_owned();
        let exponent = if digits.is_empty() { 0 } else { i64::from(exponent) + dropped };
        Some(Decimal { negative: whole.len() > unsigned.len() && !digits.is_empty(), digits, exponent })
    }

    /// Significant digits: neither leading nor trailing zeros count.
    pub(super) fn significant(&self) -> usize {
        self.digits.len()
    }

    /// The value, if it is whole and fits 64 bits.
    pub(super) fn whole(&self) -> Option<i64> {
        if !(0..=18).contains(&self.exponent) {
            return None;
        }
        self.plain()?.parse().ok()
    }

    /// Without exponent or needless zeros: `2.50` is "2.5". `None` for a number too far from 1 to be spelled out.
    pub(super) fn plain(&self) -> Option<String> {
        let places = usize::try_from(self.exponent.checked_abs().filter(|places| *places <= LONGEST_PLAIN)?).ok()?;
        let sign = if self.negative { "-" } else { "" };
        if self.exponent >= 0 {
            let digits = if self.digits.is_empty() { "0" } else { &self.digits };
            return Some(format!("{sign}{digits}{}", "0".repeat(places)));
        }
        let padded = format!("{:0>width$}", self.digits, width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        Some(format!("{sign}{whole}.{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: &str, plain: Option<&str>, whole: Option<i64>, significant: usize) {
        let decimal = Decimal::parse(number).expect("a number");
        assert_eq!(decimal.plain().as_deref(), plain, "{number}");
        assert_eq!(decimal.whole(), whole, "{number}");
        assert_eq!(decimal.significant(), significant, "{number}");
    }

    #[test]
    fn reads_numbers_without_rounding() {
        check("0", Some("0"), Some(0), 0);
        check("-0.0", Some("0"), Some(0), 0);
        check("0e99", Some("0"), Some(0), 0);
        check("2.0", Some("2"), Some(2), 1);
        check("2.50", Some("2.5"), None, 2);
        check("1200", Some("1200"), Some(1200), 2);
        check("-1200.00", Some("-1200"), Some(-1200), 2);
        check("0.001", Some("0.001"), None, 1);
        check("-10.05", Some("-10.05"), None, 4);
        check("1.2e3", Some("1200"), Some(1200), 2);
        check("12E-1", Some("1.2"), None, 2);
        check("120e-1", Some("12"), Some(12), 2);
        check("9223372036854775807", Some("9223372036854775807"), Some(i64::MAX), 19);
        check("-9223372036854775808.0", Some("-9223372036854775808"), Some(i64::MIN), 19);
        check("9223372036854775808", Some("9223372036854775808"), None, 19);
        check("9007199254740993.0", Some("9007199254740993"), Some(9_007_199_254_740_993), 16);
        check("1e400", None, None, 1);
        check("1e-400", None, None, 1);
        check("1e99999999999", None, None, 1);
        check("0.12345678901234567890", Some("0.1234567890123456789"), None, 19);
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", "true", "null", "\"1\"", "[1]", "NaN"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }
}
