//! What follows from a page: the window goes on, is proven, is cut, or turns out suspect.

use super::FeedPlan;
use crate::plan::checkpoint::{Open, WindowSave, WindowState};
use crate::plan::clock::Now;
use crate::plan::options::Purpose;
use crate::plan::paging::PageStep;
use crate::plan::window::{FromRule, StreamState, Task, task_for};

/// Passes over a window before it is suspect.
const MAX_PASSES: u32 = 4;
/// The same where the order is known to change and the window cannot be cut: each pass sees another part.
const MAX_STRICT_PASSES: u32 = 16;

impl FeedPlan {
    /// Tells what is to be saved of the window, and whether a round of polls is proven with it.
    pub(super) fn follow(&mut self, purpose: Purpose, mut open: Open, step: PageStep, now: Now) -> (Option<WindowSave>, bool) {
        match step {
            PageStep::Continue => (Some(self.keep(purpose, open)), false),
            PageStep::Complete => {
                let proven = self.complete(purpose, &open, now);
                (Some(save(open, WindowState::Complete)), proven)
            }
            PageStep::TooDeep { pages } => match self.cut(purpose, &open, pages, self.options.window_pages) {
                Some(smaller) => {
                    self.begin(purpose, smaller, now);
                    (None, false)
                }
                None if open.reading.may_go_deep() => (Some(self.keep(purpose, open)), false),
                None => (Some(self.suspect(purpose, open, now)), false),
            },
            PageStep::Unproven | PageStep::Unreadable => {
                let progress = open.reading.progress();
                let pages = open.reading.pages();
                if progress.strict {
                    self.observations.saw_disorder(open.task.stream);
                }
                let smaller = if progress.strict && pages > 1 { self.cut(purpose, &open, pages, 1) } else { None };
                if let Some(smaller) = smaller {
                    self.begin(purpose, smaller, now);
                    return (open.saved.then(|| save(open, WindowState::Cut)), false);
                }
                if progress.passes >= if progress.strict { MAX_STRICT_PASSES } else { MAX_PASSES } {
                    return (Some(self.suspect(purpose, open, now)), false);
                }
                open.reading.again();
                (Some(self.keep(purpose, open)), false)
            }
        }
    }

    /// The newer part of a window that is too deep. What is cut off a poll becomes a gap, to be filled behind it.
    fn cut(&mut self, purpose: Purpose, open: &Open, pages: u64, deepest: u64) -> Option<Task> {
        let stream = open.task.stream;
        if purpose == Purpose::Lookback && self.lookbacks.looks_ahead() {
            return None;
        }
        let from_rule = self.streams.get(&stream).map_or(FromRule::Exact, |state| state.from_rule);
        let newer = StreamState { from_rule, ..StreamState::default() }.cut(open.task.claim, pages, deepest)?;
        match (purpose, self.streams.get_mut(&stream)) {
            (Purpose::Poll, Some(state)) => Some(self.rounds.shorten(state, open.task, newer)),
            (Purpose::Poll | Purpose::Lookback | Purpose::Fill | Purpose::Scan, _) => {
                self.observations.cut_to(stream, newer.to.since(newer.from));
                Some(task_for(stream, newer))
            }
        }
    }

    /// A window is proven whole; tells whether a round of polls is proven with it.
    fn complete(&mut self, purpose: Purpose, open: &Open, now: Now) -> bool {
        let Task { stream, claim, .. } = open.task;
        let records = open.reading.progress().total_last;
        if purpose == Purpose::Poll {
            // A poll that was cut had more than one page: the cursor may follow the clock, as after any deep poll
            // (`StreamState::advance`).
            let pages = self.observations.pages(records).max(if self.rounds.is_cut() { 2 } else { 1 });
            if let Some(state) = self.streams.get_mut(&stream) {
                state.coverage.insert(claim);
                state.advance(claim, pages, now.vendor);
                self.observations.polled(now);
            }
            return self.rounds.polled(true);
        }
        self.observations.proven(stream, records);
        match purpose {
            Purpose::Fill => {
                if let Some(state) = self.streams.get_mut(&stream) {
                    state.coverage.insert(claim);
                }
                self.fills.proven(stream, claim);
                self.rounds.read_past();
            }
            Purpose::Scan => self.rounds.read_past(),
            Purpose::Poll | Purpose::Lookback => {}
        }
        self.on_second_reading(purpose, open.task, true, now);
        false
    }

    /// A window was read as often as is sensible, without proof.
    fn suspect(&mut self, purpose: Purpose, open: Open, now: Now) -> WindowSave {
        match purpose {
            Purpose::Poll => drop(self.rounds.polled(false)),
            Purpose::Fill => self.fills.suspect(open.task, self.options.once, now),
            Purpose::Lookback | Purpose::Scan => self.on_second_reading(purpose, open.task, false, now),
        }
        save(open, WindowState::Suspect)
    }

    /// Tells the look-back or the scan that one of its windows is over, with or without proof.
    fn on_second_reading(&mut self, purpose: Purpose, task: Task, proven: bool, now: Now) {
        match purpose {
            Purpose::Lookback => self.lookbacks.on_window(task, proven, || self.observations.end_look_ahead(), now),
            Purpose::Scan => self.scans.on_window(task, proven),
            Purpose::Poll | Purpose::Fill => {}
        }
    }

    fn keep(&mut self, purpose: Purpose, mut open: Open) -> WindowSave {
        let (forget_marks, marks) = open.reading.take_unsaved();
        let begins = !open.saved;
        open.saved = true;
        let (task, opened, progress) = (open.task, open.opened, open.reading.progress());
        self.open.insert(purpose, open);
        WindowSave { state: WindowState::Open, task, opened, progress, begins, forget_marks, marks }
    }

    /// Begins the window anew after a later page of it was refused; tells whether that is to be tried at once. A window that
    /// shrank may have lost the page, and how the vendor answers for a page past the end is not documented. After a few
    /// refusals it is tried as seldom as any refused request: a vendor that refuses every deep page would be asked without
    /// end.
    pub(super) fn restart_after_refusal(&mut self, purpose: Purpose) -> bool {
        let Some(open) = self.open.get_mut(&purpose) else { return false };
        if open.reading.progress().next_page <= 1 {
            return false;
        }
        open.reading.again();
        open.reading.count_refusal() < MAX_PASSES
    }
}

/// What is saved of a window that is read no further.
fn save(open: Open, state: WindowState) -> WindowSave {
    let Open { task, reading, opened, saved } = open;
    WindowSave { state, task, opened, progress: reading.progress(), begins: !saved, forget_marks: true, marks: Vec::new() }
}
