//! The Constellation1 (Market Leader) partner API.

pub mod fields;
