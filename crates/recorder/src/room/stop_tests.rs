//! Stops while packets are missing, from packet to file.

use std::time::{Duration, Instant};

use codec::video::{Canvas, Codec, Config, Encoder, Rect};
use media::bitstream::annex_b;
use media::mp4::{self, FinishOptions, check};
use rtc::client::{Track, TrackKind, TrackPacket, TrackSource};

use super::tests::{job, syncs};
use super::tracks::tests::track;
use super::*;
use crate::messages::{Anew, AudioPlan, OutputPlan};

const SID: &str = "TR_v";
const FRAME_MS: u64 = 40;
const PICTURES: u64 = 40;

/// A camera in a room, whose pictures arrive as soon as they are captured unless they are held up.
struct Camera {
    room: Room,
    begin: Instant,
    /// Of each picture.
    packets: Vec<Vec<TrackPacket>>,
}

impl Camera {
    /// With one key frame, the first; all others refer to the one before.
    fn new(dir: &std::path::Path) -> Camera {
        let (clock, begin) = (Clock::start(), Instant::now());
        let output = OutputPlan::Streams {
            audio: AudioPlan::Opus,
            anew: Anew::default(),
            max_silence_ms: 60_000,
            keep_source: false,
        };
        let mut room = Room::new(clock, Settings::default(), syncs());
        room.start(job(dir, output), clock.mono(begin));
        let camera: Track = track(SID, TrackKind::Video, TrackSource::Camera);
        let anna = Participant { identity: "anna".into(), tracks: vec![camera], ..nobody() };
        let subscribed = RoomEvent::Subscribed { track_sid: SID.into(), mime: "video/H264".into(), clock_rate: 90_000 };
        for event in [RoomEvent::Connected { rejoined: false }, RoomEvent::Participant(anna), subscribed] {
            room.handle_event(event, clock.mono(begin));
        }
        Camera { room, begin, packets: pictures(begin) }
    }

    fn now(&self, ms: u64) -> Mono {
        self.room.clock.mono(self.begin + Duration::from_millis(ms))
    }

    fn arrives(&mut self, picture: u64, ms: u64) {
        for packet in self.packets[picture as usize].clone() {
            let packet = TrackPacket { arrival: self.begin + Duration::from_millis(ms), ..packet };
            let now = self.now(ms);
            self.room.handle_event(RoomEvent::Packet(packet), now);
        }
    }

    /// The first pictures arrive but for those held up, and the task is stopped when the next one is due. Gives that time.
    fn stops(&mut self, after: u64, held_up: &[u64]) -> u64 {
        for picture in (0..after).filter(|picture| !held_up.contains(picture)) {
            self.arrives(picture, picture * FRAME_MS);
            let now = self.now(picture * FRAME_MS);
            self.room.handle_time(now);
        }
        let stop_ms = after * FRAME_MS;
        let now = self.now(stop_ms);
        self.room.stop(1, now);
        stop_ms
    }

    /// Pictures in the file once time has come to `ms`; nothing if the task still waits.
    fn recorded(&mut self, ms: u64) -> Option<u64> {
        let now = self.now(ms);
        self.room.handle_time(now);
        let closed = self.room.take_actions().into_iter().find_map(|action| match action {
            Action::Disk(DiskJob::Finish { closed, .. }) => Some(closed),
            _ => None,
        })?;
        let options = FinishOptions { end: closed[0].end, still: closed[0].still, cut: closed[0].cut };
        let finished = mp4::finish(&closed[0].path, &options, &crate::disk::BlackAndSilence).expect("finished");
        check(&closed[0].path).expect("a file without faults");
        Some(finished.tracks[0].samples)
    }
}

fn pictures(begin: Instant) -> Vec<Vec<TrackPacket>> {
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 64, 48, 25, 100_000, 1_000)).expect("an encoder");
    let mut canvas = Canvas::new(64, 48).expect("a canvas");
    let mut seq = 0;
    let mut picture = |n: u64| {
        canvas.fill(Rect::sized(64, 48), [(n * 5) as u8, 128, 128]);
        let coded = encoder.encode_canvas(&mut canvas, n as i64, n == 0).expect("encoded").remove(0);
        let units: Vec<&[u8]> = annex_b::nal_units(&coded.data).collect();
        let last = units.len() - 1;
        let packet = |(i, unit): (usize, &&[u8])| {
            seq += 1;
            TrackPacket {
                track_sid: SID.into(),
                seq,
                rtp_time: n * FRAME_MS * 90,
                clock_rate: 90_000,
                payload_type: 96,
                marker: i == last,
                starts_key_frame: n == 0 && i == 0,
                payload: (*unit).into(),
                arrival: begin,
                rotation: None,
                audio_level: None,
            }
        };
        units.iter().enumerate().map(packet).collect()
    };
    (0..PICTURES).map(&mut picture).collect()
}

#[test]
fn pictures_sent_again_after_the_stop_are_in_the_file() {
    // The second gap is closed later than the first: what lies between them comes out by itself.
    for held_up in [&[PICTURES - 3][..], &[PICTURES - 4, PICTURES - 2]] {
        let dir = tempfile::tempdir().expect("a folder");
        let mut camera = Camera::new(dir.path());
        let stopped = camera.stops(PICTURES, held_up);
        for (n, picture) in held_up.iter().enumerate() {
            let ms = stopped + 100 + 50 * n as u64;
            assert_eq!(camera.recorded(ms), None, "it waits for what is missing");
            camera.arrives(*picture, ms);
        }
        assert_eq!(camera.recorded(stopped + 200), Some(PICTURES), "{held_up:?}");
    }
}

#[test]
fn nothing_is_in_the_file_that_refers_to_what_never_came() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut camera = Camera::new(dir.path());
    let stopped = camera.stops(PICTURES, &[PICTURES - 3]);
    assert_eq!(camera.recorded(stopped + 600), Some(PICTURES - 3));
}

#[test]
fn what_is_captured_after_the_stop_is_in_no_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut camera = Camera::new(dir.path());
    let before = PICTURES - 8;
    let stopped = camera.stops(before, &[before - 2]);
    for picture in before + 1..PICTURES {
        camera.arrives(picture, picture * FRAME_MS);
    }
    camera.arrives(before, stopped + 350);
    camera.arrives(before - 2, stopped + 400);
    // The one captured as the stop was asked for is still of it.
    assert_eq!(camera.recorded(stopped + 400), Some(before + 1));
}
