//! What every part of the engine works with: the time of the call, shared settings, tables and output. No decisions.

use super::clock::Micros;
use super::config::{Limits, VideoCodec};
use super::peer::{Peer, PeerKey, Sink};
use super::routes::Routes;
use super::webrtc::PeerSettings;
use crate::proto;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Something other roles may want to know of. `identity` names the participant, hidden ones included.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomFact {
    RoomOpened { room: String, sid: String },
    RoomClosed { room: String, sid: String },
    ParticipantJoined { room: String, identity: String, hidden: bool },
    ParticipantLeft { room: String, identity: String },
    TrackPublished { room: String, identity: String, track: Box<proto::TrackInfo> },
    TrackUnpublished { room: String, identity: String, track_sid: String },
}

/// Settings that do not change while the server runs.
pub struct Settings {
    pub peers: PeerSettings,
    pub candidates: Vec<SocketAddr>,
    pub limits: Limits,
    pub codecs: Vec<VideoCodec>,
    pub empty_timeout: Duration,
}

pub struct Context {
    pub settings: Settings,
    /// The time of the current call, on both clocks.
    pub now: Instant,
    pub unix_ms: i64,
    epoch: Instant,
    pub sink: Sink,
    pub routes: Routes,
    pub facts: broadcast::Sender<RoomFact>,
    /// Peers that have to be driven before the engine waits again.
    pub dirty: Vec<PeerKey>,
    last_id: u64,
    random: StdRng,
}

impl Context {
    pub fn new(settings: Settings, facts: broadcast::Sender<RoomFact>, now: Instant, seed: u64) -> Self {
        Self {
            settings,
            now,
            unix_ms: 0,
            epoch: now,
            sink: Sink::default(),
            routes: Routes::default(),
            facts,
            dirty: Vec::new(),
            last_id: 0,
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// A number not given before.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// An identifier such as `PA_k3jd8sm2xk4w`.
    pub fn sid(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let random = &mut self.random;
        let tail = (0..12).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
        format!("{prefix}_{}", tail.collect::<String>())
    }

    /// Has a peer driven that was written to.
    pub fn touch(&mut self, peer: &mut Peer) {
        if !peer.dirty {
            peer.dirty = true;
            self.dirty.push(peer.key);
        }
    }

    /// An instant in the microseconds that clocks count in.
    pub fn micros(&self, at: Instant) -> Micros {
        match at.checked_duration_since(self.epoch) {
            Some(since) => since.as_micros() as Micros,
            None => -(self.epoch.saturating_duration_since(at).as_micros() as Micros),
        }
    }

    /// The opposite of [`Context::micros`].
    pub fn instant(&self, micros: Micros) -> Instant {
        let span = Duration::from_micros(micros.unsigned_abs());
        let moved = if micros < 0 { self.epoch.checked_sub(span) } else { self.epoch.checked_add(span) };
        moved.unwrap_or(self.epoch)
    }

    /// Tells whoever listens; nobody listening is fine.
    pub fn tell(&self, fact: RoomFact) {
        let _ = self.facts.send(fact);
    }
}
