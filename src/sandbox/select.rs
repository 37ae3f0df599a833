//! The choice of the records that a request matches, in their order, on the page asked for.

use super::feed::{Feed, Listing};
use super::listing_state::{ListingState, Version, live_status};
use super::options::{Bounds, FeedList, Foreign, FromMode, PagePastEnd, SortOrder};
use super::parameters::{Layout, Parameters};
use super::world::World;
use crate::record::Stamp;
use std::cmp::Ordering;
use std::ops::Range;

/// One page of a request's matches.
pub(super) struct MatchedPage {
    pub(super) states: Vec<ListingState>,
    pub(super) total: usize,
    /// The page after this one, if it has records.
    pub(super) next: Option<u32>,
    /// The page lies behind the last.
    pub(super) past_end: bool,
}

struct Match<'a> {
    feed: &'a Feed,
    listing: &'a Listing,
    version: Version,
    /// Orders equal stamps where the server has no rule of its own.
    tie_break: u64,
}

/// Answers a request from the world as it is now.
pub(super) fn page(world: &mut World, parameters: &Parameters) -> MatchedPage {
    let mut answer_random = world.answer_random.clone();
    world.answer_random.draw();
    let mut matches = matches(world, parameters);
    for found in &mut matches {
        found.tie_break = answer_random.draw();
    }
    matches.sort_by(|a, b| compare(world.options.order, a, b));
    let size = parameters.page_size.filter(|&size| size > 0).unwrap_or(world.options.page_size).max(1);
    match parameters.layout {
        Layout::Even => page_of(&matches, parameters.page, size, world.options.page_past_end),
        Layout::FirstPage => page_of(&matches, 1, size, world.options.page_past_end),
        Layout::Uneven => uneven_page_of(&matches, parameters.page, size),
    }
}

fn compare(order: SortOrder, a: &Match<'_>, b: &Match<'_>) -> Ordering {
    let by_stamp = a.version.stamp.cmp(&b.version.stamp);
    match order {
        // The sort is stable: ties keep the order in which the listings were added.
        SortOrder::UpdatedAsc => by_stamp,
        SortOrder::UpdatedDesc => by_stamp.reverse(),
        SortOrder::Id => a.feed.name().cmp(b.feed.name()).then_with(|| a.listing.id().cmp(b.listing.id())),
        SortOrder::Unstable => a.tie_break.cmp(&b.tie_break),
        SortOrder::UnstableTies => by_stamp.then(a.tie_break.cmp(&b.tie_break)),
    }
}

fn page_of(matches: &[Match<'_>], page: u32, size: usize, past_end: PagePastEnd) -> MatchedPage {
    let Place { range, next, past_end } = place(matches.len(), page, size, past_end);
    let states = matches[range].iter().map(|found| found.feed.state(found.listing, found.version)).collect();
    MatchedPage { states, total: matches.len(), next, past_end }
}

/// Where a page lies among all matches.
pub(super) struct Place {
    pub(super) range: Range<usize>,
    pub(super) next: Option<u32>,
    pub(super) past_end: bool,
}

pub(super) fn place(total: usize, page: u32, size: usize, past_end: PagePastEnd) -> Place {
    let last = u32::try_from(total.div_ceil(size)).unwrap_or(u32::MAX).max(1);
    let beyond = page > last;
    let page = if beyond && past_end == PagePastEnd::LastAgain { last } else { page };
    let start = (page as usize - 1).saturating_mul(size).min(total);
    let end = start.saturating_add(size).min(total);
    Place { range: start..end, next: (page < last).then(|| page + 1), past_end: beyond }
}

/// Every second page holds half as many: two pages in a row hold as many as one and a half.
fn uneven_page_of(matches: &[Match<'_>], page: u32, size: usize) -> MatchedPage {
    let (total, half) = (matches.len(), (size / 2).max(1));
    let before = page as usize - 1;
    let start = ((before / 2).saturating_mul(size + half)).saturating_add(before % 2 * size).min(total);
    let end = start.saturating_add(if before.is_multiple_of(2) { size } else { half }).min(total);
    let states = matches[start..end].iter().map(|found| found.feed.state(found.listing, found.version)).collect();
    MatchedPage { states, total, next: (end < total).then(|| page + 1), past_end: start >= total && page > 1 }
}

fn matches<'a>(world: &'a World, parameters: &Parameters) -> Vec<Match<'a>> {
    let utc = world.utc();
    let (from, to) = asked_window(world, parameters.from, parameters.to);
    let mut found = Vec::new();
    for feed in feeds_named(world, &parameters.feeds) {
        for listing in feed.listings() {
            let Some(&version) = listing.visible(utc) else {
                continue;
            };
            let asked = within(world.options.bounds, version.stamp, from, to)
                && in_stream(parameters.status, listing, &version, world.options.all_includes_deleted);
            if asked {
                found.push(Match { feed, listing, version, tie_break: 0 });
            }
        }
    }
    found
}

/// The range of stamps that a request asks for, as the server takes it.
pub(super) fn asked_window(world: &World, from: Option<Stamp>, to: Option<Stamp>) -> (Stamp, Stamp) {
    let now = world.zoned(world.utc());
    let from = match world.options.from_mode {
        FromMode::Exact => from.unwrap_or(now.midnight()),
        FromMode::FloorToMidnight => from.unwrap_or(now).midnight(),
        FromMode::Ignored => Stamp(i64::MIN),
    };
    (from, to.unwrap_or(now))
}

pub(super) fn within(bounds: Bounds, stamp: Stamp, from: Stamp, to: Stamp) -> bool {
    match bounds {
        Bounds::Inclusive => from <= stamp && stamp <= to,
        Bounds::Exclusive => from < stamp && stamp < to,
    }
}

fn in_stream(status: u8, listing: &Listing, version: &Version, all_includes_deleted: bool) -> bool {
    if version.deleted {
        return status == 3 || (status == 0 && all_includes_deleted);
    }
    match status {
        0 => true,
        1 => matches!(live_status(listing.identity(), version.edits), "Active" | "Contingent" | "Pending"),
        2 => live_status(listing.identity(), version.edits) == "Sold",
        _ => false,
    }
}

/// The feeds that a request gets: those asked for that are in sight.
pub(super) fn feeds_named<'a>(world: &'a World, names: &[String]) -> Vec<&'a Feed> {
    let seen = world.feeds();
    let named = match (world.options.feed_list, names) {
        (FeedList::First, [first, ..]) => std::slice::from_ref(first),
        (FeedList::Last, [.., last]) => std::slice::from_ref(last),
        (_, all) => all,
    };
    let asked: Vec<&Feed> =
        seen.iter().filter(|feed| named.is_empty() || named.contains(&feed.0)).filter_map(|feed| world.feeds.get(&feed.0)).collect();
    if asked.is_empty() && world.options.foreign == Foreign::Everything {
        return seen.iter().filter_map(|feed| world.feeds.get(&feed.0)).collect();
    }
    asked
}
