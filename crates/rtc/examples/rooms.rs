//! Runs the room server with a development key, for trying SDKs by hand: `cargo run -p rtc --example rooms`.

use rtc::rooms::{RoomsConfig, start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keys = [("devkey".to_owned(), "devsecret-devsecret-devsecret-00".to_owned())].into();
    let config = RoomsConfig { keys, ..RoomsConfig::default() };
    let running = start(config).await?;
    println!("http {} udp {}", running.http_addr(), running.udp_addr());
    let mut facts = running.facts();
    while let Ok(fact) = facts.recv().await {
        println!("{fact:?}");
    }
    running.shutdown().await;
    Ok(())
}
