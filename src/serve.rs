//! The partner API over the file, read-only: a program that speaks to the vendor can speak to the mirror.
//!
//! What a request asks is bound by the same code that the sandbox uses ([`Bound`](crate::vendor::constellation1::fields::binding)).
//! Each answer is made in one read transaction. Every value of a request is a bound parameter: none becomes a part of SQL text.

mod accounts;
mod answer;
mod columns;
mod connections;
mod directory;
mod filters;
mod openapi;
mod place;
mod render;
mod search;
mod server;
mod services;
mod sync_listings;
mod values;
mod view;

pub(crate) use accounts::Account;
pub(crate) use server::{Options, Server};
