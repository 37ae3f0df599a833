//! Which stretch of the vendor's time to ask for next, and what a proven answer lets us claim.

use super::coverage::Coverage;
use crate::record::{Presence, Stamp, Stream, Window};
use std::collections::BTreeMap;
use std::time::Duration;

/// A window is asked for this much wider, on both sides, than what is claimed of it: the document says neither
/// whether its bounds are inclusive nor how finely the server reads them.
pub const PAD: Duration = Duration::from_secs(1);
/// A window is never cut smaller than this. Vendors stamp to the second; but as every window is asked for a [`PAD`] wider,
/// finer cuts would mostly read their neighbours again, and a bulk load of one stamp several times.
pub(super) const SMALLEST_SPAN: Duration = Duration::from_secs(4);
/// A share of a window, where nothing says how its records are spread.
pub(super) const HALF: f64 = 0.5;
/// How far the first poll of an empty mirror reaches back; what lies behind is filled in, newest first.
const FIRST_POLL: Duration = Duration::from_secs(3 * 24 * 3600);
/// No zone is more than 12 hours behind UTC; one hour is added for summer time.
const ZONE_DOUBT: Duration = Duration::from_secs(13 * 3600);
/// No zone is more than 14 hours ahead of UTC; one hour is added. A stamp further ahead than this is a typing error.
const FUTURE_DOUBT: Duration = Duration::from_secs(15 * 3600);
/// A cursor this much after the newest stamp marks that the next poll begins there: what lies before is too much to read
/// again.
const JUST_AFTER: Duration = Duration::from_millis(1);
/// 1970-01-01. An older stamp is a typing error, and tells nothing of how the server reads From.
const BEFORE_ALL: Stamp = Stamp(0);
/// A poll as short as this that returns stamps from inside shows that the vendor's stamps, its filter and its clock agree.
const SHORT_POLL: Duration = Duration::from_secs(3600);

/// What the server makes of the time in `FromUpdatedDate`: the document's "from 12 am" can be read in several ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FromRule {
    /// Nothing older than asked for was ever returned.
    #[default]
    Exact,
    /// Records of the same day, but older than asked for, were returned: the time is rounded down to midnight.
    Midnight,
    /// Records of earlier days were returned: From is not a lower bound of the stamps.
    Ignored,
}

/// Where the mirror stands with one stream of one feed. Saved with every page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Everything stamped before this was read, or lies in a gap of `coverage`; the next poll begins here.
    pub cursor: Option<Stamp>,
    /// The newest stamp that was read, less the time that its window had been open: nothing stamped later is known.
    pub newest: Option<Stamp>,
    /// A short poll returned stamps from inside itself.
    pub aligned: bool,
    /// What the server was seen to make of From.
    pub from_rule: FromRule,
    /// What was read whole.
    pub coverage: Coverage,
}

/// A window to ask for, and what may be claimed once it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which stream.
    pub stream: Stream,
    /// The bounds of the request.
    pub asked: Window,
    /// The part that is then certain under every reading of the bounds.
    pub claim: Window,
}

impl StreamState {
    /// The poll that ends at `to`: it begins `overlap` before the cursor.
    #[must_use]
    pub fn poll(&self, stream: Stream, to: Stamp, overlap: Duration) -> Task {
        let start = self.cursor.unwrap_or_else(|| to.minus(FIRST_POLL)).min(to);
        let right_after = self.cursor.is_some() && self.cursor == self.newest.map(|newest| newest.plus(JUST_AFTER));
        let from = if right_after { start } else { start.minus(overlap.max(PAD)) };
        Task { stream, asked: Window { from, to }, claim: Window { from: from.plus(PAD), to: to.minus(PAD) } }
    }

    /// The same poll, beginning where the last one ended. Feeds that share a request thus ask for about the same, even those that have
    /// not changed for long. `doubts` reaches back as far as stamps of any zone can lie.
    #[must_use]
    pub(super) fn begun_at_last_end(&self, task: Task, overlap: Duration, doubts: bool) -> Task {
        let Some(end) = self.coverage.end() else { return task };
        let trusted = if doubts { end.minus(ZONE_DOUBT) } else { end };
        let from = trusted.minus(overlap.max(PAD)).min(task.asked.to).max(task.asked.from);
        Task { asked: Window { from, ..task.asked }, claim: Window { from: from.plus(PAD), ..task.claim }, ..task }
    }

    /// Takes note of a page: the newest stamp, what the server makes of From, and whether the clocks agree.
    pub fn observe(&mut self, stamps: &[Stamp], asked: Window, opened: Stamp, now: Stamp, is_poll: bool) {
        let open_for = now.since(opened);
        let plausible = stamps.iter().copied().filter(|stamp| *stamp <= now.plus(FUTURE_DOUBT));
        let newest = plausible.clone().max().map(|stamp| stamp.minus(open_for));
        self.newest = self.newest.max(newest);
        let short = is_poll && asked.to.since(asked.from) <= SHORT_POLL;
        self.aligned |= short && plausible.clone().any(|stamp| stamp >= asked.from && stamp <= asked.to);
        self.learn_rule(stamps, asked);
    }

    /// Takes note of what a page shows that the server makes of From.
    pub fn learn_rule(&mut self, stamps: &[Stamp], asked: Window) {
        // One odd stamp is the record's fault; a server that does not obey shows it in many.
        let older = |bound: Stamp| stamps.iter().filter(|stamp| **stamp > BEFORE_ALL && **stamp < bound).count();
        let many = |count: usize| count >= 2 && count * 4 >= stamps.len();
        let rule = match () {
            () if many(older(asked.from.midnight().minus(PAD))) => FromRule::Ignored,
            () if many(older(asked.from.minus(PAD))) => FromRule::Midnight,
            () => FromRule::Exact,
        };
        self.from_rule = self.from_rule.max(rule);
    }

    /// Moves the cursor after a poll was proven. It never runs ahead of the stamps that were seen, so that neither a
    /// wrong zone nor a vendor that publishes in bursts can make it skip anything; re-reading the newest few costs
    /// one request. Only where that would cost more pages does it trust the clock, as far as the clock is proven; where it
    /// is not, the next poll begins right after the newest stamp, and late listings are left to the look-backs.
    pub fn advance(&mut self, claim: Window, pages: u64, now: Stamp) {
        if claim.to < claim.from {
            // The vendor's clock was set back while the poll was under way: it proves nothing.
            return;
        }
        let mut reached = self.newest.map(|newest| newest.min(claim.to));
        if pages > 1 {
            let trusted = if self.aligned { claim.to } else { claim.to.min(now.minus(ZONE_DOUBT)) };
            let after = self.newest.map(|newest| newest.plus(JUST_AFTER)).filter(|after| *after <= claim.to);
            reached = reached.max(after).max(Some(trusted));
        }
        self.cursor = self.cursor.max(reached);
    }

    /// Where to cut a window: such a share of it stays, the newest. `None` if it cannot be cut.
    #[must_use]
    pub fn cut(&self, claim: Window, share: f64) -> Option<Window> {
        let span = claim.to.since(claim.from);
        let from = claim.to.minus(span.mul_f64(share.clamp(0.0, 0.9)).max(SMALLEST_SPAN));
        let from = match self.from_rule {
            FromRule::Exact => from,
            FromRule::Midnight => from.midnight(),
            FromRule::Ignored => return None,
        };
        (from > claim.from).then_some(Window { from, to: claim.to })
    }
}

/// The task that asks for enough to claim `claim`.
#[must_use]
pub(super) fn task_for(stream: Stream, claim: Window) -> Task {
    Task { stream, asked: Window { from: claim.from.minus(PAD).max(Stamp::FIRST), to: claim.to.plus(PAD) }, claim }
}

/// One stream's part of what is to be read: the bounds, and what need not be read inside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// What was read, or may not be read yet.
    pub coverage: Coverage,
    /// Gaps are looked for inside these bounds.
    pub bounds: Window,
}

/// Chooses the next gap to read: the newest of a live stream, unless the deletions of that stretch are still unread.
///
/// Deletions go first because the stream of everything may return deleted listings too: their tombstones must stand before such a
/// copy is read, or consumers would see a deleted listing come up and go away again. `spans` limits the length of a
/// stream's window.
#[must_use]
pub(super) fn next_gap(streams: &BTreeMap<Stream, Unread>, spans: &BTreeMap<Stream, Duration>) -> Option<Task> {
    let newest = |stream: Stream, within: Window| streams.get(&stream).and_then(|unread| unread.coverage.gaps(within).first().copied());
    let shorten = |stream: Stream, gap: Window| {
        let from = spans.get(&stream).map_or(gap.from, |span| gap.to.minus(*span).max(gap.from));
        task_for(stream, Window { from, to: gap.to })
    };
    let gaps = streams.iter().filter_map(|(stream, unread)| newest(*stream, unread.bounds).map(|gap| (*stream, gap)));
    let (deletions, live): (Vec<_>, Vec<_>) = gaps.partition(|(stream, _)| stream.presence() == Presence::Deleted);
    let Some((stream, gap)) = live.into_iter().max_by_key(|(_, gap)| gap.to) else {
        return deletions.first().map(|(stream, gap)| shorten(*stream, *gap));
    };
    match newest(Stream::Deleted, gap) {
        Some(unread) if unread.to == gap.to => Some(shorten(Stream::Deleted, unread)),
        Some(unread) => Some(shorten(stream, Window { from: unread.to, to: gap.to })),
        None => Some(shorten(stream, gap)),
    }
}

/// What the mirror is to hold: everything stamped from `since` up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MirrorRange {
    /// Its beginning.
    pub since: Stamp,
    /// The vendor's clock.
    pub now: Stamp,
}

impl MirrorRange {
    /// The part of it that gaps are filled in; what is newer is the polls' part. `barred` may not be read yet.
    #[must_use]
    pub(super) fn unread(self, state: &StreamState, barred: impl Iterator<Item = Window>) -> Unread {
        // Until a poll is proven, the end must not move with the clock: the newest second would be read again and again.
        let to = state.coverage.end().unwrap_or_else(|| self.now.minus(FIRST_POLL).midnight());
        let mut coverage = state.coverage.clone();
        barred.for_each(|window| coverage.insert(window));
        Unread { coverage, bounds: Window { from: self.since, to } }
    }

    /// What is unread in it.
    #[must_use]
    pub(crate) fn gaps(self, state: &StreamState) -> Vec<Window> {
        let unread = self.unread(state, std::iter::empty());
        unread.coverage.gaps(unread.bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).expect("a test writes valid dates")
    }

    fn window(from: &str, to: &str) -> Window {
        Window { from: at(from), to: at(to) }
    }

    fn covered(windows: &[(&str, &str)]) -> StreamState {
        let coverage = Coverage::new(windows.iter().map(|(from, to)| window(from, to)));
        StreamState { coverage, ..StreamState::default() }
    }

    fn check_fill(all: StreamState, deleted: StreamState, expected: Option<(Stream, &str, &str)>) {
        let streams = BTreeMap::from([(Stream::All, all), (Stream::Deleted, deleted)]);
        let range = MirrorRange { since: at("2020-01-01"), now: at("2024-01-04") };
        let unreads = streams.iter().map(|(stream, state)| (*stream, range.unread(state, std::iter::empty()))).collect();
        let found = next_gap(&unreads, &BTreeMap::new()).map(|task| (task.stream, task.claim));
        assert_eq!(found, expected.map(|(stream, from, to)| (stream, window(from, to))));
    }

    #[test]
    fn deletions_of_a_stretch_are_read_before_its_live_listings() {
        check_fill(covered(&[]), covered(&[]), Some((Stream::Deleted, "2020-01-01", "2024-01-01")));
        let deleted = covered(&[("2023-01-01", "2024-01-01")]);
        check_fill(covered(&[]), deleted, Some((Stream::All, "2023-01-01", "2024-01-01")));
        let (all, deleted) = (covered(&[("2023-01-01", "2024-01-01")]), covered(&[("2023-01-01", "2024-01-01")]));
        check_fill(all, deleted, Some((Stream::Deleted, "2020-01-01", "2023-01-01")));
    }

    #[test]
    fn nothing_is_filled_twice() {
        let whole = || covered(&[("2020-01-01", "2024-01-01")]);
        check_fill(whole(), whole(), None);
        check_fill(whole(), covered(&[("2021-01-01", "2024-01-01")]), Some((Stream::Deleted, "2020-01-01", "2021-01-01")));
    }

    #[test]
    fn a_barred_window_does_not_hide_what_lies_behind_it() {
        let range = MirrorRange { since: at("2020-01-01"), now: at("2024-01-04") };
        let unread = range.unread(&covered(&[]), [window("2022-01-01", "2024-01-01")].into_iter());
        let found = next_gap(&BTreeMap::from([(Stream::All, unread)]), &BTreeMap::new()).map(|task| task.claim);
        assert_eq!(found, Some(window("2020-01-01", "2022-01-01")));
    }

    #[test]
    fn what_is_claimed_is_narrower_than_what_is_asked() {
        let task = task_for(Stream::All, window("2020-01-01T00:00:10", "2020-01-01T00:00:20"));
        assert_eq!(task.asked, window("2020-01-01T00:00:09", "2020-01-01T00:00:21"));
        let state = StreamState { cursor: Some(at("2024-01-01T12:00:00")), ..StreamState::default() };
        let task = state.poll(Stream::All, at("2024-01-01T12:01:00"), Duration::from_secs(120));
        assert_eq!(task.asked, window("2024-01-01T11:58:00", "2024-01-01T12:01:00"));
        assert_eq!(task.claim, window("2024-01-01T11:58:01", "2024-01-01T12:00:59"));
    }

    #[test]
    fn a_poll_still_reaches_back_when_the_clock_stepped_behind_the_cursor() {
        let state = StreamState { cursor: Some(at("2024-01-01T12:00:00")), ..StreamState::default() };
        let task = state.poll(Stream::All, at("2024-01-01T10:00:00"), Duration::from_secs(120));
        assert_eq!(task.asked, window("2024-01-01T09:58:00", "2024-01-01T10:00:00"));
    }

    fn advanced(newest: Option<&str>, aligned: bool, pages: u64) -> Option<Stamp> {
        let mut state = StreamState { newest: newest.map(at), aligned, cursor: Some(at("2023-01-01")), ..StreamState::default() };
        state.advance(window("2023-01-01", "2024-01-01T12:00:00"), pages, at("2024-01-01T12:00:03"));
        state.cursor
    }

    #[test]
    fn the_cursor_never_runs_ahead_of_the_stamps_that_were_seen() {
        assert_eq!(advanced(Some("2023-12-31"), true, 1), Some(at("2023-12-31")));
        assert_eq!(advanced(None, false, 1), Some(at("2023-01-01")));
        assert_eq!(advanced(Some("2022-01-01"), false, 1), Some(at("2023-01-01")));
        assert_eq!(advanced(Some("2024-06-01"), false, 1), Some(at("2024-01-01T12:00:00")));
    }

    #[test]
    fn a_poll_that_ends_before_it_begins_moves_no_cursor() {
        let mut state = StreamState { newest: Some(at("2024-01-02")), cursor: Some(at("2023-01-01")), ..StreamState::default() };
        state.advance(window("2024-01-01T13:00:00", "2024-01-01T12:00:00"), 1, at("2024-01-01T12:00:03"));
        assert_eq!(state.cursor, Some(at("2023-01-01")));
    }

    #[test]
    fn many_pages_of_old_stamps_are_not_read_at_every_poll() {
        assert_eq!(advanced(Some("2023-06-01"), true, 9), Some(at("2024-01-01T12:00:00")));
        assert_eq!(advanced(Some("2023-06-01"), false, 9), Some(at("2023-12-31T23:00:03")));
        assert_eq!(advanced(Some("2024-01-01T10:00:00"), false, 9), Some(at("2024-01-01T10:00:00.001")));
        let after =
            StreamState { cursor: Some(at("2024-01-01T10:00:00.001")), newest: Some(at("2024-01-01T10:00:00")), ..StreamState::default() };
        let task = after.poll(Stream::All, at("2024-01-01T12:00:00"), Duration::from_secs(120));
        assert_eq!(task.asked.from, at("2024-01-01T10:00:00.001"), "the bulk before it is not read again");
    }

    #[test]
    fn a_stamp_read_late_in_a_long_window_proves_only_its_beginning() {
        let mut state = StreamState::default();
        let now = at("2024-01-01T12:00:00");
        state.observe(&[now], window("2020-01-01", "2024-01-02"), now.minus(HOUR), now, false);
        assert_eq!(state.newest, Some(now.minus(HOUR)));
    }

    #[test]
    fn a_stamp_of_the_far_future_moves_no_cursor() {
        let mut state = StreamState::default();
        let now = at("2024-01-01T12:00:00");
        state.observe(&[at("9999-12-31")], window("2020-01-01", "2024-01-01"), now, now, true);
        assert_eq!(state.newest, None);
    }

    fn rule_of(oldest: &str) -> FromRule {
        let mut state = StreamState::default();
        let asked = window("2024-01-01T12:00:00", "2024-01-01T13:00:00");
        state.observe(&[at(oldest), at(oldest)], asked, asked.to, asked.to, true);
        state.from_rule
    }

    #[test]
    fn one_odd_stamp_says_nothing_of_the_server() {
        let mut state = StreamState::default();
        let asked = window("2024-01-01T12:00:00", "2024-01-01T13:00:00");
        state.observe(&[at("0001-01-01"), at("0001-01-01"), at("2019-01-01"), asked.to], asked, asked.to, asked.to, true);
        assert_eq!(state.from_rule, FromRule::Exact);
    }

    #[test]
    fn a_from_that_is_not_obeyed_is_noticed() {
        assert_eq!(rule_of("2024-01-01T12:30:00"), FromRule::Exact);
        assert_eq!(rule_of("2024-01-01T11:59:59.5"), FromRule::Exact);
        assert_eq!(rule_of("2024-01-01T03:00:00"), FromRule::Midnight);
        assert_eq!(rule_of("2023-12-30T12:30:00"), FromRule::Ignored);
    }

    fn cut(rule: FromRule, from: &str, to: &str) -> Option<Window> {
        let state = StreamState { from_rule: rule, ..StreamState::default() };
        state.cut(window(from, to), 1.0 / 3.0)
    }

    #[test]
    fn a_deep_window_is_cut_down_to_a_few_seconds() {
        let cut_to = |from: &str, to: &str| cut(FromRule::Exact, from, to).map(|w| w.from.to_string());
        assert_eq!(cut_to("2024-01-01", "2024-01-07").as_deref(), Some("2024-01-05T00:00:00"));
        assert_eq!(cut_to("2024-01-01T00:00:00", "2024-01-01T00:00:06").as_deref(), Some("2024-01-01T00:00:02"));
        assert_eq!(cut_to("2024-01-01T00:00:00", "2024-01-01T00:00:04"), None);
    }

    #[test]
    fn a_window_is_cut_where_the_server_can_follow() {
        assert_eq!(cut(FromRule::Midnight, "2024-01-01", "2024-01-07").map(|w| w.from), Some(at("2024-01-05")));
        assert_eq!(cut(FromRule::Midnight, "2024-01-01", "2024-01-01T18:00:00"), None);
        assert_eq!(cut(FromRule::Ignored, "2024-01-01", "2024-01-07"), None);
    }
}
