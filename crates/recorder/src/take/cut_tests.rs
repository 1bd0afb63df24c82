//! A stream that is cut into files: laid behind each other they are what one file would have been.

use codec::file::{Event, Reader};
use codec::video::{Canvas, Codec, Config, Encoder};
use media::bitstream::annex_b;

use super::*;
use crate::testing::rising_tone;

/// Pictures of 25 a second, every 25th a key frame.
fn pictures(seconds: i64) -> Vec<(Bytes, Option<Arc<VideoConfig>>)> {
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 64, 48, 25, 100_000, 25)).expect("an encoder");
    let mut canvas = Canvas::new(64, 48).expect("a canvas");
    let picture = |n: i64| {
        canvas.fill(codec::video::Rect::sized(64, 48), [n as u8, 100, 150]);
        let packet = encoder.encode_canvas(&mut canvas, n, n % 25 == 0).expect("encoded").remove(0);
        let unit = |kind| annex_b::nal_units(&packet.data).find(|unit| unit[0] & 31 == kind).unwrap_or_default();
        let config = packet.key.then(|| H264Config::new(unit(7), unit(8)).expect("parameter sets"));
        (annex_b::to_lengths(&packet.data).into(), config.map(|config| Arc::new(VideoConfig::H264(config))))
    };
    (0..seconds * 25).map(picture).collect()
}

/// What is in a file: when its pictures begin, in ms, and its sound.
struct Heard {
    pictures: Vec<i64>,
    sound: Vec<f32>,
    length: Duration,
}

fn read(finished: &Finished, path: &std::path::Path) -> Heard {
    let mut heard = Heard { pictures: Vec::new(), sound: Vec::new(), length: finished.duration() };
    for event in Reader::open(path).expect("a file") {
        match event {
            Event::Picture(picture) => heard.pictures.push(picture.pts.expect("a time") / MILLI_NS),
            Event::Sound(sound) => heard.sound.extend(sound.samples.chunks(sound.channels).map(|frame| frame[0])),
            Event::Broken(error) => panic!("{error}"),
        }
    }
    heard
}

/// As `record_within`, with files of at most so many ms.
fn record(plan: AudioPlan, max_file_ms: i64, seconds: i64, late: (i64, i64), camera: fn(i64) -> bool) -> Vec<Heard> {
    record_within(Settings { max_file_ms, ..Settings::default() }, plan, seconds, late, camera)
}

/// Sends `seconds` of picture (25 a second, every 25th a key frame, as `camera` says for each second) and sound that
/// arrive late by so many ms, and gives the files.
fn record_within(
    settings: Settings,
    plan: AudioPlan,
    seconds: i64,
    late: (i64, i64),
    camera: fn(i64) -> bool,
) -> Vec<Heard> {
    let mut user = User::new(plan);
    user.take.as_mut().expect("a take").plan.settings = settings;
    let packets = rising_tone(seconds);
    let mut events = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let at = n as i64 * 20;
        let unit = SoundPacket { at: ms(at), arrival: ms(at), data: packet.clone(), duration: 960, after_loss: false };
        events.push((at + late.1, Unit::Sound(unit)));
    }
    for (n, (data, config)) in (0..).zip(pictures(seconds)) {
        let at = n * 40 + 7;
        let key = config.is_some();
        let unit = Picture {
            at: ms(at),
            arrival: ms(at),
            data,
            key,
            after_loss: false,
            missing_before: None,
            config,
            rotation: 0,
        };
        if camera(n / 25) {
            events.push((at + late.0, Unit::Picture(unit)));
        }
    }
    events.sort_by_key(|(arrival, _)| *arrival);
    let take = user.take.as_mut().expect("a take");
    let mut closed = Vec::new();
    let mut told = |event| {
        if let Some(TakeEvent::Ended(file)) = event {
            closed.push(file)
        }
    };
    let mut tick = 0;
    for (arrival, unit) in events {
        while tick < arrival {
            told(take.handle_time(&user.clock, ms(tick), late.0 == 0).expect("the disk works"));
            if tick % 1_000 == 0 {
                take.set_video_muted(!camera(tick / 1_000), ms(tick));
            }
            tick += 10;
        }
        told(take.push(unit, &user.clock, ms(arrival)).expect("taken"));
    }
    let last = user.take.take().expect("a take").close(true, &user.clock, ms(seconds * 1_000)).expect("closed");
    closed.extend(last.0);
    closed.iter().map(|file| read(&user.complete(file), &file.path)).collect()
}

fn join(files: &[Heard]) -> Vec<f32> {
    files.iter().flat_map(|file| file.sound.iter().copied()).collect()
}

/// The largest difference of two sounds.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn files_behind_each_other_are_what_one_would_be() {
    for late in [(0, 0), (700, 0), (0, 900)] {
        let whole = record(AAC, 1 << 40, 12, late, |_| true);
        let parts = record(AAC, 3_500, 12, late, |_| true);
        assert_eq!((whole.len(), parts.len()), (1, 3), "{late:?}");
        let pictures: usize = parts.iter().map(|file| file.pictures.len()).sum();
        assert_eq!(pictures, whole[0].pictures.len(), "{late:?}: every picture once");
        for (file, first) in parts.iter().zip([0, 4_007, 8_007]) {
            assert_eq!(file.pictures[0], 0, "{late:?}: {first}");
        }
        let (sound, expected) = (join(&parts), &whole[0].sound);
        assert!(sound.len().abs_diff(expected.len()) <= 1024, "{late:?}: {} {}", sound.len(), expected.len());
        // But for the end, which each encoder meets in its own way.
        let apart = difference(&sound, &expected[..11 * 48_000]);
        assert!(apart < 0.02, "{late:?}: the sound differs by {apart}");
        let length: Duration = parts.iter().map(|file| file.length).sum();
        assert!(length.abs_diff(whole[0].length) < Duration::from_millis(25), "{late:?}: {length:?}");
        let ends = parts[0].sound.len() as f64 / 48_000.0;
        assert!((ends - parts[0].length.as_secs_f64()).abs() < 0.002, "{late:?}: sound and picture end together");
    }
}

#[test]
fn a_file_that_is_as_large_as_files_may_be_is_followed_by_another() {
    for late in [(0, 0), (700, 0), (0, 900)] {
        let whole = record(AAC, 1 << 40, 12, late, |_| true);
        // Less than a fragment is missing to the bound when it is a sixteenth: that alone would tell too late.
        for max_file_bytes in [45_000, 60_000] {
            let settings = Settings { max_file_bytes, ..Settings::default() };
            let parts = record_within(settings, AAC, 12, late, |_| true);
            let told = format!("{late:?}, {max_file_bytes} bytes, {} files", parts.len());
            assert!(parts.len() > 2, "{told}");
            let pictures: usize = parts.iter().map(|file| file.pictures.len()).sum();
            assert_eq!(pictures, whole[0].pictures.len(), "{told}: every picture once");
            assert!(parts.iter().all(|file| file.pictures[0] == 0), "{told}");
            let (sound, expected) = (join(&parts), &whole[0].sound);
            assert!(sound.len().abs_diff(expected.len()) <= 1024, "{told}: {} {}", sound.len(), expected.len());
            // But for the end, which each encoder meets in its own way.
            let apart = difference(&sound, &expected[..11 * 48_000]);
            assert!(apart < 0.02, "{told}: the sound differs by {apart}");
        }
    }
}

#[test]
fn files_of_every_rate_of_sound_join_to_the_sample() {
    for rate in [16_000, 32_000, 44_100] {
        for late in [(0, 0), (700, 0), (0, 900)] {
            let plan = AudioPlan::Aac { rate, channels: 1, bitrate: 64_000 };
            let whole = record(plan, 1 << 40, 12, late, |_| true);
            let parts = record(plan, 3_500, 12, late, |_| true);
            assert_eq!((whole.len(), parts.len()), (1, 3), "{rate} {late:?}");
            // As decoded, at 48 kHz. What is at the edges of a file its decoder's resampler begins and ends in its own way.
            let (expected, mut begins) = (&whole[0].sound, Duration::ZERO);
            for (n, part) in parts.iter().enumerate() {
                let from = (begins.as_secs_f64() * 48_000.0).round() as usize;
                begins += part.length;
                let inside = 500..part.sound.len().min(11 * 48_000 - from) - 500;
                let apart = difference(&part.sound[inside.clone()], &expected[from + 500..from + inside.end]);
                // As much as half a sample.
                assert!(apart < 0.06, "{rate} {late:?}: the sound differs by {apart} behind {from}");
                let short = part.length.as_secs_f64() - part.sound.len() as f64 / 48_000.0;
                // The last one ends with the picture.
                assert!((0.0..0.003).contains(&short) || n == 2, "{rate} {late:?}: {short} s");
            }
            assert!(begins.abs_diff(whole[0].length) < Duration::from_millis(66), "{rate} {late:?}: {begins:?}");
        }
    }
}

#[test]
fn packets_that_are_kept_are_there_once() {
    let whole = record(AudioPlan::Opus, 1 << 40, 12, (700, 0), |_| true);
    let parts = record(AudioPlan::Opus, 3_500, 12, (700, 0), |_| true);
    assert_eq!(parts.len(), 3);
    let pictures: usize = parts.iter().map(|file| file.pictures.len()).sum();
    assert_eq!(pictures, whole[0].pictures.len());
    let sound = join(&parts);
    assert!(sound.len().abs_diff(whole[0].sound.len()) <= 2 * 960, "{} {}", sound.len(), whole[0].sound.len());
}

#[test]
fn sound_alone_is_cut_as_well() {
    let parts = record(AAC, 3_500, 12, (0, 0), |_| false);
    let whole = record(AAC, 1 << 40, 12, (0, 0), |_| false);
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|file| file.pictures.is_empty()));
    let sound = join(&parts);
    assert!(sound.len().abs_diff(whole[0].sound.len()) <= 1024);
    assert!(difference(&sound, &whole[0].sound[..11 * 48_000]) < 0.02);
}

#[test]
fn a_camera_that_is_off_at_the_cut_is_black_in_both_files() {
    let parts = record(AAC, 3_500, 12, (0, 0), |second| !(2..6).contains(&second));
    assert_eq!(parts.len(), 3);
    let length: Duration = parts.iter().map(|file| file.length).sum();
    assert!(length.abs_diff(Duration::from_secs(12)) < Duration::from_millis(45), "{length:?}");
    assert!(join(&parts).len().abs_diff(12 * 48_000) < 2_048);
}
