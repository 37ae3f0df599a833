//! What follows from a page: the window goes on, is proven, is cut, or turns out to be in trouble.

use super::FeedPlan;
use crate::plan::attempts::{Retry, Work};
use crate::plan::checkpoint::{Checkpoint, Open, WindowSave, WindowState};
use crate::plan::clock::Now;
use crate::plan::coverage::Coverage;
use crate::plan::options::Purpose;
use crate::plan::page::PageSeen;
use crate::plan::progress::{Expected, PageStep};
use crate::plan::step::Verdict;
use crate::plan::window::{FromRule, StreamState, Task, task_for};
use crate::record::{Failure, Presence, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// Passes over a window whose set changes while it is read, before it is read in parts.
const MAX_PASSES: u32 = 2;
/// The same where the order is known to change and the window cannot be cut: each pass sees another part.
const MAX_STRICT_PASSES: u32 = 16;

/// A stretch of live listings as long as this, or longer, is expected to hold some.
const LONG_STRETCH: Duration = Duration::from_secs(24 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is to be saved of a window, and whether a round of polls is proven with it.
type Followed = (Option<WindowSave>, bool);

impl FeedPlan {
    /// Takes in an answered page.
    pub(crate) fn on_page(&mut self, work: Work, page: PageSeen, now: Now) -> Verdict {
        self.count_share(work.purpose);
        self.count_cost();
        let Some(mut open) = self.open.remove(&work) else {
            return Verdict::Refuse(Failure::Malformed, "a page came although none was asked for", Retry::default());
        };
        let Work { purpose, stream } = work;
        let at_start = open.reading.is_at_start();
        if at_start && page.foreign > 0 && page.foreign == page.facts.marks.len() {
            let reason = "the vendor answered with records of other feeds only: the credential seems to have no access to this feed";
            return self.refuse(work, open, Failure::Unauthorized, reason, now);
        }
        let before = self.streams.get(&stream).map(|state| state.coverage.clone()).unwrap_or_default();
        if at_start && purpose == Purpose::Poll && self.rounds.restart_if_end_is_wrong(&open, page.vendor_now, self.options.settle, now) {
            self.look_at_stamps(purpose, (open.task, open.opened), &page.stamps, now);
            return self.store(work, (None, false), before, now);
        }
        self.observations.saw_newest(stream, &page);
        self.observations.saw_page(page.facts.marks.len() as u64, page.facts.page == 1 && page.facts.more);
        let counted = page.facts.total;
        if page.facts.page == 1 {
            self.spread.insert(work, page.stamps.clone());
        }
        let asked = open.task;
        let mut step = open.reading.on_answer(page.facts, self.expected(work, open.task.claim, now));
        if at_start {
            step = self.put_in_end(work, &mut open, step, now);
        }
        match step {
            PageStep::Unreadable(reason) => return self.on_unreadable(work, open, counted, reason, now),
            PageStep::Doubtful(reason) => {
                self.open.insert(work, open);
                self.attempts.failed_alone(work, reason, now.monotonic);
                self.attempts.asks_otherwise(work, now.monotonic);
                return Verdict::Refuse(Failure::Malformed, reason, Retry::default());
            }
            _ => {}
        }
        self.others_answered(work);
        self.attempts.answered(work);
        self.look_at_stamps(purpose, (asked, open.opened), &page.stamps, now);
        let followed = self.follow(work, open, step, now);
        self.store(work, followed, before, now)
    }

    fn on_unreadable(&mut self, work: Work, open: Open, counted: u64, reason: &'static str, now: Now) -> Verdict {
        let claim = open.task.claim;
        if open.reading.is_at_start() && self.may_wait(work, claim, counted) && self.set_aside.add(work.stream, claim, now) {
            return Verdict::Refuse(Failure::Malformed, reason, Retry::default());
        }
        let refused = self.refuse(work, open, Failure::Malformed, reason, now);
        self.counted_too_early(work);
        refused
    }

    fn expected(&self, work: Work, claim: Window, now: Now) -> Expected {
        let reads_history = matches!(work.purpose, Purpose::Fill | Purpose::Scan) || self.is_first_load(work, claim, now);
        Expected {
            deepest: self.observations.deepest(work.stream, self.is_snapshot(work.purpose, claim, now)),
            something: reads_history && work.stream.presence() == Presence::Live && claim.to.since(claim.from) >= LONG_STRETCH,
            largest_page: self.observations.largest_page(),
        }
    }

    fn refuse(&mut self, work: Work, open: Open, failure: Failure, reason: &'static str, now: Now) -> Verdict {
        self.open.insert(work, open);
        let retry = self.on_failure(work, &failure, reason, now);
        Verdict::Refuse(failure, reason, retry)
    }

    fn store(&mut self, work: Work, (window, round_proven): Followed, read_before: Coverage, now: Now) -> Verdict {
        let Work { purpose, stream } = work;
        // A dry run stores no record, so no cursor may pass one.
        let dry_run = self.options.dry_run || purpose == Purpose::Scan && self.scans.is_dry();
        let state = self.streams.get(&stream).filter(|_| !dry_run).cloned();
        let lookbacks = if dry_run { BTreeMap::new() } else { self.lookbacks.times().clone() };
        let feed = self.feed.clone();
        let fresh_after = self.fresh_after(purpose, &read_before);
        let load = self.take_cost(dry_run, now);
        let checkpoint =
            Checkpoint { feed, purpose, stream, state, window, lookbacks, dry_run, read_before, fresh_after, round_proven, load };
        Verdict::Store(Box::new(checkpoint), self.observations.zone())
    }

    fn look_at_stamps(&mut self, purpose: Purpose, (task, opened): (Task, Stamp), stamps: &[Stamp], now: Now) {
        let stream = task.stream;
        let ahead = purpose == Purpose::Lookback && self.lookbacks.looks_ahead();
        let stamps = if ahead { stamps.to_vec() } else { self.up_to_the_end(task, stamps, now) };
        self.observations.saw_stamps(purpose, stream, &stamps, ahead, now);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        match ahead {
            true => state.learn_rule(&stamps, task.asked),
            false => state.observe(&stamps, task.asked, opened, now.vendor, purpose == Purpose::Poll),
        }
        if state.from_rule == FromRule::Ignored {
            self.observations.saw_from_ignored(stream);
        }
    }

    pub(super) fn follow(&mut self, work: Work, mut open: Open, step: PageStep, now: Now) -> Followed {
        match step {
            PageStep::Continue | PageStep::Unreadable(_) | PageStep::Doubtful(_) => (Some(self.keep(work, open)), false),
            PageStep::Complete if self.must_agree(work, &mut open, now) => self.pass_again(work, open, now),
            PageStep::Complete if self.lacks_newest(work, &open) => {
                self.attempts.failed_alone(work, "the newest listing is missing from the answer", now.monotonic);
                open.reading.again();
                (Some(self.keep(work, open)), false)
            }
            PageStep::Complete => {
                let proven = self.complete(work, &open, now);
                (Some(open.ended(WindowState::Complete)), proven)
            }
            PageStep::Salvaged => (Some(self.give_up(work, open, now)), false),
            PageStep::TooDeep { .. } => {
                let deepest = self.observations.deepest(work.stream, self.is_snapshot(work.purpose, open.task.claim, now));
                match self.cut(work, &open, deepest, now) {
                    Some(smaller) => {
                        self.begin(work, smaller, now);
                        (None, false)
                    }
                    None if open.reading.may_go_deep() => (Some(self.keep(work, open)), false),
                    None => {
                        self.search(work).note("it has more pages than can be believed");
                        (Some(self.give_up(work, open, now)), false)
                    }
                }
            }
            PageStep::Unproven => self.unproven(work, open, now),
        }
    }

    fn lacks_newest(&mut self, work: Work, open: &Open) -> bool {
        work.purpose == Purpose::Poll && self.observations.lacks_newest(work.stream, open.task.asked, |mark| open.reading.has_seen(mark))
    }

    fn pass_again(&mut self, work: Work, mut open: Open, now: Now) -> Followed {
        if open.reading.progress().passes > MAX_STRICT_PASSES {
            self.search(work).note("its listings change from reading to reading");
            return (Some(self.give_up(work, open, now)), false);
        }
        open.reading.again();
        (Some(self.keep(work, open)), false)
    }

    /// A pass over a window ended without proof.
    fn unproven(&mut self, work: Work, open: Open, now: Now) -> Followed {
        let progress = open.reading.progress();
        let pages = open.reading.pages();
        if open.reading.is_disordered() {
            self.observations.saw_disorder(work.stream);
        }
        if work.purpose == Purpose::Lookback && self.lookbacks.looks_ahead() {
            // It has no end, so it grows with each change; what it has shown is stored, and the next one asks again.
            return (Some(self.give_up(work, open, now)), false);
        }
        let another_part = open.reading.progressed() || open.reading.is_disordered() || open.reading.has_repeated();
        let unsettled = if progress.strict { another_part && pages > 1 } else { progress.passes < MAX_PASSES };
        // In parts it is more likely to stand still, or what it lacks can be found.
        if pages > 1
            && (progress.strict || !unsettled)
            && let Some(smaller) = self.cut(work, &open, 1, now)
        {
            self.observations.saw_too_wide(work.stream);
            self.begin(work, smaller, now);
            return (open.saved.then(|| open.ended(WindowState::Cut)), false);
        }
        if unsettled && progress.passes < MAX_STRICT_PASSES {
            return self.pass_again(work, open, now);
        }
        self.lacks_records(work, open, now)
    }

    /// The newer part of a window. What is cut off a poll becomes a gap, to be filled behind it.
    pub(super) fn cut(&mut self, work: Work, open: &Open, deepest: u64, now: Now) -> Option<Task> {
        let newer = match self.is_first_load(work, open.task.claim, now) {
            true => Window { from: self.behind_first_load(now), ..open.task.claim },
            false => self.part(work, open.task.claim, self.share(work, open, deepest))?,
        };
        let snapshot = self.is_snapshot(work.purpose, open.task.claim, now);
        match (work.purpose, self.streams.get_mut(&work.stream)) {
            (Purpose::Poll, Some(state)) => {
                let shorter = self.rounds.shorten(state, open.task, newer);
                Some(self.without_end(shorter))
            }
            (Purpose::Poll | Purpose::Lookback | Purpose::Fill | Purpose::Scan, _) => {
                // Where the server rounds From down to midnight, a shorter window would read the whole day all the same.
                let least = if self.rule_of(work.stream) == FromRule::Exact { Duration::ZERO } else { DAY };
                self.observations.cut_to(work.stream, snapshot, newer.to.since(newer.from).max(least));
                Some(task_for(work.stream, newer))
            }
        }
    }

    /// The newer part of a window that may be asked for by itself, if there is one.
    pub(super) fn part(&self, work: Work, claim: Window, share: f64) -> Option<Window> {
        if work.purpose == Purpose::Lookback && self.lookbacks.looks_ahead() {
            return None;
        }
        StreamState { from_rule: self.rule_of(work.stream), ..StreamState::default() }.cut(claim, share)
    }

    pub(super) fn rule_of(&self, stream: Stream) -> FromRule {
        self.streams.get(&stream).map_or(FromRule::Exact, |state| state.from_rule)
    }

    /// A window is proven whole; tells whether a round of polls is proven with it.
    fn complete(&mut self, work: Work, open: &Open, now: Now) -> bool {
        let Work { purpose, stream } = work;
        let claim = open.task.claim;
        let records = open.reading.progress().total_last;
        self.proven(work, claim);
        if purpose == Purpose::Poll {
            let pages = self.observations.pages(records).max(if self.rounds.is_cut(stream) { 2 } else { 1 });
            if let Some(state) = self.streams.get_mut(&stream) {
                state.coverage.insert(claim);
                state.advance(claim, pages, now.vendor);
                self.observations.polled(now);
            }
            if open.task.asked.to == Stamp::NO_END {
                self.looked_ahead(stream, now);
            }
            return self.rounds.polled(stream, true);
        }
        self.observations.proven(stream, self.is_snapshot(purpose, claim, now), claim, records);
        match purpose {
            Purpose::Fill => {
                self.set_aside.proven(stream, claim);
                if let Some(state) = self.streams.get_mut(&stream) {
                    state.coverage.insert(claim);
                }
                self.rounds.read_past();
            }
            Purpose::Scan => self.rounds.read_past(),
            Purpose::Poll | Purpose::Lookback => {}
        }
        self.on_second_reading(work, claim, true, now);
        false
    }

    /// Tells the look-back or the scan that one of its windows is over, with or without proof.
    pub(super) fn on_second_reading(&mut self, work: Work, claim: Window, proven: bool, now: Now) {
        match work.purpose {
            Purpose::Lookback => self.lookbacks.on_window((work.stream, claim), proven, || self.observations.end_look_ahead(), now),
            Purpose::Scan => self.scans.on_window((work.stream, claim), proven),
            Purpose::Poll | Purpose::Fill => {}
        }
        let is_over = match work.purpose {
            Purpose::Lookback => !self.lookbacks.is_busy(),
            Purpose::Scan => !self.scans.is_reading(),
            Purpose::Poll | Purpose::Fill => false,
        };
        if is_over {
            self.narrowing.retain(|of, _| of.purpose != work.purpose);
        }
    }

    pub(super) fn keep(&mut self, work: Work, mut open: Open) -> WindowSave {
        let (forget_marks, marks) = open.reading.take_unsaved();
        let begins = !open.saved;
        open.saved = true;
        let (task, opened, progress) = (open.task, open.opened, open.reading.progress());
        self.open.insert(work, open);
        WindowSave { state: WindowState::Open, task, opened, progress, begins, forget_marks, marks }
    }
}
