//! What happens before the roles start: settings, log, the right to the data folder, credentials of development mode.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;

use crate::cli::serve::ServeArgs;
use crate::config::Config;
use crate::dev::Credentials;
use crate::process::DataLock;

/// All that the roles need to start.
#[derive(Debug)]
pub struct Prepared {
    pub config: Config,
    /// Keep it until the last role has ended.
    pub lock: DataLock,
    /// What to tell the person who started the server.
    pub greeting: String,
}

/// Prepares a server.
pub fn prepare(args: &ServeArgs) -> anyhow::Result<Prepared> {
    let mut config = args.config_args().read()?;
    let lock = DataLock::take(&config.server.data_dir)?;
    for dir in [config.spool_dir(), config.library_dir()] {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let greeting = if args.dev {
        if !config.rooms.enabled {
            bail!("--dev needs the embedded room server, but rooms.enabled is false");
        }
        let credentials = Credentials::load_or_make(&config.server.data_dir, &mut rand::rng())?;
        credentials.add_to(&mut config);
        credentials.banner(&config)
    } else {
        greeting(&config)
    };
    Ok(Prepared { config, lock, greeting })
}

/// What a server without development mode says about itself.
fn greeting(config: &Config) -> String {
    let mut lines = vec![format!("tapedeck: OpenAPI on http://{}", config.server.api_bind)];
    if config.rooms.enabled {
        lines.push(format!("tapedeck: rooms on ws://{}", config.rooms.http_bind));
    }
    if config.apps.is_empty() {
        lines.push("tapedeck: no app is configured, so every call of the OpenAPI is refused; add [[apps]] to the configuration, or try --dev".into());
    }
    for app in config.apps.iter().filter(|app| app.access_keys.is_empty()) {
        lines.push(format!(
            "tapedeck: app {} has no [[apps.access_keys]], so nobody can call the OpenAPI for it",
            app.id
        ));
    }
    if config.rooms.enabled && config.rooms.keys.is_empty() {
        lines.push(
            "tapedeck: no [[rooms.keys]] is configured, so nobody can join a room of the embedded room server".into(),
        );
    }
    lines.join("\n") + "\n"
}

/// Sends the log to standard error. Once per process.
pub fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("server.log = {filter:?} is no filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::ConfigArgs;

    fn args(dir: &std::path::Path, dev: bool, set: &[(&str, &str)]) -> ServeArgs {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let data_dir = Some(dir.to_str().expect("temporary paths are text").to_owned());
        ServeArgs { dev, api_bind: None, config: ConfigArgs { data_dir, set, ..ConfigArgs::default() } }
    }

    #[test]
    fn development_mode_needs_nothing_else_and_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let first = prepare(&args(dir.path(), true, &[])).unwrap();
        assert_eq!((first.config.apps.len(), first.config.rooms.keys.len()), (1, 1));
        assert!(first.greeting.contains(first.config.apps[0].id.as_str()));
        assert!(first.config.spool_dir().is_dir() && first.config.library_dir().is_dir());
        let Prepared { config, lock, greeting } = first;
        assert!(prepare(&args(dir.path(), true, &[])).is_err(), "one server per data folder");
        drop(lock);
        let second = prepare(&args(dir.path(), true, &[])).unwrap();
        assert_eq!((second.config, second.greeting), (config, greeting));
    }

    #[test]
    fn without_apps_and_keys_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let prepared = prepare(&args(dir.path(), false, &[])).unwrap();
        assert!(prepared.greeting.contains("no app is configured"));
        assert!(prepared.greeting.contains("no [[rooms.keys]]"));
    }

    #[test]
    fn development_mode_needs_the_embedded_rooms() {
        let dir = tempfile::tempdir().unwrap();
        let error = prepare(&args(dir.path(), true, &[("rooms.enabled", "false")])).unwrap_err();
        assert!(error.to_string().contains("rooms.enabled"), "{error}");
    }
}
