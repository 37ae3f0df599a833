//! `[media]`: what counts as a change of photos.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Media {
    pub(crate) ignore_query: bool,
}
