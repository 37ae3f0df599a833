//! The token that opens the API: three parts with dots, sent without a scheme word.

use crate::record::{Hash, raw_hash};
use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest token: a header that is longer is refused by most servers.
const LONGEST: usize = 16 * 1024;
const HIDDEN: &str = "[hidden]";

/// What may be kept of a token's payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it expires, by its `exp`.
    pub expires: Option<DateTime<Utc>>,
    /// Hash of its `sub`: whether another token is of the same account.
    pub subject: Option<Hash>,
}

/// Checks that a token can stand in a header.
///
/// # Errors
/// What is wrong with it; never the token.
pub(super) fn check(token: &SecretString) -> Result<(), String> {
    let token = token.expose_secret();
    if token.is_empty() {
        return Err("the token is empty".to_owned());
    }
    if token.len() > LONGEST {
        return Err(format!("the token is longer than {LONGEST} bytes"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token holds a blank, a line end or another character that is not visible ASCII".to_owned());
    }
    Ok(())
}

/// Checks the word before the token.
pub(super) fn check_scheme(scheme: &str) -> Result<(), String> {
    // Who puts the token in its place would see it in configurations and logs.
    let is_word = scheme.len() <= 32 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_word { Ok(()) } else { Err("auth_scheme must be a word such as Bearer, or empty".to_owned()) }
}

/// The value of `Authorization`. Both parts have passed their checks.
pub(super) fn header(scheme: &str, token: &SecretString) -> HeaderValue {
    let token = token.expose_secret();
    let text = if scheme.is_empty() { token.to_owned() } else { format!("{scheme} {token}") };
    let mut value = HeaderValue::from_str(&text).expect("scheme and token are visible ASCII");
    value.set_sensitive(true);
    value
}

/// Reads when a token expires and whose it is. The vendor does not document its tokens, so one that cannot be read tells nothing,
/// and is used as it is.
#[must_use]
pub fn token_facts(token: &SecretString) -> TokenFacts {
    let parts: Vec<&str> = token.expose_secret().split('.').collect();
    let [_, payload, _] = parts[..] else { return TokenFacts::default() };
    let payload = base64url(payload).and_then(|bytes| serde_json::from_slice::<Payload>(&bytes).ok());
    payload.map_or_else(TokenFacts::default, |payload| payload.facts())
}

#[derive(Deserialize)]
struct Payload {
    exp: Option<serde_json::Value>,
    sub: Option<Box<RawValue>>,
}

impl Payload {
    fn facts(&self) -> TokenFacts {
        let seconds = self.exp.as_ref().and_then(serde_json::Value::as_f64);
        let expires =
            seconds.filter(|seconds| (0.0..1e11).contains(seconds)).and_then(|seconds| DateTime::from_timestamp(seconds as i64, 0));
        let subject = self.sub.as_ref().map(|subject| raw_hash(subject.get().as_bytes()));
        TokenFacts { expires, subject }
    }
}

/// Decodes base64 in the alphabet of URLs, with or without its padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// A body without the token that was sent: the vendor's words may repeat it. A shorter token stands in ordinary words by chance.
pub(super) fn without(token: &SecretString, body: &[u8]) -> Vec<u8> {
    const SHORTEST: usize = 6;
    let token = token.expose_secret();
    if token.len() < SHORTEST {
        return body.to_vec();
    }
    String::from_utf8_lossy(body).replace(token, "[redacted]").into_bytes()
}

/// Takes out of a text whatever looks like a token. Without a scheme word before it, only its shape tells: parts in the alphabet of
/// base64url, joined by dots, three or more. Numbers joined by dots are addresses and versions.
pub(super) fn redacted(text: &str) -> String {
    let is_of_token = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_token) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(from.find(|letter| !is_of_token(letter)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if looks_like_token(run) { HIDDEN } else { run });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn looks_like_token(run: &str) -> bool {
    let parts: Vec<&str> = run.split('.').filter(|part| !part.is_empty()).collect();
    parts.len() >= 3 && !parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"none"}` . payload . `sig`
    fn token(payload: &str) -> SecretString {
        format!("eyJhbGciOiJub25lIn0.{payload}.c2ln").into()
    }

    #[test]
    fn a_token_of_any_form_is_taken_out_of_what_the_vendor_says() {
        let check = |token: &str, body: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&without(&token.into(), body.as_bytes())), expected);
        };
        check("sk_live_abcdef", "invalid token sk_live_abcdef!", "invalid token [redacted]!");
        check("no", "no, not at all", "no, not at all");
    }

    #[test]
    fn only_the_end_and_a_hash_of_the_subject_are_read() {
        // {"sub":"user-1","exp":1767225600,"name":"x"}
        let facts = token_facts(&token("eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjE3NjcyMjU2MDAsIm5hbWUiOiJ4In0"));
        assert_eq!(facts.expires.map(|at| at.to_rfc3339()).as_deref(), Some("2026-01-01T00:00:00+00:00"));
        assert_eq!(facts.subject, Some(raw_hash(b"\"user-1\"")));
    }

    #[test]
    fn a_token_that_cannot_be_read_tells_nothing() {
        for token in ["aa.bb.cc", "a.b", "", "a.!!.c", "eyJhbGciOiJub25lIn0.eyJ.c2ln", "a.W10.c", "x.y.z.w"] {
            assert_eq!(token_facts(&token.into()), TokenFacts::default(), "{token}");
        }
    }

    fn check_redacted(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected, "{text}");
    }

    #[test]
    fn a_text_with_the_shape_of_a_token_is_hidden() {
        check_redacted("aa.bb.cc", HIDDEN);
        check_redacted("bad token eyJh-_1.eyJz.c2ln.", "bad token [hidden]");
        check_redacted("é aa.bb.cc, x: \"dd.ee.ff\" é", "é [hidden], x: \"[hidden]\" é");
        check_redacted("a.b.c.d.e", HIDDEN);
        check_redacted("no connection to 127.0.0.1:80, version 1.2.3", "no connection to 127.0.0.1:80, version 1.2.3");
        check_redacted("sec10.html ... e.g. this", "sec10.html ... e.g. this");
        check_redacted("", "");
    }

    #[test]
    fn a_token_is_visible_ascii_and_hidden_from_debug() {
        for bad in ["", "a b", "a\n", "é"] {
            assert!(check(&bad.into()).is_err(), "{bad:?}");
        }
        assert!(check(&"a".repeat(LONGEST + 1).into()).is_err());
        assert_eq!(check(&"aa.bb.cc".into()), Ok(()));
        assert_eq!(header("", &"aa.bb.cc".into()), "aa.bb.cc");
        assert_eq!(header("Bearer", &"aa.bb.cc".into()), "Bearer aa.bb.cc");
        assert!(!format!("{:?}", header("", &"aa.bb.cc".into())).contains("bb"));
        assert!(check_scheme("aa.bb.cc").is_err() && check_scheme("Bearer ").is_err());
        assert!(check_scheme("").is_ok() && check_scheme("Bearer").is_ok());
    }
}
