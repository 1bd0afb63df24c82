//! Access tokens for people's own clients, and which key pair signs them.

use std::process::ExitCode;

use anyhow::Context;
use rtc::token::Claims;

use crate::cli::options::{ConfigArgs, KeyArgs};
use crate::cli::token::TokenArgs;
use crate::config::{RoomKey, Secret};
use crate::dev::Credentials;

/// Prints a token.
pub fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let pair = key_pair(&args.keys, &args.config)?;
    println!("{}", make(args, &pair, crate::clock::now_ms() / 1_000)?);
    Ok(ExitCode::SUCCESS)
}

fn make(args: &TokenArgs, pair: &RoomKey, now_unix_s: i64) -> anyhow::Result<String> {
    let life_s = i64::try_from(args.valid.as_secs()).context("--valid is too long")?;
    let mut claims = Claims::participant(&pair.key, &args.user, &args.room, now_unix_s, life_s);
    claims.name.clone_from(&args.name);
    let business_id = args.business_id.iter().map(|id| ("business_id".to_owned(), id.clone()));
    claims.attributes = args.attribute.iter().cloned().chain(business_id).collect();
    let grant = claims.video.as_mut().context("a participant has a video grant")?;
    grant.can_publish = args.no_publish.then_some(false);
    grant.can_publish_data = args.no_publish.then_some(false);
    grant.can_subscribe = args.no_subscribe.then_some(false);
    grant.hidden = args.hidden;
    Ok(claims.sign(&pair.secret.0))
}

/// The key pair named by flags, else the first of the configuration, else the one of development mode.
pub fn key_pair(keys: &KeyArgs, config: &ConfigArgs) -> anyhow::Result<RoomKey> {
    if let (Some(key), Some(secret)) = (&keys.key, &keys.secret) {
        return Ok(RoomKey { key: key.clone(), secret: Secret(secret.clone()) });
    }
    let config = config.read()?;
    if let Some(first) = config.rooms.keys.first() {
        return Ok(first.clone());
    }
    let made = Credentials::load(&config.server.data_dir)?;
    let made = made.map(|credentials| credentials.room_key());
    made.with_context(|| {
        let data_dir = config.server.data_dir.display();
        format!("no key pair: give --key and --secret, configure [[rooms.keys]], or start `tapedeck serve --dev` once (looked in {data_dir})")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rtc::token::verify;

    use super::*;
    use crate::cli::{Cli, Command};

    const NOW: i64 = 1_790_000_000;

    fn claims(line: &str) -> Claims {
        let line = format!("tapedeck token --room demo --user alice --key K --secret S {line}");
        let Command::Token(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
            panic!("it is the token command")
        };
        let pair = key_pair(&args.keys, &args.config).unwrap();
        let token = make(&args, &pair, NOW).unwrap();
        verify(&token, NOW, |key| (key == "K").then_some("S")).unwrap()
    }

    #[test]
    fn the_room_server_accepts_what_is_made() {
        let plain = claims("");
        assert_eq!((plain.identity(), plain.exp), ("alice", Some(NOW + 6 * 3_600)));
        let grant = plain.video.unwrap();
        assert!(grant.room_join && grant.room == "demo" && !grant.hidden);
        assert_eq!((grant.can_publish, grant.can_subscribe), (None, None));
    }

    #[test]
    fn rights_and_attributes_are_those_asked_for() {
        let watcher = claims("--no-publish --hidden --valid 30m --business-id b1 --attribute seat=7 --name W");
        assert_eq!((watcher.exp, watcher.name.as_str()), (Some(NOW + 1_800), "W"));
        let attributes: Vec<(&str, &str)> = watcher.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(attributes, [("business_id", "b1"), ("seat", "7")]);
        let grant = watcher.video.unwrap();
        assert!(grant.hidden);
        assert_eq!((grant.can_publish, grant.can_publish_data, grant.can_subscribe), (Some(false), Some(false), None));
        assert_eq!(claims("--no-subscribe").video.unwrap().can_subscribe, Some(false));
    }

    #[test]
    fn keys_come_from_configuration_then_from_development_mode() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = Some(dir.path().to_str().unwrap().to_owned());
        let mut config = ConfigArgs { data_dir, ..ConfigArgs::default() };
        let error = key_pair(&KeyArgs::default(), &config).unwrap_err();
        assert!(error.to_string().contains("serve --dev"), "{error}");
        let made = Credentials::load_or_make(dir.path(), &mut rand::rng()).unwrap();
        assert_eq!(key_pair(&KeyArgs::default(), &config).unwrap(), made.room_key());
        let file = dir.path().join("t.toml");
        std::fs::write(&file, "[[rooms.keys]]\nkey = \"F\"\nsecret = \"s\"").unwrap();
        config.config = Some(file);
        assert_eq!(key_pair(&KeyArgs::default(), &config).unwrap().key, "F");
    }
}
