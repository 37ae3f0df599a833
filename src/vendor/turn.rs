//! A request in its turn: it waits for the budget of its credential, and tells the budget how it was answered.

use super::error::{Error, Unanswered};
use super::limiter::{Limiter, Priority};
use crate::record::Failure;
use tokio_util::sync::CancellationToken;

/// Asks what may be asked again: a request that was lost with a dead connection is sent once more, in a new turn, for it is one
/// more request. `None` as soon as `stop` is cancelled, whether waiting or in flight.
pub(super) async fn reading<T, F>(
    limiter: &Limiter,
    priority: Priority,
    stop: &CancellationToken,
    ask: impl Fn() -> F,
) -> Option<Result<T, Error>>
where
    F: Future<Output = Result<T, Unanswered>>,
{
    let outcome = match once(limiter, priority, stop, ask()).await? {
        Err(Unanswered::Dead(error)) => {
            tracing::debug!("a connection was dead, so the request is sent again on another: {}", error.message);
            once(limiter, priority, stop, ask()).await?
        }
        outcome => outcome,
    };
    Some(outcome.map_err(Error::from))
}

/// Sends a request once. The future begins only after the admission, so a timestamp in it is of the moment it leaves.
pub(super) async fn once<T>(
    limiter: &Limiter,
    priority: Priority,
    stop: &CancellationToken,
    request: impl Future<Output = Result<T, Unanswered>>,
) -> Option<Result<T, Unanswered>> {
    let permit = limiter.admit(priority, stop).await?;
    let outcome = stop.run_until_cancelled(request).await?;
    match &outcome {
        Ok(_) => limiter.answered(&permit),
        Err(Unanswered::Failed(Error { failure: Failure::Throttled { wait }, .. })) => limiter.throttled(*wait),
        Err(_) => {}
    }
    // Only now may the next request take the place: the gate is closed before it looks.
    drop(permit);
    Some(outcome)
}
