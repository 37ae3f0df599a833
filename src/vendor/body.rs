//! A body, read up to a limit.

use super::error::Error;
use crate::record::Failure;
use flate2::bufread::MultiGzDecoder;
use std::error::Error as _;
use std::io::{self, Read};

/// How gzip begins; no JSON begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a body whole; `limit` counts bytes after decompression, so that a small answer cannot unfold into all memory.
///
/// # Errors
/// `Unavailable` when the connection failed or ended early; `Malformed` when the body is longer than the limit or is
/// no gzip where it says so.
pub(super) async fn whole(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unread)? {
        if body.len() + chunk.len() > limit {
            return Err(too_long(limit));
        }
        body.extend_from_slice(&chunk);
    }
    unpacked(body, limit)
}

/// Unpacks a body that is gzip, whether or not a header says so: once, and whole.
fn unpacked(body: Vec<u8>, limit: usize) -> Result<Vec<u8>, Error> {
    if !body.starts_with(&GZIP) {
        return Ok(body);
    }
    let (unpacked, outcome) = unpack(&body, limit.saturating_add(1));
    outcome.map_err(|error| Error::new(Failure::Malformed, &format!("the answer cannot be unpacked: {error}")))?;
    if unpacked.len() > limit { Err(too_long(limit)) } else { Ok(unpacked) }
}

/// The content of a gzip, at most so many bytes, and whether it is sound.
fn unpack(packed: &[u8], most: usize) -> (Vec<u8>, io::Result<()>) {
    // A gzip ends with its length, which may be a lie.
    let told = packed.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let mut content = vec![0; told.min(most)];
    let mut decoder = MultiGzDecoder::new(packed).take(most as u64);
    let mut filled = 0;
    // In pieces, each would be copied once more, for the next one to refer to.
    let outcome = loop {
        match decoder.read(&mut content[filled..]) {
            Ok(0) => break Ok(()),
            Ok(more) => filled += more,
            Err(error) => break Err(error),
        }
    };
    content.truncate(filled);
    let outcome = outcome.and_then(|()| decoder.read_to_end(&mut content)).map(drop);
    (content, outcome)
}

fn too_long(limit: usize) -> Error {
    Error::new(Failure::Malformed, &format!("the answer is longer than the limit of {limit} bytes"))
}

/// Reads as much of a body as there is, up to the limit, of what is unpacked too: for words about an error that is known
/// already.
pub(super) async fn beginning(mut response: reqwest::Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    if body.starts_with(&GZIP) { unpack(&body, limit).0 } else { body }
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
    let hint = hint(&error);
    let causes = causes(error);
    let message = match hint.or_else(|| hint_of(&causes)) {
        Some(hint) => format!("{what}: {hint} ({causes})"),
        None => format!("{what}: {causes}"),
    };
    Error::new(Failure::Unavailable, &message)
}

/// Whether the connection was lost before its answer began, and not by our own timeout.
pub(super) fn is_lost(error: &reqwest::Error) -> bool {
    if error.is_connect() {
        return false;
    }
    let mut next = error.source();
    while let Some(cause) = next {
        let io = cause.downcast_ref::<io::Error>();
        // hyper's own error is of a type that is not public here.
        if io.is_some_and(|io| io.raw_os_error().is_some()) || cause.to_string() == "connection closed before message completed" {
            return true;
        }
        next = cause.source();
    }
    false
}

/// What a person can make of a failed TLS handshake.
fn hint(error: &reqwest::Error) -> Option<&'static str> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(hint_of_tls(tls));
        }
        // An `io::Error` names as its source what lies below its content, and not its content.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content),
            None => cause.source(),
        };
    }
    None
}

fn hint_of_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS; check base_url",
        rustls::Error::InvalidCertificate(_) => {
            "the certificate there is not accepted; check base_url, the clock of this machine and its certificates"
        }
        rustls::Error::AlertReceived(_) => "the other side refused TLS",
        _ => "TLS failed",
    }
}

/// The same of errors whose types are not public.
fn hint_of(causes: &str) -> Option<&'static str> {
    let known = [
        ("tls handshake eof", "the other side closed the connection before TLS was agreed on; check base_url"),
        ("dns error", "the name in base_url cannot be resolved"),
        ("invalid dns name", "the name in base_url is none that can be resolved"),
    ];
    known.into_iter().find(|(cause, _)| causes.contains(cause)).map(|(_, hint)| hint)
}

fn unread(error: reqwest::Error) -> Error {
    let what = if error.is_timeout() { "the answer did not end in time" } else { "the answer was cut off" };
    Error::new(Failure::Unavailable, &format!("{what}: {}", causes(error)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError, Error as Tls, InvalidMessage};

    #[test]
    fn a_failed_handshake_is_told_in_words() {
        for (error, words) in [
            (Tls::InvalidMessage(InvalidMessage::InvalidContentType), "does not speak TLS"),
            (Tls::InvalidCertificate(CertificateError::Expired), "certificate"),
            (Tls::AlertReceived(AlertDescription::HandshakeFailure), "refused TLS"),
            (Tls::DecryptError, "TLS failed"),
        ] {
            assert!(hint_of_tls(&error).contains(words), "{error}");
        }
    }

    #[test]
    fn a_name_that_leads_nowhere_is_told_in_words() {
        let resolver = "client error (Connect): dns error: failed to lookup address information: Name or service not known";
        assert_eq!(hint_of(resolver), Some("the name in base_url cannot be resolved"));
        assert!(hint_of("client error (Connect): invalid dns name").is_some());
        assert_eq!(hint_of("tcp connect error: Connection refused (os error 111)"), None);
    }
}
