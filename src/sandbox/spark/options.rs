//! The switches of the Spark sandbox: each reading of the vendor's documents that it can play.

use super::choices::{Auth, DeletedPaging, LimitOver, Order, Rate, RetryAfter, Secret};
use super::record_options::RecordOptions;
use clap::{Args, Command, FromArgMatches};

/// Every switch of the Spark sandbox.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Live identities at the start
    #[arg(long, default_value_t = 200)]
    pub identities: usize,
    /// Deleted identities at the start
    #[arg(long, default_value_t = 30)]
    pub deleted_identities: usize,
    /// MLSs that they belong to
    #[arg(long, default_value_t = 2)]
    pub mlses: u64,
    /// Listings that exist; the first has the Id 20080917142739989238000000
    #[arg(long, default_value_t = 50)]
    pub listings: u64,
    /// The seed of the world and of every random answer
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The access token
    #[arg(long, default_value = "demo-token", hide_default_value = true)]
    pub token: Secret,
    /// The API key of the session mode
    #[arg(long, default_value = "demo-key", hide_default_value = true)]
    pub api_key: Secret,
    /// The API secret of the session mode
    #[arg(long, default_value = "demo-secret", hide_default_value = true)]
    pub api_secret: Secret,
    /// The credentials that are taken
    #[arg(long, value_enum, default_value_t = Auth::Any)]
    pub auth: Auth,
    /// Seconds after which an unused session expires
    #[arg(long, default_value_t = 3600)]
    pub session_idle_s: u64,
    /// Seconds after which any session expires
    #[arg(long, default_value_t = 86400)]
    pub session_max_s: u64,
    /// Requests after which each session or token expires (1020)
    #[arg(long)]
    pub expire_after: Option<u64>,
    /// Whether the header X-SparkApi-User-Agent may be missing
    #[arg(long)]
    pub user_agent_optional: bool,
    /// HTTP's status of a request over the limit
    #[arg(long, default_value_t = 429)]
    pub throttle: u16,
    /// The Retry-After header of such an answer
    #[arg(long, value_enum, default_value_t = RetryAfter::Seconds)]
    pub retry_after: RetryAfter,
    /// Requests that are allowed in so many seconds (no limit by default)
    #[arg(long)]
    pub rate: Option<Rate>,
    /// The highest _limit
    #[arg(long, default_value_t = 25)]
    pub limit_max: usize,
    /// The answer to a higher one
    #[arg(long, value_enum, default_value_t = LimitOver::Refuse)]
    pub limit_over: LimitOver,
    /// The order of the lists
    #[arg(long, value_enum, default_value_t = Order::Id)]
    pub order: Order,
    /// Whether _orderby may name any field
    #[arg(long)]
    pub orderby_accept: bool,
    /// Whether _filter drops a field that it does not know, with success
    #[arg(long)]
    pub unknown_filter_drop: bool,
    /// Whether the deleted list has pages
    #[arg(long, value_enum, default_value_t = DeletedPaging::AsList)]
    pub deleted_paging: DeletedPaging,
    /// Days after which the deleted list forgets (never by default)
    #[arg(long)]
    pub deleted_list_days: Option<u64>,
    /// Share of answers that are lost after the request was obeyed
    #[arg(long, default_value_t = 0.0)]
    pub lose_answers: f64,
    /// Share of requests that are lost
    #[arg(long, default_value_t = 0.0)]
    pub lose_requests: f64,
    /// Share of writes that are answered 202 and done
    #[arg(long, default_value_t = 0.0)]
    pub accepted: f64,
    /// Share of requests that are answered HTTP 500 without a D
    #[arg(long, default_value_t = 0.0)]
    pub fault_rate: f64,
    /// Random changes in a second
    #[arg(long, default_value_t = 0.0)]
    pub churn_per_second: f64,
    /// What records hold and writes do
    #[command(flatten)]
    pub records: RecordOptions,
}

impl Default for Options {
    fn default() -> Options {
        let command = Options::augment_args(Command::new("sandbox"));
        let matches = command.get_matches_from(["sandbox"]);
        Options::from_arg_matches(&matches).expect("every option has a default")
    }
}
