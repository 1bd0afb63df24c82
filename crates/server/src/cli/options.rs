//! Options that several subcommands share: where the configuration comes from, and what it says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rtc::client::RoomServer;

use crate::config::{Config, Sources, default_file};

/// The variable that names the file; no setting itself.
const FILE_VARIABLE: &str = "TAPEDECK_CONFIG";

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigArgs {
    /// Configuration file [default: tapedeck.toml in the working directory, if there is one]
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE)]
    pub config: Option<PathBuf>,
    /// Folder of database, spool, library and generated credentials (server.data_dir)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Filter of the log, such as debug or warn,rtc=debug (server.log)
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Any setting of the configuration, such as rooms.udp_bind=0.0.0.0:7882; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Reads flags, the environment of the process and the file.
    pub fn read(&self) -> anyhow::Result<Config> {
        self.read_with(std::env::vars())
    }

    /// The same with a given environment.
    pub fn read_with(&self, env: impl Iterator<Item = (String, String)>) -> anyhow::Result<Config> {
        let file = match self.config.clone().or_else(default_file) {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Some((path.display().to_string(), text))
            }
        };
        let env: BTreeMap<_, _> =
            env.filter(|(name, _)| name.starts_with("TAPEDECK_") && name != FILE_VARIABLE).collect();
        Ok(Config::read(Sources { flags: self.flags(), env, file })?)
    }

    fn flags(&self) -> Vec<(String, String)> {
        let named = [("server.data_dir", &self.data_dir), ("server.log", &self.log)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        self.set.iter().cloned().chain(named).collect()
    }
}

/// Reads `NAME=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    if name.is_empty() { Err("must be NAME=VALUE".into()) } else { Ok((name.to_owned(), value.to_owned())) }
}

/// Key and secret of a room server, where they are not to come from the configuration.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Room server")]
pub struct KeyArgs {
    /// API key of the room server [default: the first of [[rooms.keys]], else the one made by serve --dev]
    #[arg(long, value_name = "KEY", env = "LIVEKIT_API_KEY", requires = "secret")]
    pub key: Option<String>,
    /// API secret of the room server
    #[arg(long, value_name = "SECRET", env = "LIVEKIT_API_SECRET", hide_env_values = true, requires = "key")]
    pub secret: Option<String>,
}

/// The room server that is named, else the embedded one of the configuration on this machine.
pub fn room_server(url: Option<&str>, keys: &KeyArgs, config: &ConfigArgs) -> anyhow::Result<RoomServer> {
    let pair = crate::token::key_pair(keys, config)?;
    let url = match url {
        Some(url) => url.to_owned(),
        None => format!("ws://127.0.0.1:{}", config.read()?.rooms.http_bind.port()),
    };
    Ok(RoomServer { url, api_key: pair.key, api_secret: pair.secret.0 })
}
