//! One spelling for equal JSON: compact, members sorted by name, digits as sent.
//!
//! `serde_json::Value` would round numbers that a double cannot hold; these texts go to consumers as the vendor's values.

use super::json::{Cutter, text};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// SQLite reads 1000 levels and serde_json 127; a real value has about four.
const DEEPEST: usize = 100;

/// Rewrites a valid JSON text. `None` when it is nested deeper than 100 levels or holds a number beyond a double's range.
pub(super) fn canonical(json: &str) -> Option<String> {
    canonical_with(json, |_| ())
}

/// The members of one object, by name, each value canonical already.
pub(super) type Object<'a> = BTreeMap<Cow<'a, str>, String>;

/// As [`canonical`]; every object passes through `amend` before it is written, the inner ones first.
pub(super) fn canonical_with<'a>(json: &'a str, amend: fn(&mut Object<'a>)) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let mut walker = Walker { json: Cutter::new(json), depth: 0, amend };
    walker.value(&mut out)?;
    Some(out)
}

/// Writes a JSON object from members whose values are JSON already.
pub(super) fn write_object<N: AsRef<str>>(members: &BTreeMap<N, String>, out: &mut String) {
    out.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_quoted(name.as_ref(), out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}

/// A JSON string of this text.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(text, &mut out);
    out
}

fn push_quoted(text: &str, out: &mut String) {
    let is_plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        out.extend(["\"", text, "\""]);
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

struct Walker<'a> {
    json: Cutter<'a>,
    depth: usize,
    amend: fn(&mut Object<'a>),
}

impl<'a> Walker<'a> {
    fn value(&mut self, out: &mut String) -> Option<()> {
        match self.json.peek()? {
            b'{' => self.nested(|walker| walker.object(out)),
            b'[' => self.nested(|walker| walker.array(out)),
            b'"' => self.string(out),
            _ => self.scalar(out),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.json.pass();
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn object(&mut self, out: &mut String) -> Option<()> {
        let mut members = Object::new();
        while self.json.another(b'}', members.is_empty())? {
            let name = self.json.name()?;
            let mut value = String::new();
            self.value(&mut value)?;
            members.insert(name, value);
        }
        (self.amend)(&mut members);
        write_object(&members, out);
        Some(())
    }

    fn array(&mut self, out: &mut String) -> Option<()> {
        out.push('[');
        let begin = out.len();
        while self.json.another(b']', out.len() == begin)? {
            if out.len() > begin {
                out.push(',');
            }
            self.value(out)?;
        }
        out.push(']');
        Some(())
    }

    fn string(&mut self, out: &mut String) -> Option<()> {
        let string = self.json.string()?;
        if string.is_plain {
            out.push_str(string.sent);
        } else {
            push_quoted(&text(string.sent)?, out);
        }
        Some(())
    }

    fn scalar(&mut self, out: &mut String) -> Option<()> {
        let scalar = self.json.scalar()?;
        let fits = matches!(scalar, "true" | "false" | "null") || scalar.parse::<f64>().is_ok_and(f64::is_finite);
        if fits {
            out.push_str(scalar)
        }
        fits.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(canonical(json).as_deref(), Some(expected), "{json}");
        assert_eq!(canonical(expected).as_deref(), Some(expected), "{json}: twice");
    }

    #[test]
    fn equal_json_has_one_spelling() {
        check(" { \"b\" : [ 1 , 2 ] , \"a\" : { } } ", r#"{"a":{},"b":[1,2]}"#);
        check(r#"{"b":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#);
        check(r#""\u00e9\/\u0000\"\\""#, r#""é/\u0000\"\\""#);
        check(r#"["\ud800",true,false,null]"#, "[\"\u{FFFD}\",true,false,null]");
        check(r#"{"\u0061":1}"#, r#"{"a":1}"#);
        check("[[],[[]],{\"x\":[{}]}]", r#"[[],[[]],{"x":[{}]}]"#);
    }

    #[test]
    fn digits_stay_as_sent() {
        check(
            "[0.1234567890123456789, 123456789012345678901234567890, 1.50, 1E+2, -0]",
            "[0.1234567890123456789,123456789012345678901234567890,1.50,1E+2,-0]",
        );
    }

    #[test]
    fn refuses_what_a_reader_could_not_read() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(canonical(&nested(100)), Some(nested(100)));
        assert_eq!(canonical(&nested(101)), None);
        assert_eq!(canonical(&nested(100_000)), None);
        assert_eq!(canonical("[1e400]"), None);
    }
}
