//! The Spark API (FBS): developer identities, listing tickets, validation.

mod body;
mod client;
mod envelope;
pub mod fields;
mod identity;
mod multipart;
mod options;
mod outcome;
mod problem;
mod reading;
mod refusal;
mod service;
mod signature;
mod ticket;
mod upload;
mod validation;
mod writing;

pub use body::{Contact, ContactType, IdentityChange, IdentityDetails, NewIdentity, SparkUser};
pub use body::{change, creation, deletion};
pub use client::Client;
pub use identity::{Activity, IDENTITIES, activity};
pub use options::{ClientOptions, SparkAuth};
pub use outcome::WriteOutcome;
pub use problem::SparkProblem;
pub use reading::IdentityPage;
pub use refusal::SparkRefusal;
pub use service::Spark;
pub use ticket::{SparkListing, Ticket, TicketPath};
pub use upload::{Upload, upload};
pub use validation::Validation;
