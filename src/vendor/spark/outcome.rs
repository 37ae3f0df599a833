//! What became of a request that writes.

use super::refusal::SparkRefusal;

/// What became of a request that writes, with the vendor's words where it refused.
pub type WriteOutcome<T> = crate::vendor::WriteOutcome<T, SparkRefusal>;
