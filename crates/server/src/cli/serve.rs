//! `tapedeck serve`

use std::process::ExitCode;

use clap::Args;

use super::options::ConfigArgs;
use crate::shutdown::Shutdown;

/// How to run the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Runs until SIGINT or SIGTERM; the first one ends what is running in good order, the second leaves at once. Recordings
that are cut off are taken up again at the next start.

Examples:
  tapedeck serve --dev
  tapedeck serve --config /etc/tapedeck.toml
  TAPEDECK_SERVER_LOG=debug tapedeck serve --set rooms.advertise=203.0.113.7")]
pub struct ServeArgs {
    /// Development mode: makes an app with access key, secret and LiveKit keys, keeps them, and prints them
    #[arg(long)]
    pub dev: bool,
    /// Address and port of the OpenAPI (server.api_bind)
    #[arg(long, value_name = "ADDR:PORT")]
    pub api_bind: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
}

impl ServeArgs {
    /// The shared options with this subcommand's own among them.
    pub fn config_args(&self) -> ConfigArgs {
        let own = self.api_bind.iter().map(|value| ("server.api_bind".to_owned(), value.clone()));
        let mut args = self.config.clone();
        args.set.extend(own);
        args
    }
}

/// Runs the server until its end is asked for.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let prepared = crate::startup::prepare(args)?;
    crate::startup::start_log(&prepared.config.server.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { crate::serve::run(prepared, Shutdown::on_signals()?).await })?;
    Ok(ExitCode::SUCCESS)
}
