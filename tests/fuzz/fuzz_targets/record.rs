//! Any bytes as one record.

#![no_main]

#[path = "../harness.rs"]
#[allow(dead_code)] // Each target compiles it alone and uses a part of it.
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(harness::record(data)));
