//! JSON read one level deep: what lies below stays text.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members of a JSON object in their order: decoded name, value as sent.
///
/// Values are skipped without recursion, so no depth of nesting exhausts the stack.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// # Errors
    /// The text is not JSON, or not an object.
    pub(super) fn read(text: &'a str) -> serde_json::Result<Members<'a>> {
        serde_json::from_str(text)
    }

    /// The value of a member as sent; the last one where the name is repeated. Names that differ only in case are one
    /// member, and the exact name wins.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.exact(name).or_else(|| self.in_other_case(name))
    }

    /// As `get`, but a null counts as absent.
    pub(super) fn known(&self, name: &str) -> Option<&'a str> {
        let not_null = |value: &&str| *value != "null";
        self.exact(name).filter(not_null).or_else(|| self.in_other_case(name).filter(not_null))
    }

    fn exact(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    fn in_other_case(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name) && known != name).map(|(_, value)| *value)
    }
}

/// Decodes a JSON value that is a string; a lone surrogate, which no text can hold, becomes U+FFFD. `None` when the value is no string.
pub(super) fn text(value: &str) -> Option<Cow<'_, str>> {
    let rest = value.strip_prefix('"')?;
    // Nearly every string: nothing in it to decode.
    if let Some(inner) = rest.strip_suffix('"')
        && !inner.contains('\\')
    {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Lenient>(value).ok().map(|lenient| lenient.0)
}

struct Lenient<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Lenient<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Asked for bytes, serde_json decodes a lone surrogate in place of refusing it.
        from.deserialize_bytes(LenientVisitor)
    }
}

struct LenientVisitor;

impl<'de> Visitor<'de> for LenientVisitor {
    type Value = Lenient<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Lenient(Cow::Borrowed(text))),
            Err(_) => self.visit_bytes(bytes),
        }
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let text = String::from_utf8(without_surrogates(bytes.to_vec())).map_err(E::custom)?;
        Ok(Lenient(Cow::Owned(text)))
    }
}

/// A surrogate is three bytes, as U+FFFD is: ED, then A0 to BF where UTF-8 allows at most 9F.
fn without_surrogates(mut bytes: Vec<u8>) -> Vec<u8> {
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    bytes
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // A listing has some three hundred members.
        let mut members = Vec::with_capacity(400);
        while let Some((name, value)) = map.next_entry::<Lenient, &RawValue>()? {
            members.push((name.0, value.get()));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(text(value).as_deref(), expected, "{value}");
    }

    #[test]
    fn decodes_strings() {
        check(r#""a""#, Some("a"));
        check(r#""é\u00e9\n\/""#, Some("éé\n/"));
        check(r#""\ud83c\udfe0""#, Some("🏠"));
        check(r#""\ud800""#, Some("\u{FFFD}"));
        check(r#""\udc00 \ud800\ud800x\u0041""#, Some("\u{FFFD} \u{FFFD}\u{FFFD}xA"));
        check(r#""퟿""#, Some("\u{D7FF}"));
        for value in ["1", "null", "[1]", "[]", "{}", "\"", ""] {
            check(value, None);
        }
    }

    #[test]
    fn reads_members_as_sent() {
        let members = Members::read(" {\"a\" : 1.50 , \"b\\u0062\":[ 1 ], \"\\ud800\":0, \"a\":null} ").expect("an object");
        let expected = [("a", "1.50"), ("bb", "[ 1 ]"), ("\u{FFFD}", "0"), ("a", "null")];
        assert_eq!(members.0.iter().map(|(name, value)| (name.as_ref(), *value)).collect::<Vec<_>>(), expected);
        assert_eq!((members.get("a"), members.known("a"), members.get("c")), (Some("null"), None, None));
        assert_eq!((members.get("BB"), members.get("A")), (Some("[ 1 ]"), Some("null")));
        let members = Members::read(r#"{"Total":1,"total":2,"count":null,"COUNT":3,"Count":null}"#).expect("an object");
        assert_eq!((members.known("Total"), members.known("Count")), (Some("1"), Some("3")));
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "[]", "1", "{\"a\":1", "{\"a\":1} x", "{\"a\":}", "{a:1}"] {
            assert!(Members::read(text).is_err(), "{text}");
        }
    }
}
