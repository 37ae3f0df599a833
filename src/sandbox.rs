//! The vendor in memory, behind real HTTP.
