//! The Constellation1 (Market Leader) partner API.

mod answer;
mod auth;
mod body;
mod canonical;
mod charset;
mod client;
mod decimal;
mod decode;
pub mod fields;
mod json;
mod listings;
mod media;
mod members;
mod mend;
mod refusal;
mod scalar;
mod throttle;
mod wire;

pub use client::{Client, ClientOptions};
pub use listings::LISTINGS;
pub use members::cut;
pub use mend::mended;
pub use throttle::wait;
pub use wire::{detail as read_detail, page as read_page};
