//! Tenants, room servers and their keys: the settings that come as lists of tables, in the file only.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Config;
use super::reader::{Reader, unknown};
use super::values::{Secret, Setting};

/// Characters of an app id.
pub const APP_ID_LEN: usize = 24;

/// `[[apps]]`, a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppConfig {
    /// The `AppId` of requests.
    pub id: rules::ids::AppId,
    /// For people; the id when not given.
    pub name: String,
    /// Who may call the OpenAPI for this app.
    pub access_keys: Vec<AccessKey>,
    /// Whether tasks may be started.
    pub recording: bool,
    pub room_server: RoomServerChoice,
}

/// `[[apps.access_keys]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    pub id: String,
    pub secret: Secret,
}

/// `[[rooms.keys]]`, a key pair of the embedded room server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKey {
    pub key: String,
    pub secret: Secret,
}

/// Where an app's rooms live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomServerChoice {
    Embedded,
    /// Name of a `[room_servers.NAME]`.
    Foreign(String),
}

impl RoomServerChoice {
    /// As it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Embedded => "embedded",
            Self::Foreign(name) => name,
        }
    }
}

/// `[room_servers.NAME]`, a LiveKit server or cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRoomServer {
    pub name: String,
    /// `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    pub api_key: String,
    pub api_secret: Secret,
}

/// One table of a list, with its name for messages such as `apps[0]`.
struct Entry {
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Entry {
    /// A value that may be absent.
    fn optional<T: Setting>(&mut self, reader: &mut Reader, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value = self.table.remove(name)?;
        let read = T::from_value(&value);
        if read.is_none() {
            reader.fault(format!("{}.{name} = {value} is not possible; allowed: {}", self.path, T::ALLOWED));
        }
        read
    }

    /// Text that must be there, not empty, and pass `accept`.
    fn required(
        &mut self,
        reader: &mut Reader,
        name: &'static str,
        allowed: &str,
        accept: fn(&str) -> bool,
    ) -> Option<String> {
        self.known.push(name);
        let Some(value) = self.table.remove(name) else {
            reader.fault(format!("{}.{name} is missing; allowed: {allowed}", self.path));
            return None;
        };
        let text = String::from_value(&value).filter(|text| accept(text));
        if text.is_none() {
            reader.fault(format!("{}.{name} = {value} is not possible; allowed: {allowed}", self.path));
        }
        text
    }

    /// A secret; its value is never shown.
    fn secret(&mut self, reader: &mut Reader, name: &'static str) -> Option<Secret> {
        self.known.push(name);
        let secret = self.table.remove(name).as_ref().and_then(String::from_value).filter(|text| !text.is_empty());
        if secret.is_none() {
            reader.fault(format!("{}.{name} must be given, as text that is not empty", self.path));
        }
        secret.map(Secret)
    }

    /// Reports what is left.
    fn finish(self, reader: &mut Reader) {
        for name in self.table.keys() {
            reader.fault(format!("{}: {}", self.path, unknown(name, &self.known)));
        }
    }
}

/// The entries of a list of tables.
fn entries(reader: &mut Reader, value: Option<Value>, path: &str) -> Vec<Entry> {
    let Some(value) = value else { return Vec::new() };
    let tables: Option<Vec<Table>> =
        value.as_array().and_then(|list| list.iter().map(|v| v.as_table().cloned()).collect());
    let Some(tables) = tables else {
        reader.fault(format!("{path} must be a list of tables: [[{path}]]"));
        return Vec::new();
    };
    let entry = |(number, table)| Entry { path: format!("{path}[{number}]"), table, known: Vec::new() };
    tables.into_iter().enumerate().map(entry).collect()
}

fn is_filled(text: &str) -> bool {
    !text.is_empty()
}

fn is_app_id(text: &str) -> bool {
    text.len() == APP_ID_LEN && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_room_server_url(text: &str) -> bool {
    ["ws://", "wss://", "http://", "https://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

pub(super) fn read_apps(reader: &mut Reader) -> Vec<AppConfig> {
    let value = reader.take_value("apps");
    entries(reader, value, "apps").into_iter().filter_map(|entry| read_app(reader, entry)).collect()
}

fn read_app(reader: &mut Reader, mut entry: Entry) -> Option<AppConfig> {
    let id = entry.required(reader, "id", "24 letters and digits", is_app_id);
    let name = entry.optional::<String>(reader, "name");
    let recording = entry.optional::<bool>(reader, "recording").unwrap_or(true);
    let room_server = entry.optional::<String>(reader, "room_server");
    entry.known.push("access_keys");
    let list = entry.table.remove("access_keys");
    let access_keys = entries(reader, list, &format!("{}.access_keys", entry.path));
    let access_keys = access_keys.into_iter().filter_map(|key| read_access_key(reader, key)).collect();
    entry.finish(reader);
    let id = id?;
    Some(AppConfig {
        name: name.unwrap_or_else(|| id.clone()),
        id: id.parse().ok()?,
        access_keys,
        recording,
        room_server: match room_server {
            Some(name) if name != "embedded" => RoomServerChoice::Foreign(name),
            _ => RoomServerChoice::Embedded,
        },
    })
}

fn read_access_key(reader: &mut Reader, mut entry: Entry) -> Option<AccessKey> {
    let id = entry.required(reader, "id", "text that is not empty", is_filled);
    let secret = entry.secret(reader, "secret");
    entry.finish(reader);
    Some(AccessKey { id: id?, secret: secret? })
}

pub(super) fn read_room_keys(reader: &mut Reader) -> Vec<RoomKey> {
    let value = reader.take_value("rooms.keys");
    entries(reader, value, "rooms.keys").into_iter().filter_map(|entry| read_room_key(reader, entry)).collect()
}

fn read_room_key(reader: &mut Reader, mut entry: Entry) -> Option<RoomKey> {
    let key = entry.required(reader, "key", "text that is not empty", is_filled);
    let secret = entry.secret(reader, "secret");
    entry.finish(reader);
    Some(RoomKey { key: key?, secret: secret? })
}

pub(super) fn read_room_servers(reader: &mut Reader) -> Vec<ForeignRoomServer> {
    let servers = match reader.take_value("room_servers") {
        None => return Vec::new(),
        Some(Value::Table(servers)) => servers,
        Some(_) => {
            reader.fault("room_servers must be tables: [room_servers.NAME]".to_owned());
            return Vec::new();
        }
    };
    servers.into_iter().filter_map(|(name, value)| read_room_server(reader, name, value)).collect()
}

fn read_room_server(reader: &mut Reader, name: String, value: Value) -> Option<ForeignRoomServer> {
    let path = format!("room_servers.{name}");
    let Value::Table(table) = value else {
        reader.fault(format!("{path} must be a table: [{path}]"));
        return None;
    };
    let mut entry = Entry { path, table, known: Vec::new() };
    if name == "embedded" {
        reader.fault(format!("{} is not possible: this name stands for the embedded room server", entry.path));
    }
    let url = entry.required(reader, "url", "a ws://, wss://, http:// or https:// address", is_room_server_url);
    let api_key = entry.required(reader, "api_key", "text that is not empty", is_filled);
    let api_secret = entry.secret(reader, "api_secret");
    entry.finish(reader);
    Some(ForeignRoomServer { name, url: url?, api_key: api_key?, api_secret: api_secret? })
}

/// What one entry alone cannot show: ids that are there twice, room servers that are not there.
pub(super) fn check_references(reader: &mut Reader, config: &Config) {
    let (mut apps, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for app in &config.apps {
        if !apps.insert(&app.id) {
            reader.fault(format!("apps: the id {} is there twice", app.id));
        }
        for key in &app.access_keys {
            if !keys.insert(&key.id) {
                reader.fault(format!("apps: the access key {} is there twice", key.id));
            }
        }
        let known: Vec<&str> = config.room_servers.iter().map(|server| server.name.as_str()).collect();
        match &app.room_server {
            RoomServerChoice::Foreign(name) if !known.contains(&name.as_str()) => {
                let servers: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
                let allowed = ["\"embedded\"".to_owned()].into_iter().chain(servers).collect::<Vec<_>>().join(", ");
                let id = &app.id;
                reader.fault(format!("apps: room_server = {name:?} of {id} is not possible; allowed: {allowed}"));
            }
            RoomServerChoice::Embedded if !config.rooms.enabled => {
                reader.fault(format!("apps: {} uses the embedded room server, but rooms.enabled is false", app.id));
            }
            _ => {}
        }
    }
    let mut room_keys = BTreeSet::new();
    for pair in &config.rooms.keys {
        if !room_keys.insert(&pair.key) {
            reader.fault(format!("rooms.keys: the key {} is there twice", pair.key));
        }
    }
}
