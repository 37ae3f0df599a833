//! The choices of the switches of the Spark sandbox.

use clap::ValueEnum;
use std::fmt;
use std::str::FromStr;

/// A secret that no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Secret, Self::Err> {
        Ok(Secret(text.to_owned()))
    }
}

/// So many requests in so many seconds, written `1500/300s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: usize,
    /// In how many seconds.
    pub seconds: u64,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let read = || {
            let (requests, seconds) = text.split_once('/')?;
            Some(Rate { requests: requests.parse().ok()?, seconds: seconds.trim_end_matches('s').parse().ok()? })
        };
        read().ok_or_else(|| format!("\"{text}\" is no rate; write 1500/300s"))
    }
}

/// The Retry-After header of an answer to one request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryAfter {
    /// None.
    None,
    /// Seconds.
    Seconds,
    /// An HTTP date.
    Date,
}

/// The credentials that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Each of them.
    #[value(name = "any")]
    Any,
    /// `Bearer` alone.
    #[value(name = "bearer")]
    Bearer,
    /// `OAuth` alone.
    #[value(name = "oauth")]
    OAuth,
    /// A session with signatures alone.
    #[value(name = "session")]
    Session,
}

/// The answer to a `_limit` above the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitOver {
    /// 400.
    Refuse,
    /// The maximum.
    Clamp,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// By Id.
    Id,
    /// By Id, the highest first.
    IdDesc,
    /// The last changed first.
    ModifiedDesc,
    /// By the last use.
    LastActive,
    /// Shuffled anew for each request.
    Unstable,
}

/// Whether the deleted list has pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeletedPaging {
    /// As the live list.
    AsList,
    /// It is always whole, without Pagination.
    Ignored,
    /// It is always its first ten, without Pagination.
    FirstTen,
}

/// The member `Key` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyMember {
    /// It is not there.
    Absent,
    /// It is null.
    Null,
    /// It is masked.
    Masked,
    /// It is an API key.
    Present,
}

/// The answer to a deleted identity by its Id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ByIdDeleted {
    /// The record, which says that it is deleted.
    Record,
    /// 404.
    NotFound,
}

/// The member `Deleted` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeletedFlag {
    /// It is true of the deleted ones.
    Right,
    /// It is not there.
    Absent,
    /// It is the opposite.
    Contradicting,
}

/// What a creation answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CreateAnswer {
    /// The ResourceUri alone.
    Uri,
    /// The record.
    Record,
    /// Success alone.
    Bare,
    /// 202, and it is made all the same.
    Accepted,
}

/// The answer to the same person again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CreateTwice {
    /// Another identity.
    Accept,
    /// 1055.
    Conflict,
}

/// The version in a ResourceUri.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UriVersion {
    /// `/v1/`.
    #[value(name = "v1")]
    V1,
    /// `/vX/`.
    #[value(name = "vX")]
    VX,
}

/// What becomes of the contacts that an identity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PutContacts {
    /// They are replaced.
    Replace,
    /// They stay, unless the Email is the same.
    Merge,
}

/// What null does in an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PutNull {
    /// It clears the value.
    Clear,
    /// It is refused.
    Refuse,
    /// Nothing.
    Ignore,
}

/// The form of date-times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StampForm {
    /// As in the document's sample: UTC and an offset.
    Mixed,
    /// UTC.
    Utc,
    /// An offset.
    Offset,
    /// UTC with milliseconds.
    Fraction,
}

/// The services of tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TicketServices {
    /// PhotoUploads.
    Photo,
    /// PhotoUploads and DocumentUploads.
    #[value(name = "photo+document")]
    PhotoDocument,
    /// Any name.
    Any,
}

/// The form of a failed validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValidationErrors {
    /// `Errors` inside an InvalidRecord.
    Nested,
    /// `Errors` at the top.
    Flat,
    /// The older `Details`.
    Details,
    /// `Errors` and `Details`.
    Mixed,
}

/// What a validation with warnings alone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WarnAs {
    /// A success.
    Success,
    /// A failure.
    Failure,
}
