//! The client of the Spotahome API against its sandbox: every endpoint, every status of the document, every switch that concerns a client.

use mls_sync::record::{Cell, Failure, Page, Record};
use mls_sync::sandbox::spotahome::{
    AssignCancelled, CancelTwice, Cancellable, Cancelled, Count, Empty, Fault, Forbidden, GetContentType, IdForm, Links, NoProperty,
    Options, Order, PagePastEnd, PageSizeOver, Reassign, RetryAfter, Scheme, SpotahomeSandbox, StateForm, Throttle, Total, UnassignTwice,
    Unassigned, UnknownAgent, UnknownId,
};
use mls_sync::vendor::spotahome::{
    Client, ClientOptions, OfAgent, PROCESSES, ProcessFilter, ProcessId, Spotahome, SpotahomeRefusal, WriteOutcome, token_facts,
};
use mls_sync::vendor::{Error, HttpOptions, Limiter, LimiterOptions};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A strange token, to be found wherever it does not belong.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzM2NyM3QifQ.c2lnbmF0dXJl";
const OTHER: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvdGhlciJ9.b3RoZXI";
const LIMITS: LimiterOptions =
    LimiterOptions { requests_per_second: 1000.0, max_in_flight: 2, requests_per_hour: None, requests_per_day: None };
/// More requests than any scan here should need.
const MOST_PAGES: u32 = 60;

struct Test {
    sandbox: SpotahomeSandbox,
    api: Spotahome,
    stop: CancellationToken,
}

fn api(url: &str, token: &str, scheme: &str) -> Spotahome {
    let http = HttpOptions {
        base_url: url.parse().expect("a URL"),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        max_body: 1 << 20,
        user_agent: "mls-sync/test".to_owned(),
    };
    let options = ClientOptions { http, account: "main".to_owned(), token: token.into(), auth_scheme: scheme.to_owned() };
    Spotahome::new(Client::new(options).expect("a client"), Limiter::new(LIMITS))
}

impl Test {
    async fn with(change: impl FnOnce(&mut Options)) -> Test {
        let mut options = Options { processes: 250, token: TOKEN.parse().expect("a token"), ..Options::default() };
        change(&mut options);
        let scheme = if options.scheme == Scheme::Bearer { "Bearer" } else { "" };
        let sandbox = SpotahomeSandbox::start(options, "127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let api = api(&sandbox.url(), TOKEN, scheme);
        Test { sandbox, api, stop: CancellationToken::new() }
    }

    async fn page(&self, filter: &ProcessFilter, page: u32, size: u32) -> Result<Page, Error> {
        self.api.processes(filter, page, size, &self.stop).await.expect("not stopped")
    }

    /// All processes that match, by the pages that the client names, up to one that brings nothing new; and how many were asked for.
    async fn all(&self, filter: &ProcessFilter, size: u32) -> Result<(BTreeSet<i64>, u32), Error> {
        let (mut ids, mut next, mut asked) = (BTreeSet::new(), Some(1), 0);
        while let Some(page) = next {
            asked += 1;
            assert!(asked < MOST_PAGES, "an endless loop");
            let answer = self.page(filter, page, size).await?;
            assert_eq!(answer.rejects, [], "page {page}");
            let known = ids.len();
            ids.extend(answer.records.iter().map(id));
            next = answer.next_page.filter(|_| ids.len() > known);
        }
        Ok((ids, asked))
    }

    /// Every process is found by so many requests.
    async fn finds_all(&self, expected_pages: u32, what: &str) {
        let (found, asked) = self.all(&ProcessFilter::default(), 100).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found, self.ids(), "{what}");
        assert_eq!(asked, expected_pages, "{what}");
    }

    fn ids(&self) -> BTreeSet<i64> {
        self.sandbox.with_world(|world| world.ids().into_iter().collect())
    }

    async fn process(&self, id: i64) -> Result<Option<Record>, Error> {
        self.api.process(ProcessId(id), &self.stop).await.expect("not stopped")
    }

    async fn cancel(&self, id: i64) -> WriteOutcome {
        self.api.cancel(ProcessId(id), &self.stop).await.expect("not stopped").expect("it leaves")
    }

    async fn assign(&self, id: i64, agent: &str) -> WriteOutcome {
        self.api.assign(ProcessId(id), agent, &self.stop).await.expect("not stopped").expect("it leaves")
    }

    async fn unassign(&self, id: i64) -> WriteOutcome {
        self.api.unassign(ProcessId(id), &self.stop).await.expect("not stopped").expect("it leaves")
    }

    async fn states(&self) -> Result<Vec<String>, Error> {
        self.api.states(&self.stop).await.expect("not stopped")
    }

    /// The first process in this state, with an agent or without.
    fn some(&self, state: &str, is_assigned: bool) -> i64 {
        let found = self.sandbox.with_world(|world| {
            let is_it =
                |id: &i64| world.process(*id).is_some_and(|one| one.facts.state == state && one.facts.agent.is_some() == is_assigned);
            world.ids().into_iter().find(is_it)
        });
        found.unwrap_or_else(|| panic!("no {state}"))
    }

    fn state_of(&self, id: i64) -> String {
        self.sandbox.with_world(|world| world.process(id).expect("a process").facts.state.clone())
    }

    fn agent_of(&self, id: i64) -> Option<String> {
        self.sandbox.with_world(|world| world.process(id).expect("a process").facts.agent.clone())
    }

    fn agent(&self, index: usize) -> String {
        self.sandbox.with_world(|world| world.agents()[index].clone())
    }

    /// How often something was asked, and how the first time was answered.
    fn asked(&self, method: &str) -> (usize, Option<u16>) {
        let requests = self.sandbox.requests();
        let found: Vec<u16> = requests.iter().filter(|asked| asked.method == method).map(|asked| asked.status).collect();
        (found.len(), found.first().copied())
    }
}

fn id(record: &Record) -> i64 {
    record.key.listing.0.parse().expect("a whole id")
}

fn text(record: &Record, column: &str) -> Option<String> {
    let index = PROCESSES.fields.iter().position(|field| field.column == column).expect("a column");
    match &(PROCESSES.decode)(record).cells[index] {
        Cell::Text(text) => Some(text.clone().into_owned()),
        Cell::Null => None,
        other => panic!("{column}: {other:?}"),
    }
}

fn refused(outcome: WriteOutcome) -> SpotahomeRefusal {
    match outcome {
        WriteOutcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn in_state(state: &str) -> ProcessFilter {
    ProcessFilter { state: Some(state.to_owned()), ..ProcessFilter::default() }
}

#[tokio::test]
async fn every_process_is_found_once_and_decoded_to_the_truth() {
    let test = Test::with(|_| {}).await;
    test.finds_all(3, "defaults").await;
    let page = test.page(&ProcessFilter::default(), 1, 100).await.expect("a page");
    assert_eq!((page.total, page.next_page), (250, Some(2)));
    assert!(page.vendor_now.is_some());
    for record in &page.records {
        let truth = test.sandbox.with_world(|world| world.process(id(record)).expect("a process").clone());
        assert_eq!(record.key.feed.0, "main");
        assert_eq!(text(record, "account").as_deref(), Some("main"));
        assert_eq!(text(record, "locator"), Some(truth.locator));
        assert_eq!(text(record, "account_id"), Some(truth.account));
        assert_eq!(text(record, "property_id"), truth.facts.property);
        assert_eq!(text(record, "agent_id"), truth.facts.agent);
        assert_eq!(text(record, "state"), Some(truth.facts.state));
        assert_eq!((PROCESSES.decode)(record).extra, None);
        assert_eq!((PROCESSES.read)(&record.raw).as_ref(), Ok(record), "a record is read again from what is kept of it");
    }
}

#[tokio::test]
async fn each_filter_selects() {
    let test = Test::with(|_| {}).await;
    let of = |test: &Test, is_it: fn(&mls_sync::sandbox::spotahome::Process) -> bool| -> BTreeSet<i64> {
        test.sandbox.with_world(|world| world.ids().into_iter().filter(|id| world.process(*id).is_some_and(is_it)).collect())
    };
    let (found, _) = test.all(&in_state("cancelled"), 100).await.expect("pages");
    assert_eq!(found, of(&test, |process| process.is_cancelled()));
    let unassigned = ProcessFilter { agent: Some(OfAgent::Unassigned), ..ProcessFilter::default() };
    let (found, _) = test.all(&unassigned, 100).await.expect("pages");
    assert_eq!(found, of(&test, |process| process.facts.agent.is_none()));

    let one = test.sandbox.with_world(|world| world.process(test_id(world)).expect("a process").clone());
    let agent = one.facts.agent.clone().expect("an agent");
    let filter = ProcessFilter {
        id: Some(ProcessId(one.id)),
        account: Some(one.account.clone()),
        property: one.facts.property.clone(),
        agent: Some(OfAgent::Agent(agent)),
        state: Some(one.facts.state.clone()),
    };
    assert_eq!(test.all(&filter, 100).await.expect("a page").0, BTreeSet::from([one.id]));
    let other = ProcessFilter { account: Some("a&b=c d".to_owned()), ..filter };
    assert_eq!(test.all(&other, 100).await.expect("a page").0, BTreeSet::new());
}

fn test_id(world: &mls_sync::sandbox::spotahome::World) -> i64 {
    let is_it = |id: &i64| world.process(*id).is_some_and(|one| one.facts.agent.is_some() && one.facts.property.is_some());
    world.ids().into_iter().find(is_it).expect("a process")
}

#[tokio::test]
async fn a_scan_finds_all_by_every_reading_of_pages() {
    for (over, pages) in [(PageSizeOver::Clamp, 13), (PageSizeOver::Ignore, 13)] {
        let test = Test::with(|options| (options.page_size, options.page_size_max, options.page_size_over) = (20, 20, over)).await;
        test.finds_all(pages, &format!("{over:?}")).await;
    }
    for (past, pages) in [(PagePastEnd::Empty, 3), (PagePastEnd::NotFound, 3), (PagePastEnd::LastAgain, 3), (PagePastEnd::BadRequest, 3)] {
        let test = Test::with(|options| (options.page_past_end, options.processes) = (past, 200)).await;
        test.finds_all(pages, &format!("the last page is full, past the end {past:?}")).await;
        let test = Test::with(|options| (options.page_past_end, options.total) = (past, Total::Page)).await;
        test.finds_all(3, &format!("total of the page, past the end {past:?}")).await;
    }
    for links in [Links::Right, Links::AsPrinted, Links::WithoutFilters, Links::Absolute, Links::Absent] {
        Test::with(|options| options.links = links).await.finds_all(3, &format!("{links:?}")).await;
    }
    for order in [Order::Id, Order::IdDesc, Order::UpdatedDesc, Order::State] {
        Test::with(|options| options.order = order).await.finds_all(3, &format!("{order:?}")).await;
    }
    for count in [Count::Items, Count::Requested] {
        Test::with(|options| options.count = count).await.finds_all(3, &format!("{count:?}")).await;
    }
    for form in [IdForm::Integer, IdForm::Float, IdForm::Text] {
        Test::with(|options| options.id_form = form).await.finds_all(3, &format!("{form:?}")).await;
    }
    for kind in [GetContentType::Any, GetContentType::Required] {
        Test::with(|options| options.get_content_type = kind).await.finds_all(3, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn a_page_size_that_is_refused_is_an_error() {
    let test = Test::with(|options| (options.page_size_max, options.page_size_over) = (20, PageSizeOver::Refuse)).await;
    let error = test.page(&ProcessFilter::default(), 1, 100).await.expect_err("refused");
    assert_eq!((error.failure, error.status), (Failure::Refused, Some(400)));
    assert!(error.message.contains("Bad Request | The request could not be understood by the server"), "{}", error.message);
    assert_eq!(test.all(&ProcessFilter::default(), 20).await.expect("pages").0, test.ids());
}

#[tokio::test]
async fn a_count_that_does_not_fit_is_no_page() {
    let test = Test::with(|options| options.count = Count::AsPrinted).await;
    let error = test.page(&ProcessFilter::default(), 1, 100).await.expect_err("no page");
    assert_eq!(error.failure, Failure::Malformed);
    assert!(error.message.contains("counts 101 elements and has 100"), "{}", error.message);
}

#[tokio::test]
async fn the_examples_of_the_document_are_answered_as_printed() {
    let test = Test::with(|options| options.as_printed = true).await;
    let error = test.page(&ProcessFilter::default(), 1, 100).await.expect_err("two are counted, and one is there");
    assert!(error.failure == Failure::Malformed && error.message.contains("counts 2 elements and has 1"), "{}", error.message);
    assert_eq!(test.states().await.expect("the states"), ["cancelled"]);
    let refusal = refused(test.assign(111, "abc").await);
    assert_eq!((refusal.http, refusal.title.as_str()), (422, "Unprocessable Entity"));
    assert_eq!(refusal.messages, ["agentId: The input is less than 6 characters long"]);
    assert_eq!(test.cancel(111).await, WriteOutcome::Done(()));
    assert_eq!(refused(test.cancel(112).await).http, 404);
}

#[tokio::test]
async fn an_empty_list_means_none_by_every_reading() {
    for empty in [Empty::NoEmbedded, Empty::EmptyObject, Empty::EmptyArray, Empty::NotFound] {
        let test = Test::with(|options| (options.processes, options.empty) = (0, empty)).await;
        test.finds_all(1, &format!("{empty:?}")).await;
    }
    for empty in [Empty::NoEmbedded, Empty::EmptyObject, Empty::EmptyArray] {
        let test = Test::with(|options| (options.processes, options.empty) = (200, empty)).await;
        test.finds_all(3, &format!("past the end: {empty:?}")).await;
    }
}

#[tokio::test]
async fn nobody_nothing_and_states_are_read_in_every_spelling() {
    for unassigned in [Unassigned::Null, Unassigned::Absent, Unassigned::Empty, Unassigned::Word] {
        let test = Test::with(|options| options.unassigned = unassigned).await;
        let id = test.some("waitingContent", false);
        let record = test.process(id).await.expect("an answer").expect("a process");
        assert_eq!(text(&record, "agent_id"), None, "{unassigned:?}");
    }
    for none in [NoProperty::Null, NoProperty::Absent, NoProperty::Empty] {
        let test = Test::with(|options| options.no_property = none).await;
        let id = test.some("waitingProperty", true);
        let record = test.process(id).await.expect("an answer").expect("a process");
        assert_eq!(text(&record, "property_id"), None, "{none:?}");
    }
    for form in [StateForm::Object, StateForm::Text] {
        let test = Test::with(|options| (options.state_form, options.extra_state) = (form, Some("onHold".to_owned()))).await;
        let id = test.some("onHold", true);
        let record = test.process(id).await.expect("an answer").expect("a process");
        assert_eq!(text(&record, "state").as_deref(), Some("onHold"), "{form:?}");
        assert!(test.states().await.expect("the states").contains(&"onHold".to_owned()));
    }
}

#[tokio::test]
async fn hidden_cancelled_ones_are_found_by_their_state() {
    for cancelled in [Cancelled::Hidden, Cancelled::Days(0)] {
        let test = Test::with(|options| options.cancelled = cancelled).await;
        let (seen, _) = test.all(&ProcessFilter::default(), 100).await.expect("pages");
        let (hidden, _) = test.all(&in_state("cancelled"), 100).await.expect("pages");
        assert!(!hidden.is_empty() && seen.is_disjoint(&hidden), "{cancelled:?}");
        assert_eq!(&seen | &hidden, test.ids(), "{cancelled:?}");
    }
}

#[tokio::test]
async fn one_process_is_asked_for_by_its_id() {
    for unknown in [UnknownId::Empty, UnknownId::NotFound] {
        let test = Test::with(|options| options.unknown_id = unknown).await;
        let record = test.process(111).await.expect("an answer").expect("a process");
        assert_eq!(id(&record), 111);
        assert_eq!(test.process(99_999).await, Ok(None), "{unknown:?}");
    }
    let test = Test::with(|_| {}).await;
    test.sandbox.fault_next(Fault::Text(r#"{"count":1,"total":1,"_embedded":{"sah:listing-processes":[{"id":112}]}}"#.to_owned()));
    assert_eq!(test.process(111).await.expect_err("another").failure, Failure::Malformed);
}

#[tokio::test]
async fn what_has_no_whole_id_is_a_reject_and_what_is_no_object_no_page() {
    let test = Test::with(|_| {}).await;
    let list =
        |items: &str, count: u32| format!(r#"{{"count":{count},"total":{count},"_embedded":{{"sah:listing-processes":[{items}]}}}}"#);
    test.sandbox.fault_next(Fault::Text(list(r#"{"id":2.5},{"id":3.0,"x":1.50},{"locator":"A"}"#, 3)));
    let page = test.page(&ProcessFilter::default(), 1, 100).await.expect("a page");
    assert_eq!((page.records.len(), page.rejects.len(), page.total), (1, 2, 3));
    assert_eq!((PROCESSES.decode)(&page.records[0]).extra.as_deref(), Some(r#"{"x":1.50}"#));
    for answer in [list("5", 1), "[]".to_owned(), "<html></html>".to_owned(), r#"{"count":1}"#.to_owned()] {
        test.sandbox.fault_next(Fault::Text(answer.clone()));
        assert_eq!(test.page(&ProcessFilter::default(), 1, 100).await.expect_err("no page").failure, Failure::Malformed, "{answer}");
    }
}

#[tokio::test]
async fn the_states_are_read_over_all_pages() {
    let words = ["cancelled", "propertyVerified", "propertyUnverified", "waitingContent", "waitingProperty"];
    for past in [PagePastEnd::Empty, PagePastEnd::NotFound, PagePastEnd::LastAgain, PagePastEnd::BadRequest] {
        let test = Test::with(|options| (options.page_size_max, options.page_past_end) = (1, past)).await;
        assert_eq!(test.states().await.expect("the states"), words, "{past:?}");
        assert_eq!(test.asked("GET").0, 6, "{past:?}");
    }
    let test = Test::with(|_| {}).await;
    assert_eq!(test.states().await.expect("the states"), words);
    assert_eq!(test.asked("GET").0, 1);
}

#[tokio::test]
async fn each_write_does_one_thing_once() {
    let test = Test::with(|_| {}).await;
    let id = test.some("waitingContent", false);
    let (one, other) = (test.agent(0), test.agent(1));
    assert_eq!(test.assign(id, &one).await, WriteOutcome::Done(()));
    assert_eq!(test.agent_of(id), Some(one.clone()));
    assert_eq!(test.assign(id, &one).await, WriteOutcome::Done(()), "the same agent again");
    assert_eq!(test.assign(id, &other).await, WriteOutcome::Done(()), "replaced");
    assert_eq!(test.unassign(id).await, WriteOutcome::Done(()));
    assert_eq!(test.agent_of(id), None);
    assert_eq!(test.cancel(id).await, WriteOutcome::Done(()));
    assert_eq!(test.state_of(id), "cancelled");
    assert_eq!((test.asked("PUT").0, test.asked("DELETE").0), (3, 2));
    let paths: BTreeSet<String> = test.sandbox.requests().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, BTreeSet::from([format!("/listing-processes/{id}"), format!("/listing-processes/{id}/assignation")]));
}

#[tokio::test]
async fn every_refusal_of_a_write_is_told_in_the_vendors_words() {
    let test = Test::with(|_| {}).await;
    let agent = test.agent(0);
    for outcome in [test.cancel(99_999).await, test.assign(99_999, &agent).await, test.unassign(99_999).await] {
        assert_eq!(refused(outcome).to_string(), "HTTP 404: Not Found | The resource was not found");
    }
    let refusal = refused(test.assign(111, "nobody-knows").await);
    assert_eq!((refusal.http, refusal.messages), (422, vec!["agentId: The agent does not exist".to_owned()]));
    for status in [400, 401, 404, 409, 422] {
        test.sandbox.fault_next(Fault::Problem(status));
        assert_eq!(refused(test.cancel(111).await).http, status);
    }
}

#[tokio::test]
async fn each_reading_of_a_repeated_or_forbidden_write_is_an_outcome() {
    let http = |outcome: WriteOutcome| match outcome {
        WriteOutcome::Done(()) => 204,
        WriteOutcome::Refused(refusal) => refusal.http,
        other => panic!("{other:?}"),
    };
    for (twice, expected) in [(CancelTwice::NoContent, 204), (CancelTwice::Conflict, 409), (CancelTwice::NotFound, 404)] {
        let test = Test::with(|options| options.cancel_twice = twice).await;
        assert_eq!(http(test.cancel(test.some("cancelled", true)).await), expected, "{twice:?}");
    }
    for (cancellable, expected) in [(Cancellable::Any, 204), (Cancellable::Waiting, 409)] {
        let test = Test::with(|options| options.cancellable = cancellable).await;
        assert_eq!(http(test.cancel(test.some("propertyVerified", true)).await), expected, "{cancellable:?}");
    }
    for (assign, expected) in [(AssignCancelled::Conflict, 409), (AssignCancelled::Unprocessable, 422), (AssignCancelled::NoContent, 204)] {
        let test = Test::with(|options| options.assign_cancelled = assign).await;
        assert_eq!(http(test.assign(test.some("cancelled", false), &test.agent(0)).await), expected, "{assign:?}");
    }
    for (unknown, expected) in [(UnknownAgent::Unprocessable, 422), (UnknownAgent::NotFound, 404), (UnknownAgent::NoContent, 204)] {
        let test = Test::with(|options| options.unknown_agent = unknown).await;
        assert_eq!(http(test.assign(test.some("waitingContent", false), "stranger").await), expected, "{unknown:?}");
    }
    for (twice, expected) in [(UnassignTwice::NoContent, 204), (UnassignTwice::NotFound, 404)] {
        let test = Test::with(|options| options.unassign_twice = twice).await;
        assert_eq!(http(test.unassign(test.some("waitingContent", false)).await), expected, "{twice:?}");
    }
    for (reassign, expected) in [(Reassign::Replace, 204), (Reassign::Conflict, 409)] {
        let test = Test::with(|options| options.reassign = reassign).await;
        let id = test.some("waitingContent", true);
        let other = test.sandbox.with_world(|world| {
            let agent = world.process(id).and_then(|process| process.facts.agent.clone());
            world.agents().iter().find(|other| Some(*other) != agent.as_ref()).cloned().expect("another agent")
        });
        assert_eq!(http(test.assign(id, &other).await), expected, "{reassign:?}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_sent_once_and_unknown() {
    for fault in
        [Fault::LostAnswer, Fault::LostRequest, Fault::Problem(500), Fault::Html(502), Fault::Html(404), Fault::Text("<html>".to_owned())]
    {
        let test = Test::with(|_| {}).await;
        let id = test.some("waitingContent", true);
        // A connection that was kept open must tempt nobody to try again.
        test.process(id).await.expect("an answer");
        test.sandbox.fault_next(fault.clone());
        let outcome = test.cancel(id).await;
        assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{fault:?}: {outcome:?}");
        assert_eq!(test.asked("DELETE").0, 1, "{fault:?}");
        assert_eq!(test.state_of(id) == "cancelled", fault == Fault::LostAnswer, "{fault:?}");
        test.sandbox.fault_next(fault.clone());
        assert!(matches!(test.assign(id, &test.agent(0)).await, WriteOutcome::Unknown(_)), "{fault:?}");
        assert_eq!(test.asked("PUT").0, 1, "{fault:?}");
    }
    let test = Test::with(|options| options.lose_answers = 1.0).await;
    assert!(matches!(test.unassign(111).await, WriteOutcome::Unknown(_)));
    assert_eq!((test.agent_of(111), test.asked("DELETE")), (None, (1, Some(0))));
}

#[tokio::test]
async fn a_write_is_shown_after_the_lag() {
    let frozen = "2026-05-01T12:00:00".parse().expect("a date");
    let test = Test::with(|options| (options.read_lag_ms, options.frozen_at) = (5000, Some(frozen))).await;
    let id = test.some("waitingContent", true);
    assert_eq!(test.cancel(id).await, WriteOutcome::Done(()));
    let state = async |test: &Test| text(&test.process(id).await.expect("an answer").expect("a process"), "state");
    assert_eq!(state(&test).await.as_deref(), Some("waitingContent"));
    test.sandbox.with_world(|world| world.advance_clock(Duration::from_secs(6)));
    assert_eq!(state(&test).await.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn a_stop_before_a_write_leaves_it_unsent() {
    let test = Test::with(|_| {}).await;
    test.stop.cancel();
    assert_eq!(test.api.cancel(ProcessId(111), &test.stop).await, None);
    assert!(test.api.process(ProcessId(111), &test.stop).await.is_none());
    assert_eq!(test.sandbox.requests(), []);
}

#[tokio::test]
async fn each_refusal_of_a_token_is_unauthorized_with_a_remedy() {
    for (forbidden, failure) in [
        (Forbidden::Unauthorized, Some(Failure::Unauthorized)),
        (Forbidden::Forbidden, Some(Failure::Unauthorized)),
        (Forbidden::NotFound, None),
    ] {
        let test =
            Test::with(|options| (options.forbidden, options.forbidden_token) = (forbidden, Some(OTHER.parse().expect("a token")))).await;
        test.api.set_token(OTHER.into()).expect("a token");
        match (test.page(&ProcessFilter::default(), 1, 100).await, failure) {
            (Err(error), Some(failure)) => {
                assert_eq!(error.failure, failure, "{forbidden:?}");
                assert!(error.message.contains("put a new one in its place"), "{}", error.message);
            }
            // By this reading nothing tells it from an empty list: that is what the brake is for.
            (Ok(page), None) => assert_eq!((page.records.len(), page.total), (0, 0)),
            (other, _) => panic!("{forbidden:?}: {other:?}"),
        }
        test.api.set_token(TOKEN.into()).expect("a token");
        test.page(&ProcessFilter::default(), 1, 100).await.expect("a page");
    }
    let test = Test::with(|options| options.token_life_s = Some(0)).await;
    let error = test.states().await.expect_err("expired");
    assert_eq!((error.failure, error.status), (Failure::Unauthorized, Some(401)));
    assert!(error.message.contains("Unauthorized | Unauthorized user"), "{}", error.message);
    let id = test.some("waitingContent", true);
    assert_eq!(refused(test.cancel(id).await).http, 401);
    assert_eq!(test.state_of(id), "waitingContent");
}

#[tokio::test]
async fn another_account_sees_its_own_processes() {
    let test = Test::with(|options| options.other_token = Some(OTHER.parse().expect("a token"))).await;
    test.api.set_token(OTHER.into()).expect("a token");
    let (seen, _) = test.all(&ProcessFilter::default(), 100).await.expect("pages");
    assert!(!seen.is_empty() && seen.len() < test.ids().len());
    assert_ne!(token_facts(&OTHER.into()).subject, token_facts(&TOKEN.into()).subject);
}

#[tokio::test]
async fn the_scheme_is_a_setting() {
    for (scheme, word, is_taken) in [
        (Scheme::None, "", true),
        (Scheme::None, "Bearer", false),
        (Scheme::Bearer, "Bearer", true),
        (Scheme::Bearer, "", false),
        (Scheme::Either, "", true),
        (Scheme::Either, "Bearer", true),
    ] {
        let test = Test::with(|options| options.scheme = scheme).await;
        let answer = api(&test.sandbox.url(), TOKEN, word).states(&test.stop).await.expect("not stopped");
        assert_eq!(answer.is_ok(), is_taken, "{scheme:?} {word:?}");
    }
}

#[tokio::test]
async fn a_limit_closes_the_gate_where_it_is_told() {
    use {Failure as F, RetryAfter as R, Throttle as T};
    for (throttle, retry_after, is_told) in [
        (T::TooMany, R::None, true),
        (T::TooMany, R::Seconds, true),
        (T::TooMany, R::Date, true),
        (T::Unavailable, R::Seconds, true),
        (T::Unavailable, R::Date, true),
        (T::Html, R::Seconds, true),
        (T::Unavailable, R::None, false),
        (T::Failed, R::None, false),
        (T::Html, R::None, false),
    ] {
        let test = Test::with(|options| (options.rate, options.throttle, options.retry_after) = (Some(0.01), throttle, retry_after)).await;
        test.states().await.expect("the first request");
        let error = test.states().await.expect_err("too many");
        let is_throttled = matches!(error.failure, F::Throttled { .. });
        assert_eq!(is_throttled, is_told, "{throttle:?} {retry_after:?}: {error:?}");
        assert!(is_throttled || error.failure == F::Unavailable, "{error:?}");
        assert_eq!(test.api.closed_for().is_some(), is_told, "{throttle:?} {retry_after:?}");
    }
}

#[tokio::test]
async fn a_limit_on_a_write_closes_the_gate_and_is_a_refusal() {
    let test = Test::with(|_| {}).await;
    test.sandbox.fault_next(Fault::Problem(429));
    assert_eq!(refused(test.cancel(111).await).http, 429);
    assert!(test.api.closed_for().is_some());
    assert_eq!(test.asked("DELETE").0, 1);
}

#[tokio::test]
async fn each_status_of_a_list_is_a_failure() {
    let test = Test::with(|_| {}).await;
    let check = async |fault: Fault, expected: Failure| {
        test.sandbox.fault_next(fault.clone());
        assert_eq!(test.page(&ProcessFilter::default(), 1, 100).await.expect_err("a failure").failure, expected, "{fault:?}");
        test.sandbox.fault_next(fault.clone());
        assert_eq!(test.states().await.expect_err("a failure").failure, expected, "states: {fault:?}");
    };
    check(Fault::Problem(400), Failure::Refused).await;
    check(Fault::Problem(401), Failure::Unauthorized).await;
    check(Fault::Problem(403), Failure::Unauthorized).await;
    check(Fault::Problem(405), Failure::Refused).await;
    check(Fault::Problem(500), Failure::Unavailable).await;
    check(Fault::Problem(503), Failure::Unavailable).await;
    check(Fault::Html(502), Failure::Unavailable).await;
    check(Fault::Html(504), Failure::Unavailable).await;
    check(Fault::Html(404), Failure::Unavailable).await;
    check(Fault::Html(403), Failure::Unauthorized).await;
    check(Fault::Html(200), Failure::Malformed).await;
    check(Fault::Html(302), Failure::Unavailable).await;
    check(Fault::Cut, Failure::Unavailable).await;
}

#[tokio::test]
async fn reads_go_on_through_faults_and_lost_requests() {
    let test = Test::with(|options| (options.fault_rate, options.lose_requests) = (0.2, 0.1)).await;
    let mut found = BTreeSet::new();
    for page in 1..=3 {
        let answer = loop {
            if let Ok(answer) = test.page(&ProcessFilter::default(), page, 100).await {
                break answer;
            }
        };
        found.extend(answer.records.iter().map(id));
    }
    assert_eq!(found, test.ids());
}

#[tokio::test]
async fn the_token_is_in_no_error_no_debug_and_no_log() {
    let test = Test::with(|_| {}).await;
    let parts: Vec<&str> = TOKEN.split('.').skip(1).collect();
    let check = |shown: &str| assert!(parts.iter().all(|part| !shown.contains(part)), "{shown}");
    check(&format!("{:?}", test.api));
    let problem = |status: u16| {
        let field = format!(
            "{{\"title\":\"bad {TOKEN}\",\"detail\":\"{TOKEN}\",\"status\":{status},\"validationMessages\":{{\"{TOKEN}\":{{\"r\":\"{TOKEN}\"}}}}}}"
        );
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{field}",
            field.len()
        )
    };
    for answer in [
        problem(400),
        problem(401),
        problem(422),
        problem(500),
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/{TOKEN}\r\ncontent-length: 1\r\nconnection: close\r\n\r\n5"),
    ] {
        let api = api(&raw(answer).await, TOKEN, "");
        let error = api.states(&test.stop).await.expect("not stopped").expect_err("an error");
        check(&format!("{error} {error:?}"));
        check(&format!("{:?}", api.cancel(ProcessId(1), &test.stop).await));
    }
    let nobody = api("http://127.0.0.1:1", TOKEN, "Bearer");
    let error = nobody.states(&test.stop).await.expect("not stopped").expect_err("no connection");
    check(&format!("{error} {error:?} {nobody:?}"));
    assert!(matches!(nobody.cancel(ProcessId(1), &test.stop).await, Some(Err(_))), "it has not left");
    test.states().await.expect("the states");
    check(&format!("{:?}", test.sandbox.requests()));
    for path in ["/sandbox/requests", "/sandbox/truth"] {
        let (status, body) = ask(&test, "GET", path).await;
        check(&body);
        assert!(status == 200 && body.len() > 20, "{path}: {body}");
    }
}

/// A server that sends these bytes to each request.
async fn raw(answer: String) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut chunk = [0; 4096];
            assert!(stream.read(&mut chunk).await.expect("a request") > 0);
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    format!("http://{address}")
}

/// A request past the client; the status and the body.
async fn ask(test: &Test, method: &str, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let url = test.sandbox.url();
    let mut stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.expect("a connection");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: {TOKEN}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

#[tokio::test]
async fn success_of_a_write_has_several_statuses() {
    let test = Test::with(|_| {}).await;
    for (status, body, expected) in [
        ("200 OK", "", Some(WriteOutcome::Done(()))),
        ("200 OK", "{\"id\":1}", Some(WriteOutcome::Done(()))),
        ("202 Accepted", "", Some(WriteOutcome::Accepted)),
        ("200 OK", "<html>", None),
        ("201 Created", "<html>", None),
        ("301 Moved\r\nlocation: https://example.com/x", "", None),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let outcome = api(&raw(answer).await, TOKEN, "").unassign(ProcessId(1), &test.stop).await.expect("sent").expect("it leaves");
        match expected {
            Some(expected) => assert_eq!(outcome, expected, "{status} {body}"),
            None => assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{status} {body}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn the_sandbox_refuses_what_the_document_does_not_have() {
    let test = Test::with(|_| {}).await;
    for (method, path, expected) in [
        ("GET", "/listing-processes/111", 405),
        ("POST", "/listing-processes", 405),
        ("DELETE", "/listing-processes/states", 405),
        ("DELETE", "/listing-processes/x", 404),
        ("GET", "/elsewhere", 404),
        ("PUT", "/listing-processes/111/assignation", 400),
        ("GET", "/listing-processes?id=x", 400),
        ("GET", "/listing-processes?page=0", 400),
        ("GET", "/listing-processes?itemsPerPage=-1", 400),
        ("GET", "/listing-processes?state=cancelled&state=waitingContent", 400),
    ] {
        let (status, body) = ask(&test, method, path).await;
        assert_eq!(status, expected, "{method} {path}");
        assert!(body.contains("\"title\"") && body.contains("\"detail\""), "{body}");
    }
}

#[tokio::test]
async fn the_world_changes_as_it_is_told_to() {
    let frozen = "2026-05-01T12:00:00".parse().expect("a date");
    let test = Test::with(|options| {
        (options.frozen_at, options.churn_per_second, options.vanish_per_second) = (Some(frozen), 5.0, 1.0);
        options.revive_per_second = 1.0;
        options.reuse_ids = true;
    })
    .await;
    let (_, before) = ask(&test, "GET", "/sandbox/truth").await;
    assert_eq!(before.lines().count(), 250);
    test.sandbox.with_world(|world| world.advance_clock(Duration::from_secs(20)));
    test.states().await.expect("the states");
    let (_, after) = ask(&test, "GET", "/sandbox/truth").await;
    assert_ne!(before, after);
    ask(&test, "POST", "/sandbox/quiet").await;
    test.sandbox.with_world(|world| world.advance_clock(Duration::from_secs(20)));
    test.states().await.expect("the states");
    assert_eq!(ask(&test, "GET", "/sandbox/truth").await.1, after);
    assert_eq!(ask(&test, "POST", "/sandbox/churn?n=7").await, (200, "{\"changes\":7}".to_owned()));
    assert_ne!(ask(&test, "GET", "/sandbox/truth").await.1, after);

    let test = Test::with(|options| (options.insert_while_paging, options.remove_while_paging) = (true, true)).await;
    let before = test.ids();
    test.page(&ProcessFilter::default(), 1, 100).await.expect("a page");
    assert!(test.ids() != before && test.ids().len() == before.len());
}
