//! The typed client by itself, without a mirror: it asks the embedded sandbox, as it would ask the vendor.
//!
//! Run it with `cargo run --example client`.

use anyhow::Context;
use mls_sync::record::{Location, Position, Stamp};
use mls_sync::sandbox::{Options, Sandbox};
use mls_sync::vendor::constellation1::{AgentsRequest, ByLocation, Client, ClientOptions, Filters, Wkt};
use mls_sync::vendor::{HttpOptions, Limiter, LimiterOptions, Priority, Vendor};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pages of agents; a page has up to 1,000 of them.
const MOST_PAGES: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(Options { listings: 300, ..Options::default() }, "127.0.0.1:0".parse()?).await?;
    let client = Client::new(ClientOptions {
        http: HttpOptions {
            base_url: sandbox.url().parse()?,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            max_body: 64 << 20,
            user_agent: concat!("mls-sync/", env!("CARGO_PKG_VERSION")).to_owned(),
        },
        client: "demo".to_owned(),
        key: "demo-key".into(),
    });
    let client = client.map_err(anyhow::Error::msg)?;
    let limits = LimiterOptions { requests_per_second: 2.0, max_in_flight: 1, requests_per_hour: None, requests_per_day: None };
    // This budget is this program's alone: beside a running mirror, `mls-sync ask` spends that of the mirror instead.
    let vendor = Vendor::new(client, Limiter::new(limits));
    // Cancelled, it ends every wait and every request.
    let stop = CancellationToken::new();

    let filters = Filters { feed_id_list: vec!["GAMLS".to_owned()], beds: Some(4), max_price: Some(400_000), ..Filters::default() };
    let found = vendor.listings(&filters, Priority::Poll, &stop).await.context("stopped")??;
    println!("{} listings with four bedrooms or more, up to 400,000", found.items.len());

    let atlanta = Location::Point(Position { longitude: -84.388, latitude: 33.749 });
    let around = ByLocation { location: Wkt::Plain(atlanta), distance: Some(5), sold_date_range: None, filters };
    let found = vendor.listings_by_location(&around, Priority::Poll, &stop).await.context("stopped")??;
    for item in found.items.iter().take(3) {
        let price = item.number("Price").unwrap_or_default();
        println!("  {} in {}: {price}", item.text("Address").unwrap_or("?"), item.text("City").unwrap_or("?"));
    }

    let mut request = AgentsRequest { feed_id: "GAMLS".to_owned(), from_updated_date: Some(Stamp::FIRST), ..AgentsRequest::default() };
    // A vendor whose pages never end must not keep this program for ever.
    for _ in 0..MOST_PAGES {
        let page = vendor.agents(&request, Priority::Poll, &stop).await.context("stopped")??;
        println!("{} of {} agents", page.items.len(), page.total.unwrap_or_default());
        request.page = page.next_page;
        if request.page.is_none() {
            break;
        }
    }
    sandbox.stop().await;
    Ok(())
}
