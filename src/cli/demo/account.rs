//! `mls-sync demo --vendor spark` or `spotahome`: an account is read, followed while it changes, and compared with the truth.

use super::compare::{FileRows, compare, happened};
use super::played::Played;
use crate::cli::exit::reached_end;
use crate::cli::print::grouped;
use crate::daemon::{Daemon, RunOptions};
use crate::store::report;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long the vendor goes on changing after the first reading.
const LIVELY: Duration = Duration::from_secs(4);
/// After the last change, the mirror must catch up within this.
const CATCH_UP: Duration = Duration::from_secs(8);
/// Whole readings after the last change. The first may have begun before it; what has vanished must be absent from two.
const READINGS: u32 = 3;
/// How often is looked whether there was another reading.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn demo(vendor: Played, database: &Path, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let token = TokenFile::write(&vendor.token()).context("cannot write the token of the vendor in memory")?;
    let config = vendor.config(database, &token.0);
    let what = vendor.plural();

    println!("1. Reading an account of {} {what} from a vendor in memory, at {}", grouped(vendor.truth().len() as u64), vendor.url());
    let started = Instant::now();
    Daemon::new(config.clone(), None, RunOptions { once: true, ..RunOptions::default() }, stop.child_token()).await?.run().await?;
    let loaded = vendor.rows(database)?;
    let (count, requests) = (grouped(loaded.len() as u64), grouped(vendor.requests()));
    println!("   {count} {what} in {:.1} s, {requests} requests", started.elapsed().as_secs_f64());
    if stop.is_cancelled() {
        return Ok(reached_end(false));
    }

    println!("2. Reading it again and again while the vendor adds, changes and removes {what}");
    let enough = stop.child_token();
    let daemon = Daemon::new(config, None, RunOptions::default(), enough.clone()).await?;
    let (ran, followed) = tokio::join!(daemon.run(), follow(&vendor, database, &enough));
    ran?;
    followed?;
    let rows = vendor.rows(database)?;
    let [new, changed, deleted] = happened(&loaded, &rows).map(grouped);
    println!("   {new} new, {changed} changed, {deleted} deleted");

    println!("3. Comparing the file with the vendor's truth, record by record, field by field");
    Ok(reached_end(print_verdict(&vendor, &rows, database) && !stop.is_cancelled()))
}

/// Lets the vendor change, and then waits until enough readings have begun; ends the mirror in any case.
async fn follow(vendor: &Played, database: &Path, enough: &CancellationToken) -> anyhow::Result<()> {
    let _end = enough.clone().drop_guard();
    vendor.change(true);
    enough.run_until_cancelled(tokio::time::sleep(LIVELY)).await;
    vendor.change(false);
    let (deadline, mut readings, mut last) = (Instant::now() + CATCH_UP, 0, None);
    while readings <= READINGS && Instant::now() < deadline && !enough.is_cancelled() {
        let status = report::status(database)?;
        let proven = status.scanned.first().and_then(|report| report.proven_at.clone());
        if proven != last {
            (readings, last) = (readings + 1, proven);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Tells whether nothing differs.
fn print_verdict(vendor: &Played, rows: &FileRows, database: &Path) -> bool {
    let verdict = compare(vendor.plural().to_owned(), rows, &vendor.truth());
    let file = database.display();
    println!("   {verdict}\n\nThe file:     {file}");
    println!("Try:          sqlite3 {file} \"{}\"", vendor.query());
    verdict.agrees()
}

/// The file with the token, for as long as it is used.
struct TokenFile(PathBuf);

impl TokenFile {
    fn write(token: &str) -> std::io::Result<TokenFile> {
        let path = std::env::temp_dir().join(format!("mls-sync-demo-{}.token", std::process::id()));
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let token_file = TokenFile(path);
        file.write_all(token.as_bytes())?;
        Ok(token_file)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "the token of the vendor in memory could not be removed");
        }
    }
}
