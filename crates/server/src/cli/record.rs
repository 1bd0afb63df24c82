//! `tapedeck record`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use recorder::messages::AudioPlan;

use super::options::{ConfigArgs, KeyArgs, room_server};
use crate::config::duration;
use crate::record::RecordPlan;
use crate::shutdown::Shutdown;

/// Bit/s of AAC for each channel.
const AAC_BITRATE: u32 = 32_000;

/// Which room, where to and for how long.
#[derive(Debug, Args)]
#[command(after_help = "\
Records without API, database and library: each user's stream becomes a file in the folder, until SIGINT or SIGTERM.

Examples:
  tapedeck record --room demo --out recordings
  tapedeck record --room demo --out recordings --user alice --duration 10m
  tapedeck record --room demo --out . --url wss://livekit.example.com --key APIexample --secret \"$SECRET\"")]
pub struct RecordArgs {
    /// Room to record
    #[arg(long)]
    pub room: String,
    /// Folder for the files; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Room server [default: the embedded one of this configuration, on this machine]
    #[arg(long, env = "LIVEKIT_URL")]
    pub url: Option<String>,
    /// Only this user; may be repeated
    #[arg(long, value_name = "NAME")]
    pub user: Vec<String>,
    /// What becomes of the sound
    #[arg(long, value_enum, default_value_t = Audio::Aac)]
    pub audio: Audio,
    /// Leave pictures of several sizes as they came, instead of giving all the largest one
    #[arg(long)]
    pub keep_source: bool,
    /// How long [default: until a signal, or until nobody has published for --max-idle]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Stop when nobody has published for this long
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = duration)]
    pub max_idle: Duration,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// A codec of the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Audio {
    /// AAC-LC, stereo, 48 kHz
    Aac,
    /// Opus as it was sent
    Opus,
}

/// Records until there is a reason to stop.
pub fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let server = room_server(args.url.as_deref(), &args.keys, &args.config)?;
    let plan = RecordPlan {
        url: server.url,
        api_key: server.api_key,
        api_secret: server.api_secret,
        room: args.room.clone(),
        out: args.out.clone(),
        users: args.user.clone(),
        audio: match args.audio {
            Audio::Aac => AudioPlan::Aac { rate: 48_000, channels: 2, bitrate: 2 * AAC_BITRATE },
            Audio::Opus => AudioPlan::Opus,
        },
        keep_source: args.keep_source,
        duration: args.duration,
        max_idle: args.max_idle,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let files = runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("cannot listen to signals")?;
        crate::record::run(&plan, shutdown.requested()).await
    })?;
    if files.is_empty() {
        eprintln!("nothing was recorded");
    }
    files.iter().for_each(|file| println!("{}", file.display()));
    Ok(if files.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
