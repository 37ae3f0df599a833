//! All tests that run the program, in one program of their own: they wait more than they work, so they wait together.

#![allow(clippy::unwrap_used)] // A helper that fails has failed its test.
#![allow(unreachable_pub)] // There is no public part here, so `pub` says enough.

// It takes longest, and tests are begun in the order of their names.
#[path = "simulation/mod.rs"]
mod a_simulation;
mod accounts;
mod accounts_shown;
mod architecture;
mod changes;
mod churn;
mod commands;
mod contract;
mod daemon;
mod entities;
mod examples;
mod faults;
mod fuzz;
mod handing_out;
mod licence;
mod migration;
mod other_user;
mod processes;
mod readings;
mod sandbox;
mod search;
mod serve;
mod services;
mod soak;
mod spark;
mod spotahome;
mod support;
mod vendor;
mod verify;
mod views;
mod writes;
