//! Media: packets from publishers to subscribers, sender reports, key frame requests, data messages.

use super::Room;
use crate::keyframe::starts_keyframe;
use crate::proto::{self, Message};
use crate::rooms::clock::{Micros, Report};
use crate::rooms::context::Context;
use crate::rooms::forwarder::Incoming;
use crate::rooms::participant::{Participant, Subscription};
use crate::rooms::peer::{Channel, Pid};
use crate::rooms::track::{LAYERS, Track, TrackId};
use crate::rooms::webrtc::forwarded_extensions;
use std::time::{Duration, SystemTime};
use str0m::format::{Codec, CodecSpec};
use str0m::media::{ExtensionValues, Mid, Pt, SenderFeedback};
use str0m::rtp::{RtpPacket, RtpWrite};

/// Longest payload that is passed on, in bytes: with every header and tag it stays below what the library can send.
const MAX_PAYLOAD: usize = 1500;

/// Incoming streams remembered per participant; a client that invents more is looked up every time.
const MAX_STREAMS: usize = 256;

/// What all subscribers get of one packet.
struct Forwarded<'a> {
    packet: &'a RtpPacket,
    incoming: Incoming,
    extensions: ExtensionValues,
    spec: CodecSpec,
    /// The layer for a subscriber, by the highest rank it asked for.
    targets: [u8; LAYERS],
}

impl Room {
    pub(super) fn on_rtp(&mut self, ctx: &mut Context, id: Pid, packet: RtpPacket) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let Some((track_id, rid)) = stream_of(me, &packet) else { return };
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(spec) = spec_of(me, track, packet.header.payload_type) else { return };
        // Senders find out with it what the network carries.
        let padding = packet.payload.is_empty();
        if packet.payload.len() > MAX_PAYLOAD || padding && !track.is_stream(packet.header.ssrc) {
            return;
        }
        let codec = track.codec;
        let (layer, replaced) = match track.layer_mut(packet.header.ssrc, rid.as_deref(), packet.timestamp) {
            Ok(layer) => (layer, false),
            Err(layer) => (layer, true),
        };
        if !padding {
            layer.note_packet(packet.timestamp);
        }
        let arrival = ctx.micros(packet.timestamp);
        // Padding has the RTP time of the picture before, whenever it comes.
        let captured =
            if padding { arrival } else { me.clock.capture(&mut layer.clock, packet.header.timestamp, arrival) };
        let rank = layer.rank;
        let incoming = Incoming {
            layer: rank,
            seq: *packet.seq_no,
            rtp: packet.header.timestamp,
            start: !padding && codec.is_none_or(|codec| starts_keyframe(codec, &packet.payload)),
            padding,
            captured,
        };
        let mut keyframe_due = layer.note_start(incoming.start, ctx.now);
        let target = |limit| track.best_layer(limit as u8, ctx.now).map_or(rank, |layer| layer.rank);
        let targets = std::array::from_fn(target);
        let extensions = forwarded_extensions(&packet.header.ext_vals);
        let forwarded = Forwarded { packet: &packet, incoming, extensions, spec, targets };
        for subscriber in &track.subscribers {
            let Some(other) = self.people.get_mut(subscriber) else { continue };
            keyframe_due |= deliver(ctx, other, track_id, &forwarded, replaced);
        }
        if keyframe_due {
            self.request_keyframe(ctx, track_id, Some(rank));
        }
    }

    pub(super) fn on_report(&mut self, ctx: &Context, id: Pid, report: SenderFeedback) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let ntp = unix_micros(report.sender_info.ntp_time);
        me.clock.on_report(ntp, ctx.micros(report.received_at));
        let ssrc = report.sender_info.ssrc;
        // Some libraries report before their first packet, with an RTP time of nothing.
        if report.sender_info.sender_packet_count == 0 {
            return;
        }
        let Some((track, rid)) = me.streams.get(&ssrc) else { return };
        let Some(track) = self.tracks.get_mut(track) else { return };
        if let Ok(layer) = track.layer_mut(ssrc, rid.as_deref(), ctx.now) {
            layer.clock.report = Some(Report { ntp, rtp: report.sender_info.rtp_time.numer() as u32 });
        }
    }

    /// A subscriber cannot decode: the publisher is asked for a picture to start from.
    pub(super) fn on_keyframe_request(&mut self, ctx: &mut Context, id: Pid, mid: Mid) {
        let Some(me) = self.people.get(&id) else { return };
        let found = me.subscriptions.iter().find(|(_, subscription)| subscription.mid == Some(mid));
        let Some((track, subscription)) = found else { return };
        let (track, rank) = (*track, subscription.forwarder.layer());
        self.request_keyframe(ctx, track, rank);
    }

    /// Asks for key frames of everything a participant gets.
    pub(super) fn request_all_keyframes(&mut self, ctx: &mut Context, id: Pid) {
        let Some(me) = self.people.get(&id) else { return };
        for track in me.subscriptions.keys().copied().collect::<Vec<_>>() {
            self.request_keyframe(ctx, track, None);
        }
    }

    pub(super) fn request_keyframe(&mut self, ctx: &mut Context, track: TrackId, rank: Option<u8>) {
        let Some(track) = self.tracks.get_mut(&track) else { return };
        let Some(owner) = self.people.get_mut(&track.owner) else { return };
        if let Some(ssrc) = track.take_keyframe_request(rank, ctx.now) {
            owner.publisher.request_keyframe(ssrc);
            ctx.touch(&mut owner.publisher);
        }
    }

    /// Passes a data message on, signed with who sent it.
    pub(super) fn on_data(&mut self, ctx: &mut Context, id: Pid, channel: Channel, payload: &[u8]) {
        let Some(me) = self.people.get(&id) else { return };
        if !me.grant.can_publish_data || payload.len() > proto::MAX_DATA_BYTES {
            return;
        }
        let Ok(address) = proto::DataPacketAddress::decode(payload) else { return };
        let sender =
            proto::DataPacketSender { participant_identity: me.identity.clone(), participant_sid: me.sid.clone() };
        let mut message = payload.to_vec();
        message.extend(sender.encode_to_vec());
        let to = &address.destination_identities;
        for other in self.people.values_mut() {
            if other.id != id && (to.is_empty() || to.contains(&other.identity)) {
                let peer = other.receiving_peer();
                peer.send_data(channel, &message);
                ctx.touch(peer);
            }
        }
    }
}

/// Track and layer name of a packet's stream; looked up once per stream.
fn stream_of(me: &mut Participant, packet: &RtpPacket) -> Option<(TrackId, Option<String>)> {
    let ssrc = packet.header.ssrc;
    if let Some(known) = me.streams.get(&ssrc) {
        return Some(known.clone());
    }
    if me.streams.len() >= MAX_STREAMS {
        me.streams.clear();
    }
    let (mid, rid) = me.publisher.incoming(ssrc)?;
    let track = me.published.get(&*mid.to_string())?.track;
    me.streams.insert(ssrc, (track, rid.clone()));
    Some((track, rid))
}

/// What a publisher's payload type stands for; looked up when it changes.
fn spec_of(me: &Participant, track: &mut Track, pt: Pt) -> Option<CodecSpec> {
    if let Some((known, spec)) = track.payload
        && known == pt
    {
        return Some(spec);
    }
    let spec = me.publisher.rtc().codec_config().find(|params| params.pt() == pt)?.spec();
    track.payload = Some((pt, spec));
    Some(spec)
}

/// Writes a packet to one subscriber. Whether that one waits for a start in this packet's layer.
fn deliver(ctx: &mut Context, other: &mut Participant, track: TrackId, forwarded: &Forwarded, replaced: bool) -> bool {
    let Some(mut subscription) = other.subscriptions.remove(&track) else { return false };
    let waits = write(ctx, other, &mut subscription, forwarded, replaced);
    other.subscriptions.insert(track, subscription);
    waits
}

fn write(
    ctx: &mut Context,
    other: &mut Participant,
    subscription: &mut Subscription,
    forwarded: &Forwarded,
    replaced: bool,
) -> bool {
    let Forwarded { packet, incoming, targets, .. } = forwarded;
    let target = targets[usize::from(subscription.limit).min(LAYERS - 1)];
    let peer = other.receiving_peer();
    let (Some(mid), Some(ssrc)) = (subscription.mid, subscription.ssrc) else { return false };
    if subscription.paused || !peer.is_connected() {
        return false;
    }
    if replaced && subscription.forwarder.layer() == Some(incoming.layer) {
        subscription.forwarder.pause();
    }
    let from = packet.header.payload_type;
    let known = subscription.payload.filter(|(pt, _)| *pt == from);
    let (_, to) =
        *subscription.payload.insert(known.unwrap_or_else(|| (from, payload_type_for(peer, mid, &forwarded.spec))));
    let Some(to) = to else { return false };
    let Some(numbers) = subscription.forwarder.forward(*incoming, target) else {
        return incoming.layer == target && subscription.forwarder.layer() != Some(target);
    };
    let waits = incoming.layer == target && subscription.forwarder.layer() != Some(target);
    let write =
        RtpWrite::new(to, numbers.seq.into(), numbers.rtp, ctx.instant(numbers.captured), packet.payload.clone())
            .marker(packet.header.marker)
            .nackable(true)
            .ext_vals(forwarded.extensions.clone());
    peer.write(ssrc, write);
    ctx.touch(peer);
    waits
}

/// The payload type by which a subscriber knows a codec: the same H.264 profile if it has it, else any.
fn payload_type_for(peer: &crate::rooms::peer::Peer, mid: Mid, spec: &CodecSpec) -> Option<Pt> {
    let media = peer.rtc().media(mid)?;
    let params = peer.rtc().codec_config().params().iter();
    let usable = params.filter(|params| media.remote_pts().contains(&params.pt()) && params.spec().codec == spec.codec);
    let profile = |spec: &CodecSpec| spec.format.profile_level_id.map(|id| id >> 8);
    let best = usable.max_by_key(|params| spec.codec != Codec::H264 || profile(&params.spec()) == profile(spec));
    best.map(|params| params.pt())
}

fn unix_micros(time: SystemTime) -> Micros {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_micros() as Micros
}
