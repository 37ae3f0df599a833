//! How the store stores, by the configuration.

use crate::config::Config;
use crate::plan::licence::Licence;
use crate::record::FeedId;
use crate::store::{Licences, StoreOptions};

pub(super) fn store_options(config: &Config) -> StoreOptions {
    let of = |feed: Option<&String>| {
        let (omit, [keep_deleted, keep_sold]) = config.licence.rules_of(feed.map(String::as_str));
        Licence { omit, keep_deleted, keep_sold }
    };
    let feeds = config.licence.named().map(|feed| (FeedId(feed.clone()), of(Some(feed))));
    let licences = Licences { others: of(None), feeds: feeds.collect() };
    StoreOptions { ignore_queries: config.media.ignore_query, keep_history: config.history.keep.0, licences }
}
