//! A mix that is cut into files: laid behind each other they are what one file would have been.

use codec::file::Event;

use super::*;
use crate::messages::Settings;
use crate::testing::rising_tone;

/// The level of the only user's picture in this second of the recording.
fn level(second: i64) -> u8 {
    40 + 10 * second as u8
}

struct Heard {
    pictures: Vec<(i64, u8)>,
    sound: Vec<f32>,
    length: Duration,
}

/// Records a user who is there while `there` says so, for each second.
fn record(audio: MixedAudio, max_file_ms: i64, seconds: i64, there: fn(i64) -> bool) -> Vec<Heard> {
    let settings = Settings { max_file_ms, ..Settings::default() };
    let mut room = Room::with(MixPlan { audio, ..Room::plan(None, MixCodec::H264) }, settings);
    for (n, sound) in (0..).zip(rising_tone(seconds)) {
        let (t, second) = (n * PACKET_MS, n / 50);
        if n % 50 == 0 {
            let users = if there(second) { &[("ann", true)][..] } else { &[] };
            room.members(users, t);
        }
        if there(second) {
            if t % FRAME_MS == 0 {
                let grey = coded(SIZE, &[(Rect::sized(SIZE.0, SIZE.1), [level(second), 128, 128])]);
                room.picture("ann", ms(t), &grey, 0);
            }
            room.sound("ann", ms(t), &sound);
        }
        room.run(t);
    }
    let files = room.close_all(seconds * 1_000);
    let heard = |file: &room::Recording| {
        let mut heard = Heard { pictures: Vec::new(), sound: Vec::new(), length: file.finished.duration() };
        for event in file.content() {
            match event {
                Event::Picture(picture) => {
                    let at = picture.pts.expect("a time") / MILLI_NS;
                    heard.pictures.push((at, picture.view().row(0, 32)[16]));
                }
                Event::Sound(sound) => heard.sound.extend(sound.samples.chunks(sound.channels).map(|frame| frame[0])),
                Event::Broken(error) => panic!("{error}"),
            }
        }
        heard
    };
    files.iter().map(heard).collect()
}

fn assert_joined(parts: &[Heard], whole: &Heard, seconds: usize) {
    let sound: Vec<f32> = parts.iter().flat_map(|file| file.sound.iter().copied()).collect();
    assert!(sound.len().abs_diff(whole.sound.len()) <= 1024, "{} {}", sound.len(), whole.sound.len());
    // But for the end, which each encoder meets in its own way.
    let pairs = sound.iter().zip(&whole.sound).take((seconds - 1) * 48_000);
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 0.02, "the sound differs by {apart}");
    let length: Duration = parts.iter().map(|file| file.length).sum();
    assert!(length.abs_diff(whole.length) < Duration::from_millis(1), "{length:?} {:?}", whole.length);
    let mut start = 0;
    let mut shown = Vec::new();
    for file in parts {
        shown.extend(file.pictures.iter().map(|(at, level)| (start + at, *level)));
        start += file.length.as_millis() as i64;
    }
    assert_eq!(shown.len(), whole.pictures.len(), "every picture once");
    for ((at, got), (expected_at, expected)) in shown.iter().zip(&whole.pictures) {
        assert!((at - expected_at).abs() <= 1 && got.abs_diff(*expected) <= 3, "{at}: {got}, not {expected}");
    }
}

#[test]
fn files_behind_each_other_are_what_one_would_be() {
    for channels in [1, 2] {
        let audio = MixedAudio { rate: 48_000, channels, bitrate: 64_000 };
        let whole = record(audio, 1 << 40, 10, |_| true);
        let parts = record(audio, 3_000, 10, |_| true);
        assert_eq!((whole.len(), parts.len()), (1, 4), "{channels}");
        assert_joined(&parts, &whole[0], 10);
    }
}

#[test]
fn at_another_rate_a_file_ends_with_a_whole_frame_too() {
    let audio = MixedAudio { rate: 16_000, channels: 1, bitrate: 32_000 };
    let parts = record(audio, 3_000, 10, |_| true);
    assert_eq!(parts.len(), 4);
    // Pictures of 40 ms and frames of 64 ms begin together every 320 ms.
    assert!(parts[..3].iter().all(|file| file.length == Duration::from_millis(3_200)));
    let pictures: usize = parts.iter().map(|file| file.pictures.len()).sum();
    assert_eq!(pictures, 250);
}

#[test]
fn an_empty_room_is_cut_as_well() {
    let audio = MixedAudio { rate: 48_000, channels: 2, bitrate: 64_000 };
    let parts = record(audio, 3_000, 10, |second| !(2..5).contains(&second));
    assert!((3..=4).contains(&parts.len()), "{}", parts.len());
    let length: Duration = parts.iter().map(|file| file.length).sum();
    assert!(length.abs_diff(Duration::from_secs(10)) < Duration::from_millis(45), "{length:?}");
    for file in &parts {
        let sound = file.sound.len() as f64 / 48_000.0;
        assert!((sound - file.length.as_secs_f64()).abs() < 0.03, "{sound} {:?}", file.length);
        assert_eq!(file.pictures[0].0, 0);
    }
}
