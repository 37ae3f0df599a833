//! Whom a file mirrors.

use serde::Serialize;
use std::fmt;

/// A vendor's system, and the account that is used there. A file mirrors one alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The API.
    pub vendor: String,
    /// Where it is asked: host, port where it is not the usual one, and path.
    pub place: String,
    /// The client's name there.
    pub client: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { vendor, place, client } = self;
        write!(f, "{vendor} at {place} as client \"{client}\"")
    }
}
