//! Subscribing: who gets which track, and the negotiation of it. With two connections the server offers; with one
//! the client does, and the server gives its free sections to tracks.

use super::Room;
use crate::proto::{self, signal_response};
use crate::rooms::context::Context;
use crate::rooms::forwarder::Forwarder;
use crate::rooms::participant::{OutstandingOffer, Participant, Section, Subscription};
use crate::rooms::peer::{Peer, Pid};
use crate::rooms::sdp::{AnswerEdits, Kind, Sdp};
use crate::rooms::track::{BEST, Track, TrackId, limit_of};
use std::collections::BTreeMap;
use str0m::media::{Direction, MediaKind, Mid};

/// Media sections of one session; SDP grows with each, and none is ever given back.
const MAX_SECTIONS: usize = 400;

impl Participant {
    fn subscribe(&mut self, track: &Track) {
        let excluded = track.hidden || track.owner == self.id || !self.grant.can_subscribe;
        if excluded || self.subscriptions.contains_key(&track.id) {
            return;
        }
        let subscription = Subscription {
            video: track.is_video(),
            mid: None,
            ssrc: None,
            payload: None,
            forwarder: Forwarder::new(track.rate()),
            paused: false,
            limit: BEST,
        };
        self.subscriptions.insert(track.id, subscription);
        self.negotiation.wanted = true;
    }

    pub(super) fn unsubscribe(&mut self, track: TrackId) {
        let Some(subscription) = self.subscriptions.remove(&track) else { return };
        if let Some(mid) = subscription.mid {
            self.sections.insert(mid, Section::Ended { told: false });
        }
        self.negotiation.wanted = true;
    }

    fn free_section(&self, video: bool) -> Option<Mid> {
        self.sections.iter().find(|(_, section)| **section == Section::Free { video }).map(|(mid, _)| *mid)
    }

    fn waiting(&self) -> Vec<(TrackId, bool)> {
        let waiting = self.subscriptions.iter().filter(|(_, subscription)| subscription.mid.is_none());
        waiting.map(|(track, subscription)| (*track, subscription.video)).collect()
    }

    /// Puts a track into a section.
    fn occupy(&mut self, mid: Mid, track: TrackId) {
        self.sections.insert(mid, Section::Sends(track));
        if let Some(subscription) = self.subscriptions.get_mut(&track) {
            subscription.mid = Some(mid);
        }
    }
}

impl Room {
    pub(super) fn subscribe_to_all(&mut self, ctx: &mut Context, id: Pid) {
        let Some(me) = self.people.get_mut(&id) else { return };
        if me.auto_subscribe {
            self.tracks.values().for_each(|track| me.subscribe(track));
        }
        // The first offer is due even without media: the client waits for this connection.
        me.negotiation.wanted |= me.subscriber.is_some() && me.grant.can_subscribe;
        self.negotiate(ctx, id);
    }

    pub(super) fn subscribe_everybody(&mut self, track: TrackId) {
        let Some(track) = self.tracks.get(&track) else { return };
        for other in self.people.values_mut().filter(|other| other.auto_subscribe) {
            other.subscribe(track);
        }
    }

    pub(super) fn on_subscription(&mut self, ctx: &mut Context, id: Pid, wanted: &proto::UpdateSubscription) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let sids = wanted.track_sids.iter().chain(wanted.participant_tracks.iter().flat_map(|p| &p.track_sids));
        for sid in sids {
            let Some(track) = self.track_ids.get(sid).and_then(|track| self.tracks.get_mut(track)) else { continue };
            if wanted.subscribe {
                me.subscribe(track);
            } else {
                me.unsubscribe(track.id);
                track.subscribers.retain(|subscriber| *subscriber != id);
            }
        }
        self.negotiate(ctx, id);
    }

    pub(super) fn on_track_setting(&mut self, ctx: &mut Context, id: Pid, setting: &proto::UpdateTrackSettings) {
        for sid in &setting.track_sids {
            let Some(track) = self.track_ids.get(sid).copied() else { continue };
            let Some(covering) = self.tracks.get(&track).map(|track| track.covering(setting.width, setting.height))
            else {
                continue;
            };
            let subscription = self.people.get_mut(&id).and_then(|me| me.subscriptions.get_mut(&track));
            let Some(subscription) = subscription else { continue };
            // A size is what players with adaptive streams send; they leave the quality alone then.
            let limit = if setting.width > 0 { Some(covering) } else { limit_of(setting.quality()) };
            // The layer changes at the next start of the other one, which packets of it ask for.
            subscription.limit = limit.unwrap_or(subscription.limit);
            let paused = setting.disabled || limit.is_none();
            if subscription.paused == paused {
                continue;
            }
            subscription.paused = paused;
            subscription.forwarder.pause();
            if !paused {
                self.request_keyframe(ctx, track, None);
            }
        }
    }

    /// Brings everybody's negotiation up to date.
    pub(super) fn renegotiate_all(&mut self, ctx: &mut Context) {
        for id in self.members().collect::<Vec<_>>() {
            self.negotiate(ctx, id);
        }
    }

    pub(super) fn negotiate(&mut self, ctx: &mut Context, id: Pid) {
        let Some(me) = self.people.get_mut(&id).filter(|me| me.negotiation.wanted) else { return };
        if me.subscriber.is_some() {
            if me.negotiation.outstanding.is_none() {
                self.send_offer(ctx, id);
            }
        } else if !me.negotiation.asked {
            ask_for_sections(me);
        }
    }

    /// Offers what changed since the last offer.
    fn send_offer(&mut self, ctx: &mut Context, id: Pid) {
        let Some(me) = self.people.get_mut(&id) else { return };
        me.negotiation.wanted = false;
        let added = me.waiting();
        if me.sections.len() + added.len() > MAX_SECTIONS {
            return self.renew_session(ctx, id);
        }
        let over = me.sections.iter_mut().filter(|(_, section)| **section == Section::Ended { told: false });
        let retired: Vec<Mid> = over.map(|(mid, section)| (*mid, *section = Section::Ended { told: true }).0).collect();
        let open_channels = !std::mem::replace(&mut me.negotiation.channels_opened, true);
        let names = added.iter().filter_map(|(track, _)| self.tracks.get(track)).map(|track| self.msid(track));
        let names: Vec<(String, String)> = names.collect();
        let Some(me) = self.people.get_mut(&id) else { return };
        let Some(peer) = me.subscriber.as_mut() else { return };
        let (mids, offer) = peer.offer(|api| {
            if open_channels {
                Peer::add_channels(api);
            }
            retired.iter().for_each(|mid| api.set_direction(*mid, Direction::Inactive));
            let sections = added.iter().zip(names).map(|((_, video), (stream, track))| {
                let kind = if *video { MediaKind::Video } else { MediaKind::Audio };
                api.add_media(kind, Direction::SendOnly, Some(stream), Some(track), None)
            });
            sections.collect::<Vec<Mid>>()
        });
        ctx.touch(peer);
        for ((track, _), mid) in added.into_iter().zip(mids) {
            me.occupy(mid, track);
        }
        let Some((text, pending)) = offer else { return };
        me.negotiation.last_id += 1;
        let offer_id = me.negotiation.last_id;
        me.negotiation.outstanding = Some(OutstandingOffer { id: offer_id, pending });
        let mut edits = AnswerEdits::default();
        let mid_to_track_id = self.section_names(id, &mut edits);
        let sdp = announce_stereo(&text, &edits).unwrap_or(text);
        let description = proto::SessionDescription { r#type: "offer".into(), sdp, id: offer_id, mid_to_track_id };
        self.reply(id, signal_response::Message::Offer(description));
    }

    /// The client answered our offer: media can flow.
    pub(super) fn on_answer(&mut self, ctx: &mut Context, id: Pid, answer: proto::SessionDescription) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let fits = |offer: &mut OutstandingOffer| answer.id == 0 || answer.id == offer.id;
        let Some(offer) = me.negotiation.outstanding.take_if(fits) else { return };
        let Some(peer) = me.subscriber.as_mut() else { return };
        if let Err(error) = peer.accept_answer(offer.pending, &answer.sdp) {
            return self.reject(ctx, id, &error);
        }
        ctx.touch(peer);
        self.activate(ctx, id);
        self.negotiate(ctx, id);
    }

    /// Starts the media of every subscription that has a section by now.
    fn activate(&mut self, ctx: &mut Context, id: Pid) {
        let Some(me) = self.people.get_mut(&id) else { return };
        let ready: Vec<(TrackId, Mid)> = me
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.ssrc.is_none())
            .filter_map(|(track, subscription)| Some((*track, subscription.mid?)))
            .collect();
        for (track_id, mid) in ready {
            let Some(me) = self.people.get_mut(&id) else { return };
            let peer = me.receiving_peer();
            let sends = peer.rtc().media(mid).is_some_and(|media| media.direction().is_sending());
            let ssrc = if sends { peer.sending_ssrc(mid) } else { None };
            let Some(subscription) = me.subscriptions.get_mut(&track_id) else { continue };
            subscription.ssrc = ssrc;
            if let (Some(_), Some(track)) = (ssrc, self.tracks.get_mut(&track_id)) {
                track.subscribers.push(id);
                self.request_keyframe(ctx, track_id, None);
            }
        }
    }

    /// One connection: gives the free receiving sections of an offer to subscriptions.
    /// Whether the session goes on.
    pub(super) fn assign_sections(&mut self, ctx: &mut Context, id: Pid, offer: &Sdp) -> bool {
        let Some(me) = self.people.get_mut(&id) else { return false };
        for section in offer.sections.iter().filter(|section| section.receives_only()) {
            let (Some(kind), Some(mid)) = (section.kind(), section.mid()) else { continue };
            me.sections.entry(Mid::from(mid)).or_insert(Section::Free { video: kind == Kind::Video });
        }
        for (track, video) in me.waiting() {
            if let Some(mid) = me.free_section(video) {
                me.occupy(mid, track);
            }
        }
        me.negotiation.asked = false;
        if me.sections.len() > MAX_SECTIONS {
            self.renew_session(ctx, id);
            return false;
        }
        true
    }

    pub(super) fn after_single_answer(&mut self, ctx: &mut Context, id: Pid) {
        self.activate(ctx, id);
        if let Some(me) = self.people.get_mut(&id) {
            me.negotiation.wanted = !me.waiting().is_empty();
        }
    }

    /// The names of what is sent in which section, for the description and beside it.
    pub(super) fn section_names(&self, id: Pid, edits: &mut AnswerEdits) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let Some(me) = self.people.get(&id) else { return names };
        for (mid, section) in &me.sections {
            let Section::Sends(track) = section else { continue };
            let Some(track) = self.tracks.get(track) else { continue };
            edits.sends.insert(mid.to_string(), self.msid(track));
            if track.info.stereo {
                edits.stereo.push(mid.to_string());
            }
            names.insert(mid.to_string(), track.info.sid.clone());
        }
        names
    }

    /// Stream and track id by which SDKs find a track.
    fn msid(&self, track: &Track) -> (String, String) {
        let owner = self.people.get(&track.owner).map(|owner| owner.sid.as_str()).unwrap_or_default();
        let token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let stream: String = track.info.stream.chars().filter(token).take(32).collect();
        let name = if stream.is_empty() { &track.info.sid } else { &stream };
        (format!("{owner}|{name}"), track.info.sid.clone())
    }

    /// Has a client join anew whose descriptions have grown too long; it keeps no section of before.
    fn renew_session(&mut self, ctx: &mut Context, id: Pid) {
        tracing::info!(room = self.name, id, "session with too many media sections: client has to join anew");
        self.dismiss(ctx, id, proto::DisconnectReason::UnknownReason, proto::LeaveAction::Reconnect);
    }
}

fn announce_stereo(offer: &str, edits: &AnswerEdits) -> Option<String> {
    if edits.stereo.is_empty() {
        return None;
    }
    let mut sdp = Sdp::parse(offer)?;
    for mid in &edits.stereo {
        sdp.section_mut(mid)?.announce_stereo();
    }
    Some(sdp.to_string())
}

/// One connection: has the client offer again, with as many sections more as are missing.
fn ask_for_sections(me: &mut Participant) {
    me.negotiation.wanted = false;
    let waiting = me.waiting();
    let missing = |video: bool| {
        let wanted = waiting.iter().filter(|(_, v)| *v == video).count();
        let there = me.sections.values().filter(|section| **section == Section::Free { video }).count();
        wanted.saturating_sub(there) as u32
    };
    let requirement = proto::MediaSectionsRequirement { num_audios: missing(false), num_videos: missing(true) };
    if waiting.is_empty() {
        return;
    }
    me.negotiation.asked = true;
    me.send(signal_response::Message::MediaSectionsRequirement(requirement));
}
