//! Media through the server: the best simulcast layer that flows, without a seam for the subscriber.

use crate::client::{KEY, LONG, SECRET, server};
use rtc::client::{
    JoinAs, MediaFrame, PublishEvent, Publisher, RoomEvent, RoomServer, Subscriber, TrackId, TrackPacket, TrackSource,
    VideoCodec, VideoLayer, VideoTrack,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(33);
const KEY_FRAME: &[u8] =
    &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65];
const DELTA_FRAME: &[u8] = &[0, 0, 0, 1, 0x41];
/// Marks the frames of layer 0; the others follow.
const FIRST_MARK: u8 = 0xa0;

/// A publisher of three layers and a subscriber to it.
struct Stage {
    publisher: Publisher,
    subscriber: Subscriber,
    track: TrackId,
    /// Which layers are sent.
    sending: [bool; 3],
    key_wanted: [bool; 3],
    start: Instant,
    next: Instant,
    packets: Vec<TrackPacket>,
    /// What the subscriber's picture has to cover.
    size: Option<(u32, u32)>,
    sids: BTreeSet<String>,
}

impl Stage {
    fn new(server: &RoomServer) -> Stage {
        let join = |identity: &str| JoinAs {
            room: "layers".into(),
            identity: identity.into(),
            name: String::new(),
            attributes: BTreeMap::new(),
        };
        let now = Instant::now();
        let mut publisher = Publisher::join(server, join("alice"), now).expect("a good URL");
        let subscriber = Subscriber::join(server, join("recorder"), now).expect("a good URL");
        let layer = |width: u32| VideoLayer { width, height: width * 9 / 16, bitrate: 300_000 };
        let track = publisher.add_video(VideoTrack {
            name: "cam".into(),
            source: TrackSource::Camera,
            codec: VideoCodec::H264,
            layers: [320, 640, 1280].map(layer).to_vec(),
        });
        let (sending, key_wanted) = ([true; 3], [true; 3]);
        Stage {
            publisher,
            subscriber,
            track,
            sending,
            key_wanted,
            start: now,
            next: now,
            packets: Vec::new(),
            size: None,
            sids: BTreeSet::new(),
        }
    }

    /// Runs until a packet of `layer` arrives after the ones there are, and gives the index of the first one.
    fn run_until_layer(&mut self, layer: usize) -> usize {
        let (from, deadline) = (self.packets.len(), Instant::now() + LONG);
        loop {
            self.step(Instant::now());
            if let Some(at) = self.packets[from..].iter().position(|packet| layer_of(packet) == Some(layer)) {
                return from + at;
            }
            assert!(Instant::now() < deadline, "no packet of layer {layer}; {} before", from);
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn want(&mut self, size: Option<(u32, u32)>) {
        self.size = size;
        self.subscriber.want(self.sids.iter().map(|sid| (sid.clone(), size)).collect());
    }

    fn step(&mut self, now: Instant) {
        let (mut told, mut published) = (Vec::new(), Vec::new());
        self.subscriber.poll(now, &mut told);
        for event in told {
            match event {
                RoomEvent::Packet(packet) => self.packets.push(packet),
                RoomEvent::Participant(participant) => {
                    self.sids = participant.tracks.iter().map(|track| track.sid.clone()).collect();
                    self.want(self.size);
                }
                _ => {}
            }
        }
        while self.next <= now {
            self.write(self.next, now);
            self.next += FRAME;
        }
        self.publisher.poll(now, &mut published);
        for event in published {
            if let PublishEvent::KeyFrameRequest { layer, .. } = event {
                self.key_wanted[layer] = true;
            }
        }
    }

    fn write(&mut self, captured: Instant, now: Instant) {
        let rtp_time = (captured - self.start).as_micros() as u64 * 9 / 100;
        for layer in (0..3).filter(|layer| self.sending[*layer]) {
            let begin = if self.key_wanted[layer] { KEY_FRAME } else { DELTA_FRAME };
            let data = [begin, &[FIRST_MARK + layer as u8; 40]].concat().into();
            let written = self.publisher.write_video(
                self.track,
                layer,
                MediaFrame { rtp_time, captured, data, rotation: None },
                now,
            );
            self.key_wanted[layer] &= !written;
        }
    }
}

/// The layer that a packet with picture data was marked with.
fn layer_of(packet: &TrackPacket) -> Option<usize> {
    let mark = *packet.payload.last()?;
    (FIRST_MARK..FIRST_MARK + 3).contains(&mark).then(|| usize::from(mark - FIRST_MARK))
}

fn starts_a_picture_group(packet: &TrackPacket) -> bool {
    packet.payload.first().is_some_and(|first| matches!(first & 0x1f, 5 | 7 | 24))
}

#[test]
fn who_shows_a_small_picture_gets_a_small_layer() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(server());
    let access =
        RoomServer { url: format!("ws://{}", server.http_addr()), api_key: KEY.into(), api_secret: SECRET.into() };
    let mut stage = Stage::new(&access);
    stage.size = Some((426, 240));
    let first = stage.run_until_layer(1);
    assert!(stage.packets[..first].iter().filter_map(layer_of).all(|layer| layer != 2), "never more than asked for");
    for (size, layer) in [(Some((1280, 720)), 2), (Some((320, 180)), 0), (None, 2)] {
        stage.want(size);
        let from = stage.run_until_layer(layer);
        stage.run_until_layer(layer);
        assert!(stage.packets[from..].iter().filter_map(layer_of).all(|seen| seen == layer), "and it stays so");
    }
    let mut seqs: Vec<u64> = stage.packets.iter().map(|packet| packet.seq).collect();
    seqs.sort_unstable();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap and no repetition");
}

#[test]
fn the_best_layer_that_flows_is_forwarded_without_a_seam() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(server());
    let access =
        RoomServer { url: format!("ws://{}", server.http_addr()), api_key: KEY.into(), api_secret: SECRET.into() };
    let mut stage = Stage::new(&access);
    stage.run_until_layer(2);
    stage.sending[2] = false;
    let down = stage.run_until_layer(1);
    stage.sending[2] = true;
    let up = stage.run_until_layer(2);
    stage.run_until_layer(2);

    let packets = &stage.packets;
    for at in [down, up] {
        let first_of_layer = packets[..=at].iter().rev().find(|packet| starts_a_picture_group(packet));
        let first = first_of_layer.expect("a switch begins with a key frame");
        assert!(packets[at].rtp_time == first.rtp_time, "nothing of the layer before its key frame");
    }
    let mut seqs: Vec<u64> = packets.iter().map(|packet| packet.seq).collect();
    seqs.sort_unstable();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap and no repetition");
    // RTP time runs with the clock of arrival, over both switches: in ms, media lag of each packet.
    let first = &packets[0];
    for packet in packets {
        let media = (packet.rtp_time as i64 - first.rtp_time as i64) / 90;
        let wall = packet.arrival.saturating_duration_since(first.arrival).as_millis() as i64;
        assert!((media - wall).abs() < 500, "media at {media} ms, clock at {wall} ms");
    }
    drop(stage);
    runtime.block_on(server.shutdown());
}
