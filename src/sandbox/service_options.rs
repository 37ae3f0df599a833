//! The sandbox's switches of the services besides SyncListings.

use super::directory::Directory;
use crate::record::Stamp;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;

/// What the document leaves open about agents, offices, open houses and searches.
#[derive(Args, Clone, Debug)]
pub struct ServiceOptions {
    /// Agents of each feed; the listings point to them
    #[arg(long, default_value_t = 40)]
    pub agents: u64,
    /// Offices of each feed; each agent belongs to one
    #[arg(long, default_value_t = 8)]
    pub offices: u64,
    /// Agents or offices on a page
    #[arg(long, default_value_t = 1000)]
    pub directory_page_size: usize,
    /// Services that the client may not use
    #[arg(long, value_delimiter = ',')]
    pub forbidden_services: Vec<String>,
    /// The form of what searches and open houses answer
    #[arg(long, value_enum, default_value_t = ListForm::Bare)]
    pub lists: ListForm,
    /// GetListingDetail answers with a list of one
    #[arg(long)]
    pub wrap_detail: bool,
    /// The answer to a distance of more than 25 miles
    #[arg(long, value_enum, default_value_t = FarDistance::Refuse)]
    pub far_distance: FarDistance,
    /// The spellings of a point that are read
    #[arg(long, value_enum, default_value_t = PointForm::Any)]
    pub point_form: PointForm,
    /// GetListingsByAddress also filters by city, state and ZIP code
    #[arg(long)]
    pub address_filters: bool,
    /// False means no preference in every filter
    #[arg(long)]
    pub false_is_no_preference: bool,
    /// GetSoldListingsByLocation requires SoldDateRange
    #[arg(long)]
    pub sold_range_required: bool,
    /// Open houses that only overlap the asked range belong to it
    #[arg(long)]
    pub open_range_overlaps: bool,
    /// The Total of GetAgents and GetOffices is too high by so many
    #[arg(long, default_value_t = 0)]
    pub directory_total_excess: usize,
    /// Each of their pages begins with the last record of the page before
    #[arg(long)]
    pub directory_repeats: bool,
    /// What has happened to agents, offices and open houses.
    #[arg(skip)]
    pub happened: BTreeMap<(String, String), Happened>,
}

/// What has happened to an agent, an office, or the open houses of a listing; the key is its feed and its id.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// It is not there any more.
    pub gone: bool,
    /// How often it was edited.
    pub edits: u64,
    /// When that was last.
    pub at: Stamp,
}

impl ServiceOptions {
    pub(super) fn directory(&self) -> Directory {
        Directory { agents: self.agents, offices: self.offices }
    }

    pub(super) fn is_gone(&self, feed: &str, id: &str) -> bool {
        self.happened(feed, id).is_some_and(|happened| happened.gone)
    }

    pub(super) fn happened(&self, feed: &str, id: &str) -> Option<Happened> {
        self.happened.get(&(feed.to_owned(), id.to_owned())).copied()
    }
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListForm {
    /// An array.
    Bare,
    /// An object whose `Results` are everything.
    Results,
    /// Pages, as SyncListings has them.
    Paged,
}

/// The answer to a distance of more than 25 miles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FarDistance {
    /// 400.
    Refuse,
    /// That of 25 miles.
    Clamp,
}

/// The spellings of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PointForm {
    /// Either.
    Any,
    /// Without a comma, as well-known text has it.
    Plain,
    /// With a comma, as the document's example has it.
    Comma,
}
