//! Video: every codec there and back, key frames where asked, and black frames of any size.

use codec::video::{Codec, Config, Decoder, Encoder, I420, Picture, Profile};
use codec::{black, file};

/// A picture whose brightness tells `number`.
fn grey(width: u32, height: u32, number: usize) -> Vec<u8> {
    let mut data = vec![128; (width * height + 2 * width.div_ceil(2) * height.div_ceil(2)) as usize];
    data[..(width * height) as usize].fill((40 + number * 7) as u8);
    data
}

fn mean(picture: &Picture, plane: usize) -> f64 {
    let view = picture.view();
    let (width, height) = view.plane_size(plane);
    let sum: u64 = (0..height).map(|row| view.row(plane, row).iter().map(|&p| u64::from(p)).sum::<u64>()).sum();
    sum as f64 / (width * height) as f64
}

#[test]
fn every_codec_keeps_pictures_times_and_asked_key_frames() {
    for codec in Codec::ALL {
        let mut encoder = Encoder::new(&Config::live(codec, 322, 180, 25, 300_000, 100)).unwrap();
        let mut packets = Vec::new();
        for number in 0..25 {
            let data = grey(322, 180, number);
            let picture = I420::packed(&data, 322, 180).unwrap();
            packets.extend(encoder.encode(&picture, number as i64, number == 10).unwrap());
        }
        packets.extend(encoder.finish().unwrap());
        let keys: Vec<i64> = packets.iter().filter(|p| p.key).map(|p| p.pts).collect();
        assert_eq!(keys, [0, 10], "{codec:?}");
        assert_eq!(packets.len(), 25, "{codec:?}");
        for start in [0, 10] {
            let mut decoder = Decoder::new(codec, 1).unwrap();
            let mut pictures = Vec::new();
            for packet in &packets[start..] {
                pictures.extend(decoder.decode(&packet.data, packet.pts).unwrap());
            }
            pictures.extend(decoder.flush().unwrap());
            assert_eq!(pictures.len(), 25 - start, "{codec:?} from {start}");
            for (index, picture) in pictures.iter().enumerate() {
                let number = start + index;
                assert_eq!(picture.pts, Some(number as i64), "{codec:?}");
                assert_eq!((picture.view().width, picture.view().height), (322, 180));
                assert!((mean(picture, 0) - (40 + number * 7) as f64).abs() < 3.0, "{codec:?} {number}");
            }
        }
    }
}

#[test]
fn b_frames_come_in_decoding_order() {
    let mut config = Config::live(Codec::H264, 160, 90, 25, 200_000, 50);
    (config.profile, config.zero_latency, config.b_frames) = (Profile::High, false, 2);
    let mut encoder = Encoder::new(&config).unwrap();
    let mut packets = Vec::new();
    for number in 0..20 {
        let data = grey(160, 90, number);
        packets.extend(encoder.encode(&I420::packed(&data, 160, 90).unwrap(), number as i64, false).unwrap());
    }
    packets.extend(encoder.finish().unwrap());
    assert!(packets.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(packets.windows(2).any(|pair| pair[0].pts > pair[1].pts), "B-frames were used");
    let mut pts: Vec<i64> = packets.iter().map(|p| p.pts).collect();
    pts.sort_unstable();
    assert_eq!(pts, (0..20).collect::<Vec<_>>());
}

#[test]
fn garbage_does_not_stop_a_decoder() {
    for codec in Codec::ALL {
        let mut encoder = Encoder::new(&Config::live(codec, 160, 90, 25, 300_000, 100)).unwrap();
        let data = grey(160, 90, 3);
        let picture = I420::packed(&data, 160, 90).unwrap();
        let packet = encoder.encode(&picture, 0, true).unwrap().pop().unwrap();
        let mut decoder = Decoder::new(codec, 1).unwrap();
        for length in 0..200_usize {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 151 + length * 37) as u8).collect();
            let _ = decoder.decode(&bytes, 0);
            let _ = decoder.decode(&packet.data[..packet.data.len().min(length)], 0);
        }
        let mut pictures = decoder.decode(&packet.data, 7).unwrap();
        pictures.extend(decoder.flush().unwrap());
        assert_eq!(pictures.last().unwrap().pts, Some(7), "{codec:?}");
    }
}

#[test]
fn wrong_sizes_are_refused() {
    assert!(Encoder::new(&Config::live(Codec::H264, 321, 180, 25, 300_000, 25)).is_err());
    assert!(Encoder::new(&Config::live(Codec::Vp8, 320, 180, 0, 300_000, 25)).is_err());
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 320, 180, 25, 300_000, 25)).unwrap();
    let data = grey(322, 180, 0);
    assert!(encoder.encode(&I420::packed(&data, 322, 180).unwrap(), 0, false).is_err());
    let mut short = I420::packed(&data, 320, 180).unwrap();
    short.planes[0] = &short.planes[0][..100];
    assert!(encoder.encode(&short, 0, false).is_err());
    assert!(black::h264_key_frame(0, 2).is_err() && black::h264_key_frame(2, 4098).is_err());
}

/// Units of a sample with lengths of 4 bytes, as Annex B.
fn annex_b(sample: &[u8]) -> Vec<u8> {
    let (mut rest, mut out) = (sample, Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (unit, next) = tail.split_at(u32::from_be_bytes(*length) as usize);
        out.extend([0, 0, 0, 1]);
        out.extend_from_slice(unit);
        rest = next;
    }
    out
}

#[test]
fn black_frames_of_every_shape_decode_to_black() {
    let sides = [2, 4, 14, 16, 18, 90, 180, 360, 426, 640, 720, 1080, 1280, 1920, 4096];
    for (width, height) in sides.into_iter().flat_map(|w| sides.map(|h| (w, h))) {
        let frame = black::h264_key_frame(width, height).unwrap();
        let mut decoder = Decoder::new(Codec::H264, 1).unwrap();
        let mut pictures = decoder.decode(&annex_b(&frame.sample), 5).unwrap();
        pictures.extend(decoder.flush().unwrap());
        assert_eq!(pictures.len(), 1, "{width}x{height}");
        let picture = &pictures[0];
        let view = picture.view();
        assert!(!picture.damaged);
        assert_eq!((view.width, view.height), (width, height));
        for (plane, level) in [(0, 16), (1, 128), (2, 128)] {
            let (_, rows) = view.plane_size(plane);
            assert!((0..rows).all(|row| view.row(plane, row).iter().all(|&p| p == level)), "{width}x{height} {plane}");
        }
    }
}

#[test]
fn a_black_frame_holds_its_own_parameter_sets() {
    let frame = black::h264_key_frame(1279, 719).unwrap();
    let units = annex_b(&frame.sample);
    assert_eq!(frame.sps[0] & 31, 7);
    assert_eq!(frame.pps[0] & 31, 8);
    assert!(units.windows(frame.sps.len()).any(|w| w == &frame.sps[..]));
    assert!(units.windows(frame.pps.len()).any(|w| w == &frame.pps[..]));
    let mut decoder = Decoder::new(Codec::H264, 1).unwrap();
    let mut pictures = decoder.decode(&units, 0).unwrap();
    pictures.extend(decoder.flush().unwrap());
    assert_eq!((pictures[0].view().width, pictures[0].view().height), (1280, 720), "odd sides are rounded up");
}

#[test]
fn black_between_pictures_of_a_camera_leaves_both_intact() {
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 320, 180, 25, 300_000, 5)).unwrap();
    let black = annex_b(&black::h264_key_frame(320, 180).unwrap().sample);
    let mut decoder = Decoder::new(Codec::H264, 1).unwrap();
    let mut pictures = Vec::new();
    for number in 0..10 {
        let data = grey(320, 180, number);
        if number == 5 {
            for _ in 0..3 {
                pictures.extend(decoder.decode(&black, 0).unwrap());
            }
        }
        for packet in encoder.encode(&I420::packed(&data, 320, 180).unwrap(), number as i64, false).unwrap() {
            pictures.extend(decoder.decode(&packet.data, packet.pts).unwrap());
        }
    }
    pictures.extend(decoder.flush().unwrap());
    let levels: Vec<i64> = pictures.iter().map(|p| mean(p, 0).round() as i64).collect();
    let wanted = [40, 47, 54, 61, 68, 16, 16, 16, 75, 82, 89, 96, 103];
    assert!(levels.len() == 13 && levels.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 3), "{levels:?}");
}

#[test]
fn a_file_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a:b.mp4");
    std::fs::write(&path, b"no media at all").unwrap();
    assert!(file::Reader::open(&path).is_err());
    assert!(file::Reader::open(&folder.path().join("absent")).is_err());
}

#[test]
fn black_frames_of_other_codecs_stand_between_pictures_of_a_camera() {
    for codec in [Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1] {
        for (width, height) in [(320, 180), (213, 121), (2, 2), (1920, 1080)] {
            let black = black::key_frame(codec, width, height).unwrap();
            let (width, height) = match codec {
                Codec::H265 => (width.next_multiple_of(2).max(16), height.next_multiple_of(2).max(16)),
                _ => (width, height),
            };
            let mut decoder = Decoder::new(codec, 1).unwrap();
            let mut camera = Encoder::new(&Config::live(codec, 320, 180, 25, 300_000, 1_000)).unwrap();
            let data = grey(320, 180, 4);
            let mut sent = camera.encode(&I420::packed(&data, 320, 180).unwrap(), 0, true).unwrap();
            let first = sent.remove(0).data;
            let pictures: Vec<_> =
                [&first, &black, &black, &first].iter().flat_map(|data| decoder.decode(data, 0).unwrap()).collect();
            let seen: Vec<_> = pictures.iter().map(|p| (p.view().width, p.view().height, p.damaged)).collect();
            let (sent, filler) = ((320, 180, false), (width, height, false));
            assert_eq!(seen, [sent, filler, filler, sent], "{codec:?}");
            let levels = [0, 1, 2].map(|plane| mean(&pictures[1], plane));
            let off = levels.iter().zip([16.0, 128.0, 128.0]).map(|(level, wanted)| (level - wanted).abs());
            assert!(off.fold(0.0, f64::max) < 1.0, "{codec:?} {width}x{height}: {levels:?}");
            assert!((mean(&pictures[3], 0) - 68.0).abs() < 4.0, "{codec:?}");
        }
    }
    assert!(black::key_frame(Codec::H264, 64, 48).is_err());
}
