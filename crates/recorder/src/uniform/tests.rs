//! Files of random sizes and turns made uniform, and watched: every picture once, at its time, in its place.

mod film;
mod resized;
mod tasks;

use std::path::Path;
use std::process::Command;

use codec::video::{self, Codec, Decoder};
use media::mp4::check;
use proptest::prelude::*;
use synth::code::{Luma, Reader};

use self::film::{Film, Scene, USER};
use super::*;
use crate::mix::turn::Turned;

const SIZES: [(u32, u32); 4] = [(320, 180), (256, 144), (240, 320), (320, 240)];

fn scene() -> impl Strategy<Value = Scene> {
    let rotation = prop_oneof![3 => Just(0u16), 1 => (1u16..4).prop_map(|turns| turns * 90)];
    let turn = prop_oneof![4 => Just(None), 1 => (1usize..6, (0u16..4).prop_map(|turns| turns * 90)).prop_map(Some)];
    let pause = prop_oneof![4 => Just(0u64), 1 => 1u64..3];
    (0usize..4, rotation, turn, 1usize..8, pause).prop_map(|(size, rotation, turn, count, pause)| Scene {
        size: SIZES[size],
        rotation,
        turn,
        count,
        pause,
    })
}

/// The only picture of a sample.
fn decode(decoder: &mut Decoder, codec: Codec, sample: &[u8]) -> video::Picture {
    let decoded = match codec {
        Codec::H264 | Codec::H265 => decoder.decode_sized(sample, 0),
        _ => decoder.decode(sample, 0),
    };
    let mut pictures = decoded.expect("decoded");
    assert!(pictures.len() == 1 && !pictures[0].damaged);
    pictures.remove(0)
}

/// Decodes the whole file as a player does, and checks what is seen against what was drawn.
fn watch(path: &Path, film: &Film, upright: bool) {
    let file = Replacing::open(path).expect("readable").expect("pictures");
    let canvas = film.upright_canvas();
    let (entry, rotation) = (&file.entries()[0], if upright { 0 } else { film.common_rotation() });
    assert!(file.entries().iter().all(|other| other.size() == entry.size() && other.rotation() == rotation));
    let upright = entry.upright_size();
    assert_eq!((u32::from(upright.0), u32::from(upright.1)), canvas);
    let mut decoder = Decoder::new(film.codec, 1).expect("a decoder");
    let (mut drawn, mut reader, mut dts) = (film.pictures.iter(), Reader::default(), 0);
    for (n, picture) in file.pictures().iter().enumerate() {
        let decoded = decode(&mut decoder, film.codec, &file.read(n, usize::MAX).expect("readable"));
        let turned = Turned::new(&decoded.view(), rotation);
        let view = turned.view().expect("whole");
        assert_eq!((view.width, view.height), canvas);
        // Filler is black, and always a whole group.
        if view.row(0, view.height as usize / 2).iter().all(|luma| *luma < 20) {
            assert!(picture.key);
        } else {
            let drawn = drawn.next().expect("no picture comes twice");
            let mark = reader
                .read(&Luma::new(&view, None).expect("whole"))
                .unwrap_or_else(|| panic!("{:?} {n} unread", film.codec));
            assert_eq!((mark.number, mark.user), (drawn.number, USER));
            assert_eq!((dts, picture.key), (drawn.dts, drawn.key));
            let place = plan::fit(drawn.upright_size(), canvas);
            let (x, y) = (place.x as usize, place.y as usize);
            // Black, with what encoders smear into it; what is drawn is brighter.
            let dark = |row: usize, column: usize| view.row(0, row)[column] < 40;
            let (right, below) = (x + place.width as usize, y + place.height as usize);
            assert!(x < 6 || (dark(canvas.1 as usize / 2, x - 5) && dark(canvas.1 as usize / 2, right + 4)));
            assert!(y < 6 || (dark(y - 5, canvas.0 as usize / 2) && dark(below + 4, canvas.0 as usize / 2)));
            let alike = drawn.size == (u32::from(entry.size().0), u32::from(entry.size().1));
            if alike && drawn.rotation == rotation && film.whole_group_is_alike(drawn) {
                assert_eq!(file.read(n, usize::MAX).expect("readable"), drawn.data, "bit for bit");
            }
        }
        dts += u64::from(picture.duration);
    }
    assert!(drawn.next().is_none(), "every picture is there");
}

/// Neither FFmpeg nor GStreamer has anything to say about the file.
fn play(path: &Path) {
    let ffmpeg =
        Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(path).args(["-f", "null", "-"]).output();
    let ffmpeg = ffmpeg.expect("ffmpeg is there");
    assert!(ffmpeg.status.success() && ffmpeg.stderr.is_empty(), "{}", String::from_utf8_lossy(&ffmpeg.stderr));
    let pipeline = format!("filesrc location={} ! qtdemux ! decodebin ! fakesink", path.display());
    // Not on every machine that builds.
    if let Ok(played) = Command::new("gst-launch-1.0").arg("-q").args(pipeline.split(' ')).output() {
        let told = String::from_utf8_lossy(&played.stderr).into_owned() + &String::from_utf8_lossy(&played.stdout);
        let fault = ["ERROR", "WARNING", "CRITICAL"].into_iter().any(|word| told.contains(word));
        assert!(played.status.success() && !fault, "{told}");
    }
}

/// Films of VP8, VP9 and AV1 may have odd sizes.
fn with_odd_sizes(codec: Codec, scenes: Vec<Scene>) -> Vec<Scene> {
    let odd = |size: (u32, u32)| (size.0 | 1, size.1 | 1);
    let may = !matches!(codec, Codec::H264 | Codec::H265);
    scenes.into_iter().map(|scene| Scene { size: if may { odd(scene.size) } else { scene.size }, ..scene }).collect()
}

#[test]
fn every_picture_is_there_once_upright_in_the_middle() {
    for codec in Codec::ALL {
        let scenes = prop::collection::vec(scene(), 1..9);
        proptest!(ProptestConfig::with_cases(8), |(scenes in scenes, upright: bool, odd: bool)| {
            let scenes = if odd { with_odd_sizes(codec, scenes) } else { scenes };
            let dir = tempfile::tempdir().expect("a folder");
            let path = dir.path().join("film.mp4");
            let film = Film::record(&path, codec, &scenes, false);
            film.finish(&path);
            let due = is_due(&path, upright);
            make(&path, upright).expect("made uniform");
            check(&path).expect("a file without faults");
            watch(&path, &film, upright);
            play(&path);
            prop_assert!(!is_due(&path, upright));
            prop_assert!(due || film.is_uniform());
        });
    }
}

#[test]
fn a_film_that_keeps_its_source_is_not_due() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("film.mp4");
    let film = Film::record(&path, Codec::H264, &[Scene::of(SIZES[0], 3), Scene::of(SIZES[1], 3)], true);
    film.finish(&path);
    assert!(!is_due(&path, false));
}

#[test]
fn a_film_that_cannot_be_decoded_stays_as_it_is() {
    // Of NAL units the length stays.
    for (codec, kept) in [(Codec::H264, 5), (Codec::Vp9, 0), (Codec::Av1, 0)] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("film.mp4");
        let scenes = [Scene::of(SIZES[0], 3), Scene::of(SIZES[1], 9), Scene::of(SIZES[0], 3)];
        let film = Film::record(&path, codec, &scenes, false);
        film.finish(&path);
        let mut bytes = std::fs::read(&path).expect("readable");
        let broken = &film.pictures[8].data;
        let at = bytes.windows(broken.len()).position(|window| window == broken).expect("it is there");
        bytes[at + kept..at + broken.len()].fill(0xff);
        std::fs::write(&path, &bytes).expect("writable");
        assert!(is_due(&path, false));
        assert!(make(&path, false).is_err(), "{codec:?}");
        film.finish(&path);
        assert!(std::fs::read(&path).expect("readable") == bytes, "not a byte is different");
    }
}
