//! The sandbox's switches: each reading of the vendor's document that it can play.

use super::forms::{Case, GetContentType, IdForm, ManyStates, StateWeight, Transitions, UnknownId};
use super::readings::{
    AssignCancelled, CancelTwice, Cancellable, Cancelled, Count, Empty, Forbidden, Links, NoProperty, Order, PagePastEnd, PageSizeOver,
    Reassign, RetryAfter, Scheme, StateForm, Throttle, Total, UnassignTwice, Unassigned, UnknownAgent,
};
use crate::record::DayTime;
use crate::sandbox::key::Key;
use clap::{Args, Command, FromArgMatches};

/// Every switch of the sandbox. The default of each is the one that the command line shows.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The token that sees every process
    #[arg(long, default_value = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZW1vIn0.ZGVtbw", hide_default_value = true)]
    pub token: Key,
    /// A token of another account, which sees the processes of one account alone
    #[arg(long)]
    pub other_token: Option<Key>,
    /// A token whose role may see nothing
    #[arg(long)]
    pub forbidden_token: Option<Key>,
    /// Seconds from the start after which no token is taken any more
    #[arg(long)]
    pub token_life_s: Option<u64>,
    /// The answer to a token of the wrong role
    #[arg(long, value_enum, default_value_t = Forbidden::Unauthorized)]
    pub forbidden: Forbidden,
    /// The word before the token
    #[arg(long, value_enum, default_value_t = Scheme::None)]
    pub scheme: Scheme,
    /// Whether the list of processes wants a Content-Type
    #[arg(long, value_enum, default_value_t = GetContentType::Any)]
    pub get_content_type: GetContentType,

    /// Processes at the start
    #[arg(long, default_value_t = 500)]
    pub processes: usize,
    /// How often each state is drawn at the start
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "waitingProperty=2,waitingContent=3,propertyUnverified=2,propertyVerified=2,cancelled=1"
    )]
    pub states_mix: Vec<StateWeight>,
    /// Agents
    #[arg(long, default_value_t = 12)]
    pub agents: usize,
    /// The seed of the world and of every random answer
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stops the world's clock at this UTC date-time (for tests, which then move it)
    #[arg(long)]
    pub frozen_at: Option<DayTime>,
    /// A state that the document does not name, in which one process in ten is at the start
    #[arg(long)]
    pub extra_state: Option<String>,
    /// Gives every process the same locator
    #[arg(long)]
    pub same_locator: bool,
    /// Which states follow which
    #[arg(long, value_enum, default_value_t = Transitions::Machine)]
    pub transitions: Transitions,

    /// Random changes in a second: new, advance, cancel, assign, unassign
    #[arg(long, default_value_t = 0.0)]
    pub churn_per_second: f64,
    /// Processes that vanish in a second
    #[arg(long, default_value_t = 0.0)]
    pub vanish_per_second: f64,
    /// Cancelled processes that come back to life in a second
    #[arg(long, default_value_t = 0.0)]
    pub revive_per_second: f64,
    /// Gives new processes the ids of those that vanished
    #[arg(long)]
    pub reuse_ids: bool,
    /// Adds a process after each page
    #[arg(long)]
    pub insert_while_paging: bool,
    /// Removes a process after each page
    #[arg(long)]
    pub remove_while_paging: bool,

    /// Elements on a page, when the request does not say
    #[arg(long, default_value_t = 100)]
    pub page_size: usize,
    /// The most elements on a page
    #[arg(long, default_value_t = 100)]
    pub page_size_max: usize,
    /// What becomes of an itemsPerPage over that
    #[arg(long, value_enum, default_value_t = PageSizeOver::Clamp)]
    pub page_size_over: PageSizeOver,
    /// What total counts
    #[arg(long, value_enum, default_value_t = Total::All)]
    pub total: Total,
    /// What count counts
    #[arg(long, value_enum, default_value_t = Count::Items)]
    pub count: Count,
    /// The order of processes
    #[arg(long, value_enum, default_value_t = Order::Id)]
    pub order: Order,
    /// What the links say
    #[arg(long, value_enum, default_value_t = Links::Right)]
    pub links: Links,
    /// The answer to a page past the end
    #[arg(long, value_enum, default_value_t = PagePastEnd::Empty)]
    pub page_past_end: PagePastEnd,
    /// How an empty list looks
    #[arg(long, value_enum, default_value_t = Empty::NoEmbedded)]
    pub empty: Empty,
    /// How a process without an agent looks
    #[arg(long, value_enum, default_value_t = Unassigned::Null)]
    pub unassigned: Unassigned,
    /// How a process without a property looks
    #[arg(long, value_enum, default_value_t = NoProperty::Null)]
    pub no_property: NoProperty,
    /// How a state looks in a process
    #[arg(long, value_enum, default_value_t = StateForm::Object)]
    pub state_form: StateForm,
    /// How ids are written
    #[arg(long, value_enum, default_value_t = IdForm::Integer)]
    pub id_form: IdForm,
    /// Whether cancelled processes are in a list that names neither states nor an id: listed, hidden, days=N (hidden after N days), by-state (hidden even from a list by id), refused (so, and a list by their state is refused) or gone (in no list)
    #[arg(long, default_value = "listed")]
    pub cancelled: Cancelled,
    /// The answer to an id that does not exist in the filter
    #[arg(long, value_enum, default_value_t = UnknownId::Empty)]
    pub unknown_id: UnknownId,
    /// What becomes of several states in one request
    #[arg(long, value_enum, default_value_t = ManyStates::Refuse)]
    pub many_states: ManyStates,
    /// Whether the case of states and of "unassigned" counts
    #[arg(long, value_enum, default_value_t = Case::Exact)]
    pub case: Case,

    /// The answer to cancelling what is cancelled
    #[arg(long, value_enum, default_value_t = CancelTwice::NoContent)]
    pub cancel_twice: CancelTwice,
    /// Which processes can be cancelled
    #[arg(long, value_enum, default_value_t = Cancellable::Any)]
    pub cancellable: Cancellable,
    /// The answer to assigning what is cancelled
    #[arg(long, value_enum, default_value_t = AssignCancelled::Conflict)]
    pub assign_cancelled: AssignCancelled,
    /// The answer to assigning an agent who does not exist
    #[arg(long, value_enum, default_value_t = UnknownAgent::Unprocessable)]
    pub unknown_agent: UnknownAgent,
    /// The answer to unassigning what has no agent
    #[arg(long, value_enum, default_value_t = UnassignTwice::NoContent)]
    pub unassign_twice: UnassignTwice,
    /// The answer to assigning what another agent has
    #[arg(long, value_enum, default_value_t = Reassign::Replace)]
    pub reassign: Reassign,
    /// Milliseconds until a list shows what a request changed
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub read_lag_ms: u64,

    /// Requests that are allowed in a second (no limit by default)
    #[arg(long)]
    pub rate: Option<f64>,
    /// The answer to a request over the rate
    #[arg(long, value_enum, default_value_t = Throttle::TooMany)]
    pub throttle: Throttle,
    /// The Retry-After header of such an answer
    #[arg(long, value_enum, default_value_t = RetryAfter::None)]
    pub retry_after: RetryAfter,
    /// Share of writes that are done, and whose answer is lost
    #[arg(long, default_value_t = 0.0)]
    pub lose_answers: f64,
    /// Share of requests that are lost before anything is done
    #[arg(long, default_value_t = 0.0)]
    pub lose_requests: f64,
    /// Share of requests that are answered by a random fault
    #[arg(long, default_value_t = 0.0)]
    pub fault_rate: f64,
    /// Answers lists by the document's examples, and 422 by its broken one; the world is the one process of the example
    #[arg(long)]
    pub as_printed: bool,
}

impl Default for Options {
    fn default() -> Options {
        let command = Options::augment_args(Command::new("sandbox"));
        let matches = command.get_matches_from(["sandbox"]);
        Options::from_arg_matches(&matches).expect("every option has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_kebab_case() {
        let words = "sandbox --cancelled days=30 --forbidden 403 --throttle 503 --states-mix cancelled=1,waitingContent=3 --as-printed \
                     --page-past-end last-again --frozen-at 2026-05-01T12:00:00 --read-lag-ms 500 --links without-filters";
        let matches =
            Options::augment_args(Command::new("sandbox")).try_get_matches_from(words.split_whitespace()).expect("the switches parse");
        let options = Options::from_arg_matches(&matches).expect("every switch has its type");
        assert_eq!(
            (options.cancelled, options.forbidden, options.throttle),
            (Cancelled::Days(30), Forbidden::Forbidden, Throttle::Unavailable)
        );
        assert_eq!((options.states_mix.len(), options.page_past_end, options.links), (2, PagePastEnd::LastAgain, Links::WithoutFilters));
    }

    #[test]
    fn a_wrong_switch_is_refused() {
        for words in ["--cancelled days=x", "--cancelled no", "--states-mix gone=1", "--states-mix cancelled", "--read-lag-ms 60001"] {
            let words = ["sandbox"].into_iter().chain(words.split_whitespace());
            assert!(Options::augment_args(Command::new("sandbox")).try_get_matches_from(words).is_err());
        }
    }

    #[test]
    fn no_token_is_shown() {
        assert!(!format!("{:?}", Options::default()).contains("eyJ"));
    }
}
