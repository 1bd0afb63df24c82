//! Pictures through a transcoder.

use codec::video::Canvas;

use super::*;
use crate::messages::Anew;

fn target(codec: Codec) -> Target {
    Target { codec, rates: Anew::default() }
}

/// Coded pictures of one size, captured every 40 ms from `from` (ms) on; the first one is a key frame.
fn coded(codec: Codec, (width, height): (u32, u32), from: i64, count: i64) -> Vec<Picture> {
    let mut encoder = Encoder::new(&Config::live(codec, width, height, 25, 400_000, 1_000)).expect("an encoder");
    let mut canvas = Canvas::new(width, height).expect("a canvas");
    let config = Arc::new(VideoConfig::Vp8 { width: width as u16, height: height as u16 });
    let picture = |n: i64| {
        canvas.fill(codec::video::Rect::sized(width, height), [40 + n as u8, 100, 150]);
        let packet = encoder.encode_canvas(&mut canvas, n, n == 0).expect("encoded").remove(0);
        Picture {
            at: Mono((from + n * 40) * MILLI_NS),
            arrival: Mono((from + n * 40) * MILLI_NS),
            data: packet.data,
            key: packet.key,
            after_loss: false,
            missing_before: None,
            config: packet.key.then(|| config.clone()),
            rotation: 0,
        }
    };
    (0..count).map(picture).collect()
}

fn through(transcoding: &mut Transcoding, pictures: &[Picture]) -> Vec<Picture> {
    pictures.iter().filter_map(|picture| transcoding.push(picture, 0).expect("transcoded")).collect()
}

#[test]
fn every_picture_comes_out_at_its_time_with_its_content() {
    let pictures = coded(Codec::Vp8, (320, 180), 0, 50);
    for codec in [Codec::H264, Codec::Vp8] {
        content_stays(&pictures, codec);
    }
}

fn content_stays(pictures: &[Picture], codec: Codec) {
    let mut transcoding = Transcoding::new(target(codec), 1_000);
    let done = through(&mut transcoding, pictures);
    let times = |pictures: &[Picture]| pictures.iter().map(|picture| picture.at).collect::<Vec<_>>();
    assert_eq!(times(&done), times(pictures));
    let keys: Vec<usize> = (0..50).filter(|n| done[*n].key).collect();
    assert_eq!(keys, [0, 25]);
    assert!(done.iter().all(|picture| picture.config.is_some() == picture.key));
    let mut decoder = PictureDecoder::default();
    for (n, picture) in done.iter().enumerate() {
        let shown = decoder.decode(picture).expect("decoded");
        let luma = shown.view().row(0, 90)[160];
        assert!(luma.abs_diff(40 + n as u8) <= 4, "{codec:?} {n}: {luma}");
    }
}

#[test]
fn the_rates_asked_for_are_kept() {
    let pictures = coded(Codec::Vp8, (320, 180), 0, 100);
    let bytes = |fps, bitrate| {
        let rates = Anew { fps, bitrate: Some(bitrate) };
        let mut transcoding = Transcoding::new(Target { codec: Codec::H264, rates }, 10_000);
        let done = through(&mut transcoding, &pictures);
        (done.len(), done.iter().map(|picture| picture.data.len()).sum::<usize>())
    };
    assert_eq!(bytes(Some(60), 100_000).0, 100);
    let (count, _) = bytes(Some(10), 100_000);
    assert!((38..=42).contains(&count), "{count} in 4 s");
    assert!(bytes(None, 20_000).1 < bytes(None, 2_000_000).1);
}

#[test]
fn a_new_size_begins_with_a_key_frame_of_that_size() {
    let mut transcoding = Transcoding::new(target(Codec::H264), 10_000);
    let mut done = through(&mut transcoding, &coded(Codec::Vp8, (320, 180), 0, 10));
    done.extend(through(&mut transcoding, &coded(Codec::Vp8, (160, 90), 400, 10)));
    assert_eq!(done.len(), 20);
    let sizes: Vec<_> = done.iter().filter_map(|p| p.config.as_ref().map(|config| config.dimensions())).collect();
    assert_eq!(sizes, [(320, 180), (160, 90)]);
}

#[test]
fn after_a_loss_nothing_comes_up_to_the_next_key_frame() {
    let pictures = coded(Codec::Vp8, (320, 180), 0, 20);
    let mut transcoding = Transcoding::new(target(Codec::H264), 10_000);
    assert!(transcoding.decoder.needs_key_frame());
    assert_eq!(through(&mut transcoding, &pictures[..10]).len(), 10);
    assert!(transcoding.push(&pictures[12], 2).expect("left out").is_none());
    assert!(transcoding.decoder.needs_key_frame());
    assert_eq!(through(&mut transcoding, &pictures[13..]).len(), 0);
    assert_eq!(through(&mut transcoding, &coded(Codec::Vp8, (320, 180), 800, 3)).len(), 3);
}

#[test]
fn the_thread_gives_everything_that_was_pushed() {
    let mut transcoder = Transcoder::start(target(Codec::H264), 10_000).expect("a thread");
    let pictures = coded(Codec::Vp8, (160, 90), 0, 60);
    let mut done = Vec::new();
    for picture in pictures {
        transcoder.push(picture);
        done.extend(transcoder.done());
    }
    done.extend(transcoder.rest());
    assert_eq!(done.len(), 60);
    assert!(!transcoder.needs_key_frame());
}
