//! The real program against a vendor whose listings change 20 times before each answer, in each order that stays.
//!
//! By default 3,000 listings on pages of 40; `MLS_SYNC_FULL=1` makes it 20,000 on the vendor's usual pages of 200:
//!
//! ```text
//! MLS_SYNC_FULL=1 cargo test --release --test all churn:: -- --nocapture
//! ```

use mls_sync::sandbox::{Options, Sandbox, SortOrder, verify};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

/// The program, once.
async fn program(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mls-sync"));
    command.args(["run", "--config"]).arg(config).args(arguments).env("MLS_SYNC_SYSTEM_ACCESS_KEY", Options::default().key.0);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn churn_loses_nothing(order: SortOrder) {
    let full = std::env::var_os("MLS_SYNC_FULL").is_some();
    let (listings, page_size) = if full { (20_000, 200) } else { (3_000, 40) };
    let feeds = vec!["GAMLS".to_owned()];
    let options = Options { feeds, listings, deleted: listings / 20, page_size, order, churn: 20.0, ..Options::default() };
    let sandbox = Sandbox::start(options.clone(), SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let directory = crate::support::directory();
    let (config, database) = (directory.path().join("config.toml"), directory.path().join("mls.db"));
    let text = format!(
        "database = {database:?}\n[constellation1]\nbase_url = {:?}\nclient = {:?}\nfeeds = [\"GAMLS\"]\n\
         [poll]\nsettle = \"0s\"\n[rate]\nrequests_per_second = 1000\nmax_in_flight = 1\n",
        sandbox.url(),
        options.client
    );
    std::fs::write(&config, text).unwrap();

    let loaded = program(&config, &["--once"]).await;
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let moved = sandbox.requests().len();
    assert!(moved > 2 * listings / page_size / 2, "{moved} requests are too few to have read anything");

    sandbox.reconfigure(|options| options.churn = 0.0);
    let caught_up = program(&config, &["--once"]).await;
    assert!(caught_up.status.success(), "{}", String::from_utf8_lossy(&caught_up.stderr));
    let verdict = verify::compare(&database, &sandbox.with_world(|world| world.truths()), &options).unwrap();
    println!("{order:?}: {moved} requests under churn, {} after it; {verdict}", sandbox.requests().len() - moved);
    sandbox.stop().await;
    assert!(verdict.agrees(), "{order:?}: {verdict}");
}

#[tokio::test]
async fn churn_loses_nothing_when_the_oldest_come_first() {
    churn_loses_nothing(SortOrder::UpdatedAsc).await;
}

#[tokio::test]
async fn churn_loses_nothing_when_the_newest_come_first() {
    churn_loses_nothing(SortOrder::UpdatedDesc).await;
}

#[tokio::test]
async fn churn_loses_nothing_in_the_order_of_numbers() {
    churn_loses_nothing(SortOrder::Id).await;
}
