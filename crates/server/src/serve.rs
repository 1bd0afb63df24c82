//! The assembly: every role started from the configuration, and ended in order.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use recorder::messages::Settings;
use rtc::client::RoomServer;
use rtc::rooms::{self, Limits, RoomsConfig};
use store::{Sqlite, Store};
use tokio::net::TcpListener;

use crate::api::{self, AccessKey, App, Apps};
use crate::config::{Config, RoomServerChoice};
use crate::fetch::{self, Fetcher};
use crate::shutdown::Shutdown;
use crate::startup::Prepared;
use crate::tasks::Tasks;
use crate::worker::images::Images;
use crate::worker::plan::Encoders;
use crate::worker::{Worker, WorkerConfig};

/// How long open calls of the OpenAPI may take at the end.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// Runs all roles until the shutdown is asked for.
pub async fn run(prepared: Prepared, shutdown: Shutdown) -> anyhow::Result<()> {
    // The lock lives until the last role has ended.
    let Prepared { config, lock: _lock, greeting } = prepared;
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&config.database()).await.context("cannot open the database")?);
    let listener = TcpListener::bind(config.server.api_bind)
        .await
        .with_context(|| format!("server.api_bind = {}", config.server.api_bind))?;
    let internal_key = (format!("recorder{:08x}", rand::random::<u32>()), random_hex());
    let rooms = match config.rooms.enabled {
        true => Some(rooms::start(rooms_config(&config, &internal_key)).await?),
        false => None,
    };
    let embedded = rooms.as_ref().map(|rooms| embedded_server(rooms.http_addr(), &internal_key));
    let worker = Worker::new(worker_config(&config, embedded, instance(&*store).await?)?, store.clone());
    let resumed = worker.resume().await.context("cannot go on with unfinished tasks")?;
    if resumed > 0 {
        tracing::info!(tasks = resumed, "going on with unfinished tasks");
    }
    let room_servers = config.apps.iter().map(|app| (app.id.clone(), app.room_server.name().to_owned())).collect();
    let tasks = Tasks {
        store,
        worker: worker.clone(),
        room_servers,
        starting: Default::default(),
        changing: Default::default(),
    };
    let router = api::router(apps(&config)?, tasks);
    print!("{greeting}");
    let until = shutdown.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { until.requested().await });
    let late = async {
        shutdown.requested().await;
        tokio::time::sleep(LAST_CALLS).await;
    };
    tokio::select! {
        ended = async { server.await } => ended.context("the OpenAPI's listener failed")?,
        () = late => tracing::warn!("calls of the OpenAPI were cut off"),
    }
    // First the recorders write what they have, then their rooms may go.
    worker.shut_down().await;
    if let Some(rooms) = rooms {
        rooms.shutdown().await;
    }
    Ok(())
}

fn rooms_config(config: &Config, internal_key: &(String, String)) -> RoomsConfig {
    let own = &config.rooms;
    let keys = own.keys.iter().map(|key| (key.key.clone(), key.secret.0.clone()));
    RoomsConfig {
        http: own.http_bind,
        udp: own.udp_bind,
        advertise: own.advertise.iter().map(|ip| SocketAddr::new(*ip, own.udp_bind.port())).collect(),
        keys: keys.chain([internal_key.clone()]).collect(),
        codecs: own.codecs.iter().filter_map(|codec| rooms::VideoCodec::from_name(codec.name())).collect(),
        limits: Limits {
            rooms: own.max_rooms as usize,
            participants_per_room: own.max_participants as usize,
            tracks_per_participant: own.max_tracks as usize,
            message_bytes: own.max_message.bytes(),
            ..Limits::default()
        },
        empty_timeout: own.empty_timeout,
    }
}

/// The embedded room server as its own recorders reach it.
fn embedded_server(bound: SocketAddr, (key, secret): &(String, String)) -> RoomServer {
    let ip = if bound.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { bound.ip() };
    RoomServer {
        url: format!("ws://{}", SocketAddr::new(ip, bound.port())),
        api_key: key.clone(),
        api_secret: secret.clone(),
    }
}

/// A name that may be left empty.
fn named(name: &str) -> Option<String> {
    Some(name).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn worker_config(config: &Config, embedded: Option<RoomServer>, instance: String) -> anyhow::Result<WorkerConfig> {
    let foreign = config.room_servers.iter().map(|server| {
        let url = server.url.clone();
        let (api_key, api_secret) = (server.api_key.clone(), server.api_secret.0.clone());
        (server.name.clone(), RoomServer { url, api_key, api_secret })
    });
    let embedded = embedded.map(|server| (RoomServerChoice::Embedded.name().to_owned(), server));
    let millis = |duration: Duration| duration.as_millis() as u32;
    let fetcher = Fetcher::new(fetch::Limits::default(), config.images.allowed_networks.clone())?;
    Ok(WorkerConfig {
        spool: std::path::absolute(config.spool_dir())?,
        library: std::path::absolute(config.library_dir())?,
        images: Images::new(std::path::absolute(config.images_dir())?, fetcher),
        room_servers: foreign.chain(embedded).collect::<BTreeMap<_, _>>(),
        settings: Settings {
            fragment_ms: millis(config.recorder.fragment),
            sync_ms: millis(config.recorder.sync_every),
            reorder_ms: millis(config.recorder.reorder_wait),
            key_frame_ms: millis(config.recorder.key_frame_every),
            max_file_ms: config.recorder.max_file_length.as_millis() as i64,
            max_file_bytes: config.recorder.max_file_size.0,
        },
        program: std::env::current_exe().context("cannot find this program, to start recorders")?,
        log: config.server.log.clone(),
        encoders: Encoders { h264: named(&config.mix.h264_encoder), h265: named(&config.mix.h265_encoder) },
        fonts: config.mix.fonts.clone(),
        max_cpu: config.recorder.max_cpu,
        instance,
    })
}

fn apps(config: &Config) -> anyhow::Result<Apps> {
    let apps = config.apps.iter().map(|app| App {
        id: app.id.clone(),
        recording: app.recording,
        access_keys: app
            .access_keys
            .iter()
            .map(|key| AccessKey { id: key.id.clone(), secret: key.secret.0.clone() })
            .collect(),
    });
    Ok(Apps::new(apps)?)
}

/// The name of this installation among the recorders of a room, made once.
async fn instance(store: &dyn Store) -> store::Result<String> {
    const NAME: &str = "instance";
    if let Some(known) = store.setting(NAME).await? {
        return Ok(known);
    }
    let made = format!("{:08x}", rand::random::<u32>());
    store.put_setting(NAME, &made).await?;
    Ok(made)
}

fn random_hex() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}
