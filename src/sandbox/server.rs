//! The HTTP side: a request becomes an answer, normal or faulty.

use super::answer::Answer;
use super::ask::{Ask, Layout, signed};
use super::fault::{Fault, throttled, validation};
use super::limit::Bucket;
use super::options::{DeletedDetail, NextPage, PagePastEnd, RetryAfter, Shape};
use super::render::{Half, Look, record};
use super::select::{Slice, slice};
use super::wire::Line;
use super::world::World;
use super::{Asked, admin};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SYNC: &str = "/services/partner/SyncListings";
const DETAIL: &str = "/services/partner/GetListingDetail";

/// How many requests are remembered; a sandbox may run for weeks.
const LONGEST_LOG: usize = 100_000;

/// All that requests share.
pub(super) struct Vendor {
    pub(super) world: World,
    pub(super) log: VecDeque<Asked>,
    pub(super) next: VecDeque<Fault>,
    /// Standing faults by feed; under `None`, of every request.
    pub(super) standing: BTreeMap<Option<String>, Fault>,
    pub(super) bucket: Bucket,
    pub(super) started: Instant,
}

/// The vendor, shared by all connections.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<Mutex<Vendor>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vendor> {
        // A test that panics inside `with_world` must fail alone, not through every later request.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Sync,
    Detail,
}

/// Answers any request.
pub(super) async fn serve(State(shared): State<Shared>, ConnectInfo(line): ConnectInfo<Line>, request: Request) -> Response {
    if let Some(answer) = admin::answer(&shared, request.method(), request.uri()) {
        return answer.send(&shared, &line, request.headers());
    }
    let answer = partner(&shared, request.method(), request.uri(), request.headers()).await;
    answer.send(&shared, &line, request.headers())
}

async fn partner(shared: &Shared, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
    let Some(endpoint) = endpoint(uri.path(), shared.lock().world.options.strict_paths) else {
        return Answer::bare(404);
    };
    if method != Method::GET {
        return Answer::bare(405);
    }
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    let zone = shared.lock().world.options.zone_hours;
    let ask = Ask::bind(&pairs, zone);
    let came = shared.lock().started.elapsed();
    let (answer, fault) = begin(shared, endpoint, &ask, headers);
    let answer = match answer {
        Some(answer) => answer,
        None => spoilt(shared, endpoint, &ask, fault).await,
    };
    note(shared, endpoint, &ask, &answer, came);
    answer
}

fn endpoint(path: &str, strict: bool) -> Option<Endpoint> {
    let is = |known: &str| if strict { path == known } else { path.eq_ignore_ascii_case(known) };
    if is(SYNC) {
        return Some(Endpoint::Sync);
    }
    is(DETAIL).then_some(Endpoint::Detail)
}

/// Everything that comes before the normal answer: signature, rate limit, the fault that is due.
fn begin(shared: &Shared, endpoint: Endpoint, ask: &Ask, headers: &HeaderMap) -> (Option<Answer>, Option<Fault>) {
    let mut vendor = shared.lock();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let options = vendor.world.options.clone();
    if !signed(&options, vendor.world.utc(), header("ml-auth"), header("x-ml-timestamp")) {
        return (Some(Answer::bare(403)), None);
    }
    if let Some(rate) = options.rate
        && let Err(seconds) = vendor.bucket.take(rate, options.rate_burst)
    {
        return (Some(too_many(&vendor, ask, seconds)), None);
    }
    let due = if endpoint == Endpoint::Sync { vendor.next.pop_front() } else { None };
    let named = || ask.feeds.iter().find_map(|feed| vendor.standing.get(&Some(feed.clone())));
    let fault = due.or_else(|| named().or_else(|| vendor.standing.get(&None)).cloned());
    if fault.is_none() && options.fault_rate > 0.0 && vendor.world.whims.chance(options.fault_rate) {
        return (None, Some(Fault::random(&mut vendor.world.whims)));
    }
    (None, fault)
}

/// The normal answer, and what a fault makes of it.
async fn spoilt(shared: &Shared, endpoint: Endpoint, ask: &Ask, fault: Option<Fault>) -> Answer {
    let normal = || match endpoint {
        Endpoint::Sync => sync(&mut shared.lock().world, ask),
        Endpoint::Detail => detail(&mut shared.lock().world, ask),
    };
    match fault {
        None => normal(),
        Some(Fault::Hang(span)) => {
            tokio::time::sleep(span).await;
            normal()
        }
        Some(Fault::Cut) => normal().cut(),
        Some(Fault::Drip) => normal().drip(),
        Some(Fault::Bomb { blocks }) => Answer::bomb(blocks),
        Some(Fault::FirstPage) => sync(&mut shared.lock().world, &Ask { layout: Layout::FirstPage, ..ask.clone() }),
        Some(Fault::Uneven) => sync(&mut shared.lock().world, &Ask { layout: Layout::Uneven, ..ask.clone() }),
        Some(Fault::Date(text)) => normal().with("date", text),
        Some(Fault::WrongLength) => normal().half(),
        Some(Fault::EditRecords(edit)) => {
            let mut answer = normal();
            answer.body = edit.apply(&answer.body);
            answer
        }
        Some(Fault::EditText(edit)) => {
            let mut answer = normal();
            answer.body = edit.apply(&answer.body);
            answer
        }
        Some(Fault::NullResults) => {
            let total = normal().total.unwrap_or(0).max(1);
            Answer::json(200, json!({ "Results": null, "Total": total, "Count": 0, "NextPage": null }).to_string())
        }
        Some(Fault::Status(status, body)) => Answer::json(status, body),
        Some(Fault::Throttled { seconds }) => too_many(&shared.lock(), ask, seconds),
        Some(Fault::ThrottledRaw { body, retry_after }) => {
            let answer = Answer::json(429, body);
            retry_after.map_or(answer.clone(), |after| answer.with("retry-after", after))
        }
        Some(Fault::Html) => Answer::bare(200).with("content-type", "text/html".to_owned()).body("<html><h1>Sign in</h1></html>"),
        Some(Fault::Empty) => Answer::json(200, String::new()),
        Some(Fault::Reset) => Answer::reset(),
        Some(Fault::BadRequest) => {
            refused(&shared.lock().world, ask, &json!({ "Page": "The field Page must be between 1 and 2147483647." }))
        }
        Some(Fault::Forbidden) => Answer::bare(403),
        Some(Fault::RawPage(body)) => Answer::json(200, body),
        Some(Fault::Redirect(to)) => Answer::bare(302).with("location", to),
    }
}

/// Answers SyncListings; what is due of the random changes comes first.
pub(super) fn sync(world: &mut World, ask: &Ask) -> Answer {
    world.churn();
    if !ask.errors.is_empty() {
        return refused(world, ask, &json!(ask.errors));
    }
    let slice = slice(world, ask);
    if slice.past_end && world.options.page_past_end == PagePastEnd::NotFound {
        return Answer::bare(404);
    }
    let absent = world.options.next_page == NextPage::Absent;
    let look = look(world);
    let records: Vec<Arc<str>> = slice.drafts.iter().map(|draft| world.rendered(draft, look)).collect();
    Answer::json(200, envelope(&records, &slice, absent)).counting(slice.total as u64)
}

fn envelope(records: &[Arc<str>], slice: &Slice, absent: bool) -> String {
    let next = match slice.next {
        Some(page) => format!(",\"NextPage\":{page}"),
        None if absent => String::new(),
        None => ",\"NextPage\":null".to_owned(),
    };
    format!("{{\"Results\":[{}],\"Total\":{},\"Count\":{}{next}}}", records.join(","), slice.total, records.len())
}

fn look(world: &mut World) -> Look {
    let half = match world.options.shape {
        Shape::Class => Half::Class,
        Shape::Table => Half::Table,
        Shape::Union => Half::Union,
        Shape::Mixed => [Half::Class, Half::Table][world.whims.index(2)],
    };
    Look { half, media_key: world.options.media_key, deletions: world.options.deletions }
}

/// Answers GetListingDetail.
pub(super) fn detail(world: &mut World, ask: &Ask) -> Answer {
    let look = look(world);
    let feed = world.feeds().into_iter().find(|feed| ask.feeds.contains(&feed.0)).and_then(|feed| world.feeds.get(&feed.0));
    let listing = feed.zip(ask.listing.as_ref()).and_then(|(feed, id)| Some((feed, feed.find(id)?)));
    let found = listing.and_then(|(feed, listing)| Some(feed.draft(listing, *listing.visible(world.utc())?)));
    match found {
        Some(draft) if !draft.version.deleted || world.options.deleted_detail == DeletedDetail::Record => {
            Answer::json(200, record(&draft, world.habits(), look))
        }
        _ => Answer::bare(404),
    }
}

fn refused(world: &World, ask: &Ask, errors: &serde_json::Value) -> Answer {
    let body = validation(&ask.echo(world.options.page_size), &world.options.client, errors);
    Answer::json(400, body)
}

fn too_many(vendor: &Vendor, ask: &Ask, seconds: f64) -> Answer {
    let options = &vendor.world.options;
    let body = throttled(&ask.echo(options.page_size), seconds);
    let exact = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let answer = Answer::json(429, body).waiting(exact);
    let whole = Duration::from_secs(exact.as_secs_f64().ceil() as u64);
    match options.retry_after {
        RetryAfter::None => answer,
        RetryAfter::Seconds => answer.with("retry-after", whole.as_secs().to_string()),
        RetryAfter::Date => answer.with("retry-after", super::answer::http_date(vendor.world.utc().plus(whole))),
    }
}

fn note(shared: &Shared, endpoint: Endpoint, ask: &Ask, answer: &Answer, came: Duration) {
    let mut vendor = shared.lock();
    let asked = Asked {
        endpoint: if endpoint == Endpoint::Sync { "SyncListings" } else { "GetListingDetail" },
        feeds: ask.feeds.clone(),
        status: ask.status,
        from: ask.from_text.clone(),
        to: ask.to_text.clone(),
        page: ask.page,
        answered: answer.status,
        came,
        at: vendor.started.elapsed(),
        wait: answer.wait,
        total: answer.total,
    };
    if vendor.log.len() == LONGEST_LOG {
        vendor.log.pop_front();
    }
    vendor.log.push_back(asked);
}
