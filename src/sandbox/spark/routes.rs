//! Which endpoint of the Spark sandbox a request means.

use axum::body::Bytes;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

/// A request, read.
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An endpoint, and the methods that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Session,
    Identities,
    Deleted,
    Identity(i64),
    History(i64),
    Tickets(String),
    CreationValidation,
    UpdateValidation(String),
    Upload,
}

impl Endpoint {
    pub(super) fn at(path: &str) -> Option<Endpoint> {
        if path == "/uploads/photos" {
            return Some(Endpoint::Upload);
        }
        let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        Some(match segments.as_slice() {
            ["session"] => Endpoint::Session,
            ["developers", "identities"] => Endpoint::Identities,
            ["developers", "identities", "deleted"] => Endpoint::Deleted,
            ["developers", "identities", id] => Endpoint::Identity(id.parse().ok()?),
            ["developers", "identities", id, "history"] => Endpoint::History(id.parse().ok()?),
            ["listings", "validation"] => Endpoint::CreationValidation,
            ["listings", listing, "validation"] => Endpoint::UpdateValidation((*listing).to_owned()),
            ["listings", listing, "tickets"] | ["listings", listing, "photos" | "documents", "tickets"] => {
                Endpoint::Tickets((*listing).to_owned())
            }
            _ => return None,
        })
    }

    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Endpoint::Identities => &["GET", "POST"],
            Endpoint::Identity(_) => &["GET", "PUT", "DELETE"],
            Endpoint::Deleted | Endpoint::History(_) => &["GET"],
            Endpoint::UpdateValidation(_) => &["PUT"],
            Endpoint::Session | Endpoint::Tickets(_) | Endpoint::CreationValidation | Endpoint::Upload => &["POST"],
        }
    }
}

impl Asking {
    pub(super) fn new(head: Parts, body: Bytes) -> Asking {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&head.uri).map(|query| query.0).unwrap_or_default();
        Asking { method: head.method, path: head.uri.path().to_owned(), query, headers: head.headers, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn parameter(&self, wanted: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }
}
