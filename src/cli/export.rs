//! `mls-sync export`: the listings as CSV, JSON lines or Parquet.

mod csv;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
mod parquet;

use super::exit::{reached_end, refuse};
use super::print::grouped;
use super::run::stop_on_signals;
use super::whole_file::WholeFile;
use crate::config::Config;
use crate::record::Cell;
use crate::store::FollowError;
use crate::store::export::{Column, Export, Selection};
use crate::vendor::constellation1::LISTINGS;
use anyhow::Context;
use output::Output;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;
/// After a stop, how long a row may take that is being written.
const LAST_ROW: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The rows are of one moment, and live listings come in the order of their keys. With --since, each listing comes that has changed behind \
SEQ, in the order of the changes: deleted ones with deleted_at, and with --public nothing but their key and change_seq. Keep the SEQ that is told at the end on \
standard error, and go on with it.

Exit codes: 0 written, 1 it could not be written, or was stopped, or nobody reads it any more, 2 something is missing or wrong, 4 this file never had change SEQ, because an older copy was put back: export everything anew.")]
pub(super) struct Arguments {
    #[command(flatten)]
    format: Format,
    /// Only what may be displayed: the columns of public_listings
    #[arg(long)]
    public: bool,
    /// What has changed behind this change, deleted listings included
    #[arg(long, value_name = "SEQ")]
    since: Option<i64>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Format {
    /// Write comma-separated values with a line of names, - for standard output; null is an empty field, and an empty text ""
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write one JSON object per line, - for standard output; media, open_houses and extra are nested
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Write a directory, which must not exist, with a Parquet file for each feed, in the order of the keys
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,
}

/// How one format writes its lines.
struct Lines {
    /// The line of names, where it has one.
    names: Option<fn(&[Column]) -> String>,
    row: fn(&mut dyn Write, &[Column], &[Cell]) -> io::Result<()>,
}

const CSV: Lines = Lines { names: Some(csv::names), row: csv::row };
const JSONL: Lines = Lines { names: None, row: jsonl::row };

pub(super) async fn export(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let (database, stopped) = (config.database.clone(), stop.clone());
    let mut work = tokio::task::spawn_blocking(move || write(&database, arguments, &stopped));
    let written = match stop.run_until_cancelled(&mut work).await {
        Some(written) => written,
        // It removes what it has begun. Where it waits for a reader of standard output, nothing is to be removed.
        None => match tokio::time::timeout(LAST_ROW, work).await {
            Ok(written) => written,
            Err(_) => return Ok(reached_end(false)),
        },
    };
    match written.context("the export did not end as it should")? {
        Err(error) if is_unread(&error) => Ok(reached_end(false)),
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

/// Whoever read the rows has gone.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn write(database: &Path, arguments: Arguments, stop: &CancellationToken) -> anyhow::Result<()> {
    let Arguments { format, public, since } = arguments;
    let begin = |by_key| Export::begin(database, &LISTINGS, Selection { public, since, by_key }).map_err(plainly);
    let output = |target| Output { target, database, stop };
    #[cfg(feature = "parquet")]
    if let Some(target) = format.parquet {
        let export = begin(true)?;
        return parquet::write(&export, &output(target)).map(|count| tell(count, &export));
    }
    let (target, lines) = match (format.csv, format.jsonl) {
        (Some(target), _) => (target, CSV),
        (_, Some(target)) => (target, JSONL),
        (None, None) => return refuse("name a format"),
    };
    let export = begin(false)?;
    lines.write(&export, &output(target)).map(|count| tell(count, &export))
}

/// Where nobody reads it, the rows are written all the same.
fn tell(count: u64, export: &Export) {
    writeln!(io::stderr(), "{} listings; go on with --since {}", grouped(count), export.seq).ok();
}

/// The error by itself, by which the exit code is chosen.
fn plainly(error: FollowError) -> anyhow::Error {
    match error {
        FollowError::Lost(lost) => lost.into(),
        FollowError::Report(report) => report.into(),
    }
}

impl Lines {
    /// Writes a file, or standard output; tells how many rows there were.
    fn write(&self, export: &Export, output: &Output) -> anyhow::Result<u64> {
        let file = if output.target == Path::new("-") { None } else { Some(WholeFile::begin(&output.target, output.database)?) };
        let out: Box<dyn Write> = match &file {
            Some(file) => Box::new(OpenOptions::new().write(true).open(file.part())?),
            // What the vendor sends could steer the terminal.
            None if io::stdout().is_terminal() => return refuse("standard output is a terminal: name a file, or a program behind a pipe"),
            None => Box::new(io::stdout()),
        };
        let mut out = BufWriter::with_capacity(BUFFER, out);
        let names = self.names.map(|names| names(&export.columns)).unwrap_or_default();
        out.write_all(names.as_bytes()).with_context(|| output.told())?;
        let count = export.each(|cells| {
            output.check_stop()?;
            (self.row)(&mut out, &export.columns, cells).with_context(|| output.told())
        })?;
        out.flush().with_context(|| output.told())?;
        file.map_or(Ok(()), WholeFile::finish)?;
        Ok(count)
    }
}
