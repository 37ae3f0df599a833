//! A page of a list, with its counts and links.

use super::answer::Answer;
use super::options::Options;
use super::query::{Paging, Query};
use super::readings::{Count, Empty, Links, PagePastEnd, Total};
use serde_json::{Map, Value, json};

const HOST: &str = "https://listings.spotahome.com";

/// A list with all its elements, in their order.
pub(super) struct List<'a> {
    /// `/listing-processes`, or that of the states.
    pub(super) path: &'a str,
    /// The array's name in `_embedded`.
    pub(super) member: &'a str,
    pub(super) items: Vec<Value>,
}

impl List<'_> {
    /// The page that is asked for.
    pub(super) fn answer(&self, query: &Query, options: &Options) -> Answer {
        match query.paging(options) {
            Ok(paging) => self.page(paging, query, options),
            Err(refusal) => refusal,
        }
    }

    fn page(&self, paging: Paging, query: &Query, options: &Options) -> Answer {
        let Paging { mut page, size, .. } = paging;
        let last = self.items.len().div_ceil(size).max(1);
        if page > last {
            match options.page_past_end {
                PagePastEnd::Empty => {}
                PagePastEnd::NotFound => return Answer::problem(404),
                PagePastEnd::BadRequest => return Answer::problem(400),
                PagePastEnd::LastAgain => page = last,
            }
        }
        if self.items.is_empty() && options.empty == Empty::NotFound {
            return Answer::problem(404);
        }
        let items: Vec<&Value> = self.items.iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        let mut body = Map::new();
        body.insert("count".to_owned(), json!(counted(options.count, items.len(), paging.requested)));
        body.insert("total".to_owned(), json!(if options.total == Total::All { self.items.len() } else { items.len() }));
        body.extend(self.links(page, last, query, options.links).map(|links| ("_links".to_owned(), links)));
        body.extend(self.embedded(&items, options.empty).map(|embedded| ("_embedded".to_owned(), embedded)));
        Answer::json(200, Value::Object(body).to_string())
    }

    fn embedded(&self, items: &[&Value], empty: Empty) -> Option<Value> {
        match empty {
            Empty::EmptyObject if items.is_empty() => Some(json!({})),
            Empty::NoEmbedded | Empty::NotFound if items.is_empty() => None,
            Empty::EmptyArray | Empty::EmptyObject | Empty::NoEmbedded | Empty::NotFound => Some(json!({ self.member: items })),
        }
    }

    fn links(&self, page: usize, last: usize, query: &Query, links: Links) -> Option<Value> {
        let more = match links {
            Links::Absent => return None,
            Links::Right | Links::Absolute => filters(query),
            Links::AsPrinted | Links::WithoutFilters => String::new(),
        };
        let host = if links == Links::Absolute { HOST } else { "" };
        let link = |page: usize| json!({ "href": format!("{host}{}?page={page}{more}", self.path) });
        if links == Links::AsPrinted {
            return Some(json!({ "self": link(1), "first": link(1), "last": link(2), "next": link(1), "previous": link(2) }));
        }
        let mut all = json!({ "self": link(page), "first": link(1), "last": link(last) });
        if page < last {
            all["next"] = link(page + 1);
        }
        if page > 1 {
            all["previous"] = link(page - 1);
        }
        Some(all)
    }
}

fn counted(count: Count, items: usize, requested: usize) -> usize {
    match count {
        Count::Items => items,
        Count::Requested => requested,
        Count::AsPrinted => items + 1,
    }
}

/// The other parameters. Nobody follows these links, so nothing is encoded.
fn filters(query: &Query) -> String {
    let others = query.0.iter().filter(|(name, _)| name != "page");
    others.map(|(name, value)| format!("&{name}={value}")).collect()
}
