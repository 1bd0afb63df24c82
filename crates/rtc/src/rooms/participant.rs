//! One participant of a room: who it is, its socket, its peer connections and what it publishes and gets. What
//! happens between participants belongs to `room`.

use super::admission::{Admission, Grant};
use super::clock::PublisherClock;
use super::config::VideoCodec;
use super::forwarder::Forwarder;
use super::peer::{Peer, Pid, Role};
use super::sdp::OpusWishes;
use super::track::TrackId;
use crate::proto::{self, Message, signal_response};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;
use str0m::change::SdpPendingOffer;
use str0m::media::{Mid, Pt};
use str0m::rtp::Ssrc;
use tokio::sync::mpsc;

/// What goes to a client's socket.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// An encoded `SignalResponse`.
    Message(Bytes),
    /// Nothing more comes: close normally.
    Close,
}

/// A track announced by `add_track` that no media section carries yet.
#[derive(Debug)]
pub struct PendingTrack {
    pub cid: String,
    pub info: proto::TrackInfo,
    /// Codecs to choose from, wanted first.
    pub codecs: Vec<VideoCodec>,
    pub opus: OpusWishes,
}

/// A media section of the client that carries a track.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    pub track: TrackId,
    pub codec: Option<VideoCodec>,
    pub opus: OpusWishes,
}

/// A track on its way to this participant.
#[derive(Debug)]
pub struct Subscription {
    pub video: bool,
    /// The media section, once one was chosen.
    pub mid: Option<Mid>,
    /// The stream, once negotiated.
    pub ssrc: Option<Ssrc>,
    /// The payload type that stands here for the publisher's, once looked up; `None` inside: not supported.
    pub payload: Option<(Pt, Option<Pt>)>,
    pub forwarder: Forwarder,
    /// Switched off by the client.
    pub paused: bool,
    /// Rank of the highest simulcast layer it asked for.
    pub limit: u8,
}

/// A media section towards this participant. Each carries one track in its life: SDKs end the receiving side with the
/// track, so that nothing sent in the section later would be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Offered by a client with one connection, not used yet.
    Free {
        video: bool,
    },
    Sends(TrackId),
    /// Its track is over; whether the client has been told.
    Ended {
        told: bool,
    },
}

/// An offer of ours that waits for its answer.
pub struct OutstandingOffer {
    pub id: u32,
    pub pending: SdpPendingOffer,
}

/// State of the negotiation towards the subscriber side.
#[derive(Default)]
pub struct Negotiation {
    pub outstanding: Option<OutstandingOffer>,
    pub last_id: u32,
    /// Something changed that the client has not been told.
    pub wanted: bool,
    pub channels_opened: bool,
    /// A `media_sections_requirement` was sent and the offer it asks for has not come (one connection only).
    pub asked: bool,
}

pub struct Participant {
    pub id: Pid,
    pub sid: String,
    pub identity: String,
    pub name: String,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub kind: proto::ParticipantKind,
    pub grant: Grant,
    pub state: proto::ParticipantState,
    pub joined_ms: i64,
    pub auto_subscribe: bool,
    client_protocol: i32,
    version: u32,
    signal: Option<mpsc::Sender<Outgoing>>,
    /// When the socket was found closed without `leave`.
    pub socket_lost: Option<Instant>,
    pub publisher: Peer,
    /// `None` with one peer connection.
    pub subscriber: Option<Peer>,
    pub pending: Vec<PendingTrack>,
    pub published: BTreeMap<String, Published>,
    /// Incoming streams whose track is known, with their layer's name.
    pub streams: HashMap<Ssrc, (TrackId, Option<String>)>,
    pub subscriptions: BTreeMap<TrackId, Subscription>,
    pub sections: BTreeMap<Mid, Section>,
    pub negotiation: Negotiation,
    pub clock: PublisherClock,
}

impl Participant {
    pub fn new(
        sid: String,
        admission: Admission,
        signal: mpsc::Sender<Outgoing>,
        publisher: Peer,
        subscriber: Option<Peer>,
        joined_ms: i64,
    ) -> Self {
        Self {
            id: publisher.key.participant,
            sid,
            identity: admission.identity,
            name: admission.name,
            metadata: admission.metadata,
            attributes: admission.attributes,
            kind: admission.kind,
            grant: admission.grant,
            state: proto::ParticipantState::Joining,
            joined_ms,
            auto_subscribe: admission.auto_subscribe,
            client_protocol: admission.client_protocol,
            version: 1,
            signal: Some(signal),
            socket_lost: None,
            publisher,
            subscriber,
            pending: Vec::new(),
            published: BTreeMap::new(),
            streams: HashMap::new(),
            subscriptions: BTreeMap::new(),
            sections: BTreeMap::new(),
            negotiation: Negotiation::default(),
            clock: PublisherClock::default(),
        }
    }

    /// Whether the room must not stay open for this one alone.
    pub fn is_dependent(&self) -> bool {
        self.grant.is_dependent(self.kind)
    }

    /// The peer that receives media from the server.
    pub fn receiving_peer(&mut self) -> &mut Peer {
        self.subscriber.as_mut().unwrap_or(&mut self.publisher)
    }

    pub fn peer_mut(&mut self, role: Role) -> Option<&mut Peer> {
        match role {
            Role::Publisher => Some(&mut self.publisher),
            Role::Subscriber => self.subscriber.as_mut(),
        }
    }

    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        std::iter::once(&self.publisher).chain(&self.subscriber)
    }

    /// Sends a message to the client.
    pub fn send(&mut self, message: signal_response::Message) {
        let response = proto::SignalResponse { message: Some(message) };
        self.send_encoded(response.encode_to_vec().into());
    }

    /// Sends an encoded message. A client that does not read loses its socket.
    pub fn send_encoded(&mut self, message: Bytes) {
        let Some(signal) = &self.signal else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = signal.try_send(Outgoing::Message(message)) {
            tracing::warn!(identity = self.identity, "client does not read its messages: socket closed");
            self.signal = None;
        }
    }

    /// Says `leave` and closes the socket.
    pub fn dismiss(&mut self, reason: proto::DisconnectReason, action: proto::LeaveAction) {
        self.send(leave_message(reason, action));
        self.close_socket();
    }

    /// Closes the socket normally.
    pub fn close_socket(&mut self) {
        if let Some(signal) = self.signal.take() {
            // Full: the socket task ends anyway when this sender is gone.
            let _ = signal.try_send(Outgoing::Close);
        }
    }

    pub fn socket_is_closed(&self) -> bool {
        self.signal.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Marks a change that others must see.
    pub fn touch(&mut self) {
        self.version += 1;
    }

    /// How the participant looks to others, with `tracks`.
    pub fn info(&self, tracks: Vec<proto::TrackInfo>) -> proto::ParticipantInfo {
        proto::ParticipantInfo {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: self.state as i32,
            is_publisher: !tracks.is_empty(),
            tracks,
            metadata: self.metadata.clone(),
            joined_at: self.joined_ms / 1000,
            joined_at_ms: self.joined_ms,
            name: self.name.clone(),
            version: self.version,
            permission: Some(self.permission()),
            kind: self.kind as i32,
            attributes: self.attributes.clone(),
            client_protocol: self.client_protocol,
            ..Default::default()
        }
    }

    fn permission(&self) -> proto::ParticipantPermission {
        proto::ParticipantPermission {
            can_subscribe: self.grant.can_subscribe,
            can_publish: self.grant.can_publish,
            can_publish_data: self.grant.can_publish_data,
            can_publish_sources: self.grant.sources.iter().map(|source| *source as i32).collect(),
            hidden: self.grant.hidden,
            recorder: self.grant.recorder,
            can_update_metadata: self.grant.can_update_metadata,
            agent: self.grant.agent,
        }
    }
}

/// `leave`, readable by old clients too.
pub fn leave_message(reason: proto::DisconnectReason, action: proto::LeaveAction) -> signal_response::Message {
    signal_response::Message::Leave(proto::LeaveRequest {
        can_reconnect: action != proto::LeaveAction::Disconnect,
        reason: reason as i32,
        action: action as i32,
    })
}
