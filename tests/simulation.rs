//! The proof that nothing is missed.
//!
//! A seed draws a vendor, a mirror's settings and a rough sea (see `simulation/scenario.rs`); then the real plan and the
//! real store run on a real file.
#![allow(clippy::unwrap_used)]

#[path = "simulation/driver.rs"]
mod driver;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/scenario.rs"]
mod scenario;

use driver::{Sabotage, Stats, run};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn guarded(seed: u64, sabotage: Sabotage) -> Result<Stats, String> {
    catch_unwind(|| run(seed, sabotage)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", words.unwrap_or_default()))
    })
}

#[test]
fn the_file_is_the_world_after_quiet() {
    let count = std::env::var("MLS_SYNC_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100u64);
    let one = std::env::var("MLS_SYNC_SIM_SEED").ok().and_then(|n| n.parse::<u64>().ok());
    let seeds: Vec<u64> = one.map_or((0..count).collect(), |seed| vec![seed]);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let total = Mutex::new(Stats::default());
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match guarded(seed, Sabotage::None) {
                        Ok(stats) => {
                            let mut total = total.lock().unwrap();
                            total.requests += stats.requests;
                            total.kills += stats.kills;
                            total.proofs += stats.proofs;
                            total.changes += stats.changes;
                        }
                        Err(what) => {
                            eprintln!("SEED {seed}: {what}\n");
                            failed.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    eprintln!("{} seeds in {:?}: {:?}", seeds.len(), begun.elapsed(), total.lock().unwrap());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
}
