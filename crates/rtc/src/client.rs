//! The room client: a hidden [`Subscriber`] and a [`Publisher`] that speak the LiveKit protocol to any room server,
//! the embedded one or a foreign one. Both are driven by `poll` from a plain thread and never block. What a recording
//! does with the packets does not belong here.

mod backoff;
mod event;
mod key_frames;
mod link;
mod path;
mod peer;
mod publish;
mod receive;
mod roster;
mod sdp;
mod send;
mod signalling;
mod streams;
mod subscribe;
mod tracks;
mod wanted;
#[cfg(test)]
mod wire_tests;

pub use event::{
    ClientStats, CloseReason, Participant, Quality, RoomEvent, Rotation, Track, TrackKind, TrackLayer, TrackPacket,
    TrackSource,
};
pub use publish::Publisher;
pub use subscribe::Subscriber;
pub use tracks::{AudioTrack, MediaFrame, PublishEvent, TrackId, VideoCodec, VideoLayer, VideoTrack};
pub use wanted::Wants;

use std::collections::BTreeMap;

/// What happens to a server's offer that may hold anything; for [`crate::fuzzing`].
pub(crate) fn fuzz_sdp(text: &str) {
    for line in text.lines() {
        _ = (sdp::track_sid(line), sdp::candidate_ip(line));
    }
    _ = (sdp::sections(text), sdp::candidate_ips(&sdp::as_sendonly(text)));
}

/// Where rooms live and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomServer {
    /// Base of the server: `ws://`, `wss://`, `http://` or `https://`, with an optional path in front of `/rtc`.
    pub url: String,
    /// Key and secret that sign the access tokens.
    pub api_key: String,
    pub api_secret: String,
}

/// Who joins which room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAs {
    pub room: String,
    /// Unique in the room: a second participant of the same identity throws the first one out.
    pub identity: String,
    /// Name to show; may be empty.
    pub name: String,
    pub attributes: BTreeMap<String, String>,
}

/// Why joining cannot even be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("room server URL {url:?}: {reason}")]
    Url { url: String, reason: String },
    #[error("room name and identity must not be empty")]
    Nameless,
    #[error("cannot start the signalling thread: {0}")]
    Thread(String),
}
