//! A response of the vendor: what it says of itself, and whether it is an answer at all.

use super::error::Error;
use crate::record::{Failure, Stamp, printable};
use chrono::{DateTime, Datelike, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Response, StatusCode};
use std::ops::RangeInclusive;

/// An error's body is a few hundred bytes; more of it is not read.
pub(super) const ERROR_BODY: usize = 64 * 1024;
/// A `Date` outside these years comes from a machine whose clock is not set, and is ignored.
const YEARS: RangeInclusive<i32> = 2020..=2099;

/// A response with its body read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    /// The host that a redirect names.
    pub(super) target: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn of(response: &Response) -> Answer {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| response.url().join(location).ok());
        let target = target.and_then(|target| target.host_str().map(|host| printable(host, 100)));
        Answer { status: response.status(), headers: response.headers().clone(), target, body: Vec::new() }
    }

    /// An answer that nobody sent.
    #[cfg(test)]
    pub(super) fn made(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers: HeaderMap::new(), target: None, body: body.as_bytes().to_vec() }
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn vendor_now(&self) -> Option<DateTime<Utc>> {
        let date = DateTime::parse_from_rfc2822(self.header(DATE)?).ok()?.to_utc();
        YEARS.contains(&date.year()).then_some(date)
    }

    pub(super) fn vendor_stamp(&self) -> Option<Stamp> {
        self.vendor_now().map(Stamp::from_utc)
    }

    /// The type tells a person whether a proxy's or a login page answered in the vendor's place.
    pub(super) fn malformed(&self, what: &str) -> Error {
        let kind = self.header(CONTENT_TYPE).unwrap_or("of no type");
        Error::new(Failure::Malformed, &format!("{what} ({} bytes, {kind})", self.body.len())).at(self.vendor_stamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_another_age_is_none() {
        let dated = |date: &str| {
            let headers = HeaderMap::from_iter([(DATE, date.parse().expect("a header"))]);
            Answer { status: StatusCode::OK, headers, target: None, body: Vec::new() }.vendor_now().is_some()
        };
        assert!(dated("Fri, 01 May 2026 12:00:00 GMT") && dated("Wed, 01 Jan 2020 00:00:00 GMT"));
        for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday", ""] {
            assert!(!dated(date), "{date}");
        }
    }
}
