//! How fast a first load is, set against what the machine can do at all with the same bytes.
//!
//! ```text
//! cargo run --release --example throughput -- --listings 20000
//! ```
//!
//! A vendor in this process serves pages that are compressed beforehand. The real program loads them as a child process, so that its
//! time and its memory are measured apart from the vendor's. The same run measures two bounds: one thread that visits every
//! JSON value of the same bytes, and SQLite copying the same rows. It measures SQLite storing all that the load stored, and other programs
//! that load the same listings, where `--peer` names them; `benches/peers` has two.

mod bounds;
mod child;
mod vendor;

use clap::Parser;
use mls_sync::sandbox::{Options, Shape, World};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use vendor::Vendor;

/// Measures a first load.
#[derive(Parser)]
struct Arguments {
    /// How many listings are loaded
    #[arg(long, default_value_t = 20_000)]
    listings: usize,
    /// How many loads are measured; the fastest counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// The vendor sends its pages uncompressed
    #[arg(long)]
    plain: bool,
    /// Also measures this program: a command that loads from the address and into the file that follow it; may be given several times
    #[arg(long, value_name = "COMMAND")]
    peer: Vec<String>,
    /// Load without the tables for searches
    #[arg(long)]
    without_search: bool,
    /// Loads nothing: prints the address of the listings, and serves them until the standard input ends
    #[arg(long)]
    serve: bool,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("run") {
        return mls_sync::main();
    }
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let feeds = vec!["GAMLS".to_owned()];
    let (listings, deleted) = (arguments.listings, arguments.listings / 20);
    let options = Options { feeds, listings, deleted, page_size: 10_000, shape: Shape::Union, ..Options::default() };
    let vendor = Vendor::of(World::new(options), arguments.plain)?;
    if arguments.serve {
        println!("http://{}", vendor.start()?.address);
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        return Ok(());
    }
    let ((count, pages), (json, sent)) = (vendor.counts(), vendor.bytes());
    println!(
        "{count} listings on {pages} pages with the deletions; a listing has {:.1} kB as JSON, {:.1} kB as sent",
        json / count / 1e3,
        sent / count / 1e3
    );
    let scan = bounds::scan(&vendor)?;
    let vendor = vendor.start()?;
    let directory = tempfile::tempdir()?;
    let mut best: Option<child::Load> = None;
    for run in 0..arguments.runs {
        let load = child::load(&vendor, arguments.without_search, &directory.path().join(format!("{run}.db")))?;
        println!("load {}: {:.2} s, {:.2} CPU s", run + 1, load.wall.as_secs_f64(), load.cpu());
        if best.as_ref().is_none_or(|best| load.wall < best.wall) {
            best = Some(load);
        }
    }
    let load = best.ok_or("no load was asked for")?;
    let copy = bounds::copy(&load.database, &directory.path().join("copy.db"))?;
    let store = bounds::store(&load.database, &directory.path().join("store.db"))?;
    report((count, pages), &load, (scan, store), &copy);
    for (index, command) in arguments.peer.iter().enumerate() {
        let peer = child::peer(&vendor, command, &directory.path().join(format!("peer{index}.db")))?;
        compare(command, &peer, &load, count)?;
    }
    Ok(())
}

/// Tells how many times as long another program took for the same listings.
fn compare(command: &str, peer: &child::Load, load: &child::Load, count: f64) -> Result<(), Box<dyn Error>> {
    let stored: f64 = rusqlite::Connection::open(&peer.database)?.query_row("SELECT count(*) FROM listings", [], |row| row.get(0))?;
    if stored < count {
        return Err(format!("{command} stored {stored} of {count} listings").into());
    }
    let (wall, cpu) = (peer.wall.as_secs_f64(), peer.cpu());
    println!(
        "{command}: {wall:.2} s, {:.1} times the load; {cpu:.2} CPU s, {:.1} times; peak memory {:.0} MiB",
        wall / load.wall.as_secs_f64(),
        cpu / load.cpu(),
        peer.peak_kib as f64 / 1024.0
    );
    Ok(())
}

fn report((count, pages): (f64, f64), load: &child::Load, (scan, store): (Duration, Duration), copy: &bounds::Copy) {
    let speed = |time: Duration| count / time.as_secs_f64();
    let slower = speed(scan).min(speed(copy.time));
    println!("\nfirst load        {:>9.0} listings/s, {:.0} pages/s", speed(load.wall), pages / load.wall.as_secs_f64());
    println!("visit every value {:>9.0} listings/s, one thread", speed(scan));
    println!("copy the rows     {:>9.0} listings/s", speed(copy.time));
    println!("load / slower bound {:>7.2}", speed(load.wall) / slower);
    println!("store by SQLite   {:>9.0} listings/s: the rows, indexes, changes and searches of the load, one thread", speed(store));
    println!("that / slower bound {:>7.2}", speed(store) / slower);
    println!("CPU per 20,000    {:>9.2} s", load.cpu() * 20_000.0 / count);
    for (thread, seconds) in &load.threads {
        println!("    {thread:<14}{seconds:>9.2} s");
    }
    println!("peak memory       {:>9.0} MiB", load.peak_kib as f64 / 1024.0);
    println!("file / bare rows  {:>9.2}", load.bytes as f64 / copy.bytes as f64);
    println!("requests / pages  {:>9.2} ({} / {pages})", load.requests as f64 / pages, load.requests);
}
