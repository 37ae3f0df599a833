//! A load by the real program, in a process of its own.

use crate::vendor::Served;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A load that takes longer is ended, and told as a failure.
const LONGEST_LOAD: Duration = Duration::from_secs(3600);
/// The kernel counts CPU time in hundredths of a second.
const TICKS: f64 = 100.0;

/// What a load took.
pub(crate) struct Load {
    pub(crate) database: PathBuf,
    pub(crate) wall: Duration,
    /// CPU seconds by the name of the thread.
    pub(crate) threads: BTreeMap<String, f64>,
    pub(crate) peak_kib: u64,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

impl Load {
    pub(crate) fn cpu(&self) -> f64 {
        self.threads.values().sum()
    }
}

/// Loads everything into a new file.
pub(crate) fn load(vendor: &Served, without_search: bool, database: &Path) -> Result<Load, Box<dyn Error>> {
    let config = database.with_extension("toml");
    let search = if without_search { "[search]\ntext = false\nlocation = false\n" } else { "" };
    let text = format!(
        "database = {database:?}\n[constellation1]\nbase_url = \"http://{}\"\nclient = \"demo\"\nfeeds = [\"GAMLS\"]\n\
         [backfill]\nsince = {:?}\n[poll]\nsettle = \"0s\"\n[rate]\nrequests_per_second = 1000.0\n{search}",
        vendor.address, vendor.oldest
    );
    fs::write(&config, text)?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--backfill", "--config"]).arg(&config).env("MLS_SYNC_SYSTEM_ACCESS_KEY", "demo-key").stderr(Stdio::null());
    watch(vendor, command, database)
}

/// Another program's load into a new file: `command`, with the address of the listings and the file behind it.
pub(crate) fn peer(vendor: &Served, command: &str, database: &Path) -> Result<Load, Box<dyn Error>> {
    let mut words = command.split_whitespace();
    let mut peer = Command::new(words.next().ok_or("--peer names no program")?);
    peer.args(words).arg(format!("http://{}", vendor.address)).arg(database);
    watch(vendor, peer, database)
}

fn watch(vendor: &Served, mut command: Command, database: &Path) -> Result<Load, Box<dyn Error>> {
    vendor.take_requests();
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut threads, mut peak_kib) = (BTreeMap::new(), 0);
    let status = loop {
        look(&process, &mut threads);
        peak_kib = peak(&process).unwrap_or(peak_kib);
        match child.try_wait()? {
            Some(status) => break status,
            None if begun.elapsed() > LONGEST_LOAD => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let wall = begun.elapsed();
    if !status.success() {
        return Err(format!("{command:?} ended with {status}").into());
    }
    let bytes = fs::metadata(database)?.len();
    Ok(Load { database: database.to_owned(), wall, threads: by_name(threads), peak_kib, requests: vendor.take_requests(), bytes })
}

/// Reads the name and the CPU time of each thread. What has ended keeps what it had.
fn look(process: &Path, threads: &mut BTreeMap<PathBuf, (String, f64)>) {
    let Ok(tasks) = fs::read_dir(process.join("task")) else { return };
    for task in tasks.flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else { continue };
        let ticks: f64 = rest.split(' ').skip(12).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        threads.insert(task.path(), (name.to_owned(), ticks / TICKS));
    }
}

fn by_name(threads: BTreeMap<PathBuf, (String, f64)>) -> BTreeMap<String, f64> {
    let mut named = BTreeMap::new();
    for (name, seconds) in threads.into_values() {
        *named.entry(name).or_default() += seconds;
    }
    named
}

fn peak(process: &Path) -> Option<u64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}
