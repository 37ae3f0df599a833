//! The search for the smallest stretch that cannot be read, so that one bad record keeps nothing else out.
//!
//! A window that fails again and again may hold a record that the vendor cannot send, or more matches than it can count.
//! As soon as another window of the stream is answered, the trouble is the window's own, and it is halved: what can be read
//! is read, and what is left in the end is a known gap. Where each half is answered, the window only matched too much. While
//! nothing of the stream is answered, the newest few seconds of the window are asked for in its place, as the cheapest question
//! that shows whether the stream answers at all. A poll of which these fail as well asks for the seconds that have come since, as
//! one bad record may lie in them.

use super::window::SMALLEST_SPAN;
use crate::record::{Stamp, Window};

/// A window may fail this often before anything else is tried.
const PATIENCE: u32 = 3;
/// The same where the vendor answers nothing at all, so that it is probably down. A one-shot run has no time for that.
const LONG_PATIENCE: u32 = 5;

/// The trouble of one kind of work with one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Narrowing {
    /// Failures since the search began, of the window and of its parts.
    fails: u32,
    /// It is the search of a one-shot run.
    once: bool,
    /// The vendor has answered something since.
    vendor_answers: bool,
    /// Another window of the stream was answered since.
    stream_answers: bool,
    /// The window that failed last; `None` once it was given up.
    last: Option<Window>,
    /// The stretch in which the trouble lies, once it is being halved.
    trouble: Option<Window>,
    /// Perhaps nothing of that stretch fails for good: it only matched too much, or was counted too early.
    wide: bool,
    /// Why it failed last, for people.
    reason: String,
}

/// What to do about a window that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Ask for it again.
    Again,
    /// Ask for its newest few seconds instead.
    Test,
    /// Nothing shows that the stream answers, and its newest few seconds fail as well: ask for others, as time brings them.
    Later,
    /// Ask for a part of it.
    Halve,
    /// It cannot be halved any more: it is a known gap.
    GiveUp,
}

impl Narrowing {
    /// None has failed yet.
    pub(super) fn new(once: bool) -> Narrowing {
        Narrowing { once, ..Narrowing::default() }
    }

    /// A window failed. `smallest` says that no part of it can be asked for, `begun` that pages of it were answered before.
    pub(super) fn failed(&mut self, claim: Window, smallest: bool, begun: bool) -> Remedy {
        self.fails += 1;
        self.last = Some(claim);
        self.vendor_answers |= begun;
        if self.trouble.is_none() && self.fails < PATIENCE {
            return Remedy::Again;
        }
        match (self.stream_answers, smallest) {
            (true, true) => Remedy::GiveUp,
            (true, false) => {
                self.trouble = Some(claim);
                Remedy::Halve
            }
            (false, _) if !self.may_test() => Remedy::Again,
            (false, false) => Remedy::Test,
            (false, true) => Remedy::Later,
        }
    }

    /// Takes note of why it failed.
    pub(super) fn note(&mut self, reason: &str) {
        reason.clone_into(&mut self.reason);
    }

    /// Why it failed last.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Takes note of whether the window that failed may only have matched too much.
    pub(super) fn may_be_wide(&mut self, wide: bool) {
        self.wide = wide;
    }

    /// Takes note that the trouble is certainly the window's own.
    pub(super) fn take_as_own(&mut self) {
        self.fails = self.fails.max(PATIENCE);
        self.stream_answers = true;
    }

    /// An outage of the vendor has ended. What failed while nothing was answered may have failed for that reason alone.
    pub(super) fn outage_ended(&mut self) {
        if !self.vendor_answers {
            self.fails = self.fails.min(1);
        }
    }

    /// The vendor has answered a request for other work, of the same stream or not.
    pub(super) fn others_answered(&mut self, same_stream: bool) {
        self.vendor_answers |= self.fails > 0;
        self.stream_answers |= same_stream && self.fails > 0;
    }

    /// The smallest part was given up as a known gap. The next window may have the same trouble, and is then given up at once,
    /// if the stream has answered anything in between.
    pub(super) fn gave_up(&mut self) {
        (self.trouble, self.last) = (None, None);
        self.stream_answers = false;
        self.fails = PATIENCE - 1;
    }

    /// The search goes on in other work of the same stream, which has just answered.
    pub(super) fn handed_on(self) -> Narrowing {
        Narrowing { fails: PATIENCE - 1, vendor_answers: true, stream_answers: true, trouble: None, ..self }
    }

    /// A window was proven: what trouble there is lies outside of it. Tells whether the search is over.
    pub(super) fn proven(&mut self, claim: Window) -> bool {
        self.others_answered(true);
        match &mut self.trouble {
            Some(trouble) if claim.from <= trouble.from => true,
            Some(_) if self.wide => false,
            Some(trouble) => {
                trouble.to = trouble.to.min(claim.from);
                false
            }
            // The few seconds that were asked for in the place of the window say nothing of the rest, nor does any other window.
            None => claim.to.since(claim.from) > SMALLEST_SPAN && self.last.is_none_or(|last| claim.from < last.to && last.from < claim.to),
        }
    }

    /// How far back the next window may reach that ends at `to`: to half of the stretch in which the trouble lies.
    pub(super) fn limit(&self, to: Stamp) -> Option<Stamp> {
        match self.trouble {
            Some(trouble) if to <= trouble.from => None,
            Some(trouble) if to > trouble.to => Some(trouble.to),
            // The newer half was answered. If the older one is as well, the two were only too much for one answer.
            Some(trouble) if to < trouble.to => Some(trouble.from),
            Some(trouble) => Some(to.minus((to.since(trouble.from) / 2).max(SMALLEST_SPAN)).max(trouble.from)),
            None if self.tests() => Some(to.minus(SMALLEST_SPAN)),
            None => None,
        }
    }

    /// Whether the stretch is being halved in which the trouble lies.
    pub(super) fn searches(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether it fails while the vendor answers others.
    pub(super) fn is_alone(&self) -> bool {
        self.vendor_answers && self.fails >= PATIENCE
    }

    /// Whether the stream fails while the vendor answers others: the newest few seconds were asked for, and failed as well.
    pub(super) fn is_silent(&self) -> bool {
        self.is_alone() && self.fails > PATIENCE && !self.stream_answers
    }

    /// Whether only the newest few seconds are asked for.
    fn tests(&self) -> bool {
        self.trouble.is_none() && self.fails >= PATIENCE && !self.stream_answers && self.may_test()
    }

    fn may_test(&self) -> bool {
        self.vendor_answers || self.fails >= if self.once { PATIENCE } else { LONG_PATIENCE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn window(from: u64, to: u64) -> Window {
        let at = |seconds| Stamp(0).plus(Duration::from_secs(seconds));
        Window { from: at(from), to: at(to) }
    }

    #[test]
    fn nothing_is_halved_before_the_stream_has_answered_something_else() {
        let mut narrowing = Narrowing::default();
        let remedies: Vec<Remedy> = (0..5).map(|_| narrowing.failed(window(0, 800), false, false)).collect();
        assert_eq!(remedies, [Remedy::Again, Remedy::Again, Remedy::Again, Remedy::Again, Remedy::Test], "perhaps all is down");
        assert_eq!(narrowing.limit(window(0, 800).to), Some(window(796, 800).from));
        narrowing.others_answered(false);
        assert!(narrowing.is_silent(), "the vendor answers others, and the stream nothing");
        narrowing.others_answered(true);
        assert_eq!(narrowing.failed(window(0, 800), false, false), Remedy::Halve);
    }

    #[test]
    fn what_is_proven_leaves_less_to_search() {
        let mut narrowing = Narrowing::default();
        narrowing.failed(window(0, 800), false, true);
        narrowing.take_as_own();
        assert_eq!(narrowing.failed(window(0, 800), false, true), Remedy::Halve);
        assert_eq!(narrowing.limit(window(0, 800).to), Some(window(400, 800).from));
        assert!(!narrowing.proven(window(400, 800)));
        assert_eq!(narrowing.limit(window(0, 400).to), Some(window(200, 400).from));
        assert_eq!(narrowing.failed(window(200, 400), false, true), Remedy::Halve, "a part that fails is halved at once");
        assert_eq!(narrowing.limit(window(0, 400).to), Some(window(300, 400).from));
        assert_eq!(narrowing.failed(window(396, 400), true, true), Remedy::GiveUp);
        assert!(narrowing.is_alone());
        narrowing.gave_up();
        assert!(!narrowing.is_alone(), "the known gap tells of it from now on");
        assert_eq!(narrowing.failed(window(392, 396), true, true), Remedy::Later, "it has to be shown again that the stream answers");
    }

    #[test]
    fn what_failed_in_an_outage_is_not_alone_when_it_ends() {
        let mut narrowing = Narrowing::default();
        for _ in 0..4 {
            narrowing.failed(window(0, 800), false, false);
        }
        narrowing.outage_ended();
        narrowing.others_answered(false);
        assert!(!narrowing.is_alone(), "all had failed");
        for _ in 0..2 {
            narrowing.failed(window(0, 800), false, false);
        }
        narrowing.outage_ended();
        assert!(narrowing.is_alone(), "others were answered meanwhile");
    }

    #[test]
    fn a_window_whose_halves_are_answered_was_only_too_wide() {
        let mut narrowing = Narrowing::default();
        narrowing.failed(window(0, 800), false, false);
        narrowing.take_as_own();
        assert_eq!(narrowing.failed(window(0, 800), false, false), Remedy::Halve);
        narrowing.may_be_wide(true);
        assert!(!narrowing.proven(window(400, 800)));
        assert_eq!(narrowing.limit(window(0, 400).to), Some(window(0, 400).from), "the other half is asked for whole");
        assert!(narrowing.proven(window(0, 400)), "there is nothing to search for");
    }

    #[test]
    fn what_is_proven_elsewhere_ends_no_search() {
        let mut narrowing = Narrowing::default();
        for _ in 0..3 {
            narrowing.failed(window(0, 800), false, true);
        }
        assert!(!narrowing.proven(window(900, 9_000)), "the window that failed was not read");
        assert_eq!(narrowing.failed(window(0, 800), false, true), Remedy::Halve, "and the stream answers");
        let mut narrowing = Narrowing::default();
        narrowing.failed(window(0, 800), false, true);
        assert!(narrowing.proven(window(400, 1_200)));
    }

    #[test]
    fn a_one_shot_run_asks_for_less_sooner() {
        let remedy = |once| {
            (0..3).map(|_| ()).fold((Narrowing::new(once), Remedy::Again), |(mut of, _), ()| {
                let remedy = of.failed(window(0, 800), false, false);
                (of, remedy)
            })
        };
        assert_eq!((remedy(true).1, remedy(false).1), (Remedy::Test, Remedy::Again));
    }
}
