//! A body, read up to a limit.

use crate::provider::error::Error;
use crate::record::Failure;
use std::error::Error as _;
use std::io;

/// Reads a body whole; `limit` counts bytes after decompression, so that a small answer cannot unfold into all memory.
///
/// # Errors
/// `Unavailable` when the connection failed or ended early; `Malformed` when the body is longer than the limit or is
/// no gzip where it says so.
pub(super) async fn whole(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unread)? {
        if body.len() + chunk.len() > limit {
            return Err(Error::new(Failure::Malformed, &format!("the answer is longer than the limit of {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads as much of a body as there is, up to the limit: for words about an error that is known already.
pub(super) async fn beginning(mut response: reqwest::Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    body
}

/// Why a request got no answer at all.
pub(super) fn unanswered(error: reqwest::Error) -> Error {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "no answer"
    };
    Error::new(Failure::Unavailable, &format!("{what}: {}", causes(error)))
}

fn unread(error: reqwest::Error) -> Error {
    if is_bad_compression(&error) {
        return Error::new(Failure::Malformed, &format!("the answer cannot be unpacked: {}", causes(error)));
    }
    let what = if error.is_timeout() { "the answer did not end in time" } else { "the answer was cut off" };
    Error::new(Failure::Unavailable, &format!("{what}: {}", causes(error)))
}

/// The decompressor's own errors are `io::Error`s directly below reqwest's; those of the network lie below hyper's.
fn is_bad_compression(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source.filter(|inner| inner.is::<reqwest::Error>()) {
        source = inner.source();
    }
    source.is_some_and(|inner| inner.is::<io::Error>()) && !error.is_timeout()
}

/// The chain of causes; the outermost says only that a request failed.
pub(super) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        causes.push(inner.to_string());
        source = inner.source();
    }
    causes.dedup();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
