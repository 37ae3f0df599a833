//! What a refusal of the vendor means: by its code, and by HTTP's class where the code is unknown.

use super::problem::SparkProblem;
use crate::record::Failure;
use crate::vendor::error::Error;

/// A session or token has expired.
pub(super) const EXPIRED: i64 = 1020;
/// Over the rate limit, whatever HTTP's status is: the vendor's pages of different age say 429 and 503.
pub(super) const OVER_THE_LIMIT: i64 = 1550;

/// The vendor's own words where it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkRefusal {
    /// HTTP's status. It may be 200: the vendor was seen to refuse so.
    pub http: u16,
    /// The vendor's code, where it names one.
    pub code: Option<i64>,
    /// The vendor's message, which varies; empty where there is none.
    pub message: String,
    /// What is wrong with the record that was sent.
    pub errors: Vec<SparkProblem>,
}

impl SparkRefusal {
    /// What the program should make of it, and what a person should know.
    #[must_use]
    pub fn error(&self) -> Error {
        let (failure, remedy) = self.meaning();
        let code = self.code.map(|code| format!(", code {code}")).unwrap_or_default();
        let mut message = format!("the vendor answered HTTP {}{code}", self.http);
        if !self.message.is_empty() {
            message = format!("{message}: {}", self.message);
        }
        for SparkProblem { field, message: what, .. } in &self.errors {
            message = format!("{message} | {}{what}", field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default());
        }
        if let Some(remedy) = remedy {
            message = format!("{message}; {remedy}");
        }
        Error { status: Some(self.http), ..Error::new(failure, &message) }
    }

    fn meaning(&self) -> (Failure, Option<&'static str>) {
        match self.code.and_then(known) {
            Some((failure, remedy)) => (failure, Some(remedy)),
            None => (of_status(self.http), None),
        }
    }
}

/// The failure of a status whose code is unknown or absent.
pub(super) fn of_status(http: u16) -> Failure {
    match http {
        401 | 403 => Failure::Unauthorized,
        408 | 300..=399 | 500..=599 => Failure::Unavailable,
        _ => Failure::Refused,
    }
}

fn known(code: i64) -> Option<(Failure, &'static str)> {
    let blocked = |remedy| Some((Failure::Unauthorized, remedy));
    let bug = |remedy| Some((Failure::Refused, remedy));
    match code {
        405 => bug("the service does not have this method: a fault of this program"),
        1000 => blocked("the key is unknown or the signature is wrong; check the credential"),
        1010 => blocked("the key is disabled; ask its issuer"),
        1020 => blocked("the session or the token has expired; sign in again, or put a new token in its file"),
        1005 => blocked("the key is not set up; write to api-support@sparkplatform.com"),
        1013 => blocked("the key does not take this way to sign in; set auth to another of bearer, oauth and session"),
        1015 => blocked("the user is unknown, inactive or without access; a key of several users needs api_user"),
        1019 => blocked("the key is bound to other addresses or another user agent; ask its issuer"),
        1021 => blocked("the key belongs to the replication host; set base_url to https://replication.sparkapi.com"),
        1022 => blocked("the authenticity token is invalid; check the credential"),
        1030 => blocked("the vendor wants TLS; set base_url to https://"),
        1500 => blocked("the service level of the key is too low for this; ask its issuer"),
        1505 => blocked("this is switched off for the MLS; ask the MLS"),
        1017 => blocked("the key may only read; ask its issuer for write access"),
        1018 => blocked("this method is forbidden for the user of the key; ask its issuer"),
        1016 => bug("a header is missing: a fault of this program"),
        1035 => bug("the body is no JSON or does not say so: a fault of this program"),
        1040 | 1041 => bug("the filter is invalid: a fault of this program"),
        1050 => bug("a parameter is missing"),
        1053 => bug("a value is outside its bounds"),
        1055 => bug("it conflicts with what the vendor has"),
        1060 | 1061 => bug("the vendor's validation refuses it"),
        1023 | 1024 => Some((Failure::Unavailable, "the account or its data is not in Spark yet")),
        1026 => Some((Failure::Unavailable, "the vendor has trouble with the data")),
        1510 | 1515 | 1516 | 2005 => Some((Failure::Unavailable, "the vendor is down or took too long")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(http: u16, code: Option<i64>, failure: Failure, told: &str) {
        let error = SparkRefusal { http, code, message: "Words".to_owned(), errors: Vec::new() }.error();
        assert_eq!(error.failure, failure, "{http} {code:?}");
        assert!(error.message.contains(told) && error.message.contains("Words"), "{}", error.message);
    }

    #[test]
    fn the_code_decides_and_the_status_only_without_one() {
        check(401, Some(1000), Failure::Unauthorized, "HTTP 401, code 1000");
        check(401, Some(EXPIRED), Failure::Unauthorized, "expired");
        for code in [1005, 1010, 1013, 1015, 1019, 1021, 1022, 1030, 1500, 1505] {
            check(500, Some(code), Failure::Unauthorized, ";");
        }
        check(405, Some(1017), Failure::Unauthorized, "may only read");
        check(405, Some(1018), Failure::Unauthorized, "forbidden");
        check(405, Some(405), Failure::Refused, "fault of this program");
        for code in [1023, 1024, 1026, 1510, 1515, 1516, 2005] {
            check(400, Some(code), Failure::Unavailable, ";");
        }
        for code in [1016, 1035, 1040, 1041, 1050, 1053, 1055, 1060, 1061] {
            check(400, Some(code), Failure::Refused, ";");
        }
        check(403, Some(9999), Failure::Unauthorized, "9999");
        check(404, Some(404), Failure::Refused, "404");
        check(503, None, Failure::Unavailable, "503");
        check(200, None, Failure::Refused, "200");
    }

    #[test]
    fn problems_are_told() {
        let problem = SparkProblem { field: Some("Email".to_owned()), message: "taken".to_owned(), rule: None, is_warning: None };
        let error = SparkRefusal { http: 409, code: Some(1055), message: String::new(), errors: vec![problem] }.error();
        assert_eq!(error.message, "the vendor answered HTTP 409, code 1055 | Email: taken; it conflicts with what the vendor has");
    }
}
