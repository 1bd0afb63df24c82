//! A publisher that sends numbered frames and a subscriber that keeps what arrives, driven together in real time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtc::client::{
    AudioTrack, JoinAs, MediaFrame, Participant, PublishEvent, Publisher, RoomEvent, RoomServer, Subscriber, TrackId,
    TrackPacket, TrackSource, VideoCodec, VideoLayer, VideoTrack,
};

const VIDEO_INTERVAL: Duration = Duration::from_millis(33);
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// Frames from key frame to key frame.
const GROUP: u64 = 30;
const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a];
const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
pub const START: &[u8] = &[0, 0, 0, 1];

/// One run of one publisher and one subscriber in a room of their own.
pub struct Scene {
    pub publisher: Publisher,
    pub subscriber: Subscriber,
    layers: usize,
    pub video: TrackId,
    pub audio: TrackId,
    pub told: Vec<RoomEvent>,
    pub published: Vec<PublishEvent>,
    pub packets: Vec<TrackPacket>,
    pub participants: BTreeMap<String, Participant>,
    /// When each video and each audio frame was captured, in Unix nanoseconds, by the number in it.
    pub captured: [BTreeMap<u64, i64>; 2],
    /// Subscribe to whatever is published.
    pub want_all: bool,
    key_wanted: bool,
    next: [Instant; 2],
    count: [u64; 2],
    start: Instant,
}

pub fn join(room: &str, identity: &str) -> JoinAs {
    let attributes = BTreeMap::from([("business_id".to_owned(), "shop".to_owned())]);
    JoinAs { room: room.into(), identity: identity.into(), name: format!("{identity}'s name"), attributes }
}

pub fn camera(layers: &[(u32, u32)]) -> VideoTrack {
    let layers = layers.iter().map(|&(width, height)| VideoLayer { width, height, bitrate: 500_000 }).collect();
    VideoTrack { name: "cam".into(), source: TrackSource::Camera, codec: VideoCodec::H264, layers }
}

pub fn microphone() -> AudioTrack {
    AudioTrack { name: "mic".into(), source: TrackSource::Microphone, stereo: false }
}

impl Scene {
    pub fn new(publish: &RoomServer, subscribe: &RoomServer, room: &str) -> Scene {
        Scene::with_layers(publish, subscribe, room, &[(640, 360)])
    }

    /// With simulcast, if there are several layers.
    pub fn with_layers(publish: &RoomServer, subscribe: &RoomServer, room: &str, sizes: &[(u32, u32)]) -> Scene {
        let now = Instant::now();
        let mut publisher = Publisher::join(publish, join(room, "alice"), now).expect("a good URL");
        let subscriber = Subscriber::join(subscribe, join(room, "recorder"), now).expect("a good URL");
        let (video, audio) = (publisher.add_video(camera(sizes)), publisher.add_audio(microphone()));
        Scene {
            publisher,
            subscriber,
            layers: sizes.len(),
            video,
            audio,
            told: Vec::new(),
            published: Vec::new(),
            packets: Vec::new(),
            participants: BTreeMap::new(),
            captured: Default::default(),
            want_all: true,
            key_wanted: true,
            next: [now; 2],
            count: [0; 2],
            start: now,
        }
    }

    /// Runs until `done`, at most `limit`.
    pub fn run_until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&Scene) -> bool) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}: not within {limit:?}; told {}", self.summary());
            self.step();
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything told except packets, for messages.
    fn summary(&self) -> String {
        let told: Vec<_> = self.told.iter().filter(|e| !matches!(e, RoomEvent::SenderReport { .. })).collect();
        format!("{told:#?}\n{:#?}\n{} packets, {:?}", self.published, self.packets.len(), self.subscriber.stats())
    }

    fn step(&mut self) {
        let now = Instant::now();
        let mut events = Vec::new();
        self.subscriber.poll(now, &mut events);
        for event in events {
            self.take(event);
        }
        self.write(now);
        let known = self.published.len();
        self.publisher.poll(now, &mut self.published);
        self.key_wanted |=
            self.published[known..].iter().any(|event| matches!(event, PublishEvent::KeyFrameRequest { .. }));
    }

    fn take(&mut self, event: RoomEvent) {
        match &event {
            RoomEvent::Packet(packet) => {
                self.packets.push(packet.clone());
                return;
            }
            RoomEvent::Participant(participant) => {
                self.participants.insert(participant.identity.clone(), participant.clone());
            }
            RoomEvent::ParticipantLeft { identity } => {
                self.participants.remove(identity);
            }
            RoomEvent::Subscribed { track_sid, .. } => self.subscriber.request_key_frame(track_sid),
            _ => {}
        }
        self.told.push(event);
        if self.want_all {
            let tracks = self.participants.values().flat_map(|participant| &participant.tracks);
            self.subscriber.want(tracks.map(|track| (track.sid.clone(), None)).collect());
        }
    }

    fn write(&mut self, now: Instant) {
        while self.next[0] <= now {
            let number = self.count[0];
            let key = std::mem::take(&mut self.key_wanted) || number.is_multiple_of(GROUP);
            let rtp_time = (self.next[0] - self.start).as_micros() as u64 * 9 / 100;
            let mut written = true;
            for layer in 0..self.layers {
                let data = video_frame(number, layer, key);
                let frame = MediaFrame { rtp_time, captured: self.next[0], data, rotation: None };
                written &= self.publisher.write_video(self.video, layer, frame, now);
            }
            if written {
                self.captured[0].insert(number, unix_ns(self.next[0]));
                self.count[0] += 1;
            } else {
                self.key_wanted |= key;
            }
            self.next[0] += VIDEO_INTERVAL;
        }
        while self.next[1] <= now {
            let number = self.count[1];
            let rtp_time = (self.next[1] - self.start).as_micros() as u64 * 48 / 1000;
            // An Opus packet of one 20 ms frame as far as its first byte says.
            let data: Arc<[u8]> = [&[0x78][..], label(number).as_bytes()].concat().into();
            let frame = MediaFrame { rtp_time, captured: self.next[1], data, rotation: None };
            if self.publisher.write_audio(self.audio, frame, now) {
                self.captured[1].insert(number, unix_ns(self.next[1]));
                self.count[1] += 1;
            }
            self.next[1] += AUDIO_INTERVAL;
        }
    }

    /// The sid of the last subscription of a kind: `video` or `audio`.
    pub fn subscribed(&self, kind: &str) -> Option<Arc<str>> {
        self.told.iter().rev().find_map(|event| match event {
            RoomEvent::Subscribed { track_sid, mime, .. } if mime.starts_with(kind) => Some(track_sid.clone()),
            _ => None,
        })
    }

    pub fn packets_of(&self, track_sid: &str) -> Vec<&TrackPacket> {
        let mut packets: Vec<_> = self.packets.iter().filter(|packet| &*packet.track_sid == track_sid).collect();
        packets.sort_by_key(|packet| packet.seq);
        packets
    }
}

/// What a frame of this number and layer looks like.
pub fn video_frame(number: u64, layer: usize, key: bool) -> Arc<[u8]> {
    let body = label(number).repeat(if key { 400 } else { 100 });
    let nal: &[u8] = if key { &[0x65] } else { &[0x41] };
    let head = if key { [SPS, PPS].concat() } else { Vec::new() };
    let tail = format!("layer {layer}");
    [&head, START, nal, body.as_bytes(), tail.as_bytes()].concat().into()
}

fn label(number: u64) -> String {
    format!("frame {number:08};")
}

/// The number in a frame or packet.
pub fn number_in(bytes: &[u8]) -> Option<u64> {
    let at = bytes.windows(6).position(|window| window == b"frame ")?;
    std::str::from_utf8(bytes.get(at + 6..at + 14)?).ok()?.parse().ok()
}

/// The frames of one H.264 track, by RTP time: NAL units with start codes, put together from packets in order.
pub fn frames(packets: &[&TrackPacket]) -> Vec<(u64, Vec<u8>)> {
    let mut frames: Vec<(u64, Vec<u8>)> = Vec::new();
    for packet in packets.iter().filter(|packet| !packet.payload.is_empty()) {
        if frames.last().is_none_or(|(time, _)| *time != packet.rtp_time) {
            frames.push((packet.rtp_time, Vec::new()));
        }
        let (_, frame) = frames.last_mut().expect("pushed just above");
        depacketise(&packet.payload, frame);
    }
    frames
}

fn depacketise(payload: &[u8], frame: &mut Vec<u8>) {
    match payload[0] & 0x1f {
        24 => {
            let mut rest = &payload[1..];
            while let [high, low, tail @ ..] = rest {
                let (nal, after) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                frame.extend_from_slice(&[START, nal].concat());
                rest = after;
            }
        }
        28 => {
            if payload[1] & 0x80 != 0 {
                frame.extend_from_slice(START);
                frame.push(payload[0] & 0x60 | payload[1] & 0x1f);
            }
            frame.extend_from_slice(&payload[2..]);
        }
        _ => frame.extend_from_slice(&[START, payload].concat()),
    }
}

fn unix_ns(at: Instant) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
    now - Instant::now().saturating_duration_since(at).as_nanos() as i64
}
