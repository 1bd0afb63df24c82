//! The tracks of the room's users, and which of them are recorded: of each stream one picture and one sound, for two
//! encoders' pictures cannot share a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rtc::client::{Participant, Track, TrackKind, TrackSource};
use rules::select::{StreamId, StreamKind};

/// A track that is published, as far as recording it matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Published {
    pub stream: StreamId,
    pub kind: TrackKind,
    /// When its user joined, Unix milliseconds.
    pub joined_ms: i64,
    pub muted: bool,
    /// Why it is not recorded.
    pub fault: Option<String>,
    /// What was found out about it that every task must know.
    pub note: Option<String>,
}

impl Published {
    pub fn is_video(&self) -> bool {
        self.kind == TrackKind::Video
    }

    /// Whether it would be a second picture, or sound, beside the other.
    fn rivals(&self, other: &Published) -> bool {
        self.stream == other.stream && self.kind == other.kind && other.fault.is_none()
    }
}

/// What an update of a participant changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub gone: Vec<Arc<str>>,
    /// New, muted or unmuted, or recorded from now on because the track before it went.
    pub changed: Vec<Published>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    published: BTreeMap<Arc<str>, Published>,
    /// What users who publish call themselves.
    names: BTreeMap<String, String>,
}

impl Tracks {
    /// Takes in the whole state of a participant.
    pub fn update(&mut self, participant: &Participant) -> Changes {
        let user = &participant.identity;
        match participant.tracks.is_empty() {
            true => _ = self.names.remove(user),
            false => _ = self.names.insert(user.clone(), participant.name.clone()),
        }
        let stays = |sid: &Arc<str>| participant.tracks.iter().any(|track| *track.sid == **sid);
        let of_user = self.published.iter().filter(|(_, published)| published.stream.user == *user);
        let gone: Vec<Arc<str>> = of_user.filter(|(sid, _)| !stays(sid)).map(|(sid, _)| sid.clone()).collect();
        for sid in &gone {
            self.published.remove(sid);
        }
        let mut changed = Vec::new();
        // The tracks that are recorded come first: they stay so, whatever comes beside them. Of new ones those whose
        // source is named come first.
        let mut tracks: Vec<&Track> = participant.tracks.iter().collect();
        tracks.sort_by_key(|track| (self.recorded_track(&track.sid).is_none(), track.source == TrackSource::Unknown));
        for track in tracks {
            changed.extend(self.update_track(participant, track));
        }
        Changes { gone, changed }
    }

    fn update_track(&mut self, participant: &Participant, track: &Track) -> Option<Published> {
        let (user, joined_ms) = (participant.identity.as_str(), participant.joined_ms);
        let kind = match track.source {
            TrackSource::ScreenShare | TrackSource::ScreenShareAudio => StreamKind::Screen,
            _ => StreamKind::Camera,
        };
        let stream = StreamId { user: user.to_owned(), kind };
        let mut published =
            Published { stream, kind: track.kind, joined_ms, muted: track.muted, fault: None, note: None };
        let sid: Arc<str> = track.sid.as_str().into();
        published.note = self.published.get(&sid).and_then(|before| before.note.clone());
        published.fault = if track.encrypted {
            Some("is end-to-end encrypted")
        } else if self.published.iter().any(|(other, rival)| *other != sid && published.rivals(rival)) {
            Some("comes beside another one of its kind")
        } else {
            None
        }
        .map(|fault| format!("track {sid} {fault} and is not recorded"));
        let before = self.published.insert(sid, published.clone());
        (before.as_ref() != Some(&published)).then_some(published)
    }

    pub fn clear(&mut self) {
        self.published.clear();
        self.names.clear();
    }

    /// What the user is called; may be empty.
    pub fn name(&self, user: &str) -> &str {
        self.names.get(user).map_or("", String::as_str)
    }

    pub fn recorded_track(&self, sid: &str) -> Option<&Published> {
        self.published.get(sid).filter(|published| published.fault.is_none())
    }

    pub fn recorded(&self) -> impl Iterator<Item = (&Arc<str>, &Published)> {
        self.published.iter().filter(|(_, published)| published.fault.is_none())
    }

    pub fn all(&self) -> impl Iterator<Item = &Published> {
        self.published.values()
    }

    /// The streams that have any track that is recorded, in the order in which their users joined.
    pub fn streams(&self) -> Vec<StreamId> {
        let joined: BTreeSet<_> = self.recorded().map(|(_, p)| (p.joined_ms, p.stream.clone())).collect();
        joined.into_iter().map(|(_, stream)| stream).collect()
    }

    /// Whether the stream has any track that is recorded.
    pub fn has(&self, stream: &StreamId) -> bool {
        self.recorded().any(|(_, published)| published.stream == *stream)
    }

    /// Whether anything of the stream is sent.
    pub fn is_sent(&self, stream: &StreamId) -> bool {
        self.recorded().any(|(_, published)| published.stream == *stream && !published.muted)
    }

    pub fn set_note(&mut self, sid: &str, note: String) {
        if let Some(published) = self.published.get_mut(sid) {
            published.note = Some(note);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn user(tracks: Vec<Track>) -> Participant {
        stay("u", 0, tracks)
    }

    fn stay(identity: &str, joined_ms: i64, tracks: Vec<Track>) -> Participant {
        let (sid, identity) = (format!("PA_{identity}"), identity.into());
        Participant { sid, identity, name: String::new(), attributes: BTreeMap::new(), joined_ms, tracks }
    }

    pub(in crate::room) fn track(sid: &str, kind: TrackKind, source: TrackSource) -> Track {
        Track {
            sid: sid.into(),
            name: String::new(),
            kind,
            source,
            muted: false,
            mime: String::new(),
            layers: Vec::new(),
            width: 0,
            height: 0,
            encrypted: false,
            simulcast: false,
        }
    }

    fn recorded(tracks: &Tracks) -> Vec<&str> {
        tracks.recorded().map(|(sid, _)| &**sid).collect()
    }

    #[test]
    fn of_two_pictures_of_a_stream_one_is_recorded_until_it_goes() {
        let mut tracks = Tracks::default();
        let canvas = track("TR_a", TrackKind::Video, TrackSource::Unknown);
        let camera = track("TR_b", TrackKind::Video, TrackSource::Camera);
        let screen = track("TR_c", TrackKind::Video, TrackSource::ScreenShare);
        let sound = track("TR_d", TrackKind::Audio, TrackSource::Microphone);
        let other = track("TR_0", TrackKind::Video, TrackSource::Camera);
        tracks.update(&user(vec![canvas.clone(), camera.clone(), screen.clone(), sound.clone()]));
        assert_eq!(recorded(&tracks), ["TR_b", "TR_c", "TR_d"], "the one whose source is named");
        tracks.update(&user(vec![other.clone(), canvas.clone(), camera, screen.clone(), sound.clone()]));
        assert_eq!(recorded(&tracks), ["TR_b", "TR_c", "TR_d"], "the one that was there stays");
        let changes = tracks.update(&user(vec![other, canvas, screen, sound]));
        assert_eq!(changes.gone, ["TR_b".into()]);
        assert_eq!(recorded(&tracks), ["TR_0", "TR_c", "TR_d"]);
        assert!(changes.changed.iter().any(|published| published.fault.is_none()), "the next one takes its place");
    }

    #[test]
    fn streams_are_told_in_the_order_of_joining() {
        let mut tracks = Tracks::default();
        let camera = |sid| track(sid, TrackKind::Video, TrackSource::Camera);
        let screen = track("TR_a", TrackKind::Video, TrackSource::ScreenShare);
        let sound = track("TR_d", TrackKind::Audio, TrackSource::Microphone);
        tracks.update(&stay("late", 2_000, vec![camera("TR_b")]));
        tracks.update(&stay("early", 1_000, vec![screen, camera("TR_c"), sound]));
        let streams = tracks.streams();
        let told: Vec<_> = streams.iter().map(|stream| (stream.user.as_str(), stream.kind)).collect();
        assert_eq!(told, [("early", StreamKind::Camera), ("early", StreamKind::Screen), ("late", StreamKind::Camera)]);
    }

    #[test]
    fn a_name_is_the_last_one_told_while_its_user_publishes() {
        let mut tracks = Tracks::default();
        let sound = track("TR_a", TrackKind::Audio, TrackSource::Microphone);
        for name in ["Ann", "Anna"] {
            tracks.update(&Participant { name: name.into(), ..user(vec![sound.clone()]) });
            assert_eq!(tracks.name("u"), name);
        }
        tracks.update(&user(Vec::new()));
        assert_eq!(tracks.name("u"), "");
    }

    #[test]
    fn what_cannot_be_recorded_says_why() {
        let mut tracks = Tracks::default();
        let encrypted = Track { encrypted: true, ..track("TR_a", TrackKind::Audio, TrackSource::Microphone) };
        tracks.update(&user(vec![encrypted.clone()]));
        assert!(recorded(&tracks).is_empty());
        let faults: Vec<_> = tracks.all().filter_map(|published| published.fault.as_deref()).collect();
        assert_eq!(faults, ["track TR_a is end-to-end encrypted and is not recorded"]);
        assert!(tracks.update(&user(vec![encrypted])).changed.is_empty(), "said once");
    }
}
