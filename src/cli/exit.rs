//! The exit codes of the program.

use crate::daemon::StartError;
use std::process::ExitCode;

/// Something is missing or wrong before the work begins: the same as clap's for a wrong command line.
pub(super) const EXIT_USAGE: u8 = 2;
/// The work began and did not reach its end.
pub(super) const EXIT_FAILED: u8 = 1;
/// Another process mirrors into the file. It passes, so it must not be one of the codes after which nobody tries again.
pub(super) const EXIT_IN_USE: u8 = 3;

/// The changes behind a number are not all there: who follows them begins anew.
pub(super) const EXIT_LOST: u8 = 4;

/// Whether the work reached its end.
pub(super) fn reached_end(done: bool) -> ExitCode {
    if done { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}

/// What was asked for cannot be done as it was asked.
pub(super) fn refuse<T>(why: impl Into<String>) -> anyhow::Result<T> {
    Err(StartError::Refused(why.into()).into())
}
