//! The publisher: a participant that publishes tracks from coded frames. Joins the client's parts together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::media::Mid;
use tracing::debug;

use super::path::MediaError;
use super::send::{KeyFrameWish, Sender};
use super::signalling::{Identity, Reconnect, SignalEvent, Signalling};
use super::tracks::{Local, LocalKind, Stage};
use super::{AudioTrack, JoinAs, JoinError, MediaFrame, PublishEvent, RoomServer, TrackId, VideoTrack};
use crate::proto::signal_request::Message as Request;
use crate::proto::signal_response::Message as Response;
use crate::proto::{MuteTrackRequest, TrackPublishedResponse};
use crate::token::{Claims, VideoGrant};

const QUERY: &str = "auto_subscribe=0&protocol=16";
/// Life of an access token; one is made for every attempt to connect.
const TOKEN_LIFE_S: i64 = 6 * 3600;
/// How long a caller without any timer of ours may wait.
const IDLE: Duration = Duration::from_secs(1);

/// A participant that publishes and receives nothing. Connects in the background, joins anew and publishes everything
/// again when the connection is lost, until [`leave`](Self::leave) or [`PublishEvent::Closed`].
///
/// Nothing here blocks: one thread can drive hundreds. What is written goes out with the next `poll`.
pub struct Publisher {
    signalling: Signalling,
    signals: Vec<SignalEvent>,
    tracks: BTreeMap<TrackId, Local>,
    next_track: u32,
    /// Sections of tracks that were unpublished, to be offered as inactive.
    ended: Vec<Mid>,
    sender: Option<Sender>,
    wishes: Vec<KeyFrameWish>,
    ever_connected: bool,
    interruption: Option<String>,
    /// Share and seed.
    loss: Option<(f64, u64)>,
}

impl Publisher {
    /// Starts joining as an ordinary participant that may publish only.
    pub fn join(server: &RoomServer, join: JoinAs, now: Instant) -> Result<Publisher, JoinError> {
        if join.room.is_empty() || join.identity.is_empty() {
            return Err(JoinError::Nameless);
        }
        let base = Claims::participant(&server.api_key, &join.identity, &join.room, 0, TOKEN_LIFE_S);
        let grant = VideoGrant { can_subscribe: Some(false), ..base.video.clone().unwrap_or_default() };
        let claims = Claims { name: join.name, attributes: join.attributes, video: Some(grant), ..base };
        let identity = Identity::new(server, claims, QUERY)?;
        Ok(Publisher {
            signalling: Signalling::new(identity, Reconnect::Rejoin, now)?,
            signals: Vec::new(),
            tracks: BTreeMap::new(),
            next_track: 0,
            ended: Vec::new(),
            sender: None,
            wishes: Vec::new(),
            ever_connected: false,
            interruption: None,
            loss: None,
        })
    }

    /// Loses this share (0 to 1) of the datagrams that go out on media connections made from now on, chosen by a
    /// generator with this seed: a bad network, for tests and demonstrations.
    pub fn lose(&mut self, share: f64, seed: u64) {
        self.loss = Some((share, seed));
    }

    /// Publishes a video track, now or once the room is joined.
    pub fn add_video(&mut self, track: VideoTrack) -> TrackId {
        self.add(LocalKind::Video(track))
    }

    /// Publishes an Opus track, now or once the room is joined.
    pub fn add_audio(&mut self, track: AudioTrack) -> TrackId {
        self.add(LocalKind::Audio(track))
    }

    /// Ends a track. Published again, it is another track.
    pub fn unpublish(&mut self, track: TrackId) {
        if let Some(local) = self.tracks.remove(&track) {
            self.ended.extend(local.mid());
        }
    }

    /// Mutes or unmutes a track; while muted, what is written is dropped.
    pub fn mute(&mut self, track: TrackId, muted: bool) {
        let Some(local) = self.tracks.get_mut(&track).filter(|local| local.muted != muted) else { return };
        local.muted = muted;
        if let Some(sid) = local.sid().map(str::to_owned) {
            self.signalling.send(Request::Mute(MuteTrackRequest { sid, muted }));
        }
    }

    /// Writes a video frame of one layer (index into the track's `layers`). `false`: it was dropped, because the track
    /// is muted or not published (yet).
    pub fn write_video(&mut self, track: TrackId, layer: usize, frame: MediaFrame, now: Instant) -> bool {
        let Some(local) = self.tracks.get(&track).filter(|local| !local.muted) else { return false };
        let (Stage::Live { mid, .. }, Some(sender)) = (&local.stage, &mut self.sender) else { return false };
        match sender.write(*mid, local.frame(layer, frame), now) {
            Ok(written) => written,
            Err(e) => {
                self.give_up_stay(now, &e);
                false
            }
        }
    }

    /// Writes an Opus packet; like [`write_video`](Self::write_video).
    pub fn write_audio(&mut self, track: TrackId, frame: MediaFrame, now: Instant) -> bool {
        self.write_video(track, 0, frame, now)
    }

    /// Takes in what waits, sends what was written and appends what happened to `events`. Returns when time alone asks
    /// for the next call; incoming datagrams want one every 10 ms or so.
    pub fn poll(&mut self, now: Instant, events: &mut Vec<PublishEvent>) -> Instant {
        let signalling_wake = self.signalling.poll(now, &mut self.signals);
        self.settle(now, events);
        let media_wake = self.drive_media(now, events).unwrap_or_else(|e| {
            self.give_up_stay(now, &e);
            None
        });
        self.settle(now, events);
        [signalling_wake, media_wake].into_iter().flatten().min().unwrap_or(now + IDLE)
    }

    /// Says goodbye. Media ends at once; `Closed(Left)` comes when the server knows, or after 3 s.
    pub fn leave(&mut self, now: Instant) {
        self.sender = None;
        self.signalling.leave(now);
    }

    fn add(&mut self, kind: LocalKind) -> TrackId {
        let id = TrackId(self.next_track);
        self.next_track += 1;
        self.tracks.insert(id, Local { kind, muted: false, stage: Stage::New });
        id
    }

    /// Handles what signalling told, and what it tells because of that.
    fn settle(&mut self, now: Instant, events: &mut Vec<PublishEvent>) {
        while !self.signals.is_empty() {
            for signal in std::mem::take(&mut self.signals) {
                self.handle(signal, now, events);
            }
        }
    }

    fn handle(&mut self, signal: SignalEvent, now: Instant, events: &mut Vec<PublishEvent>) {
        match signal {
            SignalEvent::Joined { local, .. } => {
                self.start_over();
                events.push(PublishEvent::Connected { rejoined: self.ever_connected });
                self.ever_connected = true;
                self.interruption = None;
                match Sender::new(local, now) {
                    Ok(mut sender) => {
                        if let Some((share, seed)) = self.loss {
                            sender.lose(share, seed);
                        }
                        self.sender = Some(sender);
                    }
                    Err(e) => self.give_up_stay(now, &e),
                }
            }
            SignalEvent::Message(message) => {
                if let Err(e) = self.handle_message(*message, now) {
                    self.give_up_stay(now, &e);
                }
            }
            SignalEvent::Interrupted { reason, .. } => {
                self.start_over();
                if self.interruption.as_ref() != Some(&reason) {
                    self.interruption = Some(reason.clone());
                    events.push(PublishEvent::Interrupted { reason });
                }
            }
            SignalEvent::Closed(reason) => {
                self.start_over();
                events.push(PublishEvent::Closed { reason });
            }
            SignalEvent::Resumed => debug!("a publisher never resumes"),
        }
    }

    fn handle_message(&mut self, message: Response, now: Instant) -> Result<(), MediaError> {
        match (message, &mut self.sender) {
            (Response::TrackPublished(published), _) => self.accepted(published),
            (Response::Answer(answer), Some(sender)) => sender.answer(&answer, now)?,
            (Response::Trickle(trickle), Some(sender)) => sender.trickle(&trickle, now)?,
            (Response::Mute(mute), _) => {
                if let Some(local) = self.tracks.values_mut().find(|local| local.sid() == Some(&mute.sid)) {
                    local.muted = mute.muted;
                }
            }
            (other, _) => debug!(?other, "not for a publisher"),
        }
        Ok(())
    }

    /// The server gave a track its sid.
    fn accepted(&mut self, published: TrackPublishedResponse) {
        let Some(info) = published.track else { return };
        let announced =
            self.tracks.iter_mut().find(|(id, local)| local.stage == Stage::Announced && id.cid() == published.cid);
        if let Some((_, local)) = announced {
            local.stage = Stage::Accepted { sid: info.sid };
        }
    }

    fn drive_media(&mut self, now: Instant, events: &mut Vec<PublishEvent>) -> Result<Option<Instant>, MediaError> {
        let Some(sender) = &mut self.sender else { return Ok(None) };
        for (id, local) in self.tracks.iter_mut().filter(|(_, local)| local.stage == Stage::New) {
            local.stage = Stage::Announced;
            self.signalling.send(Request::AddTrack(local.add_track(*id)));
        }
        negotiate(sender, &mut self.signalling, &mut self.tracks, &mut self.ended, now)?;
        let wake = sender.poll(now, &mut self.wishes)?;
        if sender.is_connected() && !sender.is_negotiating() {
            for (id, local) in &mut self.tracks {
                if let Stage::Offered { sid, mid } = &local.stage {
                    events.push(PublishEvent::Published { track: *id, track_sid: sid.clone() });
                    local.stage = Stage::Live { sid: sid.clone(), mid: *mid };
                }
            }
        }
        for (mid, rid) in self.wishes.drain(..) {
            let Some((id, local)) = self.tracks.iter().find(|(_, local)| local.mid() == Some(mid)) else { continue };
            let layer = local.rids().iter().position(|of_layer| Some(*of_layer) == rid).unwrap_or(0);
            events.push(PublishEvent::KeyFrameRequest { track: *id, layer });
        }
        Ok(Some(wake))
    }

    fn give_up_stay(&mut self, now: Instant, error: &MediaError) {
        self.start_over();
        self.signalling.rejoin(now, error.to_string(), &mut self.signals);
    }

    /// Forgets everything of the present stay; the tracks are published again in the next.
    fn start_over(&mut self) {
        self.sender = None;
        self.ended.clear();
        for local in self.tracks.values_mut() {
            local.stage = Stage::New;
        }
    }
}

/// Offers what has changed, unless an offer is out already. Tracks wait until all announced ones have their sid, so
/// that one offer carries them together.
fn negotiate(
    sender: &mut Sender,
    signalling: &mut Signalling,
    tracks: &mut BTreeMap<TrackId, Local>,
    ended: &mut Vec<Mid>,
    now: Instant,
) -> Result<(), MediaError> {
    let waiting = tracks.values().any(|local| local.stage == Stage::Announced);
    let accepted: Vec<TrackId> =
        tracks.iter().filter(|(_, local)| matches!(local.stage, Stage::Accepted { .. })).map(|(id, _)| *id).collect();
    if sender.is_negotiating() || waiting || (accepted.is_empty() && ended.is_empty()) {
        return Ok(());
    }
    let sections: Vec<_> = accepted.iter().map(|id| tracks[id].section(*id)).collect();
    let (offer, mids) = sender.offer(&sections, &std::mem::take(ended), now)?;
    for (id, mid) in accepted.iter().zip(mids) {
        if let Some(local) = tracks.get_mut(id)
            && let Stage::Accepted { sid } = &local.stage
        {
            local.stage = Stage::Offered { sid: sid.clone(), mid };
        }
    }
    signalling.send(Request::Offer(offer));
    Ok(())
}
