//! One user: its tracks in the room, what is sent on them, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rtc::client::{
    AudioTrack, CloseReason, JoinAs, JoinError, PublishEvent, Publisher, RoomServer, TrackId, TrackSource, VideoCodec,
    VideoLayer, VideoTrack,
};
use synth::schedule;

use super::clips::{Clock, Due, Media};
use super::mute::{MediaKind, Mute, is_muted};

/// A camera with microphone, or a screen with its sound.
pub struct Stream {
    pub media: Arc<Media>,
    pub screen: bool,
    pub video: bool,
    pub audio: bool,
}

/// A user in the room.
pub struct User {
    pub name: String,
    publisher: Publisher,
    tracks: Vec<Track>,
    events: Vec<PublishEvent>,
    /// Why it is not in the room any more.
    pub closed: Option<CloseReason>,
}

struct Track {
    id: TrackId,
    kind: MediaKind,
    label: &'static str,
    media: Arc<Media>,
    due: Due,
    /// Receivers can decode what comes next. Not so at the beginning and after a pause, until a key frame.
    flowing: bool,
    muted: bool,
    sid: Option<String>,
    sent: u64,
    bytes: u64,
}

impl User {
    /// Starts joining; the streams are published as soon as that has succeeded.
    pub fn join(server: &RoomServer, join: JoinAs, streams: Vec<Stream>, now: Instant) -> Result<Self, JoinError> {
        let name = join.identity.clone();
        let mut publisher = Publisher::join(server, join, now)?;
        let tracks = streams.iter().flat_map(|stream| add(&mut publisher, stream)).collect();
        Ok(Self { name, publisher, tracks, events: Vec::new(), closed: None })
    }

    /// Loses a share of what it sends; see [`Publisher::lose`].
    pub fn lose(&mut self, share: f64, seed: u64) {
        self.publisher.lose(share, seed);
    }

    /// Sends what is due, and takes in what the room says. Things to tell people are appended to `told`.
    pub fn step(&mut self, clock: &Clock, mutes: &[Mute], now: Instant, told: &mut Vec<String>) {
        if self.closed.is_some() {
            return;
        }
        let at = clock.since_start(now);
        for track in &mut self.tracks {
            let muted = is_muted(mutes, track.kind, at);
            if muted != track.muted {
                track.muted = muted;
                self.publisher.mute(track.id, muted);
            }
            track.send(&mut self.publisher, clock, now);
        }
        self.poll(now, told);
    }

    /// Says goodbye.
    pub fn leave(&mut self, now: Instant) {
        self.publisher.leave(now);
    }

    /// Takes in what the room says, without sending media.
    pub fn poll(&mut self, now: Instant, told: &mut Vec<String>) {
        self.publisher.poll(now, &mut self.events);
        for event in std::mem::take(&mut self.events) {
            self.handle(event, told);
        }
    }

    fn handle(&mut self, event: PublishEvent, told: &mut Vec<String>) {
        match event {
            PublishEvent::Connected { rejoined: false } => told.push(format!("{}: in the room", self.name)),
            PublishEvent::Connected { rejoined: true } => told.push(format!("{}: in the room again", self.name)),
            PublishEvent::Published { track, track_sid } => {
                if let Some(track) = self.tracks.iter_mut().find(|known| known.id == track) {
                    told.push(format!("{}: {} is {track_sid}", self.name, track.label));
                    track.sid = Some(track_sid);
                    track.flowing = false;
                }
            }
            // A clip has a key frame every second; it cannot have another.
            PublishEvent::KeyFrameRequest { .. } => {}
            PublishEvent::Interrupted { reason } => told.push(format!("{}: connection lost: {reason}", self.name)),
            PublishEvent::Closed { reason } => {
                if reason != CloseReason::Left {
                    told.push(format!("{}: not in the room any more: {reason:?}", self.name));
                }
                self.closed = Some(reason);
            }
        }
    }

    /// Whether the server has taken every track.
    pub fn is_published(&self) -> bool {
        self.tracks.iter().all(|track| track.sid.is_some())
    }

    /// Bytes of media sent.
    pub fn bytes(&self) -> u64 {
        self.tracks.iter().map(|track| track.bytes).sum()
    }
}

impl Track {
    fn send(&mut self, publisher: &mut Publisher, clock: &Clock, now: Instant) {
        match self.kind {
            MediaKind::Audio => {
                for packet in self.due.up_to(schedule::packet_at(clock.ns(now))) {
                    let packet = self.media.packet(packet, clock);
                    let size = packet.data.len() as u64;
                    let written = publisher.write_audio(self.id, packet, now);
                    self.count(written, size);
                }
            }
            MediaKind::Video => {
                for frame in self.due.up_to(schedule::frame_at(clock.ns(now), self.media.spec().fps)) {
                    self.send_picture(publisher, frame, clock, now);
                }
            }
        }
    }

    fn send_picture(&mut self, publisher: &mut Publisher, frame: u64, clock: &Clock, now: Instant) {
        if !self.flowing && !self.media.is_key(frame, clock) {
            return;
        }
        let media = Arc::clone(&self.media);
        for (layer, picture) in media.pictures(frame, clock) {
            let size = picture.data.len() as u64;
            let written = publisher.write_video(self.id, layer, picture, now);
            // What is dropped (muted, not published yet) leaves a hole that only a key frame ends.
            self.flowing = written;
            self.count(written, size);
        }
    }

    fn count(&mut self, written: bool, size: u64) {
        if written {
            self.sent += 1;
            self.bytes += size;
        }
    }
}

/// What one user sent, a line per track.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for track in &self.tracks {
            let sid = track.sid.as_deref().unwrap_or("never published");
            let pieces = if track.kind == MediaKind::Video { "frames" } else { "packets" };
            let (name, label, sent, bytes) = (&self.name, track.label, track.sent, track.bytes);
            writeln!(f, "{name}  {label:<12}  {sid}  {sent} {pieces}  {bytes} bytes")?;
        }
        Ok(())
    }
}

/// Adds the tracks of a stream.
fn add(publisher: &mut Publisher, stream: &Stream) -> Vec<Track> {
    let spec = stream.media.spec();
    let track = |id, kind, label| Track {
        id,
        kind,
        label,
        media: Arc::clone(&stream.media),
        due: Due::default(),
        flowing: false,
        muted: false,
        sid: None,
        sent: 0,
        bytes: 0,
    };
    let mut tracks = Vec::new();
    if stream.video {
        let (label, source) =
            if stream.screen { ("screen", TrackSource::ScreenShare) } else { ("camera", TrackSource::Camera) };
        let size =
            |layer: synth::clip::Layer| VideoLayer { width: layer.width, height: layer.height, bitrate: layer.bitrate };
        let layers = spec.layers().into_iter().map(size).collect();
        let video = VideoTrack { name: label.to_owned(), source, codec: video_codec(spec.codec), layers };
        tracks.push(track(publisher.add_video(video), MediaKind::Video, label));
    }
    if stream.audio {
        let (label, source) = if stream.screen {
            ("screen sound", TrackSource::ScreenShareAudio)
        } else {
            ("microphone", TrackSource::Microphone)
        };
        let audio = AudioTrack { name: label.to_owned(), source, stereo: spec.channels == 2 };
        tracks.push(track(publisher.add_audio(audio), MediaKind::Audio, label));
    }
    tracks
}

fn video_codec(codec: codec::video::Codec) -> VideoCodec {
    match codec {
        codec::video::Codec::H264 => VideoCodec::H264,
        codec::video::Codec::H265 => VideoCodec::H265,
        codec::video::Codec::Vp8 => VideoCodec::Vp8,
        codec::video::Codec::Vp9 => VideoCodec::Vp9,
        codec::video::Codec::Av1 => VideoCodec::Av1,
    }
}
