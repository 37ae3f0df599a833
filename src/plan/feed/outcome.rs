//! What follows from a page: the window goes on, is proven, is cut, or turns out suspect.

use super::FeedPlan;
use crate::plan::command::{Now, Open, Purpose, WindowSave, WindowState};
use crate::plan::paging::{Mark, Step};
use crate::plan::window::{FromRule, StreamState, Task, task_for};
use crate::record::{Presence, Window};

/// Passes over a window before it is suspect.
pub(super) const MAX_PASSES: u32 = 4;
/// The same where the order is known not to stay and the window cannot be cut: each pass sees another part.
const MAX_STRICT_PASSES: u32 = 16;

impl FeedPlan {
    pub(super) fn follow(&mut self, purpose: Purpose, mut open: Open, step: Step, marks: Vec<Mark>, now: Now) -> Option<WindowSave> {
        match step {
            Step::Continue => Some(self.keep(purpose, open, marks)),
            Step::Complete => {
                self.complete(purpose, &open, now);
                Some(close(purpose, open, WindowState::Complete))
            }
            Step::TooDeep { pages } => match self.cut(purpose, &open, pages, self.options.window_pages) {
                Some(smaller) => {
                    self.begin(purpose, smaller, now);
                    None
                }
                None if open.reading.go_deep() => Some(self.keep(purpose, open, marks)),
                None => Some(self.suspect(purpose, open, now)),
            },
            Step::Unproven | Step::Unreadable => {
                let strict = open.reading.strict;
                if strict {
                    self.disordered.insert(open.task.stream);
                }
                let pages = open.reading.total_last.div_ceil(open.reading.page_size.max(1));
                let smaller = if strict && pages > 1 { self.cut(purpose, &open, pages, 1) } else { None };
                if let Some(smaller) = smaller {
                    self.begin(purpose, smaller, now);
                    return open.row.is_some().then(|| close(purpose, open, WindowState::Cut));
                }
                let most = if strict { MAX_STRICT_PASSES } else { MAX_PASSES };
                if open.reading.passes >= most {
                    return Some(self.suspect(purpose, open, now));
                }
                open.reading.again();
                Some(self.keep(purpose, open, Vec::new()))
            }
        }
    }

    /// The newer part of a window that is too deep. What is cut off a poll becomes a gap, to be filled behind it.
    pub(super) fn cut(&mut self, purpose: Purpose, open: &Open, pages: u64, deepest: u64) -> Option<Task> {
        let stream = open.task.stream;
        if purpose == Purpose::Lookback && self.looks_ahead() {
            return None;
        }
        let rule = self.streams.get(&stream).map_or(FromRule::Exact, |state| state.from_rule);
        let newer = StreamState { from_rule: rule, ..StreamState::default() }.cut(open.task.claim, pages, deepest)?;
        if purpose == Purpose::Poll {
            return Some(self.shorten_poll(open.task, newer));
        }
        self.spans.insert(stream, newer.to.since(newer.from));
        Some(task_for(stream, newer))
    }

    /// A poll that keeps only its newer part: what is cut off becomes a gap, to be filled behind it.
    pub(super) fn shorten_poll(&mut self, task: Task, newer: Window) -> Task {
        if let Some(state) = self.streams.get_mut(&task.stream) {
            // The overlap is read again out of caution, and look-backs do the same: it need not become a gap.
            let from = state.cursor.map_or(task.asked.from, |cursor| cursor.max(task.asked.from));
            state.coverage.remove(Window { from, to: newer.from });
        }
        if let Some(round) = &mut self.round {
            round.cut = true;
            if task.stream.presence() == Presence::Deleted {
                round.deletions_from = Some(newer.from);
            }
        }
        let shorter = task_for(task.stream, newer);
        // What is claimed may end before what is asked for.
        Task { asked: Window { to: task.asked.to, ..shorter.asked }, ..shorter }
    }

    pub(super) fn complete(&mut self, purpose: Purpose, open: &Open, now: Now) {
        let stream = open.task.stream;
        let claim = open.task.claim;
        let cut = self.round.as_ref().is_some_and(|round| round.cut);
        let pages = open.reading.total_last.div_ceil(self.page_size).max(if cut { 2 } else { 1 });
        if let Some(state) = self.streams.get_mut(&stream) {
            match purpose {
                Purpose::Poll => {
                    state.coverage.insert(claim);
                    state.advance(claim, pages, now.vendor);
                    self.zone.polled(now.vendor);
                }
                Purpose::Fill => state.coverage.insert(claim),
                Purpose::Lookback | Purpose::Scan => {}
            }
        }
        if purpose == Purpose::Poll {
            return self.end_of_poll(false);
        }
        self.read_since_round |= purpose != Purpose::Lookback;
        if open.reading.total_last * 2 <= self.deepest(stream) * self.page_size {
            self.spans.entry(stream).and_modify(|span| *span = span.saturating_mul(2));
        }
        if purpose == Purpose::Fill {
            self.suspects.clear(stream, claim);
        }
        self.reviewed(purpose, open.task, true, now);
    }

    /// A poll of one stream is over; after the last one the round is.
    pub(super) fn end_of_poll(&mut self, suspect: bool) {
        self.round_suspect |= suspect;
        let Some(round) = self.round.take_if(|round| round.left.is_empty()) else { return };
        self.rounds += u32::from(!round.resumed);
        if std::mem::take(&mut self.round_suspect) {
            self.suspect_rounds += 1;
        } else {
            self.suspect_rounds = 0;
            self.proven_rounds += 1;
        }
    }

    pub(super) fn suspect(&mut self, purpose: Purpose, open: Open, now: Now) -> WindowSave {
        match purpose {
            Purpose::Poll => self.end_of_poll(true),
            Purpose::Fill => self.suspects.add(open.task, now.monotonic, self.options.once),
            Purpose::Lookback | Purpose::Scan => self.reviewed(purpose, open.task, false, now),
        }
        close(purpose, open, WindowState::Suspect)
    }

    pub(super) fn keep(&mut self, purpose: Purpose, mut open: Open, marks: Vec<Mark>) -> WindowSave {
        let forget_marks = open.reading.take_cleared();
        self.open.insert(purpose, open.clone());
        WindowSave { purpose, state: WindowState::Open, open, forget_marks, marks }
    }
}

fn close(purpose: Purpose, open: Open, state: WindowState) -> WindowSave {
    WindowSave { purpose, state, open, forget_marks: true, marks: Vec::new() }
}
