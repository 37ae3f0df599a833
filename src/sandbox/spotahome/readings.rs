//! What the document leaves open, each as the answers that it may have.

use clap::ValueEnum;
use std::str::FromStr;

/// What becomes of an itemsPerPage over the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PageSizeOver {
    /// The maximum counts.
    Clamp,
    /// 400.
    Refuse,
    /// The default counts.
    Ignore,
}

/// What `total` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Total {
    /// All matches.
    All,
    /// The elements of the page.
    Page,
}

/// What `count` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Count {
    /// The elements of the page.
    Items,
    /// The itemsPerPage that was asked for.
    Requested,
    /// One more than there are, as in the document's example.
    AsPrinted,
}

/// The order of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// By id.
    Id,
    /// By id, the highest first.
    IdDesc,
    /// Those that changed last first.
    UpdatedDesc,
    /// By state, then by id.
    State,
    /// Another one in each answer.
    Unstable,
}

/// What the links of a list say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Links {
    /// The pages, with filters and page size.
    Right,
    /// What the document's example says, on each page.
    AsPrinted,
    /// The pages, without filters and page size.
    WithoutFilters,
    /// As `right`, with the vendor's host.
    Absolute,
    /// No links at all.
    Absent,
}

/// The answer to a page past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PagePastEnd {
    /// An empty list.
    Empty,
    /// 404.
    NotFound,
    /// The last page once more.
    LastAgain,
    /// 400.
    BadRequest,
}

/// How an empty list looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Empty {
    /// Without `_embedded`.
    NoEmbedded,
    /// `"_embedded": {}`.
    EmptyObject,
    /// With an empty array.
    EmptyArray,
    /// 404.
    NotFound,
}

/// How a process without an agent looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unassigned {
    /// `null`.
    Null,
    /// Without the member.
    Absent,
    /// An empty text.
    Empty,
    /// `unassigned`.
    Word,
}

/// How a process without a property looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NoProperty {
    /// `null`.
    Null,
    /// Without the member.
    Absent,
    /// An empty text.
    Empty,
}

/// How a state looks in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateForm {
    /// `{"state": WORD}`.
    Object,
    /// The word.
    Text,
}

/// Whether cancelled processes are in a list that names neither states nor an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// They are.
    Listed,
    /// They are not.
    Hidden,
    /// For so many days.
    Days(u32),
    /// Nor are they in one that names an id and no state.
    ByState,
    /// Nor are they in one that names an id, and one that names their state is refused.
    Refused,
    /// They are in none at all.
    Gone,
}

impl FromStr for Cancelled {
    type Err = String;

    fn from_str(text: &str) -> Result<Cancelled, String> {
        match (text, text.strip_prefix("days=").map(str::parse)) {
            ("listed", _) => Ok(Cancelled::Listed),
            ("hidden", _) => Ok(Cancelled::Hidden),
            ("by-state", _) => Ok(Cancelled::ByState),
            ("refused", _) => Ok(Cancelled::Refused),
            ("gone", _) => Ok(Cancelled::Gone),
            (_, Some(Ok(days))) => Ok(Cancelled::Days(days)),
            _ => Err("it is listed, hidden, by-state, refused, gone or days=N".to_owned()),
        }
    }
}

/// The answer to cancelling what is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CancelTwice {
    /// 204.
    NoContent,
    /// 409.
    Conflict,
    /// 404.
    NotFound,
}

/// Which processes can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cancellable {
    /// Each.
    Any,
    /// Those that wait for something; the others are answered by 409.
    Waiting,
}

/// The answer to assigning what is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AssignCancelled {
    /// 409.
    Conflict,
    /// 422.
    Unprocessable,
    /// 204, and it is done.
    NoContent,
}

/// The answer to assigning an agent who does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownAgent {
    /// 422.
    Unprocessable,
    /// 404.
    NotFound,
    /// 204, and it is done.
    NoContent,
}

/// The answer to unassigning what has no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnassignTwice {
    /// 204.
    NoContent,
    /// 404.
    NotFound,
}

/// The answer to assigning what another agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reassign {
    /// 204, and the agent is replaced.
    Replace,
    /// 409.
    Conflict,
}

/// The answer to a token of the wrong role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forbidden {
    /// 401.
    #[value(name = "401")]
    Unauthorized,
    /// 403.
    #[value(name = "403")]
    Forbidden,
    /// 404.
    #[value(name = "404")]
    NotFound,
}

/// The word before the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheme {
    /// There is none.
    None,
    /// `Bearer`.
    Bearer,
    /// Both are taken.
    Either,
}

/// The answer to a request over the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Throttle {
    /// 429.
    #[value(name = "429")]
    TooMany,
    /// 503.
    #[value(name = "503")]
    Unavailable,
    /// 500.
    #[value(name = "500")]
    Failed,
    /// 503 with a page of HTML.
    Html,
}

/// The Retry-After header of a request over the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryAfter {
    /// None.
    None,
    /// Whole seconds, rounded up.
    Seconds,
    /// An HTTP date.
    Date,
}
