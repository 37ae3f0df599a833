//! The parameters of a list, as sent.

use super::answer::Answer;
use super::options::Options;
use super::readings::PageSizeOver;

/// The parameters of a request's query, decoded, in their order.
pub(super) struct Query(pub(super) Vec<(String, String)>);

/// Which page of which size.
#[derive(Clone, Copy)]
pub(super) struct Paging {
    /// From 1.
    pub(super) page: usize,
    /// As asked for, or the default.
    pub(super) requested: usize,
    /// What counts.
    pub(super) size: usize,
}

impl Query {
    pub(super) fn all(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    pub(super) fn one(&self, wanted: &str) -> Option<&str> {
        self.all(wanted).next()
    }

    /// A whole number from 1; 400 for anything else.
    fn number(&self, name: &str, default: usize) -> Result<usize, Answer> {
        let Some(text) = self.one(name) else { return Ok(default) };
        text.parse().ok().filter(|number| *number > 0).ok_or_else(|| Answer::problem(400))
    }

    pub(super) fn paging(&self, options: &Options) -> Result<Paging, Answer> {
        let page = self.number("page", 1)?;
        let default = options.page_size.clamp(1, options.page_size_max.max(1));
        let requested = self.number("itemsPerPage", default)?;
        let size = match options.page_size_over {
            _ if requested <= options.page_size_max => requested,
            PageSizeOver::Clamp => options.page_size_max.max(1),
            PageSizeOver::Refuse => return Err(Answer::problem(400)),
            PageSizeOver::Ignore => default,
        };
        Ok(Paging { page, requested, size })
    }
}
