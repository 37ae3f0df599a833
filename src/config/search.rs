//! `[search]`: which tables for searches the file has.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    pub(crate) text: bool,
    pub(crate) location: bool,
}
