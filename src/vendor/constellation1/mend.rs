//! Text that is almost JSON, made JSON.
//!
//! One listing with a raw control character in its remarks, or with a number that is not one, would otherwise make its
//! whole page unreadable, and the feed would stand still until the vendor mends it. So a text that is no JSON is mended as
//! its writer must have meant it, and only where no reader of JSON could take it: valid JSON is never touched.

/// What writers of JSON print for a number that is not one; no JSON knows them.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The text mended in one pass; `None` where there is nothing to mend.
///
/// Inside strings, a control character is escaped, and a backslash that begins no escape stands for itself. Outside,
/// `NaN`, `Infinity` and `-Infinity` become strings. What is cut short stays so.
#[must_use]
pub fn mended(text: &str) -> Option<String> {
    let mut mender = Mender { text, at: 0, copied: 0, out: String::new() };
    while let Some(byte) = mender.peek(0) {
        match byte {
            b'"' => mender.string(),
            b'N' | b'I' | b'-' => mender.no_number(),
            _ => mender.at += 1,
        }
    }
    (mender.copied > 0).then(|| mender.out + &text[mender.copied..])
}

struct Mender<'a> {
    text: &'a str,
    at: usize,
    /// What lies before is in `out` already.
    copied: usize,
    out: String,
}

impl Mender<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Stands before a quote; goes on to behind its partner.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' if self.is_escape() => self.at += 2,
                b'\\' => self.replace(1, "\\\\"),
                0..b' ' => self.replace(1, &format!("\\u{byte:04x}")),
                _ => self.at += 1,
            }
        }
    }

    fn is_escape(&self) -> bool {
        match self.peek(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
            Some(b'u') => (2..6).all(|ahead| self.peek(ahead).is_some_and(|digit| digit.is_ascii_hexdigit())),
            Some(_) | None => false,
        }
    }

    fn no_number(&mut self) {
        let rest = &self.text[self.at..];
        let ends = |length: usize| self.peek(length).is_none_or(|next| matches!(next, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'));
        match NO_NUMBERS.iter().find(|word| rest.starts_with(**word) && ends(word.len())) {
            Some(word) => self.replace(word.len(), &format!("\"{word}\"")),
            None => self.at += 1,
        }
    }

    /// Puts other text in the place of the next bytes.
    fn replace(&mut self, bytes: usize, with: &str) {
        self.out.push_str(&self.text[self.copied..self.at]);
        self.out.push_str(with);
        self.at += bytes;
        self.copied = self.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(mended(text).as_deref(), Some(expected), "{text:?}");
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok(), "{expected:?}");
        assert_eq!(mended(expected), None, "{expected:?}: twice");
    }

    fn stays(text: &str) {
        assert_eq!(mended(text), None, "{text:?}");
    }

    #[test]
    fn control_characters_in_strings_are_escaped() {
        check("{\"a\":\"x\ny\tz\"}", r#"{"a":"x\u000ay\u0009z"}"#);
        check("[\"\u{0}\u{1b}[31m\u{1f}\"]", r#"["\u0000\u001b[31m\u001f"]"#);
        check("{\"\u{1}\":1}", r#"{"\u0001":1}"#);
        check("[\"\\\"\n\\\\\",\"\r\"]", r#"["\"\u000a\\","\u000d"]"#);
        check("[\"é\u{1}番\"]", r#"["é\u0001番"]"#);
    }

    #[test]
    fn a_backslash_that_begins_no_escape_stands_for_itself() {
        check(r#"["C:\maps","\x41","\'"]"#, r#"["C:\\maps","\\x41","\\'"]"#);
        check(r#"["\u12g4","\u1","\uéé"]"#, r#"["\\u12g4","\\u1","\\uéé"]"#);
        check("[\"a\\\nb\"]", r#"["a\\\u000ab"]"#);
    }

    #[test]
    fn what_is_no_number_becomes_a_string() {
        check(r#"{"a":NaN,"b":[Infinity , -Infinity],"c":NaN}"#, r#"{"a":"NaN","b":["Infinity" , "-Infinity"],"c":"NaN"}"#);
        check("[1,NaN\n]", "[1,\"NaN\"\n]");
        for text in ["[NaNa]", "[N]", "[-1]", "[-]", "[\"NaN\"]", "[\"a\",\"-Infinity\"]", "[Infinity9]"] {
            stays(text);
        }
    }

    #[test]
    fn valid_json_is_never_touched() {
        for text in ["", " { \"a\" : [ 1 , \"\\u0000\\ud800\\\\\" ] }\r\n", "\u{7f}", "[\"\u{7f}\u{80}\u{9b}\"]", "null", "[-1e5]"] {
            stays(text);
        }
    }

    #[test]
    fn what_is_cut_short_stays_so() {
        for text in ["[\"a", "[\"a\\", "[\"a\\u12", "{\"a\":", "[NaN", "[\"a\nb"] {
            let left = mended(text).unwrap_or_else(|| text.to_owned());
            let error = serde_json::from_str::<serde_json::Value>(&left).expect_err(text);
            assert!(error.is_eof(), "{text:?}: {error}");
        }
    }
}
