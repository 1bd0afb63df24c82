//! Development mode: one app and one key pair, made at the first start and kept in the data folder.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::config::{AccessKey, AppConfig, Config, RoomKey, RoomServerChoice, Secret};

const FILE: &str = "dev-credentials.toml";

/// What development mode makes up, in the order it is printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub app_id: String,
    pub access_key: String,
    pub secret_key: String,
    pub room_key: String,
    pub room_secret: String,
}

impl Credentials {
    /// Makes new ones.
    pub fn generate(random: &mut impl Rng) -> Self {
        let mut hex = |len: usize| (0..len).map(|_| format!("{:x}", random.random_range(0..16u8))).collect::<String>();
        Self {
            app_id: hex(24),
            access_key: format!("AKLT{}", hex(32)),
            secret_key: hex(48),
            room_key: format!("API{}", hex(12)),
            room_secret: hex(48),
        }
    }

    /// Those kept in `dir`; nothing when there are none.
    pub fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Those kept in `dir`, made now if there are none. Only the owner can read the file.
    pub fn load_or_make(dir: &Path, random: &mut impl Rng) -> anyhow::Result<Self> {
        if let Some(kept) = Self::load(dir)? {
            return Ok(kept);
        }
        let made = Self::generate(random);
        let text = toml::to_string(&made).context("credentials are plain text")?;
        write_private(dir, &text).with_context(|| format!("cannot write {}", dir.join(FILE).display()))?;
        Ok(made)
    }

    /// Adds the app and the key pair to a configuration.
    pub fn add_to(&self, config: &mut Config) {
        let id = self.app_id.parse().expect("24 hex digits are an id");
        let key = AccessKey { id: self.access_key.clone(), secret: Secret(self.secret_key.clone()) };
        let app = AppConfig {
            id,
            name: "development".into(),
            access_keys: vec![key],
            recording: true,
            room_server: RoomServerChoice::Embedded,
        };
        config.apps.retain(|known| known.id != app.id);
        config.apps.push(app);
        config.rooms.keys.retain(|known| known.key != self.room_key);
        config.rooms.keys.push(self.room_key());
    }

    /// The key pair of the embedded room server.
    pub fn room_key(&self) -> RoomKey {
        RoomKey { key: self.room_key.clone(), secret: Secret(self.room_secret.clone()) }
    }

    /// What a developer wants to know at the start, with commands to paste.
    pub fn banner(&self, config: &Config) -> String {
        let Self { app_id, access_key, secret_key, room_key, room_secret } = self;
        let api = format!("127.0.0.1:{}", config.server.api_bind.port());
        let rooms = format!("ws://127.0.0.1:{}", config.rooms.http_bind.port());
        let data = config.server.data_dir.display();
        let mut text = String::new();
        let mut line = |name: &str, value: &str| writeln!(text, "  {name:<15}{value}").expect("text grows");
        line("OpenAPI", &format!("http://{api}"));
        line("AppId", app_id);
        line("Access key", access_key);
        line("Secret key", secret_key);
        line("Rooms", &rooms);
        line("LiveKit key", room_key);
        line("LiveKit secret", room_secret);
        format!(
            "tapedeck, development mode. Credentials are kept in {data}/{FILE}; do not use them in production.\n\n{text}\n\
             Next, in another terminal, two synthetic users in the room \"demo\":\n\n\
             \x20 tapedeck publish --room demo --users 2 --data-dir {data} --url {rooms}\n\n\
             and record them (once: pip install volcengine):\n\n\
             \x20 python3 -c '\n{}'\n\n\
             Files appear in {}. A token for your own client: tapedeck token --room demo --user me --data-dir {data}\n",
            start_script(&api, access_key, secret_key, app_id),
            config.library_dir().display(),
        )
    }
}

/// StartRecord, 20 seconds, StopRecord, GetRecordTask, with the vendor's own SDK. Has no single quotes: a shell quotes it with them.
fn start_script(api: &str, access_key: &str, secret_key: &str, app_id: &str) -> String {
    format!(
        r#"import json, time
from volcengine.base.Service import Service
from volcengine.ServiceInfo import ServiceInfo
from volcengine.ApiInfo import ApiInfo
from volcengine.Credentials import Credentials
calls = {{a: ApiInfo("GET" if a == "GetRecordTask" else "POST", "/", {{"Action": a, "Version": "2023-11-01"}}, {{}}, {{}})
         for a in ("StartRecord", "StopRecord", "GetRecordTask")}}
keys = Credentials("{access_key}", "{secret_key}", "rtc", "cn-north-1")
api = Service(ServiceInfo("{api}", {{"Accept": "application/json"}}, keys, 5, 5, "http"), calls)
task = {{"AppId": "{app_id}", "RoomId": "demo", "TaskId": "first"}}
vod = {{"Type": 1, "VodConfig": {{"AccountId": "local", "Space": "local"}}}}
print(api.json("StartRecord", {{}}, json.dumps({{**task, "RecordMode": 1, "StorageConfig": vod}})))
time.sleep(20)
print(api.json("StopRecord", {{}}, json.dumps(task)))
time.sleep(2)
print(api.get("GetRecordTask", task))
"#
    )
}

/// Writes beside the final name first: a kill in between leaves no half of a file.
fn write_private(dir: &Path, text: &str) -> io::Result<()> {
    let temporary = dir.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(FILE))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_same_values_at_the_next_start_and_nobody_else_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Credentials::load(dir.path()).unwrap().is_none());
        let first = Credentials::load_or_make(dir.path(), &mut StdRng::seed_from_u64(1)).unwrap();
        let again = Credentials::load_or_make(dir.path(), &mut StdRng::seed_from_u64(2)).unwrap();
        assert!(first == again);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert!(first != Credentials::load_or_make(other.path(), &mut StdRng::seed_from_u64(2)).unwrap());
    }

    #[test]
    fn a_damaged_file_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "app_id = 3").unwrap();
        let error = Credentials::load_or_make(dir.path(), &mut StdRng::seed_from_u64(1)).err().expect("it is damaged");
        assert!(error.to_string().contains("is damaged"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "app_id = 3");
    }

    #[test]
    fn the_banner_names_all_values_and_can_be_pasted() {
        let credentials = Credentials::generate(&mut StdRng::seed_from_u64(1));
        let mut config = Config::default();
        credentials.add_to(&mut config);
        assert_eq!(config.apps[0].id.as_str().len(), 24);
        assert_eq!(config.rooms.keys, [credentials.room_key()]);
        let banner = credentials.banner(&config);
        for value in [&credentials.app_id, &credentials.access_key, &credentials.secret_key, &credentials.room_secret] {
            assert!(banner.contains(value.as_str()));
        }
        assert_eq!(banner.matches('\'').count(), 2, "the script is one quoted argument");
    }
}
