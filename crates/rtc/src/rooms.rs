//! The embedded room server: the LiveKit protocol for stock SDKs, media forwarded without decoding.
//!
//! ```text
//! http (tokio) ──commands──> media_thread ── engine ── room ── participant ── peer (WebRTC)
//!      <──signalling messages──┘   └── one UDP socket, in batches
//! ```
//!
//! `engine` and below are without I/O: time, datagrams and commands come in as arguments.

mod admission;
mod clock;
mod config;
mod context;
mod engine;
mod forwarder;
mod http;
mod media_thread;
mod participant;
mod peer;
mod room;
mod routes;
mod sdp;
mod track;
mod webrtc;

pub use config::{Limits, RoomsConfig, VideoCodec};
pub use context::RoomFact;

use crate::udp::BatchSocket;
use anyhow::Context as _;
use context::{Context, Settings};
use engine::{Command, Engine};
use http::Front;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// Admission by a `join_request` that may hold anything; for [`crate::fuzzing`].
pub(crate) fn fuzz_admission(claims: &crate::token::Claims, query: &std::collections::BTreeMap<String, String>) {
    _ = admission::admit_v1(claims, query, &Limits::default());
}

/// What happens to an offer that may hold anything; for [`crate::fuzzing`].
pub(crate) fn fuzz_sdp(text: &str) {
    let Some(mut offer) = sdp::Sdp::parse(text) else { return };
    let whole = offer.clone();
    for section in &mut offer.sections {
        _ = (section.kind(), section.mid(), section.sends(), section.receives_only(), section.track_id());
        _ = section.keep_codec(&VideoCodec::ALL);
        section.announce_stereo();
    }
    _ = sdp::edit_answer(text, &whole, &sdp::AnswerEdits::default());
    assert!(sdp::Sdp::parse(&offer.to_string()).is_some());
}

/// Facts kept for a listener that is behind; beyond it the listener is told that it missed some.
const FACTS: usize = 1024;

/// A room server that runs. Dropping it leaves it running; [`Running::shutdown`] ends it.
pub struct Running {
    http: SocketAddr,
    udp: SocketAddr,
    front: Arc<Front>,
    facts: broadcast::Sender<RoomFact>,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    media: std::thread::JoinHandle<()>,
}

/// Binds both sockets and starts serving. Must be called within a Tokio runtime.
pub async fn start(config: RoomsConfig) -> anyhow::Result<Running> {
    anyhow::ensure!(!config.keys.is_empty(), "the room server needs at least one API key");
    anyhow::ensure!(!config.codecs.is_empty(), "the room server needs at least one video codec");
    let socket = BatchSocket::bind(config.udp).with_context(|| format!("bind media to udp {}", config.udp))?;
    let udp = socket.local_addr();
    let listener = TcpListener::bind(config.http).await.with_context(|| format!("bind rooms to {}", config.http))?;
    let http = listener.local_addr()?;
    let candidates = config::advertised(&config.advertise, udp);
    tracing::info!(%http, %udp, ?candidates, "room server listens");

    let (facts, _) = broadcast::channel(FACTS);
    let settings = Settings {
        peers: webrtc::PeerSettings { cert: webrtc::new_cert()?, codecs: config.codecs.clone() },
        candidates,
        limits: config.limits.clone(),
        codecs: config.codecs,
        empty_timeout: config.empty_timeout,
    };
    let context = Context::new(settings, facts.clone(), Instant::now(), rand::random());
    let (commands, media) = media_thread::spawn(Engine::new(context), socket).context("start the media thread")?;
    let front = Arc::new(Front { commands, keys: config.keys, limits: config.limits });
    let (stop, mut stopped) = watch::channel(false);
    let app = http::router(front.clone());
    let server = tokio::spawn(async move {
        let until = async move { drop(stopped.wait_for(|stop| *stop).await) };
        axum::serve(listener, app).with_graceful_shutdown(until).await
    });
    Ok(Running { http, udp, front, facts, stop, server, media })
}

impl Running {
    /// The address HTTP and WebSocket are bound to.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// The address media is bound to.
    pub fn udp_addr(&self) -> SocketAddr {
        self.udp
    }

    /// The HTTP side alone, to be mounted into another server.
    pub fn router(&self) -> axum::Router {
        http::router(self.front.clone())
    }

    /// What happens in the rooms from now on.
    pub fn facts(&self) -> broadcast::Receiver<RoomFact> {
        self.facts.subscribe()
    }

    /// Tells every client that the server goes down, and ends when all is closed.
    pub async fn shutdown(self) {
        self.front.commands.send(Command::Stop).await;
        let media = self.media;
        if tokio::task::spawn_blocking(move || media.join()).await.is_ok_and(|joined| joined.is_err()) {
            tracing::error!("media thread ended by a panic");
        }
        self.stop.send_replace(true);
        match tokio::time::timeout(std::time::Duration::from_secs(5), self.server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(ended) => tracing::error!(?ended, "room server ended badly"),
            Err(_) => tracing::warn!("sockets still open at shutdown"),
        }
    }
}
