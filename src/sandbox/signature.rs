//! The check of a request's signature.

use super::options::{HexCase, Options};
use crate::record::Stamp;
use chrono::NaiveDateTime;
use md5::{Digest, Md5};

/// Whether the two headers prove that the caller holds the key. `now` is true UTC.
pub(super) fn signed(options: &Options, now: Stamp, auth: &str, timestamp: &str) -> bool {
    let claimed = format!("client={}&systemaccesskey={}&signature=", options.client, options.key.0);
    let Some(signature) = auth.strip_prefix(claimed.as_str()) else {
        return false;
    };
    let digest = Md5::digest(format!("{} {} x-ml-timestamp:{timestamp}", options.client, options.key.0).as_bytes());
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let matches = match options.hex_case {
        HexCase::Any => signature.eq_ignore_ascii_case(&expected),
        HexCase::Lower => signature == expected,
        HexCase::Upper => signature == expected.to_ascii_uppercase(),
    };
    matches && in_time(options.skew_s, now, timestamp)
}

fn in_time(skew_s: Option<u64>, now: Stamp, timestamp: &str) -> bool {
    let Ok(sent) = NaiveDateTime::parse_from_str(timestamp, "%Y%m%d%H%M%S") else {
        return false;
    };
    let sent = Stamp::from_utc(sent.and_utc());
    skew_s.is_none_or(|most| sent.since(now).max(now.since(sent)).as_secs() <= most)
}
