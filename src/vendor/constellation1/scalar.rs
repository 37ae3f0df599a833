//! A number or a boolean, perhaps in a string, read where nothing is lost.

use super::decimal::Decimal;

/// What stands in a string, as far as it may be a number or a boolean: with an escape in it, it is neither.
pub(super) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// A whole number of 64 bits, however it is spelled.
pub(super) fn whole(value: &str) -> Option<i64> {
    value.parse().ok().or_else(|| Decimal::parse(value)?.whole())
}

/// The nearest double. Only what is written as a JSON number is asked, since Rust also reads "inf".
pub(super) fn finite(value: &str) -> Option<f64> {
    let is_number = value.ends_with(|c: char| c.is_ascii_digit()) && value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = is_number.then(|| value.parse::<f64>().ok());
    // Adding zero turns -0.0, which SQLite does not keep, into 0.0.
    number.flatten().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// A boolean; 0 and 1 stand for one, and .NET writes its text with a capital.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => match whole(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_exactly_a_number() {
        for (text, expected) in [("3", Some(3)), ("\"250000.0\"", Some(250_000)), ("\"1,250\"", None), ("\"\"", None), ("\"", None)] {
            assert_eq!(whole(unquoted(text)), expected, "{text}");
        }
        for (text, expected) in [("2.5", Some(2.5)), ("-0.0", Some(0.0)), ("inf", None), ("-inf", None), ("1e400", None), ("2.", None)] {
            assert_eq!(finite(text), expected, "{text}");
        }
        for (text, expected) in [("\"True\"", Some(true)), ("0.0", Some(false)), ("\"Y\"", None), ("2", None)] {
            assert_eq!(boolean(unquoted(text)), expected, "{text}");
        }
    }
}
