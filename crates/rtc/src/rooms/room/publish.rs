//! Publishing: `add_track`, the client's offers, mute, and the end of a track.

use super::Room;
use crate::proto::{self, signal_response};
use crate::rooms::config::VideoCodec;
use crate::rooms::context::{Context, RoomFact};
use crate::rooms::participant::{Participant, PendingTrack, Published};
use crate::rooms::peer::Pid;
use crate::rooms::sdp::{AnswerEdits, Kind, OpusWishes, Sdp, Section, edit_answer};
use crate::rooms::track::{Track, TrackId};

/// Longest name and client id of a track, in bytes.
const MAX_TRACK_NAME: usize = 1024;

impl Room {
    pub(super) fn on_add_track(&mut self, ctx: &mut Context, id: Pid, add: proto::AddTrackRequest) {
        let sid = ctx.sid("TR");
        let Some(me) = self.people.get_mut(&id) else { return };
        if let Some(pending) = me.pending.iter().find(|pending| pending.cid == add.cid) {
            // Asked twice: the same answer.
            let message = track_published(&add.cid, &pending.info);
            return me.send(message);
        }
        if let Err((reason, text)) = may_publish(ctx, me, &add) {
            tracing::info!(room = self.name, identity = me.identity, text, "track refused");
            let response = proto::RequestResponse {
                reason: reason as i32,
                message: text.into(),
                request: Some(proto::request_response::Request::AddTrack(add)),
                ..Default::default()
            };
            return me.send(signal_response::Message::RequestResponse(response));
        }
        let pending = pending_track(sid, add, &ctx.settings.codecs);
        me.send(track_published(&pending.cid, &pending.info));
        me.pending.push(pending);
    }

    /// Answers an offer of the client: maps its media sections to tracks, chooses codecs, and with one connection
    /// gives free sections to subscriptions.
    pub(super) fn on_offer(&mut self, ctx: &mut Context, id: Pid, offer: proto::SessionDescription) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let single = me.subscriber.is_none();
        let Some(mut sdp) = Sdp::parse(&offer.sdp) else { return self.reject(ctx, id, "offer with too many sections") };
        let (fresh, ended) = map_sections(ctx, me, &mut sdp);
        if single && !self.assign_sections(ctx, id, &sdp) {
            return;
        }
        let Some(me) = self.people.get_mut(&id) else { return };
        let answer = match me.publisher.accept_offer(&sdp.to_string()) {
            Ok(answer) => answer,
            Err(error) => return self.reject(ctx, id, &error),
        };
        let key = me.publisher.key;
        ctx.routes.add(me.publisher.ufrag(), key);
        let mut edits = AnswerEdits::default();
        for (mid, published) in me.published.iter().filter(|(_, published)| published.codec.is_none()) {
            edits.opus.insert(mid.clone(), published.opus);
        }
        let names = if single { self.section_names(id, &mut edits) } else { Default::default() };
        let Some(text) = edit_answer(&answer, &sdp, &edits) else { return self.reject(ctx, id, "answer too long") };
        let Some(me) = self.people.get_mut(&id) else { return };
        me.send(signal_response::Message::Answer(proto::SessionDescription {
            r#type: "answer".into(),
            sdp: text,
            id: offer.id,
            mid_to_track_id: names,
        }));
        ctx.touch(&mut me.publisher);
        for track in ended {
            self.unpublish(ctx, track);
        }
        for track in fresh {
            self.publish(ctx, track);
        }
        if single {
            self.after_single_answer(ctx, id);
        }
        self.renegotiate_all(ctx);
    }

    /// Ends a participant whose descriptions cannot be used.
    pub(super) fn reject(&mut self, ctx: &mut Context, id: Pid, error: &str) {
        let identity = self.people.get(&id).map(|me| me.identity.as_str());
        tracing::warn!(room = self.name, identity, error, "negotiation failed: participant removed");
        self.dismiss(ctx, id, proto::DisconnectReason::JoinFailure, proto::LeaveAction::Disconnect);
    }

    /// A track is there: everybody is told, then it is offered.
    fn publish(&mut self, ctx: &mut Context, track: Track) {
        let (id, owner) = (track.id, track.owner);
        let Some(me) = self.people.get_mut(&owner) else { return };
        me.touch();
        tracing::info!(
            room = self.name,
            identity = me.identity,
            track = track.info.sid,
            codec = track.info.mime_type,
            "track published"
        );
        ctx.tell(RoomFact::TrackPublished {
            room: self.name.clone(),
            identity: me.identity.clone(),
            track: Box::new(track.info.clone()),
        });
        self.track_ids.insert(track.info.sid.clone(), id);
        self.tracks.insert(id, track);
        self.broadcast_update(owner, false);
        self.subscribe_everybody(id);
    }

    /// The client took a track away.
    fn unpublish(&mut self, ctx: &mut Context, track: TrackId) {
        let Some((owner, sid)) = self.tracks.get(&track).map(|t| (t.owner, t.info.sid.clone())) else { return };
        self.drop_track(ctx, track);
        if let Some(me) = self.people.get_mut(&owner) {
            me.touch();
            me.send(signal_response::Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid: sid }));
        }
        self.broadcast_update(owner, false);
    }

    /// Takes a track out of all tables.
    pub(super) fn drop_track(&mut self, ctx: &mut Context, id: TrackId) {
        let Some(track) = self.tracks.remove(&id) else { return };
        self.track_ids.remove(&track.info.sid);
        for other in self.people.values_mut() {
            other.unsubscribe(id);
        }
        let Some(me) = self.people.get_mut(&track.owner) else { return };
        me.published.retain(|_, published| published.track != id);
        me.streams.retain(|_, (track, _)| *track != id);
        tracing::info!(room = self.name, identity = me.identity, track = track.info.sid, "track unpublished");
        ctx.tell(RoomFact::TrackUnpublished {
            room: self.name.clone(),
            identity: me.identity.clone(),
            track_sid: track.info.sid,
        });
    }

    pub(super) fn on_mute(&mut self, id: Pid, mute: &proto::MuteTrackRequest) {
        let Some(me) = self.people.get_mut(&id) else { return };
        if let Some(pending) = me.pending.iter_mut().find(|pending| pending.info.sid == mute.sid) {
            pending.info.muted = mute.muted;
            return;
        }
        let track = self.track_ids.get(&mute.sid).and_then(|track| self.tracks.get_mut(track));
        let Some(track) = track.filter(|track| track.owner == id && track.info.muted != mute.muted) else { return };
        track.info.muted = mute.muted;
        me.touch();
        self.broadcast_update(id, false);
    }
}

fn may_publish(
    ctx: &Context,
    me: &Participant,
    add: &proto::AddTrackRequest,
) -> Result<(), (proto::RequestReason, &'static str)> {
    use proto::RequestReason as R;
    if !me.grant.can_publish {
        return Err((R::NotAllowed, "publishing is not allowed"));
    }
    if !me.grant.sources.is_empty() && !me.grant.sources.contains(&add.source()) {
        return Err((R::NotAllowed, "publishing this source is not allowed"));
    }
    if !add.sid.is_empty() || add.r#type() == proto::TrackType::Data {
        return Err((R::UnsupportedType, "further codecs of a track, and data tracks, are not supported"));
    }
    if me.pending.len() + me.published.len() >= ctx.settings.limits.tracks_per_participant {
        return Err((R::LimitExceeded, "too many tracks"));
    }
    if add.cid.len().max(add.name.len()).max(add.stream.len()) > MAX_TRACK_NAME || add.layers.len() > 8 {
        return Err((R::InvalidRequest, "names or layers of the track are too long"));
    }
    Ok(())
}

fn pending_track(sid: String, add: proto::AddTrackRequest, preferred: &[VideoCodec]) -> PendingTrack {
    let video = add.r#type() == proto::TrackType::Video;
    let asked = add.simulcast_codecs.first().and_then(|codec| VideoCodec::from_name(&codec.codec));
    let mut codecs: Vec<VideoCodec> = preferred.to_vec();
    if let Some(at) = codecs.iter().position(|codec| Some(*codec) == asked) {
        codecs[..=at].rotate_right(1);
    }
    let features = &add.audio_features;
    let has = |feature: proto::AudioTrackFeature| features.contains(&(feature as i32));
    let stereo = add.stereo || has(proto::AudioTrackFeature::Stereo);
    let opus = OpusWishes { dtx: !add.disable_dtx && !has(proto::AudioTrackFeature::NoDtx), stereo };
    // A client that asks for no codec decides it in its offer: unknown until then.
    let told = asked.filter(|asked| codecs.first() == Some(asked)).map(VideoCodec::mime);
    let mime = if video { told.unwrap_or_default() } else { "audio/opus".into() };
    let info = proto::TrackInfo {
        sid,
        r#type: add.r#type,
        stream: if add.stream.is_empty() { default_stream(add.source()).into() } else { add.stream },
        name: add.name,
        muted: add.muted,
        width: add.width,
        height: add.height,
        simulcast: video && add.layers.len() > 1,
        disable_dtx: !opus.dtx,
        source: add.source,
        layers: add.layers,
        mime_type: mime,
        stereo,
        disable_red: true,
        encryption: add.encryption,
        audio_features: add.audio_features,
        ..Default::default()
    };
    PendingTrack { cid: add.cid, info, codecs, opus }
}

/// Which tracks players keep in sync, when the client does not say.
fn default_stream(source: proto::TrackSource) -> &'static str {
    match source {
        proto::TrackSource::Camera | proto::TrackSource::Microphone => "camera",
        proto::TrackSource::ScreenShare | proto::TrackSource::ScreenShareAudio => "screen_share",
        proto::TrackSource::Unknown => "",
    }
}

fn track_published(cid: &str, info: &proto::TrackInfo) -> signal_response::Message {
    signal_response::Message::TrackPublished(proto::TrackPublishedResponse {
        cid: cid.to_owned(),
        track: Some(info.clone()),
    })
}

/// Brings the client's media sections and tracks together, restricting video sections to the chosen codec. Gives the
/// tracks that are new and those that ended.
fn map_sections(ctx: &mut Context, me: &mut Participant, sdp: &mut Sdp) -> (Vec<Track>, Vec<TrackId>) {
    let (mut fresh, mut ended) = (Vec::new(), Vec::new());
    for section in &mut sdp.sections {
        let (Some(kind), Some(mid)) = (section.kind(), section.mid().map(str::to_owned)) else { continue };
        if !section.sends() {
            if let Some(published) = me.published.remove(&mid) {
                ended.push(published.track);
            }
        } else if let Some(codec) = me.published.get(&mid).and_then(|published| published.codec) {
            section.keep_codec(&[codec]);
        } else if !me.published.contains_key(&mid)
            && let Some(pending) = take_pending(me, kind, section)
        {
            let track = new_track(ctx, me, pending, section, &mid);
            fresh.push(track);
        }
    }
    (fresh, ended)
}

fn new_track(
    ctx: &mut Context,
    me: &mut Participant,
    pending: PendingTrack,
    section: &mut Section,
    mid: &str,
) -> Track {
    let PendingTrack { cid, mut info, codecs, opus } = pending;
    let codec = match info.r#type() {
        proto::TrackType::Video => section.keep_codec(&codecs),
        _ => None,
    };
    if let Some(codec) = codec {
        info.mime_type = codec.mime();
    }
    info.mid = mid.to_owned();
    info.codecs = vec![proto::SimulcastCodecInfo {
        mime_type: info.mime_type.clone(),
        mid: info.mid.clone(),
        cid,
        layers: info.layers.clone(),
        ..Default::default()
    }];
    let id = ctx.next_id();
    me.published.insert(mid.to_owned(), Published { track: id, codec, opus });
    Track::new(id, me.id, info, codec, me.grant.hidden)
}

/// The announced track of a section: by the id in its msid, else the first of the kind (some browsers change ids).
fn take_pending(me: &mut Participant, kind: Kind, section: &Section) -> Option<PendingTrack> {
    let wanted = match kind {
        Kind::Audio => proto::TrackType::Audio,
        Kind::Video => proto::TrackType::Video,
    };
    let of_kind = |pending: &PendingTrack| pending.info.r#type() == wanted;
    let named = me.pending.iter().position(|p| of_kind(p) && Some(p.cid.as_str()) == section.track_id());
    let at = named.or_else(|| me.pending.iter().position(of_kind))?;
    Some(me.pending.remove(at))
}
