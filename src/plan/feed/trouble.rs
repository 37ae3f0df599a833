//! What follows from requests that fail: the window is asked for again, narrowed, or given up as a known gap.

use super::FeedPlan;
use crate::plan::attempts::{Retry, Work};
use crate::plan::checkpoint::{Open, WindowSave, WindowState};
use crate::plan::clock::Now;
use crate::plan::narrowing::{Narrowing, Remedy};
use crate::plan::options::Purpose;
use crate::plan::rounds::up_to_now;
use crate::plan::step::Failing;
use crate::plan::window::{FromRule, HALF, SMALLEST_SPAN, Task, task_for};
use crate::record::{Failure, Presence, Stamp, Window};
use std::time::Duration;

/// Refusals of a later page of a window before the trouble is taken to be the window's own.
const MAX_REFUSALS: u32 = 3;

impl FeedPlan {
    /// Takes in a failed request for a page. `reason` is for people.
    pub(crate) fn on_failure(&mut self, work: Work, failure: &Failure, reason: &str, now: Now) -> Retry {
        self.count_cost();
        if let Failure::Throttled { .. } = failure {
            return self.attempts.failed(work, failure, reason, now.monotonic);
        }
        if work.purpose == Purpose::Lookback && self.lookbacks.looks_ahead() {
            // Perhaps the vendor accepts no dates of the future. It is tried again at the next turn.
            self.leave_out(work, now);
            return match failure {
                Failure::Refused => Retry::default(),
                _ => self.attempts.failed(work, failure, reason, now.monotonic),
            };
        }
        if *failure != Failure::Unauthorized && self.gives_up_first_load(work) {
            return self.attempts.failed(work, failure, reason, now.monotonic);
        }
        if *failure == Failure::Refused && self.restart_after_refusal(work) {
            return self.attempts.failed_alone(work, reason, now.monotonic);
        }
        let retry = self.attempts.failed(work, failure, reason, now.monotonic);
        if *failure != Failure::Unauthorized {
            self.on_trouble(work, failure, reason, now);
        }
        let silent = self.narrowing.get(&work).is_some_and(Narrowing::is_silent);
        if silent && work.stream.presence() == Presence::Deleted && self.attempts.stands_apart(work) {
            self.leave_out(work, now);
        }
        retry
    }

    /// Begins the window anew after a later page of it was refused; tells whether that is to be tried at once. A window that
    /// shrank may have lost the page, and how the vendor answers for a page past the end is not documented. After a few
    /// refusals the trouble is the window's own: the vendor has answered its first page each time.
    fn restart_after_refusal(&mut self, work: Work) -> bool {
        let Some(open) = self.open.get_mut(&work) else { return false };
        if open.reading.progress().next_page <= 1 || open.reading.is_salvaging() {
            return false;
        }
        if open.reading.count_refusal() >= MAX_REFUSALS {
            self.search(work).take_as_own();
            return false;
        }
        open.reading.again();
        true
    }

    fn on_trouble(&mut self, work: Work, failure: &Failure, reason: &str, now: Now) {
        let Some(mut open) = self.open.remove(&work) else { return };
        if open.reading.is_salvaging() {
            match open.reading.skip_page() {
                true => drop(self.open.insert(work, open)),
                // No page came that this could be stored with. Until the next window is stored, a restart reads this one again.
                false => drop(self.give_up(work, open, now)),
            }
            return self.attempts.asks_otherwise(work, now.monotonic);
        }
        let claim = open.task.claim;
        if open.task.asked.from == Stamp::FIRST && self.observations.may_ask_first_date() && self.attempts.stands_apart(work) {
            self.observations.saw_no_first_date();
            self.begin(work, task_for(work.stream, claim), now);
            return self.attempts.asks_otherwise(work, now.monotonic);
        }
        let smallest = self.is_smallest(work, claim);
        let begun = !open.reading.is_at_start();
        let may_be_wide = !begun && *failure == Failure::Unavailable && self.rule_of(work.stream) == FromRule::Exact;
        let failed_before = work.purpose == Purpose::Fill && self.known_gaps.holds(work.stream, claim);
        let narrowing = self.search(work);
        if failed_before {
            // It failed before while others were answered; a one-shot run may have nothing else to ask.
            narrowing.others_answered(true);
        }
        let remedy = narrowing.failed(claim, smallest, begun);
        narrowing.note(reason);
        narrowing.may_be_wide(may_be_wide);
        match remedy {
            Remedy::Later if work.purpose == Purpose::Poll && self.rule_of(work.stream) == FromRule::Exact => {
                return self.ask_for_later(work, open, now);
            }
            Remedy::Again | Remedy::Later => {
                if remedy == Remedy::Later && self.options.once {
                    self.rounds.poll_besides();
                }
                return drop(self.open.insert(work, open));
            }
            Remedy::Test | Remedy::Halve => {
                if may_be_wide {
                    self.observations.saw_too_wide(work.stream);
                    let half = claim.to.since(claim.from) / 2;
                    self.observations.cut_to(work.stream, self.is_snapshot(work.purpose, claim, now), half.max(SMALLEST_SPAN));
                }
                self.ask_for_less(work, open, remedy, now);
            }
            Remedy::GiveUp => {
                open.reading.salvage();
                self.open.insert(work, open);
            }
        }
        self.attempts.asks_otherwise(work, now.monotonic);
    }

    /// A part is asked for in the place of a window. What is cut off a poll becomes a gap; the other kinds of work find what is
    /// left by themselves.
    pub(super) fn ask_for_less(&mut self, work: Work, open: Open, remedy: Remedy, now: Now) {
        let (from, to) = (open.task.claim.from, open.task.claim.to);
        let newest = Window { from: to.minus(SMALLEST_SPAN).max(from), to };
        let half = if remedy == Remedy::Test { None } else { self.part(work, open.task.claim, HALF) };
        let newer = half.unwrap_or(newest);
        let task = match self.streams.get_mut(&work.stream) {
            Some(state) if work.purpose == Purpose::Poll => self.rounds.shorten(state, open.task, newer),
            _ => task_for(work.stream, newer),
        };
        self.begin(work, task, now);
    }

    /// The newest few seconds of a poll failed like all of it: those that have come since are asked for in their place, so that a
    /// record that cannot be sent does not hide that the stream answers. What lies before is read by fills.
    fn ask_for_later(&mut self, work: Work, open: Open, now: Now) {
        let task = up_to_now(open.task, self.options.settle, now);
        self.ask_for_less(work, Open { task, ..open }, Remedy::Test, now);
        self.rounds.go_ahead_of(work.stream);
    }

    /// A window is read no further, and is not proven.
    pub(super) fn give_up(&mut self, work: Work, open: Open, now: Now) -> WindowSave {
        let claim = open.task.claim;
        let narrowing = self.search(work);
        narrowing.gave_up();
        let reason = narrowing.reason().to_owned();
        match work.purpose {
            Purpose::Poll | Purpose::Fill => self.known_gaps.add(work.stream, claim, reason, now),
            Purpose::Lookback | Purpose::Scan => self.on_second_reading(work, claim, false, now),
        }
        if work.purpose == Purpose::Poll {
            self.rounds.polled(work.stream, false);
        }
        open.ended(WindowState::Suspect)
    }

    /// The vendor answered a request for this work: what fails meanwhile has a trouble of its own.
    pub(super) fn others_answered(&mut self, answered: Work) {
        let outage_ends = self.attempts.is_outage();
        for (work, narrowing) in self.narrowing.iter_mut().filter(|(work, _)| **work != answered) {
            if outage_ends {
                narrowing.outage_ended();
            }
            narrowing.others_answered(work.stream == answered.stream);
        }
    }

    /// A window is proven: nothing inside it is in trouble any more.
    pub(super) fn proven(&mut self, work: Work, claim: Window) {
        if matches!(work.purpose, Purpose::Poll | Purpose::Fill) {
            self.known_gaps.proven(work.stream, claim);
        }
        let Some(mut narrowing) = self.narrowing.remove(&work) else { return };
        if work.purpose != Purpose::Poll {
            if !narrowing.proven(claim) {
                self.narrowing.insert(work, narrowing);
            }
        } else if narrowing.is_alone() {
            // What was cut off the poll is read by fills, and so the trouble is theirs.
            let fill = Work { purpose: Purpose::Fill, ..work };
            self.narrowing.entry(fill).or_insert(narrowing.handed_on());
        }
    }

    /// The part of a window that is to be asked for, where there was trouble in it, or right behind a known gap.
    pub(super) fn narrowed(&self, work: Work, task: Task) -> Task {
        let claim = task.claim;
        let behind = self.behind_a_gap(work, claim).map(|span| claim.to.minus(span.max(SMALLEST_SPAN)));
        let limit = behind.or_else(|| self.narrowing.get(&work)?.limit(claim.to)).map(|from| from.max(claim.from));
        // Whether the server can follow is decided in one place.
        match limit.filter(|from| *from > claim.from).and_then(|_| self.part(work, claim, HALF)) {
            Some(half) => task_for(task.stream, Window { from: half.from.max(limit.unwrap_or(half.from)), to: claim.to }),
            None => task,
        }
    }

    /// How long the known gap is that ends where a window would begin to be read.
    fn behind_a_gap(&self, work: Work, claim: Window) -> Option<Duration> {
        let gap = self.known_gaps.all().iter().find(|gap| gap.stream == work.stream && gap.claim.from == claim.to)?;
        Some(gap.claim.to.since(gap.claim.from))
    }

    /// The search for what fails in this work; it begins with the first failure.
    pub(super) fn search(&mut self, work: Work) -> &mut Narrowing {
        self.narrowing.entry(work).or_insert_with(|| Narrowing::new(self.options.once))
    }

    pub(super) fn is_smallest(&self, work: Work, claim: Window) -> bool {
        let span = claim.to.since(claim.from);
        self.part(work, claim, HALF).is_none() || self.behind_a_gap(work, claim).is_some_and(|gap| span <= gap.max(SMALLEST_SPAN))
    }

    /// A scan or a look-back does not wait for a stream that the vendor does not give.
    fn leave_out(&mut self, work: Work, now: Now) {
        let range = match work.purpose {
            Purpose::Lookback => self.lookbacks.range(),
            Purpose::Scan => self.scans.range(),
            Purpose::Poll | Purpose::Fill => None,
        };
        if let Some(range) = range {
            self.open.remove(&work);
            self.on_second_reading(work, range, false, now);
        }
    }

    /// Takes in a failed request for a single listing. A scan stops asking if that fails again and again.
    pub(crate) fn on_single_failure(&mut self, failure: &Failure, reason: &str, now: Now) -> Retry {
        let (retry, gives_up) = self.attempts.single_failed(failure, reason, now.monotonic);
        if gives_up {
            self.attempts.single_answered();
            self.scans.judged(Vec::new());
        }
        retry
    }

    /// A request for a single listing was answered.
    pub(crate) fn on_single_answer(&mut self) {
        self.attempts.single_answered();
    }

    /// What fails again and again while the vendor answers others.
    pub(crate) fn failing(&self) -> Option<Failing> {
        let (work, narrowing) = self.narrowing.iter().find(|(_, narrowing)| narrowing.is_alone())?;
        Some(Failing { purpose: work.purpose, stream: work.stream, reason: narrowing.reason().to_owned() })
    }
}
