//! Who may ask, and how often.

use super::answer::Answer;
use super::options::Options;
use super::readings::{Forbidden, RetryAfter, Scheme, Throttle};
use super::shared_state::VendorState;
use crate::sandbox::answer::http_date;
use crate::sandbox::key::Key;
use std::time::Duration;

/// The only account that the token may see, if there is only one; or the refusal.
pub(super) fn admitted(vendor: &mut VendorState, authorization: &str) -> Result<Option<String>, Answer> {
    let options = &vendor.world.options;
    if let Some(rate) = options.rate
        && let Err(seconds) = vendor.bucket.take(rate, 1)
    {
        return Err(too_many(vendor, seconds));
    }
    let is = |key: &Key| sent(options, authorization).any(|token| token == key.0);
    let has_expired = options.token_life_s.is_some_and(|life| vendor.started.elapsed() >= Duration::from_secs(life));
    if options.forbidden_token.as_ref().is_some_and(is) {
        return Err(Answer::problem(match options.forbidden {
            Forbidden::Unauthorized => 401,
            Forbidden::Forbidden => 403,
            Forbidden::NotFound => 404,
        }));
    }
    match has_expired {
        false if is(&options.token) => Ok(None),
        false if options.other_token.as_ref().is_some_and(is) => Ok(vendor.world.accounts.first().cloned()),
        true | false => Err(Answer::problem(401)),
    }
}

/// The tokens that a header may mean.
fn sent<'a>(options: &Options, authorization: &'a str) -> impl Iterator<Item = &'a str> {
    let bare = (options.scheme != Scheme::Bearer).then_some(authorization);
    let borne = authorization.strip_prefix("Bearer ").filter(|_| options.scheme != Scheme::None);
    bare.into_iter().chain(borne)
}

fn too_many(vendor: &VendorState, seconds: f64) -> Answer {
    let options = &vendor.world.options;
    let answer = match options.throttle {
        Throttle::TooMany => Answer::problem(429),
        Throttle::Unavailable => Answer::problem(503),
        Throttle::Failed => Answer::problem(500),
        Throttle::Html => Answer::html(503),
    };
    let seconds = seconds.ceil();
    match options.retry_after {
        RetryAfter::None => answer,
        RetryAfter::Seconds => answer.with("retry-after", seconds.to_string()),
        RetryAfter::Date => answer.with("retry-after", http_date(vendor.world.now().plus(Duration::from_secs_f64(seconds + 1.0)))),
    }
}
