//! The sandbox's switches: each reading of the vendor's document that it can play.

use super::key::Key;
pub use super::service_options::{FarDistance, ListForm, PointForm, ServiceOptions};
use crate::record::DayTime;
use clap::{ArgAction, Args, Command, FromArgMatches, ValueEnum};

/// Every switch of the sandbox. The default of each is the one that the command line shows.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The client's name, as it signs
    #[arg(long, default_value = "demo")]
    pub client: String,
    /// The client's system access key
    #[arg(long, default_value = "demo-key", hide_default_value = true)]
    pub key: Key,
    /// The feeds that the client can see
    #[arg(long, value_delimiter = ',', default_value = "GAMLS,NWMLS,SFAR")]
    pub feeds: Vec<String>,
    /// Feeds that exist but that the client cannot see
    #[arg(long, value_delimiter = ',')]
    pub hidden_feeds: Vec<String>,
    /// Live listings in each feed at the start
    #[arg(long, default_value_t = 2000)]
    pub listings: usize,
    /// Already deleted listings in each feed at the start
    #[arg(long, default_value_t = 100)]
    pub deleted: usize,
    /// The seed of the world and of every random answer
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days before the start over which the first stamps are spread, denser toward the start
    #[arg(long, default_value_t = 365)]
    pub history_days: u32,
    /// How many of each feed's live listings share one stamp, as after a bulk load
    #[arg(long, default_value_t = 0)]
    pub bulk: usize,
    /// Stops the world's clock at this UTC date-time (for tests, which then move it)
    #[arg(long)]
    pub frozen_at: Option<DayTime>,
    /// The order of a request's records
    #[arg(long, value_enum, default_value_t = SortOrder::UpdatedAsc)]
    pub order: SortOrder,
    /// Whether the ends of the asked range belong to it
    #[arg(long, value_enum, default_value_t = Bounds::Inclusive)]
    pub bounds: Bounds,
    /// What becomes of FromUpdatedDate
    #[arg(long, value_enum, default_value_t = FromMode::Exact)]
    pub from_mode: FromMode,
    /// Which feeds of a list are heeded
    #[arg(long, value_enum, default_value_t = FeedList::All)]
    pub feed_list: FeedList,
    /// Offset from UTC of every date-time in records and filters, in hours
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub zone_hours: i32,
    /// Status 0 returns deleted listings too
    #[arg(long)]
    pub all_includes_deleted: bool,
    /// What a deleted listing's record holds
    #[arg(long, value_enum, default_value_t = DeletedContent::Full)]
    pub deletions: DeletedContent,
    /// What GetListingDetail answers for a deleted listing
    #[arg(long, value_enum, default_value_t = DeletedDetail::NotFound)]
    pub deleted_detail: DeletedDetail,
    /// Which half of the document the records follow
    #[arg(long, value_enum, default_value_t = Shape::Union)]
    pub shape: Shape,
    /// The name of the media member
    #[arg(long, value_enum, default_value_t = MediaKey::Media)]
    pub media_key: MediaKey,
    /// Sends null now and then for values that the document calls required
    #[arg(long)]
    pub nulls: bool,
    /// Adds members that the document does not know
    #[arg(long)]
    pub unknown_members: bool,
    /// The finest grain of a stamp
    #[arg(long, value_enum, default_value_t = StampGrain::Tick)]
    pub stamp_grain: StampGrain,

    /// The answer when every feed asked for is out of sight
    #[arg(long, value_enum, default_value_t = Foreign::Empty)]
    pub foreign: Foreign,
    /// Records on a page, when the request does not say
    #[arg(long, default_value_t = 200)]
    pub page_size: usize,
    /// How the last page says that it is the last
    #[arg(long, value_enum, default_value_t = NextPage::Null)]
    pub next_page: NextPage,
    /// The answer to a page past the end
    #[arg(long, value_enum, default_value_t = PagePastEnd::Empty)]
    pub page_past_end: PagePastEnd,
    /// Refuses paths in another case than the document's
    #[arg(long)]
    pub strict_paths: bool,
    /// The case of hex digits that a signature may have
    #[arg(long, value_enum, default_value_t = HexCase::Any)]
    pub hex_case: HexCase,
    /// The most seconds by which a request's timestamp may be wrong (no limit by default)
    #[arg(long)]
    pub skew_s: Option<u64>,
    /// Compresses answers when asked to
    #[arg(long, default_value_t = true, action = ArgAction::Set)]
    pub gzip: bool,
    /// Seconds by which the Date header is wrong
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub date_skew_s: i64,
    /// Sends no Date header
    #[arg(long)]
    pub no_date: bool,
    /// Requests that are allowed in a second (no limit by default)
    #[arg(long)]
    pub rate: Option<f64>,
    /// Requests that are allowed at once before the rate counts
    #[arg(long, default_value_t = 1)]
    pub rate_burst: u32,
    /// The Retry-After header of a 429
    #[arg(long, value_enum, default_value_t = RetryAfter::None)]
    pub retry_after: RetryAfter,
    /// Share of requests that are answered by a random fault
    #[arg(long, default_value_t = 0.0)]
    pub fault_rate: f64,
    /// Random changes before each SyncListings answer
    #[arg(long, default_value_t = 0.0)]
    pub churn: f64,
    /// Random changes in a second
    #[arg(long, default_value_t = 0.0)]
    pub churn_per_second: f64,
    /// Share of the random changes that can be seen only some time after their stamp
    #[arg(long, default_value_t = 0.0)]
    pub late: f64,
    /// That time, in milliseconds
    #[arg(long, default_value_t = 2000)]
    pub late_by_ms: u64,
    /// The services besides SyncListings
    #[command(flatten)]
    pub services: ServiceOptions,
}

impl Default for Options {
    fn default() -> Options {
        let command = Options::augment_args(Command::new("sandbox"));
        let matches = command.get_matches_from(["sandbox"]);
        Options::from_arg_matches(&matches).expect("every option has a default")
    }
}

/// The order of a request's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortOrder {
    /// Oldest stamp first.
    UpdatedAsc,
    /// Newest stamp first.
    UpdatedDesc,
    /// By feed and listing number.
    Id,
    /// Shuffled anew for each request.
    Unstable,
    /// Oldest stamp first, equal stamps shuffled anew for each request.
    UnstableTies,
}

/// Whether the ends of the asked range belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bounds {
    /// They do.
    Inclusive,
    /// They do not.
    Exclusive,
}

/// What becomes of FromUpdatedDate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FromMode {
    /// It is taken as sent.
    Exact,
    /// Its time part is dropped.
    FloorToMidnight,
    /// It is ignored: every request is answered from the beginning of time.
    Ignored,
}

/// Which feeds of a list are heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FeedList {
    /// All, as the document says.
    All,
    /// The first.
    First,
    /// The last.
    Last,
}

/// What a deleted listing's record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum DeletedContent {
    /// Everything it held, with the status `Deleted`.
    Full,
    /// Its key and its stamp alone.
    Sparse,
    /// Its key and its stamp; every other member is there and null.
    SparseNull,
}

/// What GetListingDetail answers for a deleted listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeletedDetail {
    /// 404.
    NotFound,
    /// The record of the deletion.
    Record,
}

/// Which half of the document the records follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// The C# class: its types, without the fields that only the response table has.
    Class,
    /// The response table: its types, without the fields that only the class has.
    Table,
    /// One of these two, drawn for each answer.
    Mixed,
    /// Every field; where the types differ, either.
    Union,
}

/// The name of the media member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum MediaKey {
    /// `Media`.
    Media,
    /// `ListingMedia`.
    ListingMedia,
    /// Both, with the same value.
    Both,
}

/// The finest grain of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StampGrain {
    /// 100 ns.
    Tick,
    /// 1 ms.
    Millisecond,
    /// 1 s.
    Second,
}

/// The answer when every feed asked for is out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Foreign {
    /// No records.
    Empty,
    /// The records of all feeds in sight, as if none had been named.
    Everything,
}

/// How the last page says that it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NextPage {
    /// `"NextPage": null`.
    Null,
    /// Without the member.
    Absent,
}

/// The answer to a page past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PagePastEnd {
    /// A page without records.
    Empty,
    /// The last page once more.
    LastAgain,
    /// 404.
    NotFound,
}

/// The case of hex digits that a signature may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HexCase {
    /// Any.
    Any,
    /// `a` to `f`.
    Lower,
    /// `A` to `F`.
    Upper,
}

/// The Retry-After header of a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryAfter {
    /// None: the wait is only in the message.
    None,
    /// Whole seconds, rounded up.
    Seconds,
    /// An HTTP date.
    Date,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_kebab_case_and_take_negative_hours() {
        let command = Options::augment_args(Command::new("sandbox"));
        let words = "sandbox --order unstable-ties --from-mode floor-to-midnight --zone-hours -8 --feeds A,B --gzip false --rate 0.5 \
                     --frozen-at 2026-05-01T12:00:00";
        let matches = command.try_get_matches_from(words.split_whitespace()).expect("the switches parse");
        let options = Options::from_arg_matches(&matches).expect("every switch has its type");
        assert_eq!((options.order, options.from_mode), (SortOrder::UnstableTies, FromMode::FloorToMidnight));
        assert_eq!((options.zone_hours, options.gzip, options.rate), (-8, false, Some(0.5)));
        assert_eq!((options.feeds, options.frozen_at.is_some()), (vec!["A".to_owned(), "B".to_owned()], true));
    }

    #[test]
    fn defaults_are_complete_and_the_key_is_not_shown() {
        let options = Options::default();
        assert_eq!((options.feeds.len(), options.listings, options.page_size, options.gzip), (3, 2000, 200, true));
        assert_eq!((options.key.0.as_str(), options.hidden_feeds.len()), ("demo-key", 0));
        assert!(!format!("{options:?}").contains("demo-key"));
    }
}
