//! The configuration: what an operator can set, read strictly.
//!
//! A setting is a dotted name such as `rooms.udp_bind`. Its value comes from the first that has one: a flag, the
//! environment (`TAPEDECK_ROOMS_UDP_BIND`), the file, the default. Unknown names and wrong values are errors, all
//! of them reported at once. `tapedeck.toml` shows every setting with its default; a test compares.

mod apps;
mod reader;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use apps::{AccessKey, AppConfig, ForeignRoomServer, RoomKey, RoomServerChoice};
pub use reader::{ConfigError, Problem, Sources};
pub use values::{Codec, Secret, Size};

use reader::Reader;
use rules::outbound::Network;
use values::Setting;

/// Everything an operator can set. Relative paths are relative to the working directory, those of `spool` and
/// `library` to `server.data_dir`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub server: ServerConfig,
    pub rooms: RoomsConfig,
    pub recorder: RecorderConfig,
    pub mix: MixConfig,
    pub spool: FolderConfig,
    pub library: FolderConfig,
    pub images: ImagesConfig,
    pub apps: Vec<AppConfig>,
    pub room_servers: Vec<ForeignRoomServer>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Holds the database, spool, library, images of running tasks and generated credentials.
    pub data_dir: PathBuf,
    /// Where the OpenAPI answers.
    pub api_bind: SocketAddr,
    /// A level or filter of the log, such as `info` or `warn,tapedeck=debug`.
    pub log: String,
}

/// `[rooms]`, the embedded room server.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomsConfig {
    pub enabled: bool,
    /// HTTP and WebSocket of the room protocol.
    pub http_bind: SocketAddr,
    /// Media.
    pub udp_bind: SocketAddr,
    /// Addresses that clients reach `udp_bind` by; those of the machine's interfaces when empty.
    pub advertise: Vec<std::net::IpAddr>,
    /// Video codecs offered to publishers, the preferred one first.
    pub codecs: Vec<Codec>,
    pub max_rooms: u32,
    /// Per room.
    pub max_participants: u32,
    /// Published by one participant.
    pub max_tracks: u32,
    /// Longest message of the signalling connection.
    pub max_message: Size,
    /// A room without participants is closed after this time.
    pub empty_timeout: Duration,
    /// Keys that sign access tokens.
    pub keys: Vec<RoomKey>,
}

/// `[recorder]`
#[derive(Clone, Debug, PartialEq)]
pub struct RecorderConfig {
    /// Longest media kept in memory before it is appended to the file.
    pub fragment: Duration,
    /// How often growing files are synced to the disk.
    pub sync_every: Duration,
    /// How long a missing packet is waited for.
    pub reorder_wait: Duration,
    /// A key frame is asked for when none came for this long.
    pub key_frame_every: Duration,
    /// A file that is longer is followed by another one.
    pub max_file_length: Duration,
    /// The same for its size.
    pub max_file_size: Size,
    /// Share of the processors that recordings may take, in percent; 0 is no limit.
    pub max_cpu: u32,
}

/// `[mix]`
#[derive(Clone, Debug, PartialEq)]
pub struct MixConfig {
    /// FFmpeg's name of the encoder that is tried before the processor's, such as `h264_nvenc`; empty for none.
    pub h264_encoder: String,
    /// The same for H.265.
    pub h265_encoder: String,
    /// Font files of what is written on pictures, the preferred one first.
    pub fonts: Vec<PathBuf>,
}

/// `[spool]` and `[library]`
#[derive(Clone, Debug, PartialEq)]
pub struct FolderConfig {
    pub dir: PathBuf,
}

/// `[images]`
#[derive(Clone, Debug, PartialEq)]
pub struct ImagesConfig {
    /// Networks that images are fetched from although they are not public.
    pub allowed_networks: Vec<Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig {
                data_dir: "data".into(),
                api_bind: SocketAddr::from(([0, 0, 0, 0], 8080)),
                log: "info".into(),
            },
            rooms: RoomsConfig {
                enabled: true,
                http_bind: SocketAddr::from(([0, 0, 0, 0], 7880)),
                udp_bind: SocketAddr::from(([0, 0, 0, 0], 7882)),
                advertise: Vec::new(),
                codecs: vec![Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265],
                max_rooms: 1_000,
                max_participants: 200,
                max_tracks: 16,
                max_message: Size::mib(1),
                empty_timeout: Duration::from_secs(300),
                keys: Vec::new(),
            },
            recorder: RecorderConfig {
                fragment: Duration::from_millis(400),
                sync_every: Duration::from_secs(2),
                reorder_wait: Duration::from_millis(1_500),
                key_frame_every: Duration::from_secs(10),
                max_file_length: Duration::from_secs(4 * 3_600),
                max_file_size: Size::mib(64 << 10),
                max_cpu: 90,
            },
            mix: MixConfig {
                h264_encoder: String::new(),
                h265_encoder: String::new(),
                // Where Debian puts fonts-dejavu-core and fonts-wqy-microhei.
                fonts: vec![
                    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf".into(),
                    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc".into(),
                ],
            },
            spool: FolderConfig { dir: "spool".into() },
            library: FolderConfig { dir: "library".into() },
            images: ImagesConfig { allowed_networks: Vec::new() },
            apps: Vec::new(),
            room_servers: Vec::new(),
        }
    }
}

impl Config {
    /// Reads and checks all sources together.
    pub fn read(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources)?;
        let default = Self::default();
        let config = Self {
            server: ServerConfig::read(&mut reader, default.server),
            rooms: RoomsConfig::read(&mut reader, default.rooms),
            recorder: RecorderConfig::read(&mut reader, default.recorder),
            mix: MixConfig::read(&mut reader, default.mix),
            spool: FolderConfig { dir: reader.get("spool.dir", default.spool.dir) },
            library: FolderConfig { dir: reader.get("library.dir", default.library.dir) },
            images: ImagesConfig::read(&mut reader, default.images),
            apps: apps::read_apps(&mut reader),
            room_servers: apps::read_room_servers(&mut reader),
        };
        apps::check_references(&mut reader, &config);
        reader.finish(config)
    }

    /// The folder of growing files.
    pub fn spool_dir(&self) -> PathBuf {
        self.server.data_dir.join(&self.spool.dir)
    }

    /// The folder of finished files.
    pub fn library_dir(&self) -> PathBuf {
        self.server.data_dir.join(&self.library.dir)
    }

    /// The folder of the images of running tasks.
    pub fn images_dir(&self) -> PathBuf {
        self.server.data_dir.join("images")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.server.data_dir.join("tapedeck.db")
    }
}

impl ServerConfig {
    fn read(reader: &mut Reader, default: Self) -> Self {
        Self {
            data_dir: reader.get("server.data_dir", default.data_dir),
            api_bind: reader.get("server.api_bind", default.api_bind),
            log: reader.get_checked(
                "server.log",
                default.log,
                "a level (error, warn, info, debug, trace) or a filter such as \"warn,rtc=debug\"",
                |filter| !filter.is_empty() && tracing_subscriber::EnvFilter::try_new(filter).is_ok(),
            ),
        }
    }
}

impl RoomsConfig {
    fn read(reader: &mut Reader, default: Self) -> Self {
        Self {
            enabled: reader.get("rooms.enabled", default.enabled),
            http_bind: reader.get("rooms.http_bind", default.http_bind),
            udp_bind: reader.get("rooms.udp_bind", default.udp_bind),
            advertise: reader.get("rooms.advertise", default.advertise),
            codecs: reader.get_checked(
                "rooms.codecs",
                default.codecs,
                "at least one of \"h264\", \"vp8\", \"vp9\", \"av1\", each once",
                |codecs| !codecs.is_empty() && codecs.iter().enumerate().all(|(i, codec)| !codecs[..i].contains(codec)),
            ),
            max_rooms: reader.get_in("rooms.max_rooms", default.max_rooms, 1..=100_000),
            max_participants: reader.get_in("rooms.max_participants", default.max_participants, 2..=10_000),
            max_tracks: reader.get_in("rooms.max_tracks", default.max_tracks, 1..=256),
            max_message: reader.get_in("rooms.max_message", default.max_message, Size::kib(64)..=Size::mib(16)),
            empty_timeout: reader.get_in("rooms.empty_timeout", default.empty_timeout, seconds(1)..=seconds(86_400)),
            keys: apps::read_room_keys(reader),
        }
    }
}

impl RecorderConfig {
    fn read(reader: &mut Reader, default: Self) -> Self {
        let ms = Duration::from_millis;
        Self {
            fragment: reader.get_in("recorder.fragment", default.fragment, ms(100)..=ms(1_000)),
            sync_every: reader.get_in("recorder.sync_every", default.sync_every, ms(100)..=seconds(60)),
            reorder_wait: reader.get_in("recorder.reorder_wait", default.reorder_wait, ms(50)..=seconds(10)),
            key_frame_every: reader.get_in(
                "recorder.key_frame_every",
                default.key_frame_every,
                seconds(1)..=seconds(300),
            ),
            max_file_length: reader.get_in(
                "recorder.max_file_length",
                default.max_file_length,
                seconds(2)..=seconds(86_400),
            ),
            max_file_size: reader.get_in(
                "recorder.max_file_size",
                default.max_file_size,
                Size::mib(1)..=Size::mib(1 << 20),
            ),
            max_cpu: reader.get_in("recorder.max_cpu", default.max_cpu, 0..=1_000),
        }
    }
}

impl MixConfig {
    fn read(reader: &mut Reader, default: Self) -> Self {
        let mut encoder = |name, default, codec, example| {
            let allowed = format!("\"\", or FFmpeg's name of an encoder that is installed here, such as {example:?}");
            let known = |name: &String| name.is_empty() || codec::video::has_encoder(name, codec);
            reader.get_checked(name, default, &allowed, known)
        };
        Self {
            h264_encoder: encoder("mix.h264_encoder", default.h264_encoder, codec::video::Codec::H264, "h264_nvenc"),
            h265_encoder: encoder("mix.h265_encoder", default.h265_encoder, codec::video::Codec::H265, "hevc_nvenc"),
            fonts: reader.get("mix.fonts", default.fonts),
        }
    }
}

impl ImagesConfig {
    fn read(reader: &mut Reader, default: Self) -> Self {
        Self { allowed_networks: reader.get("images.allowed_networks", default.allowed_networks) }
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Reads a time as settings write it, for other places that take one.
pub fn duration(text: &str) -> Result<Duration, String> {
    Duration::from_text(text).ok_or_else(|| format!("must be {}", Duration::ALLOWED))
}

/// The file that is read when none is named: `tapedeck.toml` in the working directory, if it is there.
pub fn default_file() -> Option<PathBuf> {
    let path = Path::new("tapedeck.toml");
    path.is_file().then(|| path.to_owned())
}
