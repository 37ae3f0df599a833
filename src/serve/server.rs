//! The HTTP side: the way of a request to its answer, within bounds.

use super::accounts::{Account, Accounts};
use super::answer::Answer;
use super::connections::{Connections, Trouble};
use super::{openapi, services};
use crate::vendor::constellation1::fields::binding::Bound;
use crate::vendor::constellation1::fields::services::{Method, SERVICES, Service};
use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::{self, Request, Response, StatusCode, Uri};
use chrono::Utc;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest body of a request.
const LONGEST_BODY: usize = 64 << 10;
/// How long a body may take to come, and how long a connection may be idle or take for a head.
const BODY_WITHIN: Duration = Duration::from_secs(10);
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may leave what it was sent.
const READ_WITHIN: Duration = Duration::from_secs(30);
const MOST_HEADERS: usize = 64;
const LONGEST_HEAD: usize = 64 << 10;
/// Connections at the same time; others wait to be taken.
const MOST_CONNECTIONS: usize = 512;
/// After a stop, answers that are under way have so long.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How often what changed is read, whether or not anybody searches.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Where no connection can be taken, for lack of descriptors, the next try is not at once.
const TAKE_AGAIN: Duration = Duration::from_millis(50);

/// What is served, and to whom.
pub(crate) struct Options {
    pub(crate) database: PathBuf,
    pub(crate) listen: SocketAddr,
    /// Connections to the file.
    pub(crate) connections: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) accounts: Vec<Account>,
}

struct Shared {
    accounts: Accounts,
    connections: Connections,
    /// A connection for `/healthz`, which answers while all others are busy.
    health: Connections,
}

impl Shared {
    /// Does the work of a client when it is its turn.
    async fn in_turn(&self, client: &str, work: impl Future<Output = Result<(Answer, Option<String>), Trouble>>) -> Answer {
        let Some(_turn) = self.accounts.turn(client).await else { return told(Err(Trouble::Busy)) };
        told(work.await)
    }

    /// Reads what changed between searches, so that no search has to read much.
    async fn follow(&self) {
        loop {
            let followed = self.connections.search(|file, mut columns| columns.follow(file)).await;
            match followed {
                // To read a large file takes longer than a question may. It goes on at once.
                Err(Trouble::Slow) => continue,
                Err(trouble) => tracing::debug!("what changed could not be read: {trouble}"),
                Ok(_) => {}
            }
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}

/// The server, listening.
pub(crate) struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) async fn bind(options: Options) -> io::Result<Server> {
        let Options { database, listen, connections, requests_per_second, accounts } = options;
        let listener = TcpListener::bind(listen).await?;
        let accounts = Accounts::new(accounts, requests_per_second, connections);
        let (connections, health) = (Connections::new(&database, connections), Connections::new(&database, 1));
        Ok(Server { listener, shared: Arc::new(Shared { accounts, connections, health }) })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut open, permits) = (JoinSet::new(), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
        let (shared, stopped) = (self.shared.clone(), stop.clone());
        open.spawn(async move { stopped.run_until_cancelled(shared.follow()).await.unwrap_or_default() });
        while let Some(Ok(permit)) = stop.run_until_cancelled(permits.clone().acquire_owned()).await {
            while open.try_join_next().is_some() {}
            match stop.run_until_cancelled(self.listener.accept()).await {
                Some(Ok((stream, _))) => {
                    let (shared, stop) = (self.shared.clone(), stop.clone());
                    open.spawn(async move {
                        converse(shared, stream, stop).await;
                        drop(permit);
                    });
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a connection could not be taken");
                    tokio::time::sleep(TAKE_AGAIN).await;
                }
                None => break,
            }
        }
        drop(self.listener);
        let ended = timeout(LAST_ANSWERS, async { while open.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::info!("answers that were under way are broken off");
        }
    }
}

/// One connection; after a stop it ends with the answer that is under way.
async fn converse(shared: Arc<Shared>, stream: TcpStream, stop: CancellationToken) {
    // Answers are written whole; waiting for more to send would only delay their last packet. A failure costs speed alone.
    let _ = stream.set_nodelay(true);
    // Whoever reads nothing of an answer for so long does not hold its connection for ever. Without this, it only ends later.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(READ_WITHIN));
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(respond(&shared, request.map(Body::new)).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_headers(MOST_HEADERS).max_buf_size(LONGEST_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = match stop.run_until_cancelled(&mut connection).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// Answers any request.
async fn respond(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let answer = match head.uri.path() {
        "/healthz" | "/openapi.json" | "/lookups" if head.method != http::Method::GET => Answer::wrong_method("GET"),
        "/healthz" => health(shared).await,
        "/openapi.json" => Answer::json(openapi::DOCUMENT.clone()),
        path => {
            let service = SERVICES.iter().copied().find(|service| service.path.eq_ignore_ascii_case(path));
            let account = shared.accounts.authenticated(&head.headers);
            match (service, account) {
                (None, _) if path != "/lookups" => Answer::bare(StatusCode::NOT_FOUND),
                (Some(service), _) if head.method != method(service) => Answer::wrong_method(name(service.method)),
                (_, None) => Answer::bare(StatusCode::FORBIDDEN),
                (Some(service), Some(account)) => partner(shared, account, service, &head.uri, body).await,
                (None, Some(account)) => lookups(shared, account, &head.uri).await,
            }
        }
    };
    answer.into_response(Utc::now())
}

fn method(service: &Service) -> http::Method {
    if service.method == Method::Get { http::Method::GET } else { http::Method::POST }
}

fn name(method: Method) -> &'static str {
    if method == Method::Get { "GET" } else { "POST" }
}

async fn partner(shared: &Shared, account: &Account, service: &'static Service, uri: &Uri, body: Body) -> Answer {
    let bound = match service.method {
        Method::Get => Bound::from_query(service, &pairs(uri)),
        Method::Post => match timeout(BODY_WITHIN, to_bytes(body, LONGEST_BODY)).await {
            Ok(Ok(body)) => Bound::from_body(service, &body),
            Ok(Err(_)) => return Answer::bare(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return Answer::bare(StatusCode::REQUEST_TIMEOUT),
        },
    };
    let bound = services::checked(service, bound);
    if let Err(wait) = shared.accounts.take(&account.client) {
        return Answer::too_many(service, &bound, wait);
    }
    if bound.is_refused() {
        return Answer::invalid(service, &bound, &account.client);
    }
    let asking = account.clone();
    if services::searches(service) {
        let work = shared.connections.search(move |file, columns| services::search(file, columns, &asking, service, bound));
        return shared.in_turn(&account.client, work).await;
    }
    let work = shared.connections.ask(move |file| services::answer(file, &asking, service, bound));
    shared.in_turn(&account.client, work).await
}

async fn lookups(shared: &Shared, account: &Account, uri: &Uri) -> Answer {
    if let Err(wait) = shared.accounts.take(&account.client) {
        return Answer::too_many(SERVICES[9], &Bound::default(), wait);
    }
    let (asking, pairs) = (account.clone(), pairs(uri));
    let value = move |name: &str| {
        pairs.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let (feeds, lookup) = (value("FeedId"), value("Type"));
    let work = shared.connections.ask(move |file| services::lookups(file, &asking, &feeds, lookup.first().map(String::as_str)));
    shared.in_turn(&account.client, work).await
}

fn pairs(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

async fn health(shared: &Shared) -> Answer {
    told(shared.health.ask(|_| Ok(Answer::json("{\"status\":\"ok\"}".to_owned()))).await)
}

/// Why there is no answer is logged; the client is only told that there is none.
fn told(answered: Result<(Answer, Option<String>), Trouble>) -> Answer {
    match answered {
        Ok((answer, newest)) => answer.complete(newest.as_deref()),
        Err(trouble) => {
            tracing::warn!("a request could not be answered: {trouble}");
            let why = match trouble {
                Trouble::Slow => "The request takes too long. Ask for less.",
                Trouble::Busy => "Too many requests are at work, or the mirror is still being read. Try again.",
                Trouble::Open(_) | Trouble::Sqlite(_) | Trouble::Panic => "The mirror cannot be read.",
            };
            Answer::without(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
}
