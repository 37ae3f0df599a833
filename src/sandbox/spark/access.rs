//! Who may ask the Spark sandbox: credentials, sessions, the rate limit, forbidden methods.

use super::choices::{Auth, RetryAfter};
use super::envelope::Answer;
use super::routes::Asking;
use super::world::{Session, World};
use chrono::{TimeDelta, Utc};
use md5::{Digest, Md5};
use serde_json::json;
use std::time::{Duration, Instant};

/// Whether a request may be answered; the error is its refusal.
pub(super) fn admitted(world: &mut World, asking: &Asking) -> Result<(), Answer> {
    within_the_rate(world)?;
    world.requests += 1;
    if !world.options.user_agent_optional && asking.header("x-sparkapi-user-agent").is_none() {
        return Err(Answer::refusal(400, 1016, "X-SparkApi-User-Agent is missing"));
    }
    if asking.path != "/v1/session" {
        signed_in(world, asking)?;
    }
    let method = asking.method.as_str();
    if world.options.records.read_only_key && method != "GET" {
        return Err(Answer::refusal(405, 1017, "The key is read-only"));
    }
    if world.options.records.forbid.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(method)) {
        return Err(Answer::refusal(405, 1018, "Forbidden for you"));
    }
    Ok(())
}

fn within_the_rate(world: &mut World) -> Result<(), Answer> {
    let Some(rate) = world.options.rate else { return Ok(()) };
    let span = Duration::from_secs(rate.seconds);
    while world.recent.front().is_some_and(|at| at.elapsed() >= span) {
        world.recent.pop_front();
    }
    world.recent.push_back(Instant::now());
    if world.recent.len() <= rate.requests {
        return Ok(());
    }
    world.recent.pop_back();
    let wait = world.recent.front().map_or(span, |at| span.saturating_sub(at.elapsed())).as_secs() + 1;
    let mut answer = Answer::refusal(world.options.throttle, 1550, "Over rate limit");
    match world.options.retry_after {
        RetryAfter::None => {}
        RetryAfter::Seconds => answer.headers.push(("retry-after", wait.to_string())),
        RetryAfter::Date => {
            let until = Utc::now() + TimeDelta::seconds(i64::try_from(wait).unwrap_or(i64::MAX / 1000));
            answer.headers.push(("retry-after", until.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        }
    }
    Err(answer)
}

fn signed_in(world: &mut World, asking: &Asking) -> Result<(), Answer> {
    let authorization = asking.header("authorization").unwrap_or_default();
    let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
    let takes = |kind: Auth| matches!(world.options.auth, Auth::Any) || world.options.auth == kind;
    let kind = match scheme {
        "Bearer" => Auth::Bearer,
        "OAuth" => Auth::OAuth,
        _ => Auth::Session,
    };
    if !takes(kind) {
        return Err(Answer::refusal(403, 1013, "This mechanism is not for this key"));
    }
    if kind == Auth::Session {
        return in_session(world, asking);
    }
    if token != world.options.token.0 {
        // The words repeat what was sent, as a careless server's might.
        return Err(Answer::refusal(401, 1000, &format!("Unknown token {token}")));
    }
    if world.options.expire_after.is_some_and(|most| world.requests > most) {
        return Err(Answer::refusal(401, 1020, &format!("Token {token} has expired")));
    }
    Ok(())
}

fn in_session(world: &mut World, asking: &Asking) -> Result<(), Answer> {
    let options = &world.options;
    let expired = |why: &str| Err(Answer::refusal(401, 1020, why));
    let Some(session) = &mut world.session else { return expired("There is no session") };
    let sent = asking.parameter("AuthToken").unwrap_or_default();
    let is_old = session.made.elapsed() > Duration::from_secs(options.session_max_s)
        || session.used.elapsed() > Duration::from_secs(options.session_idle_s)
        || options.expire_after.is_some_and(|most| session.requests >= most);
    if session.token != sent || is_old {
        return expired(&format!("Session {sent} has expired"));
    }
    let mut query: Vec<&(String, String)> = asking.query.iter().filter(|(name, _)| name != "ApiSig").collect();
    query.sort();
    let query: String = query.into_iter().map(|(name, value)| format!("{name}{value}")).collect();
    let body = String::from_utf8_lossy(&asking.body);
    let signed = format!("{}ApiKey{}ServicePath{}{query}{body}", options.api_secret.0, options.api_key.0, asking.path);
    if asking.parameter("ApiSig") != Some(md5_of(&signed).as_str()) {
        return Err(Answer::refusal(401, 1000, "The signature is wrong"));
    }
    session.used = Instant::now();
    session.requests += 1;
    Ok(())
}

/// `POST /session`: it ends the session that there is.
pub(super) fn sign_in(world: &mut World, asking: &Asking) -> Answer {
    let options = &world.options;
    let signature = md5_of(&format!("{}ApiKey{}", options.api_secret.0, options.api_key.0));
    if asking.parameter("ApiKey") != Some(options.api_key.0.as_str()) || asking.parameter("ApiSig") != Some(signature.as_str()) {
        return Answer::refusal(401, 1000, "The key is unknown or the signature is wrong");
    }
    if options.records.second_sign_in_refused && world.session.is_some() {
        return Answer::refusal(403, 1013, "A session lives");
    }
    let token = format!("{:032x}", (u128::from(world.random.draw()) << 64) | u128::from(world.random.draw()));
    let now = Instant::now();
    world.session = Some(Session { token: token.clone(), made: now, used: now, requests: 0 });
    Answer::success(200, json!({ "Results": [{ "AuthToken": token, "Expires": "2099-01-01T00:00:00Z", "Roles": ["private"] }] }))
}

fn md5_of(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
