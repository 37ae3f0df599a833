//! One answer, until it is an HTTP response.

use super::connection::{Delivery, DeliveryControl};
use super::shared_state::SharedState;
use crate::record::Stamp;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// 0: the connection is reset instead.
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The `Total` of a normal page.
    pub(super) total: Option<u64>,
    /// How long a 429 asks to wait.
    pub(super) wait: Option<Duration>,
    headers: Vec<(&'static str, String)>,
    damage: Damage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Damage {
    #[default]
    None,
    Cut,
    Half,
    Reset,
    Drip,
}

impl Answer {
    pub(super) fn bare(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    pub(super) fn json(status: u16, body: String) -> Answer {
        Answer { status, body: body.into_bytes(), ..Answer::default() }.with("content-type", "application/json; charset=utf-8".to_owned())
    }

    /// Says how many records its request matches.
    pub(super) fn counting(self, total: u64) -> Answer {
        Answer { total: Some(total), ..self }
    }

    /// Asks to wait so long.
    pub(super) fn waiting(self, wait: Duration) -> Answer {
        Answer { wait: Some(wait), ..self }
    }

    pub(super) fn reset() -> Answer {
        Answer { damage: Damage::Reset, ..Answer::default() }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(super) fn body(mut self, text: &str) -> Answer {
        self.body = text.as_bytes().to_vec();
        self
    }

    pub(super) fn passes(&self, test: impl FnOnce(&[u8]) -> bool) -> bool {
        test(&self.body)
    }

    pub(super) fn edited(mut self, edit: impl FnOnce(&[u8]) -> Vec<u8>) -> Answer {
        self.body = edit(&self.body);
        self
    }

    /// The connection closes half way through the body.
    pub(super) fn cut(self) -> Answer {
        Answer { damage: Damage::Cut, ..self }
    }

    /// The body comes byte by byte.
    pub(super) fn drip(self) -> Answer {
        Answer { damage: Damage::Drip, ..self }
    }

    /// A page that unfolds to so many times 16 MB of spaces.
    pub(super) fn bomb(blocks: usize) -> Answer {
        let body = [GZIP_HEAD, &block_of_spaces().repeat(blocks)].concat();
        Answer { body, ..Answer::json(200, String::new()) }.with("content-encoding", "gzip".to_owned())
    }

    /// The length counts half the body.
    pub(super) fn half(self) -> Answer {
        Answer { damage: Damage::Half, ..self }
    }

    pub(super) fn send(mut self, shared: &SharedState, control: &DeliveryControl, request_headers: &HeaderMap) -> Response {
        let (gzip, no_date, date) = {
            let world = &shared.lock().world;
            let skew = world.options.date_skew_s.saturating_mul(10_000_000);
            (world.options.gzip, world.options.no_date, http_date(Stamp(world.utc().0.saturating_add(skew))))
        };
        if !self.has("date") {
            self.headers.push(("date", date));
        }
        if self.damage == Damage::Half {
            self.body.truncate(self.body.len() / 2);
        }
        if gzip && !self.has("content-encoding") && !self.body.is_empty() && wants_gzip(request_headers) {
            self.body = compressed(&self.body);
            self.headers.push(("content-encoding", "gzip".to_owned()));
        }
        let cut = (self.damage == Damage::Cut).then_some(self.body.len() / 2);
        control.set(Delivery { cut, reset: self.damage == Damage::Reset, drip: self.damage == Damage::Drip, no_date });
        self.response()
    }

    fn has(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| *name == wanted)
    }

    fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in self.headers {
            // A test may ask for a header that HTTP cannot carry; then it is left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

fn wants_gzip(request_headers: &HeaderMap) -> bool {
    request_headers.get("accept-encoding").and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("gzip"))
}

/// What gzip begins with: no name, no time, no system.
const GZIP_HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// 16 MB of spaces in 16 kB that refer to nothing before them, so that they may be repeated.
fn block_of_spaces() -> Vec<u8> {
    let mut block = Vec::with_capacity(64 << 10);
    let packed = Compress::new(Compression::best(), false).compress_vec(&vec![b' '; 16 << 20], &mut block, FlushCompress::Full);
    packed.expect("the room suffices");
    block
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

/// An instant of UTC as HTTP writes it.
pub(super) fn http_date(utc: Stamp) -> String {
    let instant = DateTime::<Utc>::from_timestamp(utc.0.div_euclid(10_000_000), 0).unwrap_or_default();
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
