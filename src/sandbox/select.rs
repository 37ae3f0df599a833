//! Which records a request matches, in which order, on which page.

use super::ask::{Ask, Layout};
use super::facts::{Draft, Version, live_status};
use super::feed::{Feed, Listing};
use super::options::{Bounds, Foreign, FromMode, Order, PagePastEnd};
use super::world::World;
use crate::record::Stamp;
use std::cmp::Ordering;

/// One page of a request's matches.
pub(super) struct Slice {
    pub(super) drafts: Vec<Draft>,
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
    whim: u64,
}

/// Answers a request from the world as it is now.
pub(super) fn slice(world: &mut World, ask: &Ask) -> Slice {
    let mut whims = world.whims.clone();
    world.whims.draw();
    let mut matches = matches(world, ask);
    for found in &mut matches {
        found.whim = whims.draw();
    }
    matches.sort_by(|a, b| compare(world.options.order, a, b));
    let size = ask.page_size.filter(|&size| size > 0).unwrap_or(world.options.page_size).max(1);
    match ask.layout {
        Layout::Even => cut(&matches, ask.page, size, world.options.page_past_end),
        Layout::FirstPage => cut(&matches, 1, size, world.options.page_past_end),
        Layout::Uneven => cut_unevenly(&matches, ask.page, size),
    }
}

fn compare(order: Order, a: &Match<'_>, b: &Match<'_>) -> Ordering {
    let by_stamp = a.version.stamp.cmp(&b.version.stamp);
    match order {
        // The sort is stable: ties keep the order in which the listings were added.
        Order::UpdatedAsc => by_stamp,
        Order::UpdatedDesc => by_stamp.reverse(),
        Order::Id => a.feed.name().cmp(b.feed.name()).then_with(|| a.listing.id().cmp(b.listing.id())),
        Order::Unstable => a.whim.cmp(&b.whim),
        Order::UnstableTies => by_stamp.then(a.whim.cmp(&b.whim)),
    }
}

fn cut(matches: &[Match<'_>], page: u32, size: usize, past_end: PagePastEnd) -> Slice {
    let total = matches.len();
    let last = u32::try_from(total.div_ceil(size)).unwrap_or(u32::MAX).max(1);
    let beyond = page > last;
    let page = if beyond && past_end == PagePastEnd::LastAgain { last } else { page };
    let start = (page as usize - 1).saturating_mul(size).min(total);
    let end = start.saturating_add(size).min(total);
    let drafts = matches[start..end].iter().map(|found| found.feed.draft(found.listing, found.version)).collect();
    Slice { drafts, total, next: (page < last).then(|| page + 1), past_end: beyond }
}

/// Two pages, a whole one and a half one, take up as much as one and a half.
fn cut_unevenly(matches: &[Match<'_>], page: u32, size: usize) -> Slice {
    let (total, half) = (matches.len(), (size / 2).max(1));
    let before = page as usize - 1;
    let start = ((before / 2).saturating_mul(size + half)).saturating_add(before % 2 * size).min(total);
    let end = start.saturating_add(if before.is_multiple_of(2) { size } else { half }).min(total);
    let drafts = matches[start..end].iter().map(|found| found.feed.draft(found.listing, found.version)).collect();
    Slice { drafts, total, next: (end < total).then(|| page + 1), past_end: start >= total && page > 1 }
}

fn matches<'a>(world: &'a World, ask: &Ask) -> Vec<Match<'a>> {
    let (utc, now) = (world.utc(), world.zoned(world.utc()));
    let from = match world.options.from_mode {
        FromMode::Exact => ask.from.unwrap_or(now.midnight()),
        FromMode::FloorToMidnight => ask.from.unwrap_or(now).midnight(),
        FromMode::Ignored => Stamp(i64::MIN),
    };
    let to = ask.to.unwrap_or(now);
    let mut found = Vec::new();
    for feed in feeds(world, ask) {
        for listing in feed.listings() {
            let Some(&version) = listing.visible(utc) else {
                continue;
            };
            let asked = within(world.options.bounds, version.stamp, from, to)
                && in_stream(ask.status, listing, &version, world.options.all_includes_deleted);
            if asked {
                found.push(Match { feed, listing, version, whim: 0 });
            }
        }
    }
    found
}

fn within(bounds: Bounds, stamp: Stamp, from: Stamp, to: Stamp) -> bool {
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
fn feeds<'a>(world: &'a World, ask: &Ask) -> Vec<&'a Feed> {
    let seen = world.feeds();
    let asked: Vec<&Feed> = seen
        .iter()
        .filter(|feed| ask.feeds.is_empty() || ask.feeds.contains(&feed.0))
        .filter_map(|feed| world.feeds.get(&feed.0))
        .collect();
    if asked.is_empty() && world.options.foreign == Foreign::Everything {
        return seen.iter().filter_map(|feed| world.feeds.get(&feed.0)).collect();
    }
    asked
}
