//! Encoders of recordings, fed from a canvas, and decoding of what rooms deliver.

use codec::black;
use codec::video::{Canvas, Codec, Config, Decoder, Encoder, Packet, Rect};

/// Draws picture `number`: its brightness tells which it is, and a bar moves.
fn paint(canvas: &mut Canvas, number: usize) {
    let (width, height) = (canvas.width(), canvas.height());
    canvas.fill(Rect::sized(width, height), [(40 + number * 3) as u8, 100, 150]);
    canvas.fill(Rect { x: (number * 2) as i32, y: 0, width: 16, height }, [220, 128, 128]);
}

fn corner(picture: &codec::video::Picture) -> u8 {
    let view = picture.view();
    view.row(0, view.height as usize - 1)[view.width as usize - 1]
}

/// Annex B to lengths.
fn sized(data: &[u8]) -> Vec<u8> {
    let starts: Vec<usize> = (0..data.len()).filter(|&at| data[at..].starts_with(&[0, 0, 1])).collect();
    let mut out = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(data.len(), |&next| next - usize::from(data[next - 1] == 0));
        let unit = &data[start + 3..end];
        out.extend((unit.len() as u32).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

fn units(packet: &Packet, codec: Codec) -> Vec<u8> {
    let starts = packet.data.windows(4).filter(|bytes| bytes.starts_with(&[0, 0, 1]));
    starts.map(|bytes| if codec == Codec::H265 { bytes[3] >> 1 & 0x3f } else { bytes[3] & 0x1f }).collect()
}

#[test]
fn every_picture_of_a_recording_comes_out_at_once_and_right() {
    for codec in [Codec::H264, Codec::H265] {
        let mut encoder = Encoder::new(&Config::recording(codec, 320, 180, 25, 500_000, 25)).unwrap();
        let mut canvas = Canvas::new(320, 180).unwrap();
        let memory = canvas.view().planes.map(<[u8]>::as_ptr);
        let mut decoder = Decoder::new(codec, 1).unwrap();
        let mut shown = Vec::new();
        for number in 0..60 {
            paint(&mut canvas, number);
            let packets = encoder.encode_canvas(&mut canvas, number as i64, number == 40).unwrap();
            assert_eq!(packets.len(), 1, "{codec:?} {number}");
            let packet = &packets[0];
            assert_eq!((packet.pts, packet.dts), (number as i64, number as i64));
            assert_eq!(packet.key, [0, 25, 40].contains(&number), "{codec:?} {number}");
            let sets: &[u8] = if codec == Codec::H264 { &[7, 8] } else { &[32, 33, 34] };
            let found = units(packet, codec);
            assert!(!packet.key || sets.iter().all(|set| found.contains(set)), "{codec:?} {number} {found:?}");
            if codec == Codec::H264 && packet.key {
                let sps =
                    packet.data.windows(4).position(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 31 == 7).unwrap();
                assert_eq!(packet.data[sps + 4], 100, "high profile");
                assert_eq!(found.iter().filter(|&&kind| kind == 5).count(), 1, "one slice");
            }
            shown.extend(decoder.decode(&packet.data, packet.pts).unwrap());
        }
        shown.extend(decoder.flush().unwrap());
        assert_eq!(canvas.view().planes.map(<[u8]>::as_ptr), memory, "{codec:?}: nothing was copied");
        assert!(encoder.finish().unwrap().is_empty(), "{codec:?}");
        assert_eq!(shown.len(), 60, "{codec:?}");
        for (number, picture) in shown.iter().enumerate() {
            assert_eq!(picture.pts, Some(number as i64), "{codec:?}");
            assert!(corner(picture).abs_diff((40 + number * 3) as u8) <= 3, "{codec:?} {number}: {}", corner(picture));
        }
    }
}

#[test]
fn an_encoder_that_keeps_a_canvas_leaves_another_to_draw_on() {
    let config =
        Config { zero_latency: false, b_frames: 2, ..Config::recording(Codec::H264, 160, 90, 25, 300_000, 50) };
    let mut encoder = Encoder::new(&config).unwrap();
    let mut canvas = Canvas::new(160, 90).unwrap();
    let mut packets = Vec::new();
    for number in 0..30 {
        paint(&mut canvas, number);
        packets.extend(encoder.encode_canvas(&mut canvas, number as i64, false).unwrap());
    }
    packets.extend(encoder.finish().unwrap());
    let mut decoder = Decoder::new(Codec::H264, 1).unwrap();
    let mut shown: Vec<_> =
        packets.iter().flat_map(|packet| decoder.decode(&packet.data, packet.pts).unwrap()).collect();
    shown.extend(decoder.flush().unwrap());
    assert_eq!(shown.len(), 30);
    for picture in &shown {
        let number = picture.pts.unwrap() as usize;
        assert!(corner(picture).abs_diff((40 + number * 3) as u8) <= 4, "{number}: {}", corner(picture));
    }
}

#[test]
fn threads_delay_pictures_of_a_recording_instead_of_slicing_them() {
    for sliced in [false, true] {
        let config = Config::recording(Codec::H264, 320, 180, 25, 500_000, 25);
        let mut encoder = Encoder::new(&Config { threads: 2, sliced_threads: sliced, ..config }).unwrap();
        let mut canvas = Canvas::new(320, 180).unwrap();
        let first = encoder.encode_canvas(&mut canvas, 0, false).unwrap();
        let second = encoder.encode_canvas(&mut canvas, 1, false).unwrap();
        let rest = encoder.finish().unwrap();
        assert_eq!([first.len(), second.len(), rest.len()], if sliced { [1, 1, 0] } else { [0, 1, 1] });
        let packet = first.iter().chain(&second).next().unwrap();
        let slices = units(packet, Codec::H264).iter().filter(|&&kind| kind == 5).count();
        assert_eq!(slices, if sliced { 2 } else { 1 });
    }
}

#[test]
fn the_bit_rate_of_noise_is_the_one_asked_for() {
    for codec in [Codec::H264, Codec::H265] {
        let mut encoder = Encoder::new(&Config::recording(codec, 320, 180, 25, 400_000, 50)).unwrap();
        let mut canvas = Canvas::new(320, 180).unwrap();
        let (mut bytes, mut state) = (0, 1_u32);
        for number in 0..150 {
            for cell in 0..32 * 18 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let rect = Rect { x: cell % 32 * 10, y: cell / 32 * 10, width: 10, height: 10 };
                canvas.fill(rect, [(state >> 24) as u8 / 2 + 60, 128, 128]);
            }
            let packets = encoder.encode_canvas(&mut canvas, number, false).unwrap();
            bytes += packets.iter().map(|packet| packet.data.len()).sum::<usize>();
        }
        let rate = bytes * 8 / 6;
        assert!((280_000..560_000).contains(&rate), "{codec:?}: {rate} bit/s");
    }
}

#[test]
fn encoders_that_cannot_be_had_are_errors_that_say_so() {
    let open = |codec, name: &str| {
        let config = Config::recording(codec, 320, 180, 25, 500_000, 25);
        Encoder::new(&Config { encoder: Some(name.into()), ..config }).err().map(|error| error.to_string())
    };
    assert_eq!(open(Codec::H264, "h264_magic").unwrap(), "this FFmpeg has no h264_magic");
    assert_eq!(open(Codec::H264, "a\0b").unwrap(), "this FFmpeg has no a?b");
    assert_eq!(open(Codec::H264, "libx265").unwrap(), "libx265 is no encoder of h264");
    assert_eq!(open(Codec::H264, "libx264"), None);
    assert_eq!(open(Codec::H265, "libx265"), None);
    // Here neither the hardware nor, perhaps, the encoder: an error either way, or it works.
    for name in ["h264_nvenc", "h264_vaapi", "h264_qsv"] {
        println!("{name}: {:?}", open(Codec::H264, name));
    }
    let mut encoder = Encoder::new(&Config::recording(Codec::H264, 320, 180, 25, 500_000, 25)).unwrap();
    assert!(encoder.encode_canvas(&mut Canvas::new(320, 182).unwrap(), 0, false).is_err());
}

#[test]
fn samples_with_lengths_decode_across_new_parameter_sets() {
    for codec in [Codec::H264, Codec::H265] {
        let mut decoder = Decoder::new(codec, 1).unwrap();
        let mut shown = Vec::new();
        for (turn, (width, height)) in [(320, 180), (640, 360), (160, 90)].into_iter().enumerate() {
            let mut encoder = Encoder::new(&Config::recording(codec, width, height, 25, 500_000, 25)).unwrap();
            let mut canvas = Canvas::new(width, height).unwrap();
            for number in 0..10 {
                paint(&mut canvas, number);
                let packet = encoder.encode_canvas(&mut canvas, number as i64, false).unwrap().remove(0);
                shown.extend(decoder.decode_sized(&sized(&packet.data), (turn * 10 + number) as i64).unwrap());
            }
        }
        shown.extend(decoder.flush().unwrap());
        assert_eq!(shown.len(), 30, "{codec:?}");
        for (index, picture) in shown.iter().enumerate() {
            assert_eq!((picture.pts, picture.damaged), (Some(index as i64), false), "{codec:?}");
            assert_eq!(picture.view().width, [320, 640, 160][index / 10], "{codec:?} {index}");
            assert!(corner(picture).abs_diff((40 + index % 10 * 3) as u8) <= 3, "{codec:?} {index}");
        }
    }
}

#[test]
fn lengths_that_do_not_add_up_are_an_error_of_their_sample() {
    let sample = black::h264_key_frame(320, 180).unwrap().sample;
    let mut decoder = Decoder::new(Codec::H264, 1).unwrap();
    assert!(decoder.decode_sized(&sample[..sample.len() - 1], 0).is_err());
    assert!(decoder.decode_sized(&[0, 0, 0], 0).is_err());
    assert!(decoder.decode_sized(&[0xff; 40], 0).is_err());
    let _ = decoder.decode_sized(&[], 0);
    let _ = decoder.decode_sized(&[0, 0, 0, 0, 0, 0, 0, 0], 0);
    let mut shown = decoder.decode_sized(&sample, 7).unwrap();
    shown.extend(decoder.flush().unwrap());
    assert_eq!(shown.last().unwrap().pts, Some(7));
}

#[test]
fn encoders_by_name_get_their_pictures_as_hardware_wants_them() {
    let encode = |encoder: Option<&str>| {
        let config = Config::recording(Codec::H264, 320, 180, 25, 500_000, 25);
        let mut encoder = Encoder::new(&Config { encoder: encoder.map(str::to_owned), ..config }).unwrap();
        let mut canvas = Canvas::new(320, 180).unwrap();
        let mut packets: Vec<Packet> = Vec::new();
        for number in 0..10 {
            paint(&mut canvas, number);
            packets.extend(encoder.encode_canvas(&mut canvas, number as i64, false).unwrap());
        }
        packets.into_iter().map(|packet| packet.data).collect::<Vec<_>>()
    };
    // The same encoder, once as I420 and once as NV12: bit by bit the same.
    assert_eq!(encode(None), encode(Some("libx264")));
}

#[test]
fn encoders_that_cannot_be_used_say_why() {
    let open = |name: &str, codec| {
        let config = Config::recording(codec, 320, 180, 25, 500_000, 25);
        Encoder::new(&Config { encoder: Some(name.into()), ..config }).err().map(|error| error.to_string())
    };
    let why = |name, codec| open(name, codec).unwrap_or_else(|| panic!("{name} was opened"));
    assert!(why("no_such_encoder", Codec::H264).contains("no_such_encoder"));
    assert!(why("libx265", Codec::H264).contains("libx265 is no encoder of"));
    assert!(why("h264_vaapi", Codec::H264).contains("h264_vaapi takes no I420 or NV12"));
}
