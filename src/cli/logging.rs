//! Log lines: on standard error, for people or for programs.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `RUST_LOG` overrides how much is said.
pub(super) fn start(format: LogFormat, verbose: u8) {
    let ours = match verbose {
        0 => "warn,mls_sync=info",
        1 => "info,mls_sync=debug",
        _ => "debug,mls_sync=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Its own complaint would go to the same place, and end the process where nobody listens any more.
    let builder = builder.log_internal_errors(false);
    match format {
        LogFormat::Pretty => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
