//! JSON values as they were sent, read into cells.

use crate::record::{Cell, Field, Kind, Stamp};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// SQLite reads 1000 levels of JSON; a real value has about four.
const DEEPEST: usize = 100;
/// The most digits of a whole number of 64 bits.
const DIGITS: usize = 19;

/// The members of an object by name, each as sent, so that numbers keep their digits. The last of a repeated name wins.
pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;
/// What has no cell, by name: valid JSON.
pub(super) type Extra = BTreeMap<String, String>;

/// The members of a JSON object; `None` for anything else.
pub(super) fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}

/// The elements of an array; `None` where it is none.
pub(super) fn elements(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

/// One spelling for equal JSON: compact, members sorted by name, digits as sent. `None` where it is nested too deeply, or
/// holds a number beyond a double or a string that is no Unicode.
pub(super) fn canonical(json: &str) -> Option<String> {
    spelled(json, DEEPEST)
}

/// The same, or the text itself in a JSON string.
pub(super) fn portable(json: &str) -> String {
    canonical(json).unwrap_or_else(|| quoted(json))
}

/// A JSON string of this text.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON object of members whose values are JSON already.
pub(super) fn object<V: AsRef<str>>(members: impl IntoIterator<Item = (String, V)>) -> String {
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{}:{}", quoted(&name), value.as_ref())).collect();
    format!("{{{}}}", members.join(","))
}

fn spelled(json: &str, levels: usize) -> Option<String> {
    let json = json.trim();
    match json.bytes().next()? {
        b'{' => {
            let inner = levels.checked_sub(1)?;
            let members = members(json)?.into_iter().map(|(name, value)| Some((name, spelled(value.get(), inner)?)));
            Some(object(members.collect::<Option<Vec<_>>>()?))
        }
        b'[' => {
            let inner = levels.checked_sub(1)?;
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let items: Option<Vec<String>> = items.into_iter().map(|item| spelled(item.get(), inner)).collect();
            Some(format!("[{}]", items?.join(",")))
        }
        b'"' => text(json).map(|text| quoted(&text)),
        b't' | b'f' | b'n' => Some(json.to_owned()),
        // A reader of JSON could not take a number beyond a double.
        _ => json.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| json.to_owned()),
    }
}

/// The text of a JSON string; `None` for anything else.
pub(super) fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// A whole number of 64 bits, perhaps in a string, by its digits: `111.0` and `1e2` are whole, `2.5` is not.
pub(super) fn whole(json: &str) -> Option<i64> {
    let spelled = text(json);
    let number = spelled.as_deref().unwrap_or(json);
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(before) || !is_number(after) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let all = format!("{before}{after}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let dropped = all.len() - all.trim_end_matches('0').len();
    let zeros = i64::from(exponent) + i64::try_from(dropped).ok()? - i64::try_from(after.len()).ok()?;
    let zeros = usize::try_from(zeros).ok().filter(|zeros| digits.len() + zeros <= DIGITS)?;
    format!("{sign}{digits}{}", "0".repeat(zeros)).parse().ok()
}

/// The cell of a field. What does not fit its kind is kept in `extra`, and the cell is null.
pub(super) fn cell(field: &Field, value: Option<&RawValue>, extra: &mut Extra) -> Cell<'static> {
    let Some(value) = value else { return Cell::Absent };
    if value.get() == "null" {
        return Cell::Null;
    }
    fitted(field.kind, value.get()).unwrap_or_else(|| {
        extra.insert(field.wire.to_owned(), portable(value.get()));
        Cell::Null
    })
}

fn fitted(kind: Kind, json: &str) -> Option<Cell<'static>> {
    let plain = || text(json).unwrap_or_else(|| json.to_owned());
    let is_nested = json.starts_with(['{', '[']);
    match kind {
        Kind::Json => is_nested.then(|| canonical(json).map(|json| Cell::Text(json.into())))?,
        _ if is_nested => None,
        // SQLite's text functions stop at a NUL.
        Kind::Text | Kind::Loose => Some(plain()).filter(|text| !text.contains('\0')).map(|text| Cell::Text(text.into())),
        Kind::Integer => plain().parse().ok().map(Cell::Integer),
        Kind::Real => plain().parse().ok().filter(|number: &f64| number.is_finite()).map(|number| Cell::Real(number + 0.0)),
        Kind::Bool => match plain().as_str() {
            "true" | "1" => Some(Cell::Integer(1)),
            "false" | "0" => Some(Cell::Integer(0)),
            _ => None,
        },
        Kind::Time => {
            let sent = text(json)?;
            Stamp::parse(&sent).map(|_| Cell::Text(Stamp::iso(&sent).into_owned().into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::NamedBy;

    fn check(json: &str, expected: &str) {
        assert_eq!(canonical(json).as_deref(), Some(expected), "{json}");
    }

    #[test]
    fn equal_json_has_one_spelling_and_digits_stay() {
        check(" { \"b\" : [ 1 , 2 ] , \"a\" : { } } ", r#"{"a":{},"b":[1,2]}"#);
        check(r#"{"b":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#);
        check(r#""\u00e9\/""#, "\"é/\"");
        check("[123456789012345678901234567890,1.50]", "[123456789012345678901234567890,1.50]");
        assert_eq!((canonical("[1e400]"), portable("1e400")), (None, "\"1e400\"".to_owned()));
        assert_eq!((canonical(r#""\ud800""#), portable(r#""\ud800""#)), (None, r#""\"\\ud800\"""#.to_owned()));
        assert_eq!(canonical(&("[".repeat(101) + &"]".repeat(101))), None);
    }

    fn check_whole(json: &str, expected: Option<i64>) {
        assert_eq!(whole(json), expected, "{json}");
    }

    #[test]
    fn a_whole_number_is_one_by_its_digits() {
        for json in ["111", "111.0", "1.11e2", "1110e-1", "11100E-2", "\"111\"", "\"111.00\"", "0.111e3", "1.11e+2"] {
            check_whole(json, Some(111));
        }
        check_whole("1e2", Some(100));
        check_whole("-5", Some(-5));
        check_whole("0", Some(0));
        check_whole("-0.000", Some(0));
        check_whole("0e999999999", Some(0));
        check_whole("9223372036854775807", Some(i64::MAX));
        check_whole("-9223372036854775808", Some(i64::MIN));
        check_whole("9007199254740993", Some(9_007_199_254_740_993));
        for json in [
            "2.5",
            "1e-1",
            "9223372036854775808",
            "1e19",
            "1e999999999",
            "1e99999999999",
            "\"\"",
            "\"a\"",
            "\"1 \"",
            "true",
            "null",
            "{}",
            "[1]",
        ] {
            check_whole(json, None);
        }
    }

    fn fits(kind: Kind, json: &str, expected: Option<Cell>) {
        let field = Field { wire: "X", column: "x", kind, nullable: true, named_by: NamedBy::Both };
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        let mut extra = Extra::new();
        let cell = cell(&field, Some(raw), &mut extra);
        assert_eq!((cell, extra.is_empty()), (expected.clone().unwrap_or(Cell::Null), expected.is_some()), "{kind:?} {json}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_kept_in_extra() {
        let text = |text: &str| Some(Cell::Text(text.to_owned().into()));
        fits(Kind::Text, "\"Joe\"", text("Joe"));
        fits(Kind::Text, "20160223165020414374000000", text("20160223165020414374000000"));
        fits(Kind::Text, "{}", None);
        fits(Kind::Text, "\"a\\u0000\"", None);
        fits(Kind::Integer, "5", Some(Cell::Integer(5)));
        fits(Kind::Integer, "\"5\"", Some(Cell::Integer(5)));
        fits(Kind::Integer, "5.5", None);
        fits(Kind::Real, "2.5", Some(Cell::Real(2.5)));
        fits(Kind::Bool, "true", Some(Cell::Integer(1)));
        fits(Kind::Bool, "\"yes\"", None);
        fits(Kind::Time, "\"2014-06-27T10:01:06-05:00\"", text("2014-06-27T10:01:06-05:00"));
        fits(Kind::Time, "5", None);
        fits(Kind::Json, "[ ]", text("[]"));
        fits(Kind::Json, "\"x\"", None);
        fits(Kind::Text, "null", Some(Cell::Null));
    }
}
