//! `mls-sync export`: the listings as CSV, JSON lines or Parquet.

mod csv;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
mod parquet;

use super::exit::{reached_end, refuse};
use super::print::grouped;
use super::run::stop_on_signals;
use super::whole_file::{WholeFile, refuse_own_files};
use crate::config::Config;
use crate::record::Cell;
use crate::store::FollowError;
use crate::store::export::{Column, Export, Selection};
use crate::vendor::LISTINGS;
use anyhow::Context;
use output::Output;
use std::io::{self, BufWriter, ErrorKind, Write};
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
The rows are of one moment, and live listings come in the order of their keys. An existing FILE is replaced once the new one is complete. \
With --since, each listing that changed comes once, in the order of the changes: deleted ones with deleted_at, and with --public only \
their key, deleted_at and change_seq. The last line on standard error gives the SEQ for the next --since.

Exit codes: 0 written, 1 it could not be written, or was stopped, or nobody reads it any more, 2 something is missing or wrong, 4 this file never had change SEQ, because an older copy was put back: export everything anew.")]
pub(super) struct Arguments {
    #[command(flatten)]
    format: Format,
    /// Only what may be displayed: the columns of public_listings
    #[arg(long)]
    public: bool,
    /// Only listings that changed after change SEQ, deleted ones included
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
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

pub(super) async fn export(configuration: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let database = Config::read_for_reading(configuration)?.database;
    arguments.format.target().map_or(Ok(()), |target| refuse_own_files(target, &database, configuration))?;
    let stop = stop_on_signals()?;
    let stopped = stop.clone();
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

impl Format {
    fn target(&self) -> Option<&Path> {
        #[cfg(feature = "parquet")]
        if let Some(target) = &self.parquet {
            return Some(target);
        }
        self.csv.as_deref().or(self.jsonl.as_deref())
    }
}

impl Lines {
    /// Writes the rows; tells how many there were.
    fn write(&self, export: &Export, output: &Output) -> anyhow::Result<u64> {
        let (out, file) = output.open()?;
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
