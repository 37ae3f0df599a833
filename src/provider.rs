//! The outside world, in: a vendor's API becomes pages of records.

pub mod constellation1;
