//! The exit codes of the program.

/// Something is missing or wrong before the work begins: the same as clap's for a wrong command line.
pub(super) const EXIT_USAGE: u8 = 2;
/// The work began and did not reach its end.
pub(super) const EXIT_FAILED: u8 = 1;
/// Another process mirrors into the file. It passes, so it must not be one of the codes after which nobody tries again.
pub(super) const EXIT_IN_USE: u8 = 3;

/// What was asked for cannot be done as it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);
