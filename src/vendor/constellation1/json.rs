//! JSON judged and cut in one pass.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::mem::take;

/// Goes through a JSON text, and stops with `None` where it is not JSON.
pub(super) struct Cutter<'a> {
    json: &'a str,
    pub(super) at: usize,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(json: &'a str) -> Cutter<'a> {
        Cutter { json, at: 0 }
    }

    /// What lies between there and here.
    pub(super) fn since(&self, start: usize) -> Option<&'a str> {
        self.json.get(start..self.at)
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

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.pass())
    }

    /// Whether another member or element follows, before which it then stands; it stands behind `end` otherwise.
    pub(super) fn another(&mut self, end: u8, is_first: bool) -> Option<bool> {
        if self.peek()? == end {
            self.pass();
            return Some(false);
        }
        if !is_first {
            self.expect(b',')?;
            self.peek()?;
        }
        Some(true)
    }

    /// Goes behind this name and its colon, if they stand here as they mostly do.
    pub(super) fn passes(&mut self, name: &str) -> bool {
        let rest = self.json.as_bytes().get(self.at..).and_then(|rest| rest.strip_prefix(b"\""));
        let behind = rest.and_then(|rest| rest.strip_prefix(name.as_bytes())).and_then(|rest| rest.strip_prefix(b"\":"));
        self.at = behind.map_or(self.at, |behind| self.json.len() - behind.len());
        behind.is_some()
    }

    /// The name of a member; it then stands before its value.
    pub(super) fn name(&mut self) -> Option<Cow<'a, str>> {
        let name = self.string()?;
        let name = if name.is_plain { Cow::Borrowed(name.inner()) } else { text(name.sent)? };
        self.expect(b':')?;
        self.peek()?;
        Some(name)
    }

    /// Goes behind a value.
    pub(super) fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' | b'[' => self.nested(),
            _ => self.scalar().map(drop),
        }
    }

    /// Goes behind an object or an array, whatever is in it.
    fn nested(&mut self) -> Option<()> {
        let mut ends = Vec::new();
        loop {
            let is_first = matches!(self.peek()?, b'{' | b'[');
            match self.peek()? {
                b'{' => ends.push(b'}'),
                b'[' => ends.push(b']'),
                b'"' => {
                    self.string()?;
                }
                _ => drop(self.scalar()?),
            }
            self.at += usize::from(is_first);
            if !self.goes_on(&mut ends, is_first)? {
                return Some(());
            }
        }
    }

    /// Closes what ends here, and stands before the next value; `false` where the outermost has ended.
    fn goes_on(&mut self, ends: &mut Vec<u8>, mut is_first: bool) -> Option<bool> {
        while let Some(end) = ends.last().copied() {
            if self.another(end, take(&mut is_first))? {
                if end == b'}' {
                    self.name()?;
                }
                return Some(true);
            }
            ends.pop();
        }
        Some(false)
    }

    pub(super) fn string(&mut self) -> Option<CutString<'a>> {
        self.expect(b'"')?;
        let (start, bytes) = (self.at - 1, self.json.as_bytes());
        let (mut end, mut is_plain) = (self.at, true);
        loop {
            match *bytes.get(end)? {
                b'"' => break,
                b'\\' => (end, is_plain) = (end + escape(&bytes[end..])?, false),
                // A control character.
                0..b' ' => return None,
                _ => end += 1,
            }
        }
        self.at = end + 1;
        Some(CutString { sent: self.json.get(start..self.at)?, is_plain })
    }

    /// A number, a boolean or a null as sent.
    pub(super) fn scalar(&mut self) -> Option<&'a str> {
        let start = self.at;
        let rest = self.json.as_bytes().get(start..)?;
        match ["null", "false", "true"].into_iter().find(|word| rest.starts_with(word.as_bytes())) {
            Some(word) => self.at += word.len(),
            None => self.number()?,
        }
        self.json.get(start..self.at)
    }

    fn number(&mut self) -> Option<()> {
        self.passes_one_of(b"-");
        if !self.passes_one_of(b"0") {
            self.digits()?;
        }
        if self.passes_one_of(b".") {
            self.digits()?;
        }
        if self.passes_one_of(b"eE") {
            self.passes_one_of(b"+-");
            self.digits()?;
        }
        Some(())
    }

    fn passes_one_of(&mut self, bytes: &[u8]) -> bool {
        let passes = self.json.as_bytes().get(self.at).is_some_and(|byte| bytes.contains(byte));
        self.at += usize::from(passes);
        passes
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.json.as_bytes().get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }
}

/// The length of the escape that begins here.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
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
}
