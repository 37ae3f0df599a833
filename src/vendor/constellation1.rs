//! The Constellation1 (Market Leader) partner API.

mod auth;
mod call;
mod canonical;
mod census;
mod client;
mod decimal;
mod decode;
mod directory;
pub mod fields;
mod items;
mod json;
mod listings;
mod media;
mod members;
mod mend;
mod refusal;
mod requests;
mod scalar;
mod services;
mod wire;

pub use call::Call;
pub use client::{Client, ClientOptions};
pub use directory::{AGENT_DIRECTORY, AGENTS, Directory, OFFICE_DIRECTORY, OFFICES, OPEN_HOUSE_DIRECTORY, OPEN_HOUSES};
pub use items::{Item, Items};
pub(super) use listings::LISTING;
pub use members::cut;
pub use mend::mended;
pub use requests::{AgentsRequest, ByAddress, ByGeography, ByLocation, Filters, OfficesRequest, OpenHousesRequest, Wkt};
pub use wire::{detail as read_detail, page as read_page};
