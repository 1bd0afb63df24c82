//! Whole mixes in virtual time: what is in the file, where and when.

use std::sync::Arc;

use bytes::Bytes;
use codec::video::{Codec, Config, Encoder};
use codec::{file, opus};
use media::bitstream::annex_b;
use media::bitstream::h264::H264Config;
use media::mp4::{self, Finished, check};
use media::packet::VideoConfig;
use rules::request::FrameFill;
use rules::select::{Source, StreamKind};
use rules::time::SECOND_NS;

use super::*;
use crate::messages::{MixCodec, MixedAudio, VideoPlan};
use crate::names;
use crate::sync::SyncQueue;
use crate::unit::{Picture, SoundPacket};

const FRAME_MS: i64 = 40;
const PACKET_MS: i64 = 20;
const SIZE: (u32, u32) = (128, 64);
const BACKGROUND: u8 = 16;

fn ms(ms: i64) -> Mono {
    Mono(ms * MILLI_NS)
}

/// A mix of users whose media arrives as soon as it is captured: grey pictures, each user of their own level.
struct Room {
    dir: tempfile::TempDir,
    clock: Clock,
    mix: Option<Mix>,
    events: Vec<MixEvent>,
    sound: Bytes,
    job: MixJob,
}

impl Room {
    fn new(codec: MixCodec) -> Room {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::start();
        let layout = Plan {
            width: SIZE.0,
            height: SIZE.1,
            background: [0; 3],
            background_image: None,
            frame_fill: FrameFill::LastFrame,
            arrangement: Arrangement::Adaptive,
        };
        let video = VideoPlan { codec, encoder: None, fps: 25, bitrate: 500_000, gop_s: 4 };
        let audio = MixedAudio { rate: 48_000, channels: 2, bitrate: 64_000 };
        let syncs = SyncQueue::start(Duration::from_secs(2)).expect("a thread");
        let job = MixJob {
            place: Place { source: Source::Mix, dir: dir.path().to_owned(), syncs },
            plan: MixPlan { layout, images: BTreeMap::new(), video, audio },
            audio_only: false,
            settings: Settings::default(),
        };
        let sound = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960]));
        let mix = Some(Mix::new(job.clone(), clock).expect("a mix"));
        Room { dir, clock, mix, events: Vec::new(), sound: sound.expect("a packet"), job }
    }

    fn mix(&mut self) -> &mut Mix {
        self.mix.as_mut().expect("a mix")
    }

    /// Who is there from `at` (ms) on; of each, whether the camera is on.
    fn members(&mut self, users: &[(&str, bool)], at: i64) {
        let members = users.iter().map(|(user, video)| Member { stream: stream(user), video: *video }).collect();
        self.mix().set_members(members, ms(at));
    }

    /// Media of the users from `from` to `to` (ms), at their grey levels; sound of all, no picture at level 0.
    fn send(&mut self, from: i64, to: i64, users: &[(&str, u8)]) {
        let pictures: Vec<Bytes> = users.iter().map(|(_, level)| grey(*level)).collect();
        for t in (from..to).step_by(PACKET_MS as usize) {
            for ((user, level), data) in users.iter().zip(&pictures) {
                let (at, arrival, data) = (ms(t), ms(t), data.clone());
                if *level > 0 && t % FRAME_MS == 0 {
                    let config = Some(config());
                    let picture = Picture { at, arrival, data, key: true, after_loss: false, config, rotation: 0 };
                    self.mix().push(&stream(user), Unit::Picture(picture)).expect("taken");
                }
                let data = self.sound.clone();
                let sound = SoundPacket { at, arrival, data, duration: 960, after_loss: false };
                self.mix().push(&stream(user), Unit::Sound(sound)).expect("taken");
            }
            self.run(t);
        }
    }

    /// Time passes up to `to` (ms) without media.
    fn wait(&mut self, from: i64, to: i64) {
        (from..to).step_by(PACKET_MS as usize).for_each(|t| self.run(t));
    }

    fn run(&mut self, now: i64) {
        self.mix().advance(ms(now - 400), ms(now)).expect("made");
        let events = self.mix().take_events();
        self.events.extend(events);
    }

    /// The recorder ends, and another one goes on.
    fn restart(&mut self) {
        self.mix.take().expect("a mix").suspend().expect("written");
        self.mix = Some(Mix::new(self.job.clone(), self.clock).expect("a mix"));
    }

    /// Ends the recording; gives the finished file, and of each picture when it is shown and the grey levels at the left
    /// and at the right.
    fn finish(mut self, end: i64) -> (Finished, Vec<(i64, u8, u8)>, Vec<MixEvent>) {
        let closed = self.mix.take().expect("a mix").close(ms(end)).expect("closed").expect("a file");
        let options = mp4::FinishOptions { end: closed.end, still: closed.still };
        let finished = mp4::finish(&closed.path, &options, &crate::disk::BlackAndSilence).expect("finished");
        check(&closed.path).expect("a file without faults");
        assert_eq!(names::list(self.dir.path()).expect("a folder").len(), 1, "all is in one file");
        let mut pictures = Vec::new();
        for event in file::Reader::open(&closed.path).expect("a readable file") {
            match event {
                file::Event::Picture(picture) => {
                    let row = picture.view().row(0, 32);
                    pictures.push((picture.pts.expect("a time") / MILLI_NS, row[16], row[112]));
                }
                file::Event::Sound(_) => {}
                file::Event::Broken(error) => panic!("{error}"),
            }
        }
        (finished, pictures, self.events)
    }
}

fn stream(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Camera }
}

fn grey(level: u8) -> Bytes {
    let config = Config::live(Codec::H264, SIZE.0, SIZE.1, 25, 500_000, 1);
    let mut canvas = codec::video::Canvas::new(SIZE.0, SIZE.1).expect("a canvas");
    canvas.fill(codec::video::Rect::sized(SIZE.0, SIZE.1), [level, 128, 128]);
    let packets = Encoder::new(&config).and_then(|mut encoder| encoder.encode_canvas(&mut canvas, 0, true));
    annex_b::to_lengths(&packets.expect("encoded")[0].data).into()
}

fn config() -> Arc<VideoConfig> {
    Arc::new(VideoConfig::H264(H264Config {
        sps: Vec::new(),
        pps: Vec::new(),
        width: SIZE.0,
        height: SIZE.1,
        profile: 66,
        compatibility: 0,
        level: 10,
        chroma_format: 1,
        bit_depth_luma: 8,
        bit_depth_chroma: 8,
        reorder_frames: Some(0),
    }))
}

/// The levels shown at `at` (ms).
fn shown(pictures: &[(i64, u8, u8)], at: i64) -> (u8, u8) {
    let (_, left, right) = pictures.iter().rfind(|(ms, ..)| *ms <= at).expect("something is shown");
    (*left, *right)
}

fn assert_shown(pictures: &[(i64, u8, u8)], at: i64, left: u8, right: u8) {
    let got = shown(pictures, at);
    assert!(got.0.abs_diff(left) <= 3 && got.1.abs_diff(right) <= 3, "{got:?} at {at}, not {left}, {right}");
}

fn milliseconds(finished: &Finished) -> Vec<i64> {
    finished.tracks.iter().map(|track| track.duration.as_millis() as i64).collect()
}

#[test]
fn users_come_and_go_at_a_constant_rate() {
    for codec in [MixCodec::H264, MixCodec::H265] {
        let mut room = Room::new(codec);
        room.members(&[("a", true)], 0);
        room.send(0, 1_000, &[("a", 100)]);
        room.members(&[("a", true), ("b", true)], 1_000);
        room.send(1_000, 3_000, &[("a", 100), ("b", 200)]);
        room.members(&[("b", true)], 3_000);
        room.send(3_000, 4_000, &[("b", 200)]);
        let (finished, pictures, events) = room.finish(4_000);
        assert!(milliseconds(&finished).iter().all(|length| (length - 4_000).abs() <= 22), "{finished:?}");
        let times: Vec<i64> = pictures.iter().map(|(ms, ..)| *ms).collect();
        assert_eq!(times, (0..100).map(|k| k * 40).collect::<Vec<_>>());
        assert_shown(&pictures, 500, 100, 100);
        assert_shown(&pictures, 960, 100, 100);
        assert_shown(&pictures, 1_040, 100, 200);
        assert_shown(&pictures, 2_960, 100, 200);
        assert_shown(&pictures, 3_500, 200, 200);
        assert!(matches!(&events[0], MixEvent::Took(first) if first.user == "a"));
    }
}

#[test]
fn a_camera_that_is_off_leaves_the_background_and_its_sound_goes_on() {
    let mut room = Room::new(MixCodec::H264);
    room.members(&[("a", true), ("b", true)], 0);
    room.send(0, 2_000, &[("a", 100), ("b", 200)]);
    room.members(&[("a", true), ("b", false)], 2_000);
    room.mix().picture_ended(&stream("b"), ms(2_000));
    room.send(2_000, 4_000, &[("a", 100), ("b", 0)]);
    room.members(&[("a", true), ("b", true)], 4_000);
    room.mix().picture_goes_on(&stream("b"));
    room.send(4_000, 6_000, &[("a", 100), ("b", 200)]);
    let (finished, pictures, _) = room.finish(6_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 6_000).abs() <= 22), "{finished:?}");
    assert!(finished.tracks.iter().all(|track| track.filled.is_zero()), "sound never stops");
    assert_shown(&pictures, 1_900, 100, 200);
    assert_shown(&pictures, 2_100, 100, BACKGROUND);
    assert_shown(&pictures, 3_900, 100, BACKGROUND);
    assert_shown(&pictures, 4_100, 100, 200);
}

#[test]
fn while_nobody_is_there_the_background_stands_still() {
    let mut room = Room::new(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 2_000, &[("a", 100)]);
    room.members(&[], 2_000);
    room.wait(2_000, 12_000);
    room.members(&[("a", true)], 12_000);
    room.send(12_000, 14_000, &[("a", 150)]);
    let (finished, pictures, _) = room.finish(14_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 14_000).abs() <= 22), "{finished:?}");
    assert_shown(&pictures, 1_900, 100, 100);
    assert_shown(&pictures, 2_100, BACKGROUND, BACKGROUND);
    assert_shown(&pictures, 11_900, BACKGROUND, BACKGROUND);
    assert_shown(&pictures, 12_100, 150, 150);
    assert!(pictures.len() < 110, "nothing is encoded meanwhile: {}", pictures.len());
}

#[test]
fn another_recorder_goes_on_in_the_file() {
    let mut room = Room::new(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 3_000, &[("a", 100)]);
    room.restart();
    room.members(&[("a", true)], 4_000);
    room.send(4_000, 6_000, &[("a", 200)]);
    let (finished, pictures, events) = room.finish(6_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 6_000).abs() <= 22), "{finished:?}");
    assert!(events.iter().any(|event| matches!(event, MixEvent::Opened { resumed: true, .. })));
    assert_shown(&pictures, 3_900, 100, 100);
    assert_shown(&pictures, 4_100, 200, 200);
}

#[test]
fn a_mix_that_falls_behind_makes_fewer_frames_and_keeps_its_times() {
    let mut room = Room::new(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 2_000, &[("a", 100)]);
    room.mix().observe(SECOND_NS, ms(2_000));
    room.send(2_000, 4_000, &[("a", 200)]);
    let (finished, pictures, events) = room.finish(4_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 4_000).abs() <= 40), "{finished:?}");
    let late: Vec<i64> = pictures.iter().map(|(ms, ..)| *ms).filter(|ms| *ms >= 2_000).collect();
    assert!(late.windows(2).all(|pair| pair[1] - pair[0] == 80), "{late:?}");
    assert_shown(&pictures, 2_100, 200, 200);
    assert!(events.iter().any(|event| matches!(event, MixEvent::Note(text) if text.contains("12.5 frames/s"))));
}
