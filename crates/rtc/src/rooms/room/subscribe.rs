//! Subscribing: who gets which track, and the negotiation of it. With two connections the server offers; with one
//! the client does, and the server gives its free sections to tracks.

use super::Room;
use crate::proto::{self, signal_response};
use crate::rooms::context::Context;
use crate::rooms::forwarder::Forwarder;
use crate::rooms::participant::{OutstandingOffer, Participant, Section, Subscription};
use crate::rooms::peer::{Peer, Pid};
use crate::rooms::sdp::{AnswerEdits, Kind, Sdp};
use crate::rooms::track::{Track, TrackId};
use std::collections::BTreeMap;
use str0m::media::{Direction, MediaKind, Mid};

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
        };
        self.subscriptions.insert(track.id, subscription);
        self.negotiation.wanted = true;
    }

    pub(super) fn unsubscribe(&mut self, track: TrackId) {
        let Some(subscription) = self.subscriptions.remove(&track) else { return };
        if let Some(section) = subscription.mid.and_then(|mid| self.sections.get_mut(&mid)) {
            section.track = None;
            section.retiring = true;
        }
        self.negotiation.wanted = true;
    }

    /// A section of the kind that was given back and can carry another track.
    fn free_section(&self, video: bool) -> Option<Mid> {
        let free = |section: &Section| section.track.is_none() && !section.retiring && section.video == video;
        self.sections.iter().find(|(_, section)| free(section)).map(|(mid, _)| *mid)
    }

    fn waiting(&self) -> Vec<(TrackId, bool)> {
        let waiting = self.subscriptions.iter().filter(|(_, subscription)| subscription.mid.is_none());
        waiting.map(|(track, subscription)| (*track, subscription.video)).collect()
    }

    /// Puts a track into a section.
    fn occupy(&mut self, mid: Mid, track: TrackId, video: bool) {
        let used = self.sections.get(&mid).is_some_and(|section| section.used);
        self.sections.insert(mid, Section { video, used, track: Some(track), retiring: false });
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
            let subscription = self.people.get_mut(&id).and_then(|me| me.subscriptions.get_mut(&track));
            let Some(subscription) = subscription.filter(|s| s.paused != setting.disabled) else { continue };
            subscription.paused = setting.disabled;
            subscription.forwarder.pause();
            if !setting.disabled {
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
        let waiting = me.waiting();
        let mut reused = Vec::new();
        let mut added = Vec::new();
        for (track, video) in waiting {
            match me.free_section(video) {
                Some(mid) => {
                    me.occupy(mid, track, video);
                    reused.push(mid);
                }
                None => added.push((track, video)),
            }
        }
        let retired: Vec<Mid> = me.sections.iter().filter(|(_, s)| s.retiring).map(|(mid, _)| *mid).collect();
        let names: Vec<(String, String)> =
            added.iter().filter_map(|(track, _)| self.tracks.get(track)).map(|track| self.msid(track, false)).collect();
        let Some(me) = self.people.get_mut(&id) else { return };
        let open_channels = !std::mem::replace(&mut me.negotiation.channels_opened, true);
        let Some(peer) = me.subscriber.as_mut() else { return };
        for mid in &reused {
            peer.renew_streams(*mid);
        }
        let (mids, offer) = peer.offer(|api| {
            if open_channels {
                Peer::add_channels(api);
            }
            retired.iter().for_each(|mid| api.set_direction(*mid, Direction::Inactive));
            reused.iter().for_each(|mid| api.set_direction(*mid, Direction::SendOnly));
            let names = names.into_iter().map(|(stream, track)| (Some(stream), Some(track)));
            let add = added.iter().zip(names).map(|((_, video), (stream, track))| {
                let kind = if *video { MediaKind::Video } else { MediaKind::Audio };
                api.add_media(kind, Direction::SendOnly, stream, track, None)
            });
            add.collect::<Vec<Mid>>()
        });
        ctx.touch(peer);
        for ((track, video), mid) in added.into_iter().zip(mids) {
            me.occupy(mid, track, video);
        }
        for mid in &retired {
            if let Some(section) = me.sections.get_mut(mid) {
                section.retiring = false;
                section.used = true;
            }
        }
        let Some((text, pending)) = offer else { return };
        me.negotiation.last_id += 1;
        let offer_id = me.negotiation.last_id;
        me.negotiation.outstanding = Some(OutstandingOffer { id: offer_id, pending });
        let mut edits = AnswerEdits::default();
        let mid_to_track_id = self.section_names(id, &mut edits);
        let sdp = rename_sections(&text, &edits).unwrap_or(text);
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
    pub(super) fn assign_sections(&mut self, id: Pid, offer: &Sdp) {
        let Some(me) = self.people.get_mut(&id) else { return };
        for section in offer.sections.iter().filter(|section| section.receives_only()) {
            let (Some(kind), Some(mid)) = (section.kind(), section.mid()) else { continue };
            let fresh = Section { video: kind == Kind::Video, used: false, track: None, retiring: false };
            me.sections.entry(Mid::from(mid)).or_insert(fresh);
        }
        for (track, video) in me.waiting() {
            let Some(mid) = me.free_section(video) else { continue };
            if me.sections.get(&mid).is_some_and(|section| section.used) {
                me.publisher.renew_streams(mid);
            }
            me.occupy(mid, track, video);
        }
        // What is given back is answered inactive now and free from the next offer on.
        for section in me.sections.values_mut().filter(|section| section.retiring) {
            section.retiring = false;
            section.used = true;
        }
        me.negotiation.asked = false;
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
            let Some(track) = section.track.and_then(|track| self.tracks.get(&track)) else { continue };
            edits.sends.insert(mid.to_string(), self.msid(track, section.used));
            if track.info.stereo {
                edits.stereo.push(mid.to_string());
            }
            names.insert(mid.to_string(), track.info.sid.clone());
        }
        names
    }

    /// Stream and track id by which SDKs find a track. In a reused section browsers keep the track id of before, so
    /// that the stream id has to name the track.
    fn msid(&self, track: &Track, reused: bool) -> (String, String) {
        let owner = self.people.get(&track.owner).map(|owner| owner.sid.as_str()).unwrap_or_default();
        let token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let stream: String = track.info.stream.chars().filter(token).take(32).collect();
        let name = if reused || stream.is_empty() { &track.info.sid } else { &stream };
        (format!("{owner}|{name}"), track.info.sid.clone())
    }
}

fn rename_sections(offer: &str, edits: &AnswerEdits) -> Option<String> {
    let mut sdp = Sdp::parse(offer)?;
    for (mid, (stream, track)) in &edits.sends {
        sdp.section_mut(mid)?.set_msid(stream, track);
    }
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
        let there = me.sections.values().filter(|s| s.track.is_none() && s.video == video).count();
        wanted.saturating_sub(there) as u32
    };
    let requirement = proto::MediaSectionsRequirement { num_audios: missing(false), num_videos: missing(true) };
    if waiting.is_empty() {
        return;
    }
    me.negotiation.asked = true;
    me.send(signal_response::Message::MediaSectionsRequirement(requirement));
}
