//! The relay as a program, for tests written in other languages.
//!
//! Prints `{"addr":"127.0.0.1:1234"}`, then answers each line on standard input with one line of JSON, and ends with
//! its input. Commands: `set up|down|both {"loss":0.05,...}`, `blackout on|off`, `stats`.

use std::io::BufRead;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::{Value, json};
use testkit::impair::Impairment;
use testkit::relay::{Direction, Relay};

/// Relays UDP like a bad network. The impairment of the options holds in both directions.
#[derive(Parser)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Server to relay to.
    #[arg(long)]
    to: SocketAddr,
    /// Decides everything that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    impairment: Impairment,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let relay = Relay::start(args.listen, args.to, args.seed)?;
    set(&relay, "both", args.impairment)?;
    println!("{}", json!({ "addr": relay.addr() }));
    for line in std::io::stdin().lock().lines() {
        let answer = obey(&relay, &line?).unwrap_or_else(|e| json!({ "error": format!("{e:#}") }));
        println!("{answer}");
    }
    Ok(())
}

fn obey(relay: &Relay, line: &str) -> anyhow::Result<Value> {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("stats"), None, None) => return Ok(serde_json::to_value(relay.stats())?),
        (Some("blackout"), Some(state @ ("on" | "off")), None) => relay.black_out(state == "on"),
        (Some("set"), Some(direction), Some(settings)) => set(relay, direction, serde_json::from_str(settings)?)?,
        _ => bail!("unknown command {line:?}"),
    }
    Ok(json!({ "ok": true }))
}

fn set(relay: &Relay, direction: &str, impairment: Impairment) -> anyhow::Result<()> {
    let impairment = impairment.check().map_err(anyhow::Error::msg).context("impairment refused")?;
    let directions: &[Direction] = match direction {
        "up" => &[Direction::Up],
        "down" => &[Direction::Down],
        "both" => &[Direction::Up, Direction::Down],
        other => bail!("unknown direction {other:?}"),
    };
    for &direction in directions {
        relay.set(direction, impairment);
    }
    Ok(())
}
