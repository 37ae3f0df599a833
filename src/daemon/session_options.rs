//! What a session is told to do, from the configuration and the command line.

use super::seed::seed;
use super::supervisor::Supervisor;
use crate::config::{Config, DetailOnly};
use crate::plan::brake::BrakeLimits;
use crate::plan::burst::BurstLimits;
use crate::plan::options::{LookbackRule, Options};
use crate::record::{FeedId, Stamp};
use crate::sync::session::SessionOptions;
use std::time::Duration;

impl Supervisor {
    pub(super) fn session_options(&self, since: Stamp, scan_now: bool, feed: &FeedId) -> SessionOptions {
        let Config { constellation1, poll, backfill, lookback, reconcile, .. } = &self.config;
        let plan = Options {
            streams: constellation1.streams.clone(),
            deletions: self.tools.entity.deletions,
            interval: poll.interval.0,
            interval_min: unless_zero(poll.interval_min.0),
            interval_max: unless_zero(poll.interval_max.0),
            overlap: poll.overlap.0,
            settle: poll.settle.0,
            since,
            window_pages: backfill.window_pages,
            lookbacks: lookback.ladder.iter().map(|rung| LookbackRule { every: rung.every.0, reach: rung.reach.0 }).collect(),
            ahead_every: unless_zero(lookback.ahead.0),
            scan_every: unless_zero(reconcile.every.0),
            scan_now,
            dry_run: self.options.dry_run,
            confirm_budget: reconcile.confirm_budget,
            once: self.options.once,
            shared: self.tools.shared.is_some(),
            seed: seed() ^ crate::record::raw_hash(feed.0.as_bytes()).iter().fold(0, |seed, byte| (seed << 4) ^ u64::from(*byte)),
        };
        SessionOptions {
            plan,
            zone: constellation1.timestamp_zone,
            brake: BrakeLimits { count: reconcile.brake_count, share: reconcile.brake_share, budget: reconcile.confirm_budget },
            burst: BurstLimits { count: reconcile.burst_count, share: reconcile.burst_share },
            delete_detail_only: reconcile.detail_only == DetailOnly::Delete,
        }
    }
}

/// In the configuration, zero stands for never, or for no bound.
fn unless_zero(span: Duration) -> Option<Duration> {
    Some(span).filter(|span| !span.is_zero())
}
