//! JSON read one level deep: what lies below stays text.

use super::fields::LISTING_DETAILS;
use crate::record::Field;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A listing has some three hundred members.
const MEMBERS: usize = 400;

/// So many fields in a row may be left out before another order of the members is assumed.
const LEFT_OUT: usize = 8;

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

    /// The same of a text that is known to be JSON, which is not judged again. `None` when it is no object.
    pub(super) fn cut(json: &'a str) -> Option<Members<'a>> {
        Cutter::new(json).members()
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

/// Cuts a text that is known to be JSON into its parts, without judging it again. Of any other text it makes nothing, or
/// something.
pub(super) struct Cutter<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(json: &'a str) -> Cutter<'a> {
        Cutter { json, at: 0 }
    }

    /// The next byte that is no white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Goes behind the byte that was peeked.
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    /// Whether another member or element follows, before which it then stands; it stands behind `end` otherwise.
    pub(super) fn another(&mut self, end: u8) -> Option<bool> {
        while self.peek()? == b',' {
            self.pass();
        }
        let ended = self.peek()? == end;
        self.at += usize::from(ended);
        Some(!ended)
    }

    /// The elements of an array of objects; those that are none have no members.
    pub(super) fn objects(&mut self) -> Option<Vec<(&'a str, Option<Members<'a>>)>> {
        if self.peek()? != b'[' {
            return None;
        }
        self.pass();
        let mut objects = Vec::new();
        while self.another(b']')? {
            let start = self.at;
            let members = self.members();
            if members.is_none() {
                self.value()?;
            }
            objects.push((self.json.get(start..self.at)?, members));
        }
        Some(objects)
    }

    fn members(&mut self) -> Option<Members<'a>> {
        if self.peek()? != b'{' {
            return None;
        }
        self.pass();
        let (mut members, mut fields) = (Vec::with_capacity(MEMBERS), LISTING_DETAILS.as_slice());
        while self.another(b'}')? {
            members.push((self.name_of(&mut fields)?, self.value()?));
        }
        Some(Members(members))
    }

    /// As `name`. Mostly it is that of the first of these fields, which are those that may follow: then its end is not looked for.
    fn name_of(&mut self, fields: &mut &'static [Field]) -> Option<Cow<'a, str>> {
        if let Some((field, others)) = fields.split_first()
            && self.passes(field.wire)
        {
            *fields = others;
            return Some(Cow::Borrowed(field.wire));
        }
        let name = self.name()?;
        if let Some(at) = fields.iter().take(LEFT_OUT).position(|field| field.wire == name) {
            *fields = &fields[at + 1..];
        }
        Some(name)
    }

    /// Goes behind this name and its colon, if they stand here as they mostly do.
    fn passes(&mut self, name: &str) -> bool {
        let rest = self.json.as_bytes().get(self.at..).and_then(|rest| rest.strip_prefix(b"\""));
        let behind = rest.and_then(|rest| rest.strip_prefix(name.as_bytes())).and_then(|rest| rest.strip_prefix(b"\":"));
        self.at = behind.map_or(self.at, |behind| self.json.len() - behind.len());
        behind.is_some()
    }

    /// The name of a member; it then stands before its value.
    pub(super) fn name(&mut self) -> Option<Cow<'a, str>> {
        let name = self.string()?;
        let name = if name.is_plain { Cow::Borrowed(name.inner()) } else { text(name.sent)? };
        if self.peek()? != b':' {
            return None;
        }
        self.pass();
        self.peek()?;
        Some(name)
    }

    /// A value as sent.
    fn value(&mut self) -> Option<&'a str> {
        match self.peek()? {
            b'"' => self.string().map(|string| string.sent),
            b'{' | b'[' => self.nested(),
            _ => self.scalar(),
        }
    }

    fn nested(&mut self) -> Option<&'a str> {
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match self.json.as_bytes().get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.pass();
            if depth == 0 {
                return self.json.get(start..self.at);
            }
        }
    }

    pub(super) fn string(&mut self) -> Option<CutString<'a>> {
        if self.peek()? != b'"' {
            return None;
        }
        let (start, bytes) = (self.at, self.json.as_bytes());
        let (mut end, mut is_plain) = (start + 1, true);
        loop {
            match *bytes.get(end)? {
                b'"' => break,
                b'\\' => (end, is_plain) = (end + 2, false),
                _ => end += 1,
            }
        }
        self.at = end + 1;
        Some(CutString { sent: self.json.get(start..self.at)?, is_plain })
    }

    /// A number, a boolean or a null as sent.
    pub(super) fn scalar(&mut self) -> Option<&'a str> {
        let rest = self.json.get(self.at..)?;
        let length = rest.bytes().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'));
        let scalar = &rest[..length.unwrap_or(rest.len())];
        self.at += scalar.len();
        (!scalar.is_empty()).then_some(scalar)
    }
}

/// A string that was cut out.
pub(super) struct CutString<'a> {
    /// As sent, with its quotes.
    pub(super) sent: &'a str,
    /// Nothing in it is to be decoded.
    pub(super) is_plain: bool,
}

impl<'a> CutString<'a> {
    fn inner(&self) -> &'a str {
        self.sent.get(1..self.sent.len() - 1).unwrap_or_default()
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
        let mut members = Vec::new();
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
    fn cuts_json_as_it_is_read() {
        for json in [
            " { } ",
            r#"{"a":{"b":[1,"]}",{}]},"c":[],"a\"":"\\\\","d":-1.5e3 , "e" : true}"#,
            r#"{"a":"{[\\\"","\ud800":null,"é":"é"}"#,
            r#"{"FeedId":"A","Acres":1,"FeedId" :2,"Address2":3,"Address":[4],"AgentRemarks2":5,"Air" : 6, "AirSearch":"7","feedId":8}"#,
        ] {
            let (read, cut) = (Members::read(json).expect("an object"), Members::cut(json).expect("an object"));
            assert_eq!(read.0, cut.0, "{json}");
            let list = format!("[{json}, 1 ,[],{json}]");
            let objects = Cutter::new(&list).objects().expect("a list");
            assert_eq!(objects.iter().map(|(text, _)| *text).collect::<Vec<_>>(), [json.trim(), "1", "[]", json.trim()]);
        }
    }

    #[test]
    fn what_is_no_json_is_cut_without_harm() {
        let text = r#" [{"a":[1,{"b":"é\u0041\""}],"c":null},{}] "#;
        for (at, _) in text.char_indices() {
            for cut in [&text[..at], &text[at..], &format!("{}}}{}", &text[..at], &text[at..])] {
                Members::cut(cut);
                Cutter::new(cut).objects();
            }
        }
        for (other, members) in [("[]", false), ("{", false), ("{\"a\"}", false), ("{\"a\":}", false), ("", false), ("{}}", true)] {
            assert_eq!(Members::cut(other).is_some(), members, "{other}");
        }
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "[]", "1", "{\"a\":1", "{\"a\":1} x", "{\"a\":}", "{a:1}"] {
            assert!(Members::read(text).is_err(), "{text}");
        }
    }
}
