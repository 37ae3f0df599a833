//! All tests below `tests/`, as one test program. Cargo runs test programs one after the other, and the tests of one side by side;
//! most of them wait.

#![allow(clippy::unwrap_used)] // A helper that fails has failed its test.
#![allow(unreachable_pub)] // Nobody uses this from outside, so `pub` and `pub(crate)` mean the same.

// The simulation takes longest. Tests begin in the order of their names, so its name begins with an a.
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
