//! One room: who is in it, and what they hear of each other. Publishing, subscribing and media are in the files of
//! the folder.

mod media;
mod publish;
mod subscribe;

use super::admission::{Admission, Refusal};
use super::context::{Context, RoomFact};
use super::participant::{Outgoing, Participant};
use super::peer::{Peer, PeerEvent, PeerKey, Pid, Role};
use super::track::{Track, TrackId};
use super::webrtc::Use;
use crate::proto::{self, Message, signal_request, signal_response};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a participant without socket stays after its media was last heard.
const TRANSPORT_GRACE: Duration = Duration::from_secs(5);
/// Seconds between pings of a client, and until it gives the server up.
const PING_INTERVAL_S: i32 = 5;
const PING_TIMEOUT_S: i32 = 15;
/// SDKs read this as the version of a LiveKit server and of its protocol.
const COMPATIBLE_VERSION: &str = "1.11.0";
const COMPATIBLE_PROTOCOL: i32 = 16;
/// Recorders, agents and hidden participants per room, beside the users: a full room can be recorded all the same.
const DEPENDENTS_PER_ROOM: usize = 16;

pub struct Room {
    pub name: String,
    sid: String,
    created_ms: i64,
    people: BTreeMap<Pid, Participant>,
    tracks: BTreeMap<TrackId, Track>,
    track_ids: HashMap<String, TrackId>,
    /// Since when no standard participant is here.
    empty_since: Option<Instant>,
}

impl Room {
    pub fn new(ctx: &mut Context, name: String) -> Self {
        let sid = ctx.sid("RM");
        ctx.tell(RoomFact::RoomOpened { room: name.clone(), sid: sid.clone() });
        Self {
            name,
            sid,
            created_ms: ctx.unix_ms,
            people: BTreeMap::new(),
            tracks: BTreeMap::new(),
            track_ids: HashMap::new(),
            empty_since: Some(ctx.now),
        }
    }

    pub fn peer_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.people.get_mut(&key.participant)?.peer_mut(key.role)
    }

    pub fn members(&self) -> impl Iterator<Item = Pid> {
        self.people.keys().copied()
    }

    pub fn has(&self, id: Pid) -> bool {
        self.people.contains_key(&id)
    }

    /// Lets a participant in: `join` is its first message, then everything that is there already.
    pub fn join(
        &mut self,
        ctx: &mut Context,
        mut admission: Admission,
        signal: mpsc::Sender<Outgoing>,
    ) -> Result<Pid, Refusal> {
        let same = self.people.values().find(|p| p.identity == admission.identity).map(|p| p.id);
        if let Some(old) = same {
            self.dismiss(ctx, old, proto::DisconnectReason::DuplicateIdentity, proto::LeaveAction::Disconnect);
        }
        if self.is_full_for(ctx, &admission) {
            return Err(Refusal::new(503, "the room is full"));
        }
        let was_recording = self.is_recorded();
        let (add_tracks, offer) = (std::mem::take(&mut admission.add_tracks), admission.offer.take());
        let participant = new_participant(ctx, admission, signal);
        let id = participant.id;
        let hidden = participant.grant.hidden;
        let identity = participant.identity.clone();
        self.people.insert(id, participant);
        self.update_emptiness(ctx);
        ctx.tell(RoomFact::ParticipantJoined { room: self.name.clone(), identity, hidden });
        self.send_join(ctx, id);
        self.broadcast_update(id, false);
        self.announce_recording(was_recording);
        self.subscribe_to_all(ctx, id);
        for add in add_tracks {
            self.on_add_track(ctx, id, add);
        }
        if let Some(offer) = offer {
            self.on_offer(ctx, id, offer);
        }
        Ok(id)
    }

    fn is_full_for(&self, ctx: &Context, admission: &Admission) -> bool {
        let dependent = admission.grant.is_dependent(admission.kind);
        let bound = if dependent { DEPENDENTS_PER_ROOM } else { ctx.settings.limits.participants_per_room };
        self.people.values().filter(|p| p.is_dependent() == dependent).count() >= bound
    }

    fn send_join(&mut self, ctx: &Context, id: Pid) {
        let others = self.people.values().filter(|p| p.id != id && !p.grant.hidden);
        let others = others.map(|p| p.info(self.tracks_of(p.id))).collect();
        let room = self.info(ctx);
        let Some(me) = self.people.get_mut(&id) else { return };
        let opus = proto::Codec { mime: "audio/opus".into(), fmtp_line: String::new() };
        let video = ctx.settings.codecs.iter().map(|c| proto::Codec { mime: c.mime(), fmtp_line: String::new() });
        let join = proto::JoinResponse {
            room: Some(room),
            participant: Some(me.info(Vec::new())),
            other_participants: others,
            server_version: COMPATIBLE_VERSION.into(),
            subscriber_primary: me.subscriber.is_some() && me.grant.can_subscribe,
            ping_timeout: PING_TIMEOUT_S,
            ping_interval: PING_INTERVAL_S,
            server_info: Some(proto::ServerInfo {
                version: COMPATIBLE_VERSION.into(),
                protocol: COMPATIBLE_PROTOCOL,
                node_id: "tapedeck".into(),
                ..Default::default()
            }),
            enabled_publish_codecs: video.chain([opus]).collect(),
            ..Default::default()
        };
        me.send(signal_response::Message::Join(Box::new(join)));
    }

    /// Handles one message of a client.
    pub fn on_message(&mut self, ctx: &mut Context, id: Pid, message: signal_request::Message) {
        use signal_request::Message as M;
        match message {
            M::Offer(offer) => self.on_offer(ctx, id, offer),
            M::Answer(answer) => self.on_answer(ctx, id, answer),
            M::Trickle(trickle) => self.on_trickle(ctx, id, &trickle),
            M::AddTrack(add) => self.on_add_track(ctx, id, add),
            M::Mute(mute) => self.on_mute(id, &mute),
            M::Subscription(wanted) => self.on_subscription(ctx, id, &wanted),
            M::TrackSetting(setting) => self.on_track_setting(ctx, id, &setting),
            M::UpdateMetadata(update) => self.on_update_metadata(ctx, id, update),
            M::Ping(_) => self.reply(id, signal_response::Message::Pong(ctx.unix_ms)),
            M::PingReq(ping) => {
                let pong = proto::Pong { last_ping_timestamp: ping.timestamp, timestamp: ctx.unix_ms };
                self.reply(id, signal_response::Message::PongResp(pong));
            }
            M::Leave(_) => self.remove(ctx, id, proto::DisconnectReason::ClientInitiated),
            // Hints that nothing here depends on yet.
            M::UpdateLayers(_)
            | M::SubscriptionPermission(_)
            | M::SyncState(_)
            | M::UpdateAudioTrack(_)
            | M::UpdateVideoTrack(_) => {}
        }
    }

    fn reply(&mut self, id: Pid, message: signal_response::Message) {
        if let Some(me) = self.people.get_mut(&id) {
            me.send(message);
        }
    }

    fn on_trickle(&mut self, ctx: &mut Context, id: Pid, trickle: &proto::TrickleRequest) {
        let role = match trickle.target() {
            proto::SignalTarget::Publisher => Role::Publisher,
            proto::SignalTarget::Subscriber => Role::Subscriber,
        };
        let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).unwrap_or_default();
        let line = init.get("candidate").and_then(serde_json::Value::as_str).unwrap_or_default();
        let Some(peer) = self.people.get_mut(&id).and_then(|me| me.peer_mut(role)) else { return };
        peer.add_candidate(line);
        ctx.touch(peer);
    }

    fn on_update_metadata(&mut self, ctx: &Context, id: Pid, update: proto::UpdateParticipantMetadata) {
        let limit = ctx.settings.limits.metadata_bytes;
        let Some(me) = self.people.get_mut(&id) else { return };
        let mut attributes = me.attributes.clone();
        attributes.extend(update.attributes.clone());
        attributes.retain(|_, value| !value.is_empty());
        let size: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let reason = if !me.grant.can_update_metadata {
            proto::RequestReason::NotAllowed
        } else if size.max(update.metadata.len()).max(update.name.len()) > limit {
            proto::RequestReason::LimitExceeded
        } else {
            me.attributes = attributes;
            // Empty means unchanged: the protocol has no other way to say it.
            if !update.metadata.is_empty() {
                me.metadata = update.metadata.clone();
            }
            if !update.name.is_empty() {
                me.name = update.name.clone();
            }
            me.touch();
            proto::RequestReason::Ok
        };
        let response = proto::RequestResponse {
            request_id: update.request_id,
            reason: reason as i32,
            message: String::new(),
            request: Some(proto::request_response::Request::UpdateMetadata(update)),
        };
        me.send(signal_response::Message::RequestResponse(response));
        if reason == proto::RequestReason::Ok {
            self.broadcast_update(id, true);
        }
    }

    /// Handles what a peer connection has to say.
    pub fn on_peer_event(&mut self, ctx: &mut Context, key: PeerKey, event: PeerEvent) {
        let id = key.participant;
        match event {
            PeerEvent::Connected => self.on_connected(ctx, key),
            PeerEvent::Rtp(packet) => self.on_rtp(ctx, id, packet),
            PeerEvent::Report(report) => self.on_report(ctx, id, report),
            PeerEvent::KeyframeRequest(request) => self.on_keyframe_request(ctx, id, request.mid),
            PeerEvent::Data(channel, payload) => self.on_data(ctx, id, channel, &payload),
            PeerEvent::Lost(reason) => {
                if let Some(me) = self.people.get(&id) {
                    tracing::info!(room = self.name, identity = me.identity, ?key.role, reason, "peer connection lost");
                }
            }
        }
    }

    fn on_connected(&mut self, ctx: &mut Context, key: PeerKey) {
        let Some(me) = self.people.get_mut(&key.participant) else { return };
        let receives = me.receiving_peer().key == key;
        if me.state != proto::ParticipantState::Active {
            me.state = proto::ParticipantState::Active;
            me.touch();
            self.broadcast_update(key.participant, false);
        }
        if receives {
            self.request_all_keyframes(ctx, key.participant);
        }
    }

    /// Tells everybody who may know of it how a participant looks now.
    fn broadcast_update(&mut self, id: Pid, include_self: bool) {
        let Some(me) = self.people.get(&id) else { return };
        let (hidden, info) = (me.grant.hidden, me.info(self.tracks_of(id)));
        self.broadcast_info(info, |other| if other == id { include_self } else { !hidden });
    }

    fn broadcast_info(&mut self, info: proto::ParticipantInfo, to: impl Fn(Pid) -> bool) {
        let update = proto::ParticipantUpdate { participants: vec![info] };
        self.broadcast(signal_response::Message::Update(update), to);
    }

    fn broadcast(&mut self, message: signal_response::Message, to: impl Fn(Pid) -> bool) {
        let encoded: bytes::Bytes = proto::SignalResponse { message: Some(message) }.encode_to_vec().into();
        for other in self.people.values_mut().filter(|other| to(other.id)) {
            other.send_encoded(encoded.clone());
        }
    }

    fn tracks_of(&self, id: Pid) -> Vec<proto::TrackInfo> {
        self.tracks.values().filter(|track| track.owner == id).map(|track| track.info.clone()).collect()
    }

    fn is_recorded(&self) -> bool {
        self.people.values().any(|p| p.grant.recorder)
    }

    fn announce_recording(&mut self, before: bool) {
        if self.is_recorded() != before {
            let room = proto::Room { active_recording: !before, ..self.base_info() };
            self.broadcast(signal_response::Message::RoomUpdate(proto::RoomUpdate { room: Some(room) }), |_| true);
        }
    }

    fn base_info(&self) -> proto::Room {
        let publishers = self.people.values().filter(|p| !p.published.is_empty()).count();
        proto::Room {
            sid: self.sid.clone(),
            name: self.name.clone(),
            creation_time: self.created_ms / 1000,
            creation_time_ms: self.created_ms,
            num_participants: self.people.values().filter(|p| !p.grant.hidden).count() as u32,
            num_publishers: publishers as u32,
            active_recording: self.is_recorded(),
            ..Default::default()
        }
    }

    fn info(&self, ctx: &Context) -> proto::Room {
        let codecs = ctx.settings.codecs.iter().map(|c| proto::Codec { mime: c.mime(), fmtp_line: String::new() });
        proto::Room {
            empty_timeout: ctx.settings.empty_timeout.as_secs() as u32,
            max_participants: ctx.settings.limits.participants_per_room as u32,
            enabled_codecs: codecs.collect(),
            ..self.base_info()
        }
    }

    /// Says `leave` to a participant and takes it out.
    pub fn dismiss(&mut self, ctx: &mut Context, id: Pid, reason: proto::DisconnectReason, action: proto::LeaveAction) {
        if let Some(me) = self.people.get_mut(&id) {
            me.dismiss(reason, action);
        }
        self.remove(ctx, id, reason);
    }

    /// Takes a participant out and tells the others.
    pub fn remove(&mut self, ctx: &mut Context, id: Pid, reason: proto::DisconnectReason) {
        let was_recording = self.is_recorded();
        for track in self.tracks.values().filter(|track| track.owner == id).map(|t| t.id).collect::<Vec<_>>() {
            self.drop_track(ctx, track);
        }
        let Some(mut me) = self.people.remove(&id) else { return };
        for track in self.tracks.values_mut() {
            track.subscribers.retain(|subscriber| *subscriber != id);
        }
        for peer in me.peers() {
            ctx.routes.remove(peer.key);
        }
        me.close_socket();
        me.state = proto::ParticipantState::Disconnected;
        me.touch();
        if !me.grant.hidden {
            let info = proto::ParticipantInfo { disconnect_reason: reason as i32, ..me.info(Vec::new()) };
            self.broadcast_info(info, |_| true);
        }
        tracing::info!(room = self.name, identity = me.identity, ?reason, "participant left");
        ctx.tell(RoomFact::ParticipantLeft { room: self.name.clone(), identity: me.identity });
        self.announce_recording(was_recording);
        self.renegotiate_all(ctx);
        self.update_emptiness(ctx);
    }

    fn update_emptiness(&mut self, ctx: &Context) {
        let empty = self.people.values().all(Participant::is_dependent);
        self.empty_since = empty.then(|| self.empty_since.unwrap_or(ctx.now));
    }

    /// Looks after what no message tells: closed sockets. Whether the room is over.
    pub fn on_tick(&mut self, ctx: &mut Context) -> bool {
        let now = ctx.now;
        let mut gone = Vec::new();
        for me in self.people.values_mut().filter(|me| me.socket_is_closed()) {
            me.socket_lost.get_or_insert(now);
            let lives = me.peers().any(|peer| peer.is_connected() && peer.heard_within(TRANSPORT_GRACE, now));
            if !lives {
                gone.push(me.id);
            }
        }
        for id in gone {
            self.remove(ctx, id, proto::DisconnectReason::SignalClose);
        }
        self.empty_since.is_some_and(|since| now.saturating_duration_since(since) >= ctx.settings.empty_timeout)
    }

    /// Sends everybody out.
    pub fn close(&mut self, ctx: &mut Context, reason: proto::DisconnectReason) {
        for id in self.members().collect::<Vec<_>>() {
            self.dismiss(ctx, id, reason, proto::LeaveAction::Disconnect);
        }
        ctx.tell(RoomFact::RoomClosed { room: self.name.clone(), sid: self.sid.clone() });
    }
}

fn new_participant(ctx: &mut Context, admission: Admission, signal: mpsc::Sender<Outgoing>) -> Participant {
    let id = ctx.next_id();
    let usage = if admission.single_connection { Use::Both } else { Use::Publish };
    let publisher = new_peer(ctx, PeerKey { participant: id, role: Role::Publisher }, usage);
    let subscriber = (!admission.single_connection)
        .then(|| new_peer(ctx, PeerKey { participant: id, role: Role::Subscriber }, Use::Subscribe));
    let sid = ctx.sid("PA");
    let mut me = Participant::new(sid, admission, signal, publisher, subscriber, ctx.unix_ms);
    me.state = proto::ParticipantState::Joined;
    me
}

fn new_peer(ctx: &mut Context, key: PeerKey, usage: Use) -> Peer {
    let mut peer = Peer::new(key, &ctx.settings.peers, usage, &ctx.settings.candidates, ctx.now);
    ctx.routes.add(peer.ufrag(), key);
    ctx.touch(&mut peer);
    peer
}
