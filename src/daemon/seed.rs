//! The seed of a process.

/// Differs from process to process, so that clients that failed together come back apart.
pub(super) fn seed() -> u64 {
    u64::from(std::process::id()) << 20 ^ chrono::Utc::now().timestamp_subsec_nanos() as u64
}
