//! Writing identities: each request is sent once, and its outcome told as far as it is known.

use super::body::{IdentityChange, NewIdentity, enveloped};
use super::client::Call;
use super::envelope::Granted;
use super::outcome::WriteOutcome;
use super::service::Spark;
use crate::vendor::error::Error;
use reqwest::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const IDENTITIES: &str = "developers/identities";

impl Spark {
    /// Makes an identity; its Id. The vendor has no key against making it twice, so a lost answer is settled by reading both
    /// lists. `None` where `stop` was cancelled before the request left; once it has left, a stop makes the outcome unknown.
    ///
    /// # Errors
    /// The request has certainly not left: no connection, or no session.
    pub async fn create_identity(&self, new: &NewIdentity, stop: &CancellationToken) -> Option<Result<WriteOutcome<i64>, Error>> {
        let call = Call::new(Method::POST, IDENTITIES).with_body(enveloped(new));
        Some(self.write(&call, stop).await?.map(|outcome| outcome.and_then(|granted| made(&granted))))
    }

    /// Changes an identity. There is no lock and no ETag: read before and after.
    ///
    /// # Errors
    /// As [`Spark::create_identity`].
    pub async fn update_identity(
        &self,
        id: i64,
        change: &IdentityChange,
        stop: &CancellationToken,
    ) -> Option<Result<WriteOutcome<()>, Error>> {
        let call = Call::new(Method::PUT, format!("{IDENTITIES}/{id}")).with_body(enveloped(change));
        Some(self.write(&call, stop).await?.map(|outcome| outcome.and_then(|_| Some(()))))
    }

    /// Deletes an identity, softly by one place of the document and with all associated data by another; its keys die. A second
    /// deletion may be refused with 404: both mean gone.
    ///
    /// # Errors
    /// As [`Spark::create_identity`].
    pub async fn delete_identity(&self, id: i64, stop: &CancellationToken) -> Option<Result<WriteOutcome<()>, Error>> {
        let call = Call::new(Method::DELETE, format!("{IDENTITIES}/{id}"));
        Some(self.write(&call, stop).await?.map(|outcome| outcome.and_then(|_| Some(()))))
    }
}

/// The Id of what was made: by its record, or by the last segment of its ResourceUri.
fn made(granted: &Granted) -> Option<i64> {
    let d: Value = serde_json::from_str(&granted.d).ok()?;
    let result = d.get("Results")?.get(0)?;
    let by_uri = || result.get("ResourceUri")?.as_str()?.rsplit('/').next()?.parse().ok();
    result.get("Id").and_then(Value::as_i64).or_else(by_uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(results: &str, expected: Option<i64>) {
        let d = format!(r#"{{"Success":true{results}}}"#);
        assert_eq!(made(&Granted { d, is_accepted: false, vendor_now: None }), expected, "{results}");
    }

    #[test]
    fn the_id_of_what_was_made_is_read_from_any_form() {
        check(r#","Results":[{"Id":5,"ResourceUri":"/vX/developers/identities/6"}]"#, Some(5));
        check(r#","Results":[{"ResourceUri":"/vX/developers/identities/6"}]"#, Some(6));
        check(r#","Results":[{"ResourceUri":"/v1/developers/identities/"}]"#, None);
        check(r#","Results":[]"#, None);
        check("", None);
    }
}
