//! The signature that the vendor wants on every request.

use chrono::{DateTime, Utc};
use md5::{Digest, Md5};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

const AUTH: HeaderName = HeaderName::from_static("ml-auth");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-ml-timestamp");

/// Checks that a part of the credential can stand in a header and between the blanks of the signed string.
///
/// # Errors
/// What is wrong with it, by the name given; never the value.
pub(super) fn check(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("the {name} is empty"));
    }
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("the {name} holds a blank, a line end or another character that is not visible ASCII"));
    }
    Ok(())
}

/// The two headers of one attempt. Both parts of the credential have passed [`check`].
pub(super) fn headers(client: &str, key: &SecretString, now: DateTime<Utc>) -> HeaderMap {
    let timestamp = now.format("%Y%m%d%H%M%S").to_string();
    let key = key.expose_secret();
    let signature = signature(client, key, &timestamp);
    let auth = format!("client={client}&systemaccesskey={key}&signature={signature}");
    HeaderMap::from_iter([(AUTH, sensitive(&auth)), (TIMESTAMP, sensitive(&timestamp))])
}

/// The key itself travels in the header, so neither may appear in anything that prints a request.
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("client and key are visible ASCII");
    value.set_sensitive(true);
    value
}

/// The document does not say how the digest is written; lower-case hex is what .NET samples of its time print.
fn signature(client: &str, key: &str, timestamp: &str) -> String {
    let digest = Md5::digest(format!("{client} {key} x-ml-timestamp:{timestamp}"));
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    const KEY: &str = "87df3ca4afe5ee4cf64a2c74edb35363sdfe2d2d3sd";

    #[test]
    fn signs_the_example_of_the_document() {
        assert_eq!(signature("MyClient", KEY, "20180212101522"), "d3f2877968ef28814e56d049dd06c618");
    }

    #[test]
    fn headers_carry_the_same_timestamp_and_hide_from_debug() {
        let now = Utc.with_ymd_and_hms(2018, 2, 12, 10, 15, 22).single().expect("a date");
        let headers = headers("MyClient", &SecretString::from(KEY), now);
        assert_eq!(headers["x-ml-timestamp"], "20180212101522");
        let expected = format!("client=MyClient&systemaccesskey={KEY}&signature=d3f2877968ef28814e56d049dd06c618");
        assert_eq!(headers["ml-auth"], expected.as_str());
        assert!(!format!("{headers:?}").contains(KEY));
    }

    #[test]
    fn a_credential_is_visible_ascii() {
        assert_eq!(check("key", "aZ9&=+~"), Ok(()));
        for bad in ["", "a b", "a\n", "é", "a\u{7f}"] {
            assert!(check("key", bad).is_err(), "{bad:?}");
        }
    }
}
