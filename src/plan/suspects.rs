//! Windows that were read as often as is sensible, without proof: when they are read again.

use super::window::Task;
use crate::record::{Stream, Window};
use std::time::Duration;

/// The first wait before a suspect window is read again; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// A one-shot run reads a suspect window this often before it gives up on it.
pub(super) const ONCE_READINGS: u32 = 2;

#[derive(Clone, Debug)]
struct Suspect {
    stream: Stream,
    claim: Window,
    readings: u32,
    retry_at: Duration,
}

/// The suspect windows of a feed.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects(Vec<Suspect>);

impl Suspects {
    /// A window turned out suspect, perhaps not for the first time.
    pub(super) fn add(&mut self, task: Task, up: Duration, once: bool) {
        let known = self.0.iter().position(|suspect| suspect.stream == task.stream && suspect.claim == task.claim);
        let readings = known.map_or(0, |at| self.0.swap_remove(at).readings) + 1;
        let retry_at = match once {
            true if readings < ONCE_READINGS => up,
            true => Duration::MAX,
            false => up + FIRST.saturating_mul(1 << (readings - 1).min(16)).min(LONGEST),
        };
        self.0.push(Suspect { stream: task.stream, claim: task.claim, readings, retry_at });
    }

    /// A window was proven: what lies inside is suspect no more.
    pub(super) fn clear(&mut self, stream: Stream, proven: Window) {
        self.0.retain(|suspect| suspect.stream != stream || suspect.claim.from < proven.from || suspect.claim.to > proven.to);
    }

    /// The windows of a stream that may not be read yet.
    pub(super) fn barred(&self, stream: Stream, up: Duration) -> impl Iterator<Item = Window> {
        self.0.iter().filter(move |suspect| suspect.stream == stream && suspect.retry_at > up).map(|suspect| suspect.claim)
    }

    /// When the next one may be read.
    pub(super) fn next_retry(&self, up: Duration) -> Option<Duration> {
        self.0.iter().map(|suspect| suspect.retry_at).filter(|at| *at > up && *at < Duration::MAX).min()
    }
}
