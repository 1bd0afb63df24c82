//! Takes in virtual time: what is in the file after pauses, restarts and stops.

use std::sync::Arc;

use bytes::Bytes;
use codec::{black, opus};
use media::bitstream::h264::H264Config;
use media::mp4::{self, Finished, check};
use media::packet::VideoConfig;
use rules::ledger::Cause;
use rules::select::{StreamId, StreamKind};

use super::*;
use crate::messages::FileName;
use crate::names;
use crate::sync::SyncQueue;
use crate::unit::{Picture, SoundPacket};

const FRAME_MS: i64 = 40;
const PACKET_MS: i64 = 20;
const MAX_SILENCE_MS: i64 = 60_000;

fn ms(ms: i64) -> Mono {
    Mono(ms * MILLI_NS)
}

/// One user whose media arrives as soon as it is captured.
struct User {
    dir: tempfile::TempDir,
    clock: Clock,
    config: Arc<VideoConfig>,
    picture: Bytes,
    sound: Bytes,
    /// Of its pictures, degrees.
    rotation: u16,
    take: Option<Take>,
}

impl User {
    fn new(audio: AudioPlan) -> User {
        let dir = tempfile::tempdir().expect("a folder");
        let black = black::h264_key_frame(64, 48).expect("a black picture");
        let config = H264Config::new(&black.sps, &black.pps).expect("parameter sets");
        let sound = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960]));
        let mut user = User {
            dir,
            clock: Clock::start(),
            config: Arc::new(VideoConfig::H264(config)),
            picture: black.sample,
            sound: sound.expect("a packet"),
            rotation: 0,
            take: None,
        };
        user.take = Some(user.new_take(audio));
        user
    }

    fn new_take(&self, audio: AudioPlan) -> Take {
        Take::new(TakePlan {
            place: Place {
                source: StreamId { user: "u".into(), kind: StreamKind::Camera }.into(),
                dir: self.dir.path().to_owned(),
                keep_source: false,
                syncs: SyncQueue::start(Duration::from_secs(2)).expect("a thread"),
            },
            audio,
            settings: Settings::default(),
            max_silence: MAX_SILENCE_MS * MILLI_NS,
        })
    }

    /// Media from `from` to `to` (ms), as the flags say. Gives the files that ended.
    fn send(&mut self, from: i64, to: i64, picture: bool, sound: bool) -> Vec<Closed> {
        let take = self.take.as_mut().expect("a take");
        let mut told = Vec::new();
        for t in (from..to).step_by(PACKET_MS as usize) {
            let (at, arrival) = (ms(t), ms(t));
            if picture && t % FRAME_MS == 0 {
                let (data, config) = (self.picture.clone(), Some(self.config.clone()));
                let unit = Picture {
                    at,
                    arrival,
                    data,
                    key: true,
                    after_loss: false,
                    missing_before: None,
                    config,
                    rotation: self.rotation,
                };
                told.extend(take.push(Unit::Picture(unit), &self.clock, arrival).expect("taken"));
            }
            if sound {
                let unit = SoundPacket { at, arrival, data: self.sound.clone(), duration: 960, after_loss: false };
                told.extend(take.push(Unit::Sound(unit), &self.clock, arrival).expect("taken"));
            }
            told.extend(take.handle_time(&self.clock, ms(t), true).expect("the disk works"));
        }
        let ended = |event| if let TakeEvent::Ended(closed) = event { Some(closed) } else { None };
        told.into_iter().filter_map(ended).collect()
    }

    /// Nothing comes from `from` to `to` (ms). Gives the files that ended.
    fn wait(&mut self, from: i64, to: i64) -> Vec<Closed> {
        self.send(from, to, false, false)
    }

    /// Both tracks are unpublished.
    fn unpublish(&mut self, at: i64) {
        let take = self.take.as_mut().expect("a take");
        take.video_ended().and_then(|()| take.audio_ended(ms(at))).expect("ended");
        take.set_present(false, ms(at));
    }

    fn complete(&self, closed: &Closed) -> Finished {
        let options = mp4::FinishOptions { end: closed.end, still: closed.still, cut: closed.cut };
        let finished = mp4::finish(&closed.path, &options, &crate::disk::BlackAndSilence).expect("finished");
        check(&closed.path).expect("a file without faults");
        finished
    }

    fn finish(mut self, present: bool, now: i64) -> Finished {
        let take = self.take.take().expect("a take");
        let closed = take.close(present, &self.clock, ms(now)).expect("closed").0.pop().expect("a file");
        let finished = self.complete(&closed);
        assert_eq!(names::list(self.dir.path()).expect("a folder").len(), 1, "all is in one file");
        finished
    }
}

const AAC: AudioPlan = AudioPlan::Aac { rate: 48_000, channels: 2, bitrate: 64_000 };

/// Milliseconds of a track: as long as it is, and of that filler.
fn lengths(finished: &Finished, video: bool) -> (i64, i64) {
    let track = finished.tracks.iter().find(|track| (track.codec == mp4::Codec::H264) == video).expect("the track");
    (track.duration.as_millis() as i64, track.filled.as_millis() as i64)
}

/// A track of sound ends with a whole frame, and the picture with the sound.
const FRAME_OF_SOUND: i64 = 22;

fn near(got: i64, wanted: i64, tolerance: i64) -> bool {
    (got - wanted).abs() <= tolerance
}

#[test]
fn sound_before_the_picture_is_kept_with_black() {
    for audio in [AAC, AudioPlan::Opus] {
        let mut user = User::new(audio);
        user.send(0, 2_000, false, true);
        user.send(2_000, 5_000, true, true);
        let finished = user.finish(true, 5_000);
        let (picture, black) = lengths(&finished, true);
        assert!(near(picture, 5_000, FRAME_OF_SOUND) && black == 2_000, "{audio:?}: {picture} {black}");
        let (sound, silence) = lengths(&finished, false);
        assert!(near(sound, 5_000, FRAME_OF_SOUND) && silence <= 2 * FRAME_OF_SOUND, "{audio:?}: {sound} {silence}");
    }
}

#[test]
fn a_camera_switched_off_is_black_for_as_long_and_the_sound_goes_on() {
    let mut user = User::new(AAC);
    user.send(0, 2_000, true, true);
    user.take.as_mut().expect("a take").set_video_muted(true, ms(2_000));
    user.send(2_000, 12_000, false, true);
    user.take.as_mut().expect("a take").set_video_muted(false, ms(12_000));
    user.send(12_000, 14_000, true, true);
    let finished = user.finish(true, 14_000);
    let (picture, black) = lengths(&finished, true);
    assert!(near(picture, 14_000, FRAME_OF_SOUND) && black == 10_000, "{picture} {black}");
    assert!(lengths(&finished, false).1 <= 2 * FRAME_OF_SOUND);
}

#[test]
fn a_picture_that_stands_still_stays_and_is_no_gap() {
    let mut user = User::new(AAC);
    user.send(0, 2_000, true, true);
    user.send(2_000, 12_000, false, true);
    user.send(12_000, 14_000, true, true);
    let (picture, black) = lengths(&user.finish(true, 14_000), true);
    assert!(near(picture, 14_000, FRAME_OF_SOUND) && black == 0, "{picture} {black}");
}

#[test]
fn away_and_back_is_filled_and_the_end_without_media_is_not() {
    for audio in [AAC, AudioPlan::Opus] {
        let mut user = User::new(audio);
        user.send(0, 2_000, true, true);
        for take in user.take.iter_mut() {
            take.video_ended().expect("ended");
            take.audio_ended(ms(2_000)).expect("ended");
        }
        user.wait(2_000, 60_000);
        user.send(60_000, 62_000, true, true);
        user.take
            .iter_mut()
            .for_each(|take| take.video_ended().and_then(|()| take.audio_ended(ms(62_000))).expect("ended"));
        user.wait(62_000, 70_000);
        let finished = user.finish(false, 70_000);
        let (picture, black) = lengths(&finished, true);
        let (sound, silence) = lengths(&finished, false);
        assert!(near(picture, 62_000, 45) && near(black, 58_000, 45), "{audio:?}: {picture} {black}");
        assert!(near(sound, 62_000, 45) && near(silence, 58_000, 90), "{audio:?}: {sound} {silence}");
    }
}

#[test]
fn a_gap_that_is_too_long_ends_the_file_where_the_media_did() {
    for (gap, files) in [(MAX_SILENCE_MS, 1), (MAX_SILENCE_MS + 1_000, 2)] {
        let mut user = User::new(AAC);
        user.send(0, 2_000, true, true);
        user.unpublish(2_000);
        let ended = user.wait(2_000, 2_000 + gap);
        user.take.as_mut().expect("a take").set_present(true, ms(2_000 + gap));
        user.send(2_000 + gap, 5_000 + gap, true, true);
        assert_eq!(ended.len() + 1, files, "{gap} ms");
        for closed in ended {
            let finished = user.complete(&closed);
            assert_eq!(finished.epoch_ns, user.clock.wall(ms(0)).0);
            let (picture, black) = lengths(&finished, true);
            assert!(near(picture, 2_000, FRAME_OF_SOUND) && black == 0, "no filler: {picture} {black}");
            assert!(near(lengths(&finished, false).0, 2_000, FRAME_OF_SOUND));
        }
        let epoch = if files == 1 { 0 } else { 2_000 + gap };
        let take = user.take.take().expect("a take");
        let last = take.close(true, &user.clock, ms(5_000 + gap)).expect("closed").0.pop().expect("a file");
        assert_eq!(last.file.sequence as usize, files - 1);
        let finished = user.complete(&last);
        assert_eq!(finished.epoch_ns, user.clock.wall(ms(epoch)).0);
        let (picture, black) = lengths(&finished, true);
        assert!(near(picture, 5_000 + gap - epoch, FRAME_OF_SOUND), "{gap}: {picture}");
        assert!(near(black, if files == 1 { gap } else { 0 }, FRAME_OF_SOUND), "{gap}: {black}");
    }
}

#[test]
fn a_gap_that_is_too_long_ends_the_file_though_the_recorder_died_in_it() {
    for (gap, files) in [(MAX_SILENCE_MS - 1_000, 1), (MAX_SILENCE_MS + 1_000, 2)] {
        let mut user = User::new(AAC);
        user.send(0, 2_000, true, true);
        user.take.take().expect("a take").suspend(&user.clock, ms(4_000)).expect("written");
        user.take = Some(user.new_take(AAC));
        let take = user.take.as_mut().expect("a take");
        take.set_present(false, ms(10_000));
        take.set_present(true, ms(2_000 + gap));
        let ended = user.send(2_000 + gap, 4_000 + gap, true, true);
        assert_eq!(ended.len() + 1, files);
        let numbers: Vec<i64> = ended.iter().map(|closed| lengths(&user.complete(closed), true).0).collect();
        assert!(numbers.iter().all(|length| near(*length, 2_000, FRAME_MS)), "{numbers:?}");
        assert_eq!(names::list(user.dir.path()).expect("a folder").len(), files);
    }
}

#[test]
fn a_stream_that_is_still_published_lasts_to_the_stop() {
    let mut user = User::new(AAC);
    user.send(0, 2_000, true, true);
    user.take.as_mut().expect("a take").set_video_muted(true, ms(2_000));
    user.wait(2_000, 9_000);
    let finished = user.finish(true, 9_000);
    let (picture, black) = lengths(&finished, true);
    assert!(near(picture, 9_000, FRAME_OF_SOUND) && near(black, 7_000, FRAME_OF_SOUND), "{picture} {black}");
    assert!(near(lengths(&finished, false).0, 9_000, FRAME_OF_SOUND));
}

#[test]
fn a_restarted_recorder_goes_on_in_the_same_file() {
    for audio in [AAC, AudioPlan::Opus] {
        for suspended in [true, false] {
            let mut user = User::new(audio);
            user.send(0, 3_000, true, true);
            let take = user.take.take().expect("a take");
            if suspended {
                take.suspend(&user.clock, ms(4_000)).expect("written");
            } else {
                // A kill: what is in memory is lost.
                drop(take);
            }
            user.take = Some(user.new_take(audio));
            user.send(4_000, 6_000, true, true);
            let finished = user.finish(true, 6_000);
            let lost = if suspended { 0 } else { i64::from(Settings::default().fragment_ms) + 60 };
            let (picture, black) = lengths(&finished, true);
            assert!(near(picture, 6_000, FRAME_OF_SOUND), "{audio:?}: {picture}");
            assert!((1_000 - FRAME_MS..=1_000 + lost).contains(&black), "{audio:?}: {black}");
        }
    }
}

#[test]
fn a_picture_that_stands_still_stays_to_the_stop() {
    let mut user = User::new(AAC);
    user.send(0, 2_000, true, true);
    user.send(2_000, 12_000, false, true);
    let (picture, black) = lengths(&user.finish(true, 12_000), true);
    assert!(near(picture, 12_000, FRAME_OF_SOUND) && black == 0, "{picture} {black}");
}

#[test]
fn a_damaged_or_finished_file_is_left_alone_and_the_next_one_begun() {
    let mut user = User::new(AAC);
    let name = |sequence| FileName { source: StreamId { user: "u".into(), kind: StreamKind::Camera }.into(), sequence };
    let damaged = names::path(user.dir.path(), &name(0));
    std::fs::write(&damaged, vec![7; 100_000]).expect("written");
    user.take = Some(user.new_take(AAC));
    for sequence in 1..3 {
        user.send(0, 2_000, true, true);
        let closed = user.take.take().expect("a take").close(true, &user.clock, ms(2_000));
        let closed = closed.expect("closed").0.pop().expect("a file");
        assert_eq!(closed.file, name(sequence));
        mp4::finish(&closed.path, &mp4::FinishOptions::default(), &crate::disk::BlackAndSilence).expect("finished");
        user.take = Some(user.new_take(AAC));
    }
    assert_eq!(std::fs::read(&damaged).expect("there"), vec![7; 100_000]);
}

/// The turns of the pictures of the only file, in its order.
fn turns(user: &User) -> Vec<u16> {
    let (_, path) = names::list(user.dir.path()).expect("a folder").remove(0);
    let file = mp4::Replacing::open(&path).expect("finished").expect("pictures");
    file.pictures().iter().map(|picture| file.entries()[picture.entry as usize].rotation()).collect()
}

#[test]
fn a_phone_stays_turned_after_a_restart() {
    let mut user = User::new(AAC);
    user.rotation = 90;
    user.send(0, 1_000, true, true);
    user.take.take().expect("a take").suspend(&user.clock, ms(1_000)).expect("written");
    user.take = Some(user.new_take(AAC));
    user.send(1_000, 2_000, true, true);
    let take = user.take.take().expect("a take");
    let finished = user.complete(&take.close(true, &user.clock, ms(2_000)).expect("closed").0.pop().expect("a file"));
    assert_eq!((finished.width, finished.height), (48, 64));
    assert!(turns(&user).iter().all(|turn| *turn == 90));
}

#[test]
fn a_turn_between_key_frames_is_that_of_the_picture_it_came_with() {
    let mut user = User::new(AAC);
    user.send(0, 40, true, true);
    let take = user.take.as_mut().expect("a take");
    for (n, rotation) in [(1, 0), (2, 270), (3, 270)] {
        let (at, data) = (ms(n * FRAME_MS), Bytes::from_static(&[0, 0, 0, 2, 0x41, 1]));
        let unit = Picture {
            at,
            arrival: at,
            data,
            key: false,
            after_loss: false,
            missing_before: None,
            config: None,
            rotation,
        };
        take.push(Unit::Picture(unit), &user.clock, at).expect("taken");
    }
    let take = user.take.take().expect("a take");
    user.complete(&take.close(true, &user.clock, ms(160)).expect("closed").0.pop().expect("a file"));
    assert_eq!(turns(&user), [0, 0, 270, 270]);
}

#[path = "take/cut_tests.rs"]
mod cut;

#[path = "take/walk_tests.rs"]
mod walk;

#[path = "take/codec_tests.rs"]
mod codecs;

#[test]
fn what_a_loss_costs_is_told() {
    let mut user = User::new(AAC);
    user.send(0, 1_000, true, true);
    let clock = user.clock;
    let (picture, sound, config) = (user.picture.clone(), user.sound.clone(), user.config.clone());
    let take = user.take.as_mut().expect("a take");
    take.handle_time(&clock, ms(1_000), true).expect("begun");
    let lossy = |at: i64, key: bool| {
        let config = key.then(|| config.clone());
        let (at, data) = (ms(at), picture.clone());
        Unit::Picture(Picture {
            at,
            arrival: at,
            data,
            key,
            after_loss: !key,
            missing_before: None,
            config,
            rotation: 0,
        })
    };
    for unit in [lossy(1_080, false), lossy(1_120, false), lossy(1_400, true)] {
        take.push(unit, &clock, ms(1_400)).expect("taken");
    }
    let at = ms(1_300);
    let packet = SoundPacket { at, arrival: at, data: sound, duration: 960, after_loss: true };
    take.push(Unit::Sound(packet), &clock, ms(1_400)).expect("taken");
    let happened = take.take_happened();
    assert_eq!(happened.picture.counts.frames_dropped, 2);
    let spans = |missing: &[(Mono, Mono, Cause)]| {
        missing.iter().map(|(from, to, _)| (from.0 / MILLI_NS, to.0 / MILLI_NS)).collect::<Vec<_>>()
    };
    assert_eq!(spans(&happened.picture.missing), [(1_000, 1_400)]);
    // 300 ms are lost, of which 100 are made up.
    assert_eq!(happened.sound.counts.concealed_ms, 100);
    assert_eq!(spans(&happened.sound.missing), [(1_100, 1_300)]);
    assert!(take.take_happened().sound.missing.is_empty(), "told once");
}
