//! Clips: cached and found again, the same pictures in every layer and codec, and loops without a seam.

use codec::opus;
use codec::video::{Codec, Decoder};
use synth::clip::{Clip, ClipSpec, Frame, Live};
use synth::code::{Luma, Mark, Reader};
use synth::schedule::{DAY_SECONDS, FLASH_FRAMES, frame_at, since_flash};
use synth::sound::{BEEP_LEVEL, HUM_LEVEL};

fn small(codec: Codec) -> ClipSpec {
    ClipSpec { codec, width: 320, height: 180, bitrate: 250_000, loop_seconds: 2, ..ClipSpec::new(3, "clip") }
}

fn marks<'a>(codec: Codec, frames: impl IntoIterator<Item = &'a Frame>) -> Vec<Option<Mark>> {
    let (mut decoder, mut reader) = (Decoder::new(codec, 1).unwrap(), Reader::default());
    let mut pictures = Vec::new();
    for (index, frame) in (0..).zip(frames) {
        pictures.extend(decoder.decode(&frame.data, index).unwrap());
    }
    pictures.extend(decoder.flush().unwrap());
    pictures.iter().map(|picture| reader.read(&Luma::new(&picture.view(), None).unwrap())).collect()
}

#[test]
fn a_clip_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let spec = small(Codec::H264);
    let mut heard = Vec::new();
    let made = Clip::load_or_make(&spec, folder.path(), &mut |share| heard.push(share)).unwrap();
    assert_eq!((heard.len(), heard.last()), (60, Some(&1.0)));
    let mut never = |_| panic!("nothing is encoded for a clip in the cache");
    assert!(Clip::load_or_make(&spec, folder.path(), &mut never).unwrap() == made);
    let other = ClipSpec { user: 4, ..spec.clone() };
    assert!(Clip::load_or_make(&other, folder.path(), &mut |_| ()).unwrap() != made);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    // Damaged files are made anew, however they are damaged.
    for file in &files {
        let data = std::fs::read(file).unwrap();
        std::fs::write(file, &data[..data.len() - 1]).unwrap();
    }
    assert!(Clip::load_or_make(&spec, folder.path(), &mut |_| ()).unwrap() == made);
    for file in &files {
        std::fs::write(file, [&b"tdclip01"[..], &[0xff; 40]].concat()).unwrap();
    }
    assert!(Clip::load_or_make(&spec, folder.path(), &mut |_| ()).unwrap() == made);
}

#[test]
fn loops_of_every_codec_can_be_sent_for_ever() {
    for codec in Codec::ALL {
        let clip = Clip::make(&small(codec), &mut |_| ()).unwrap();
        assert!(clip.video(0)[0].key && clip.video(0)[30].key, "{codec:?}");
        assert_eq!(clip.video(0).iter().filter(|frame| frame.key).count(), 2, "{codec:?}");
        let marks = marks(codec, (0..150).map(|frame| clip.frame(0, frame)));
        let wanted = |frame: u32| {
            Some(Mark { number: frame % 60, user: 3, lit: since_flash(u64::from(frame), 30, 0) < FLASH_FRAMES })
        };
        assert_eq!(marks, (0..150).map(wanted).collect::<Vec<_>>(), "{codec:?}");
    }
}

#[test]
fn layers_show_the_same_pictures_in_their_sizes() {
    let spec = ClipSpec { width: 640, height: 360, layers: 3, loop_seconds: 1, ..small(Codec::Vp8) };
    let sizes: Vec<_> = spec.layers().iter().map(|layer| (layer.rid, layer.width, layer.height)).collect();
    assert_eq!(sizes, [("q", 160, 90), ("h", 320, 180), ("f", 640, 360)]);
    let clip = Clip::make(&spec, &mut |_| ()).unwrap();
    for layer in 0..3 {
        let numbers: Vec<_> = marks(Codec::Vp8, clip.video(layer)).iter().map(|m| m.map(|m| m.number)).collect();
        assert_eq!(numbers, (0..30).map(Some).collect::<Vec<_>>(), "layer {layer}");
    }
}

#[test]
fn the_sound_has_no_seam_where_the_loop_closes() {
    let clip = Clip::make(&small(Codec::H264), &mut |_| ()).unwrap();
    let mut decoder = opus::Decoder::new(1).unwrap();
    let mut sound = Vec::new();
    assert_eq!(clip.audio().len(), 100);
    for packet in 0..300 {
        decoder.decode(clip.packet(packet), &mut sound).unwrap();
    }
    // The beep at the seam is exactly where it is inside the loop, and the hum before it as quiet.
    let around = |second: usize| &sound[second * 48_000 - 4800..second * 48_000 + 4800];
    let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference(around(2), around(4)) < 0.01, "{}", difference(around(2), around(4)));
    assert!(difference(around(2), around(3)) < 0.08, "{}", difference(around(2), around(3)));
    let loudest = |samples: &[f32]| samples.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
    assert!(loudest(&around(2)[..4300]) < 2.5 * HUM_LEVEL);
    assert!((loudest(&around(2)[5000..7000]) - BEEP_LEVEL).abs() < 0.06);
}

#[test]
fn the_bitrate_is_used() {
    let spec = ClipSpec { width: 1280, height: 720, bitrate: 2_000_000, loop_seconds: 4, ..small(Codec::H264) };
    let clip = Clip::make(&spec, &mut |_| ()).unwrap();
    let bytes: usize = clip.video(0).iter().map(|frame| frame.data.len()).sum();
    let rate = bytes as f64 * 8.0 / 4.0;
    assert!((1_600_000.0..2_400_000.0).contains(&rate), "{rate} bit/s");
}

#[test]
fn live_numbers_tell_the_time_of_day_and_key_frames_come_when_asked() {
    let spec = ClipSpec { loop_seconds: DAY_SECONDS, gop: 300, ..small(Codec::H264) };
    let mut live = Live::new(&spec).unwrap();
    // 2027-01-15 08:00:00 UTC
    let first = frame_at(1_800_000_000 * 1_000_000_000, 30);
    let frames: Vec<Frame> = (0..40).map(|n| live.video(first + n, n == 20).unwrap().remove(0)).collect();
    let keys: Vec<usize> = (0..40).filter(|&n| frames[n].key).collect();
    assert_eq!(keys, [0, 20]);
    let marks = marks(Codec::H264, &frames);
    let numbers: Vec<_> = marks.iter().map(|mark| mark.unwrap().number).collect();
    assert_eq!(numbers, (8 * 3600 * 30..8 * 3600 * 30 + 40).collect::<Vec<u32>>());
    let lit: Vec<usize> = (0..40).filter(|&n| marks[n].unwrap().lit).collect();
    assert_eq!(lit, [0, 1, 30, 31]);
    assert!(live.sound(synth::schedule::packet_at(1_800_000_000 * 1_000_000_000)).is_ok());
}

#[test]
fn impossible_clips_are_refused_with_a_reason() {
    let good = small(Codec::H264);
    for (bad, reason) in [
        (ClipSpec { layers: 4, ..good.clone() }, "layers"),
        (ClipSpec { fps: 29, ..good.clone() }, "divide"),
        (ClipSpec { fps: 0, ..good.clone() }, "divide"),
        (ClipSpec { width: 321, ..good.clone() }, "even"),
        (ClipSpec { width: 200, height: 100, layers: 3, ..good.clone() }, "64x36"),
        (ClipSpec { loop_seconds: 0, ..good.clone() }, "second"),
        (ClipSpec { channels: 3, ..good.clone() }, "channels"),
    ] {
        let error = Clip::make(&bad, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
