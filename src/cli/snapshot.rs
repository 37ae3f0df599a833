//! `mls-sync snapshot`: a consistent copy of the file, whole or for the public, while the daemon runs.

use super::exit::{reached_end, refuse};
use super::run::stop_on_signals;
use super::show;
use super::whole_file::{WholeFile, refuse_own_files};
use crate::config::Config;
use crate::store::report::ReportError;
use crate::store::{Error, snapshot};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The copy is of one moment. It is written beside FILE under another name, so that FILE is whole or not there. It has the mode of the \
database. With --public it has the tables public_listings, listing_photos, open_houses_upcoming, lookups and sync_status, as the views \
of these names, and the table snapshot, which tells what it is a copy of.

Exit codes: 0 written, 1 it could not be written, or was stopped, 2 FILE exists, or something is missing or wrong.")]
pub(super) struct Arguments {
    /// Where to write it; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only what may be displayed
    #[arg(long)]
    public: bool,
}

pub(super) async fn snapshot(configuration: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::read_for_reading(configuration)?;
    // SQLite takes a name that begins with "file:" for an address, and every name for UTF-8.
    let (file, public) = (std::path::absolute(arguments.file)?, arguments.public);
    if file.to_str().is_none() {
        return refuse(format!("{} is not UTF-8; name another file", file.display()));
    }
    refuse_own_files(&file, &config.database, configuration)?;
    if file.symlink_metadata().is_ok() {
        return refuse(format!("{} exists; name a new file", file.display()));
    }
    let stop = stop_on_signals()?;
    let copy = WholeFile::begin(&file, &config.database)?;
    // How large a copy for the public becomes is not known.
    let size = std::fs::metadata(&config.database).map_or(0, |found| found.len());
    let shown = show::growth(copy.part(), (!public).then_some(size));
    let (database, part) = (config.database.clone(), copy.part().to_owned());
    let written = stop.run_until_cancelled(tokio::task::spawn_blocking(move || write(&database, &part, public))).await;
    drop(shown);
    // What is written after a stop has no name any more.
    let Some(written) = written else { return Ok(reached_end(false)) };
    written.context("the copy did not end as it should")?.with_context(|| format!("cannot write {}", file.display()))?;
    copy.finish_new().map(|()| ExitCode::SUCCESS)
}

/// Writes the copy.
fn write(database: &Path, part: &Path, public: bool) -> anyhow::Result<()> {
    match if public { snapshot::public(database, part) } else { snapshot::whole(database, part) } {
        // Nothing goes on by itself here, as the daemon's hints say of their errors.
        Err(ReportError::Read(Error::Sqlite(error))) => return Err(error.into()),
        done => done?,
    }
    ensure!(part.metadata()?.len() > 0, "SQLite wrote nothing into it");
    Ok(())
}
