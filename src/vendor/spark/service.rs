//! The Spark API under one credential: every request waits its turn in the credential's budget.

use super::client::{Call, Client, Session};
use super::envelope::{Granted, Reply};
use super::outcome::WriteOutcome;
use super::refusal::{EXPIRED, OVER_THE_LIMIT, SparkRefusal};
use crate::record::{Failure, Hash};
use crate::vendor::error::{Error, Unanswered};
use crate::vendor::limiter::{Limiter, Priority};
use crate::vendor::turn;
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// All requests of these services have one priority: there is one kind of work.
const PRIORITY: Priority = Priority::Poll;

/// The Spark API under one credential.
#[derive(Debug)]
pub struct Spark {
    pub(super) client: Client,
    limiter: Arc<Limiter>,
    /// Held while somebody signs in, so that all who wait share one sign-in.
    session: Mutex<Option<Session>>,
}

impl Spark {
    /// A client with the budget of its credential.
    #[must_use]
    pub fn new(client: Client, limiter: Limiter) -> Spark {
        Spark { client, limiter: Arc::new(limiter), session: Mutex::new(None) }
    }

    /// Who is asked, for a person.
    #[must_use]
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// Uses another access token, or another API secret, from the next request on.
    ///
    /// # Errors
    /// What is wrong with it, never the secret; the one in use stays.
    pub fn set_secret(&self, secret: SecretString) -> Result<(), String> {
        self.client.set_secret(secret)
    }

    /// Which credential is in use, as a hash.
    pub(crate) fn subject(&self) -> Hash {
        self.client.subject()
    }

    /// The budget of the credential.
    #[must_use]
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Asks for what may be asked for again. Where the session has expired (1020), it is renewed once, and the request repeated
    /// once. `None` as soon as `stop` is cancelled, whether waiting or in flight.
    pub(super) async fn ask(&self, call: &Call, stop: &CancellationToken) -> Option<Result<Reply, Error>> {
        let mut may_renew = self.client.needs_session();
        loop {
            let session = match self.session(stop).await? {
                Ok(session) => session,
                Err(error) => return Some(Err(error)),
            };
            let send = || self.client.send(call, session.as_deref());
            match turn::reading(&self.limiter, PRIORITY, stop, send).await? {
                Ok(Reply::Refused(refusal)) if may_renew && refusal.code == Some(EXPIRED) => {
                    self.forget(session, stop).await?;
                    may_renew = false;
                }
                answered => return Some(answered),
            }
        }
    }

    /// As [`Spark::ask`], where a refusal is a failure.
    pub(super) async fn granted(&self, call: &Call, stop: &CancellationToken) -> Option<Result<Granted, Error>> {
        Some(match self.ask(call, stop).await? {
            Ok(Reply::Granted(granted)) if granted.is_accepted => {
                Err(Error::new(Failure::Unavailable, "the vendor has only scheduled the answer (HTTP 202)"))
            }
            Ok(Reply::Granted(granted)) => Ok(granted),
            Ok(Reply::Refused(refusal)) => Err(refusal.error()),
            Err(error) => Err(error),
        })
    }

    /// Sends what must never be sent again by itself. `None` where `stop` was cancelled before it left; an error where it has
    /// certainly not left. A session that has expired is forgotten, and the request stays refused.
    pub(super) async fn write(&self, call: &Call, stop: &CancellationToken) -> Option<Result<WriteOutcome<Granted>, Error>> {
        let session = match self.session(stop).await? {
            Ok(session) => session,
            Err(error) => return Some(Err(error)),
        };
        let outcome = self.once(self.client.send(call, session.as_deref()), stop).await?;
        if matches!(&outcome, Ok(WriteOutcome::Refused(refusal)) if refusal.code == Some(EXPIRED)) {
            self.forget(session, stop).await;
        }
        Some(outcome)
    }

    /// Sends one request, whatever carries its authority; as [`Spark::write`].
    pub(super) async fn once(
        &self,
        request: impl Future<Output = Result<Reply, Unanswered>>,
        stop: &CancellationToken,
    ) -> Option<Result<WriteOutcome<Granted>, Error>> {
        let has_left = AtomicBool::new(false);
        let request = async {
            has_left.store(true, Ordering::Relaxed);
            request.await
        };
        let answered = turn::once(&self.limiter, PRIORITY, stop, request).await;
        Some(match answered {
            None if has_left.load(Ordering::Relaxed) => {
                Ok(WriteOutcome::Unknown("it was stopped while the request was under way".to_owned()))
            }
            None => return None,
            Some(Err(Unanswered::Unsent(error))) => Err(error),
            Some(answered) => Ok(outcome(answered.map_err(Error::from))),
        })
    }

    /// The session, signed in for where there is none; nothing where the credential needs none.
    async fn session(&self, stop: &CancellationToken) -> Option<Result<Option<Session>, Error>> {
        if !self.client.needs_session() {
            return Some(Ok(None));
        }
        let mut held = stop.run_until_cancelled(self.session.lock()).await?;
        if held.is_none() {
            match turn::once(&self.limiter, PRIORITY, stop, self.client.sign_in()).await? {
                Ok(session) => *held = Some(session),
                Err(unanswered) => return Some(Err(Error::from(unanswered))),
            }
        }
        Some(Ok(held.clone()))
    }

    /// Forgets a session that has expired, unless another is in its place already.
    async fn forget(&self, expired: Option<Session>, stop: &CancellationToken) -> Option<()> {
        let mut held = stop.run_until_cancelled(self.session.lock()).await?;
        if let (Some(now), Some(expired)) = (held.as_ref(), expired)
            && Arc::ptr_eq(now, &expired)
        {
            *held = None;
        }
        Some(())
    }
}

/// Over the limit and every refusal in the vendor's words mean "not done"; every other failure says nothing.
pub(super) fn outcome(answered: Result<Reply, Error>) -> WriteOutcome<Granted> {
    match answered {
        Ok(Reply::Granted(granted)) if granted.is_accepted => WriteOutcome::Accepted,
        Ok(Reply::Granted(granted)) => WriteOutcome::Done(granted),
        Ok(Reply::Refused(refusal)) => WriteOutcome::Refused(refusal),
        Err(Error { failure: Failure::Throttled { .. }, message, status: Some(http @ 429), .. }) => {
            WriteOutcome::Refused(SparkRefusal { http, code: Some(OVER_THE_LIMIT), message, errors: Vec::new() })
        }
        Err(error) => WriteOutcome::Unknown(error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_503_that_asks_to_wait_does_not_say_that_nothing_was_done() {
        let told = |status| {
            let failure = Failure::Throttled { wait: Duration::from_secs(5) };
            outcome(Err(Error { status: Some(status), ..Error::new(failure, "wait") }))
        };
        assert!(matches!(told(429), WriteOutcome::Refused(_)));
        assert!(matches!(told(503), WriteOutcome::Unknown(_)));
    }
}
