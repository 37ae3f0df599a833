//! The session of one feed: it turns the steps of the plan into commands, and tells the plan what came of them. It does no
//! IO: the worker carries out its commands, or in the tests the simulation.

use super::intake::{Arrival, Stored, describe};
use super::messages::{Command, Event, Report};
use super::notices;
use crate::entity::Entity;
use crate::plan::attempts::Work;
use crate::plan::backoff;
use crate::plan::brake::{BrakeLimits, Ruling};
use crate::plan::burst::{Burst, BurstLimits};
use crate::plan::checkpoint::Saved;
use crate::plan::clock::Now;
use crate::plan::feed::FeedPlan;
use crate::plan::merge::ActionKind;
use crate::plan::options::{Options, Purpose};
use crate::plan::step::{Failing, Step, Verdict};
use crate::record::zone::TimestampZone;
use crate::record::{Failure, FeedId, ListingId, Page, PageRequest, Presence, Record};
use crate::store::{Confirmation, Judgement};
use crate::vendor::Error as VendorError;
use std::collections::VecDeque;
use std::time::Duration;

/// A one-shot run gives up after this many failed transactions in a row.
const ONCE_STORE_FAULTS: u32 = 5;

/// What a session is told to do.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the plan is told to do.
    pub plan: Options,
    /// The zone of the vendor's dates.
    pub zone: TimestampZone,
    /// The limits above which inferred deletions wait for a person.
    pub brake: BrakeLimits,
    /// The limits above which stated deletions are reported.
    pub burst: BurstLimits,
    /// Whether listings are deleted that no stream returns, and that the vendor still answers one by one.
    pub delete_detail_only: bool,
}

/// The session of one feed.
#[derive(Debug)]
pub struct Session {
    entity: &'static Entity,
    feed: FeedId,
    options: SessionOptions,
    plan: FeedPlan,
    burst: Burst,
    /// What is to be done before the plan is asked again.
    pending: VecDeque<Command>,
    /// A page is being stored.
    storing: bool,
    /// Failed transactions in a row.
    store_fails: u32,
    /// The plan may differ from the database; it is read again at this time.
    reload_at: Option<Duration>,
    /// People were told that there is nothing to do.
    waiting: bool,
    /// The failing requests that people were told of.
    failing: Option<Failing>,
}

impl Session {
    /// Goes on where the database says that the feed stands.
    #[must_use]
    pub fn resume(entity: &'static Entity, feed: FeedId, options: SessionOptions, saved: Saved, now: Now) -> Session {
        let plan = FeedPlan::resume(feed.clone(), options.plan.clone(), saved, now);
        let burst = Burst::new(options.burst);
        Session {
            entity,
            feed,
            options,
            plan,
            burst,
            pending: VecDeque::new(),
            storing: false,
            store_fails: 0,
            reload_at: None,
            waiting: false,
            failing: None,
        }
    }

    /// Decides what to do next. While a page is being stored, the next one is asked for: the plan has taken in already what the
    /// page proves. Nothing else is done before it is stored.
    pub fn next(&mut self, now: Now) -> Command {
        if self.storing {
            return self.meanwhile(now);
        }
        if let Some(command) = self.pending.pop_front() {
            self.storing = matches!(command, Command::Store(_));
            return command;
        }
        match self.reload_at {
            Some(at) if at > now.monotonic => return Command::Wait(at),
            Some(_) => return Command::Load,
            None => {}
        }
        let step = self.plan.next(now);
        let was_waiting = std::mem::replace(&mut self.waiting, matches!(step, Step::Wait(_)));
        match step {
            Step::Fetch(purpose, request) => self.after(Report::Working(purpose, request.clone()), Command::Fetch(purpose, request)),
            Step::BeginScan(range, wanted) => Command::BeginScan(range, wanted),
            Step::Judge { unread } => Command::Judge { unread, limits: self.options.brake },
            Step::Confirm(listing) => Command::FetchOne(listing),
            Step::EndScan => Command::EndScan { delete_detail_only: self.options.delete_detail_only },
            // After the report the plan is asked again: an event that came meanwhile must not be slept through.
            Step::Wait(_) if !was_waiting => Command::Tell(Report::Waiting),
            Step::Wait(until) => Command::Wait(until),
            Step::Finished(missing) => self.after(Report::Finished(missing.first().cloned()), Command::Finished(missing)),
        }
    }

    /// Whatever is not a request is decided again when the page is stored.
    fn meanwhile(&mut self, now: Now) -> Command {
        if self.pending.is_empty()
            && let Step::Fetch(purpose, request) = self.plan.next(now)
        {
            return self.after(Report::Working(purpose, request.clone()), Command::Fetch(purpose, request));
        }
        match self.pending.front() {
            Some(Command::Fetch(..)) => self.pending.pop_front().unwrap_or(Command::AwaitStored),
            Some(_) | None => Command::AwaitStored,
        }
    }

    /// What is to be told to people before anything else is done.
    pub(crate) fn next_report(&mut self) -> Option<Report> {
        match self.pending.pop_front()? {
            Command::Tell(report) => Some(report),
            command => {
                self.pending.push_front(command);
                None
            }
        }
    }

    /// A report first, and then the command.
    fn after(&mut self, report: Report, command: Command) -> Command {
        self.pending.push_back(command);
        Command::Tell(report)
    }

    fn tell(&mut self, report: Report) {
        self.pending.push_back(Command::Tell(report));
    }

    /// Takes in what happened.
    pub fn on(&mut self, event: Event, now: Now) {
        self.take_in(event, now);
        if let Some(gaps) = self.plan.take_changed_gaps() {
            self.tell(Report::Gaps(notices::known_gaps(&gaps)));
            self.pending.push_back(Command::SaveGaps(gaps));
        }
        let failing = self.plan.failing();
        if failing != self.failing {
            self.tell(Report::Trouble(failing.as_ref().map(notices::failing)));
            self.failing = failing;
        }
    }

    fn take_in(&mut self, event: Event, now: Now) {
        match event {
            // The page before it was not stored: the plan is read anew, and asks again.
            Event::Page(..) | Event::Failed(..) if self.reload_at.is_some() => {}
            Event::Page(purpose, request, page) => self.on_page(purpose, request, page, now),
            Event::Failed(purpose, request, error) => {
                let work = Work { purpose, stream: request.stream };
                let retry = self.plan.on_failure(work, &error.failure, &error.message, now);
                self.tell(Report::Failed(purpose, request, error, retry));
            }
            Event::One(listing, answer) => self.on_one(listing, answer, now),
            Event::Stored(stored) => self.on_stored(stored, now),
            Event::Live { recent, live } => {
                if let Some(alarm) = self.burst.alarm(recent, live) {
                    self.tell(Report::Burst(alarm));
                }
            }
            Event::ScanBegun(run, range) => {
                let wanted = self.plan.scan_begun(range, now);
                self.tell(Report::ScanBegun(run, range, wanted));
            }
            Event::ScanWithdrawn => self.plan.scans.withdraw(),
            Event::Judged(judgement) => self.on_judged(judgement),
            Event::Confirmed => {
                self.plan.scans.confirmed();
            }
            Event::GapsSaved => {}
            Event::ScanEnded => self.end_scan(),
            Event::StoreFailed(reason) => self.on_store_failed(reason, now),
            Event::Loaded(saved) => self.on_loaded(*saved, now),
            Event::ScanRequested(wanted) => self.plan.scans.want(wanted),
            Event::TryAgain => self.plan.attempts.try_again(),
        }
    }

    fn on_page(&mut self, purpose: Purpose, request: PageRequest, page: Page, now: Now) {
        let vendor_now = page.vendor_now.map(|utc| self.options.zone.local(utc));
        let seen = describe(&self.feed, &request, &page, vendor_now);
        match self.plan.on_page(Work { purpose, stream: request.stream }, seen, now) {
            Verdict::Store(checkpoint, zone) => {
                let arrival = Arrival { request, page, checkpoint: *checkpoint, zone, now };
                self.pending.push_back(Command::Store(Box::new(arrival)));
            }
            Verdict::Refuse(failure, reason, retry) => {
                let error = VendorError { failure, message: reason.to_owned(), status: None, vendor_now: None };
                self.tell(Report::Failed(purpose, request, error, retry));
            }
        }
    }

    fn on_stored(&mut self, stored: Stored, now: Now) {
        self.storing = false;
        self.store_fails = 0;
        self.plan.saw_late(stored.committed.latest, now);
        if stored.purpose == Purpose::Poll && stored.committed.changes() > 0 {
            self.plan.brought_changes(now);
        }
        let deleted = stored.committed.counts.get(&ActionKind::Tombstone).copied().unwrap_or(0);
        let is_stated = stored.request.stream.presence() == Presence::Deleted;
        self.tell(Report::Stored(stored));
        if is_stated
            && deleted > 0
            && let Some(recent) = self.burst.deleted(deleted, now.monotonic)
        {
            self.pending.push_back(Command::CountLive(recent));
        }
    }

    /// What the vendor said of a row that a scan lacks.
    fn on_one(&mut self, listing: ListingId, answer: Result<Option<Record>, VendorError>, now: Now) {
        let record = match answer {
            Ok(record) => record,
            Err(error) => {
                let retry = self.plan.on_single_failure(&error.failure, &error.message, now);
                // It is left for the next run, so that the others are asked about.
                if self.plan.attempts.leaves_single(&error.failure, retry) {
                    self.pending.push_back(Command::Confirm(listing.clone(), Confirmation::Unclear));
                }
                return self.tell(Report::OneFailed(listing, error, retry));
            }
        };
        self.plan.on_single_answer();
        let said = match record {
            None => Confirmation::Gone,
            Some(record) if (self.entity.looks_deleted)(&(self.entity.decode)(&record)) => Confirmation::Deleted,
            Some(record) => Confirmation::Present(record.stamp),
        };
        self.pending.push_back(Command::Confirm(listing, said));
    }

    fn on_judged(&mut self, Judgement { run, ruling, to_confirm }: Judgement) {
        match ruling {
            // A dry run has told what it found; nothing was changed, so nothing waits for an approval.
            Ruling::Confirm | Ruling::Withhold(_) if self.plan.scans.is_dry() => self.end_scan(),
            Ruling::Confirm => {
                self.tell(Report::NotWithheld);
                self.plan.scans.judged(to_confirm);
            }
            Ruling::Withhold(why) => {
                self.tell(Report::Withheld(run, why));
                self.end_scan();
            }
            Ruling::Fail(why) => {
                self.tell(Report::ScanFailed(run, why));
                self.end_scan();
            }
        }
    }

    fn end_scan(&mut self) {
        if let Some(wanted) = self.plan.scans.ended() {
            self.tell(Report::ScanOver(wanted));
        }
    }

    /// Nothing of the command was stored, so the plan is read from the database again, when that works.
    fn on_store_failed(&mut self, reason: String, now: Now) {
        self.pending.retain(|command| matches!(command, Command::Tell(_)));
        self.storing = false;
        self.store_fails += 1;
        if self.options.plan.once && self.store_fails >= ONCE_STORE_FAULTS {
            return self.pending.push_back(Command::GiveUp);
        }
        let wait = backoff::wait(&Failure::Unavailable, self.store_fails, self.options.plan.seed);
        self.reload_at = Some(now.monotonic + wait);
        self.tell(Report::StoreFailed(reason, wait));
    }

    fn on_loaded(&mut self, saved: Saved, now: Now) {
        self.reload_at = None;
        let plan = FeedPlan::resume(self.feed.clone(), self.options.plan.clone(), saved, now);
        self.plan.replace(plan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::options::LookbackRule;
    use crate::plan::scans::ScanRequest;
    use crate::record::{Cut, ListingKey, Stamp, Stream, raw_hash};
    use crate::store::Committed;
    use crate::vendor::LISTINGS;
    use crate::vendor::constellation1::cut;

    const MINUTE: Duration = Duration::from_secs(60);

    fn now(minutes: u32) -> Now {
        at(MINUTE * minutes)
    }

    fn at(up: Duration) -> Now {
        let at = Stamp::parse("2024-06-01T12:00:00").expect("a date").plus(up);
        Now { vendor: at, earliest: at, ours: at, monotonic: up }
    }

    fn session(once: bool) -> Session {
        let plan = Options {
            streams: vec![Stream::All, Stream::Deleted],
            deletions: LISTINGS.deletions,
            interval: MINUTE,
            interval_min: None,
            interval_max: None,
            overlap: MINUTE * 2,
            settle: Duration::from_secs(2),
            since: Stamp::parse("1900-01-01").expect("a date"),
            window_pages: 20,
            lookbacks: Vec::<LookbackRule>::new(),
            ahead_every: None,
            scan_every: None,
            scan_now: false,
            dry_run: false,
            confirm_budget: 10,
            once,
            shared: false,
            seed: 1,
        };
        let brake = BrakeLimits { count: 10, share: 0.5, budget: 10 };
        let options = SessionOptions {
            plan,
            zone: TimestampZone::default(),
            brake,
            burst: BurstLimits { count: 1, share: 0.1 },
            delete_detail_only: false,
        };
        Session::resume(&LISTINGS, FeedId("A".to_owned()), options, Saved::default(), now(0))
    }

    /// The next command that is not told to people.
    fn next(session: &mut Session, minutes: u32) -> Command {
        loop {
            match session.next(now(minutes)) {
                Command::Tell(_) => {}
                command => return command,
            }
        }
    }

    fn page(listings: &[&str]) -> Page {
        let record = |listing: &&str| Record {
            key: ListingKey { feed: FeedId("A".to_owned()), listing: ListingId((*listing).to_owned()) },
            stamp: Some(now(0).vendor.minus(MINUTE)),
            mirrored_at: None,
            raw_hash: raw_hash(listing.as_bytes()),
            raw: format!(r#"{{"FeedId":"A","ListingId":"{listing}"}}"#),
            cut: Cut::default(),
        };
        let records: Vec<Record> = listings.iter().map(record).collect();
        Page { total: records.len() as u64, records, rejects: Vec::new(), next_page: None, vendor_now: None }
    }

    /// Answers the next request; tells what is to be stored of it.
    fn answer(session: &mut Session, minutes: u32, listings: &[&str]) -> Arrival {
        let Command::Fetch(purpose, request) = next(session, minutes) else { panic!("no request") };
        session.on(Event::Page(purpose, request, page(listings)), now(minutes));
        let Command::Store(arrival) = next(session, minutes) else { panic!("nothing to store") };
        *arrival
    }

    fn stored(arrival: &Arrival, deleted: u64) -> Event {
        let counts = [(ActionKind::Tombstone, deleted)].into_iter().collect();
        Event::Stored(Stored {
            request: arrival.request.clone(),
            purpose: arrival.checkpoint.purpose,
            committed: Committed { counts, ..Committed::default() },
            records: 0,
            total: 0,
            round_proven: arrival.checkpoint.round_proven,
            from_rule: crate::plan::window::FromRule::Exact,
            zone: None,
        })
    }

    #[test]
    fn while_a_page_is_stored_the_next_is_asked_for_and_nothing_else_is_done() {
        let mut session = session(false);
        let first = answer(&mut session, 0, &["1", "2"]);
        assert_eq!((first.page.records.len(), first.request.stream), (2, Stream::Deleted));
        let Command::Fetch(purpose, request) = next(&mut session, 0) else { panic!("nothing is asked for") };
        assert_eq!((purpose, request.stream), (Purpose::Poll, Stream::All));
        session.on(stored(&first, 0), now(0));
        session.on(Event::Page(purpose, request, page(&["3"])), now(0));
        assert!(matches!(next(&mut session, 0), Command::Store(_)));
        session.pending.push_back(Command::SaveGaps(Vec::new()));
        assert!(matches!(next(&mut session, 0), Command::AwaitStored));
    }

    #[test]
    fn what_was_asked_for_while_the_database_refused_a_page_is_dropped_and_asked_again() {
        let mut session = session(false);
        let first = answer(&mut session, 0, &["1"]);
        let Command::Fetch(purpose, request) = next(&mut session, 0) else { panic!("nothing is asked for") };
        session.on(Event::StoreFailed("full".to_owned()), now(0));
        session.on(Event::Page(purpose, request, page(&["3"])), now(0));
        assert!(matches!(next(&mut session, 0), Command::Wait(_)));
        assert!(matches!(next(&mut session, 1), Command::Load));
        session.on(Event::Loaded(Box::default()), now(1));
        assert_eq!(answer(&mut session, 1, &["1"]).request.stream, first.request.stream);
    }

    #[test]
    fn an_order_that_comes_while_people_are_told_of_a_wait_is_not_slept_through() {
        let mut session = session(false);
        let mut time = Duration::ZERO;
        let told = loop {
            match session.next(at(time)) {
                Command::Fetch(purpose, request) => session.on(Event::Page(purpose, request, page(&[])), at(time)),
                Command::Store(arrival) => session.on(stored(&arrival, 0), at(time)),
                // An empty answer to a long stretch is asked for again after a while.
                Command::Tell(Report::Waiting) if time > Duration::from_secs(1) => break time,
                Command::Tell(_) => {}
                Command::Wait(until) => time = until,
                other => panic!("{other:?}"),
            }
        };
        session.on(Event::ScanRequested(ScanRequest { asker: Some(1), dry_run: false }), at(told));
        assert!(matches!(session.next(at(told)), Command::BeginScan(..)));
    }

    #[test]
    fn what_the_database_refused_is_read_from_it_again_before_anything_else_is_asked() {
        let mut session = session(false);
        let first = answer(&mut session, 0, &["1"]);
        session.on(Event::StoreFailed("full".to_owned()), now(0));
        assert!(matches!(next(&mut session, 0), Command::Wait(_)));
        assert!(matches!(next(&mut session, 1), Command::Load));
        session.on(Event::StoreFailed("full".to_owned()), now(1));
        assert!(matches!(next(&mut session, 1), Command::Wait(_)));
        assert!(matches!(next(&mut session, 2), Command::Load));
        session.on(Event::Loaded(Box::default()), now(2));
        assert_eq!(answer(&mut session, 2, &["1"]).request.stream, first.request.stream);
    }

    #[test]
    fn a_one_shot_run_gives_up_a_database_that_always_refuses() {
        let mut session = session(true);
        answer(&mut session, 0, &["1"]);
        for minute in 0..ONCE_STORE_FAULTS {
            session.on(Event::StoreFailed("full".to_owned()), now(minute));
            assert_eq!(matches!(next(&mut session, minute), Command::GiveUp), minute + 1 == ONCE_STORE_FAULTS);
            next(&mut session, minute + 1);
        }
    }

    #[test]
    fn many_stated_deletions_are_set_against_the_live_listings() {
        for (live, expected) in [(100, false), (2, true)] {
            let mut session = session(false);
            let arrival = answer(&mut session, 0, &["1", "2"]);
            session.on(stored(&arrival, 2), now(0));
            let Command::CountLive(recent) = next(&mut session, 0) else { panic!("they are not counted") };
            session.on(Event::Live { recent, live }, now(0));
            assert_eq!(matches!(session.next(now(0)), Command::Tell(Report::Burst(_))), expected, "{live} live listings");
        }
    }

    fn said(answer: Result<Option<Record>, Failure>) -> Option<Confirmation> {
        let mut session = session(false);
        let failed = |failure| VendorError { failure, message: "a fault".to_owned(), status: None, vendor_now: None };
        session.on(Event::One(ListingId("1".to_owned()), answer.map_err(failed)), now(0));
        match next(&mut session, 0) {
            Command::Confirm(_, said) => Some(said),
            _ => None,
        }
    }

    #[test]
    fn an_absent_row_is_gone_only_if_the_vendor_says_so() {
        let record = |status: &str| {
            let raw = format!(r#"{{"FeedId":"A","ListingId":"1","ListingStatus":"{status}","City":"Rome"}}"#);
            Record { cut: cut(&raw).expect("an object"), raw, ..page(&["1"]).records.remove(0) }
        };
        assert_eq!(said(Ok(None)), Some(Confirmation::Gone));
        assert_eq!(said(Ok(Some(record("Deleted")))), Some(Confirmation::Deleted));
        assert_eq!(said(Ok(Some(record("Active")))), Some(Confirmation::Present(record("Active").stamp)));
        assert_eq!(said(Err(Failure::Refused)), Some(Confirmation::Unclear));
        assert_eq!(said(Err(Failure::Unavailable)), None, "it is asked again");
    }

    #[test]
    fn who_asked_for_a_scan_is_told_when_it_is_over_even_if_the_plan_was_read_anew() {
        let mut session = session(false);
        let wanted = ScanRequest { asker: Some(7), dry_run: false };
        session.on(Event::ScanRequested(wanted), now(0));
        session.on(Event::StoreFailed("full".to_owned()), now(0));
        session.on(Event::Loaded(Box::default()), now(1));
        let mut minute = 1;
        let range = loop {
            match next(&mut session, minute) {
                Command::Fetch(purpose, request) => session.on(Event::Page(purpose, request, page(&[])), now(minute)),
                Command::Store(arrival) => session.on(stored(&arrival, 0), now(minute)),
                Command::Wait(_) => minute += 1,
                Command::BeginScan(range, asked) => {
                    assert_eq!(asked, Some(wanted));
                    break range;
                }
                other => panic!("{other:?}"),
            }
        };
        session.on(Event::ScanBegun(3, range), now(1));
        session.on(Event::Judged(Judgement { run: 3, ruling: Ruling::Fail("no proof".to_owned()), to_confirm: Vec::new() }), now(1));
        let told: Vec<String> = std::iter::from_fn(|| match session.next(now(1)) {
            Command::Tell(report) => Some(format!("{report:?}")),
            _ => None,
        })
        .collect();
        assert!(told.iter().any(|report| report.starts_with("ScanOver") && report.contains("7")), "{told:?}");
    }
}
