//! Muxers: what goes in comes out again, at its time.

use std::path::Path;

use codec::file::{Event, Reader};
use codec::mux::{Codec, Format, Muxer, Packet, Shape, Stream};
use codec::video::{self, Config, Encoder, I420};
use codec::{aac, mp3, opus, packets};

/// Sound of as many samples, silent but for a click every half second.
fn clicks(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| if n % 24_000 == 12_000 { 0.9 } else { 0.0 }).collect()
}

/// All the sound of a file, and where it clicks.
fn heard(path: &Path) -> (usize, Vec<usize>) {
    let sound: Vec<f32> = Reader::open(path)
        .expect("a media file")
        .flat_map(|event| match event {
            Event::Sound(sound) => sound.samples,
            Event::Broken(error) => panic!("{error}"),
            Event::Picture(_) => Vec::new(),
        })
        .collect();
    let loudest = |half: &[f32]| (0..half.len()).max_by(|a, b| half[*a].abs().total_cmp(&half[*b].abs())).unwrap_or(0);
    let halves = sound.chunks_exact(24_000).enumerate();
    (sound.len(), halves.map(|(n, half)| n * 24_000 + loudest(half)).collect())
}

#[test]
fn mp3_is_as_long_as_the_sound_and_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clicks.mp3");
    let mut encoder = mp3::Encoder::new(48_000, 1, 64_000).expect("LAME");
    let padding = encoder.padding();
    let shape = Shape { rate: 48_000, channels: 1, padding: padding as u32, bitrate: 64_000, ..Shape::default() };
    let stream = Stream { codec: Codec::Mp3, timescale: 48_000, shape };
    let mut muxer = Muxer::create(Format::Mp3, &path, &[stream]).expect("a muxer");
    let sound = clicks(100_000);
    let mut frames = Vec::new();
    sound.chunks(mp3::FRAME).for_each(|block| frames.extend(encoder.encode(block).expect("encoded")));
    frames.extend(encoder.finish().expect("encoded"));
    let last = frames.len() - 1;
    for (n, data) in frames.iter().enumerate() {
        let pts = (n * mp3::FRAME) as i64 - padding as i64;
        let skip = if n == 0 { padding as u32 } else { 0 };
        let trim = if n == last { ((n + 1) * mp3::FRAME - padding - sound.len()) as u32 } else { 0 };
        let duration = mp3::FRAME as i64;
        let packet = Packet { pts, dts: pts, duration, key: true, data, skip, trim, ..Packet::default() };
        muxer.write(&packet).expect("written");
    }
    muxer.finish().expect("written");
    let contents = packets::read(&path).expect("a media file");
    assert_eq!((contents.format.as_str(), contents.broken), ("mp3", None));
    let [track] = &contents.tracks[..] else { panic!("one track") };
    assert_eq!((track.track.codec.as_str(), track.is_video, track.count), ("mp3", false, frames.len() as u64));
    let [(from, to)] = track.spans[..] else { panic!("without a hole: {:?}", track.spans) };
    assert!(from == 0 && (to - sound.len() as i64 * 1_000_000_000 / 48_000).abs() < 50_000_000, "{to}");
    let (samples, found) = heard(&path);
    assert_eq!(samples, sound.len());
    for (n, at) in found.iter().enumerate() {
        assert!(at.abs_diff(n * 24_000 + 12_000) < 48, "click {n} at {at}");
    }
}

#[test]
fn wav_is_bit_for_bit_and_a_full_disk_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clicks.wav");
    let shape = Shape { rate: 48_000, channels: 1, ..Shape::default() };
    let stream = Stream { codec: Codec::Pcm, timescale: 48_000, shape };
    let data: Vec<u8> = clicks(60_000).iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect();
    let mut muxer = Muxer::create(Format::Wav, &path, std::slice::from_ref(&stream)).expect("a muxer");
    muxer.write(&Packet { key: true, data: &data, ..Packet::default() }).expect("written");
    muxer.finish().expect("written");
    assert!(std::fs::read(&path).expect("there").ends_with(&data));
    assert_eq!(heard(&path), (60_000, vec![12_000, 36_000]));
    assert!(Muxer::create(Format::Wav, &dir.path().join("no/folder.wav"), std::slice::from_ref(&stream)).is_err());
    let mut full = Muxer::create(Format::Wav, Path::new("/dev/full"), &[stream]).expect("a muxer");
    let written = full.write(&Packet { key: true, data: &data, ..Packet::default() });
    assert!(written.and_then(|()| full.finish().map(|_| ())).is_err());
}

/// The packets of a transport stream: number of their stream, and their counter where they carry something.
fn counters(stream: &[u8]) -> Vec<(u16, u8)> {
    assert!(stream.len().is_multiple_of(188));
    let packets = stream.chunks_exact(188).inspect(|packet| assert_eq!(packet[0], 0x47));
    let carrying = packets.filter(|packet| packet[3] & 0x10 != 0);
    carrying.map(|packet| (u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff, packet[3] & 0xf)).collect()
}

#[test]
fn segments_of_a_transport_stream_begin_with_its_tables_and_count_on() {
    let shape = Shape { rate: 48_000, channels: 2, ..Shape::default() };
    let sound = Stream { codec: Codec::Opus, timescale: 90_000, shape };
    let picture = Stream { codec: Codec::H264, timescale: 90_000, shape: Shape::default() };
    let mut muxer = Muxer::in_memory(Format::MpegTs, &[sound, picture]).expect("a muxer");
    let mut encoder = Encoder::new(&Config::live(video::Codec::H264, 64, 48, 25, 100_000, 25)).expect("x264");
    let mut opus = opus::Encoder::new(2, 64_000).expect("Opus");
    let grey = vec![128; 64 * 48 * 3 / 2];
    let mut segments = Vec::new();
    for n in 0..75 {
        if n > 0 && n % 25 == 0 {
            segments.push(muxer.take().expect("taken"));
        }
        let picture = I420::packed(&grey, 64, 48).expect("a picture");
        for packet in encoder.encode(&picture, n, n % 25 == 0).expect("encoded") {
            let at = packet.pts * 3_600;
            let coded =
                Packet { stream: 1, pts: at, dts: at, key: packet.key, data: &packet.data, ..Packet::default() };
            muxer.write(&coded).expect("written");
        }
        for half in 0..2 {
            let data = &opus.encode(&[0.1; 1920]).expect("encoded")[..];
            let at = n * 3_600 + half * 1_800;
            muxer
                .write(&Packet { pts: at, dts: at, duration: 1_800, key: true, data, ..Packet::default() })
                .expect("written");
        }
    }
    segments.push(muxer.take().expect("taken"));
    assert!(muxer.finish().expect("ended").is_empty());
    assert_eq!(segments.len(), 3);
    let mut last = std::collections::BTreeMap::new();
    for segment in &segments {
        let all = counters(segment);
        let tables: Vec<u16> = all.iter().map(|(stream, _)| *stream).filter(|stream| *stream != 17).take(2).collect();
        assert_eq!(tables, [0, 4096]);
        for (stream, counter) in all {
            if let Some(before) = last.insert(stream, counter) {
                assert_eq!(counter, (before + 1) & 0xf, "of {stream}");
            }
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("second.ts");
    std::fs::write(&path, &segments[1]).expect("written");
    let pictures = Reader::open(&path).expect("plays alone").filter(|event| matches!(event, Event::Picture(_)));
    assert_eq!(pictures.count(), 25);
}

#[test]
fn webm_takes_pictures_and_opus() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("both.webm");
    let mut opus = opus::Encoder::new(1, 32_000).expect("Opus");
    let head = [&b"OpusHead\x01\x01"[..], &312u16.to_le_bytes(), &48_000u32.to_le_bytes(), &[0, 0, 0]].concat();
    let picture = Shape { width: 64, height: 48, ..Shape::default() };
    let sound = Shape { extradata: head, rate: 48_000, channels: 1, padding: 312, ..Shape::default() };
    let streams = [(Codec::Vp8, picture), (Codec::Opus, sound)];
    let streams = streams.map(|(codec, shape)| Stream { codec, timescale: 48_000, shape });
    let mut muxer = Muxer::create(Format::Webm, &path, &streams).expect("a muxer");
    let mut encoder = Encoder::new(&Config::live(video::Codec::Vp8, 64, 48, 25, 100_000, 25)).expect("libvpx");
    let grey = vec![128; 64 * 48 * 3 / 2];
    for n in 0..50 {
        let picture = I420::packed(&grey, 64, 48).expect("a picture");
        for packet in encoder.encode(&picture, n, false).expect("encoded") {
            let at = packet.pts * 1_920;
            muxer
                .write(&Packet { pts: at, dts: at, key: packet.key, data: &packet.data, ..Packet::default() })
                .expect("written");
        }
        for half in 0..2 {
            let data = &opus.encode(&[0.1; 960]).expect("encoded")[..];
            let at = n * 1_920 + half * 960;
            muxer
                .write(&Packet { stream: 1, pts: at, dts: at, key: true, data, ..Packet::default() })
                .expect("written");
        }
    }
    muxer.finish().expect("written");
    let events: Vec<Event> = Reader::open(&path).expect("a media file").collect();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Picture(_))).count(), 50);
    assert!(!events.iter().any(|event| matches!(event, Event::Broken(_))));
}

#[test]
fn aac_is_decoded_a_frame_late_and_anew_after_a_reset() {
    let mut encoder = aac::Encoder::new(48_000, 1, 96_000).expect("an encoder");
    let config = encoder.config();
    let sound = clicks(48 * 1024);
    let mut packets = Vec::new();
    sound.chunks_exact(1024).for_each(|block| packets.extend(encoder.encode(block).expect("encoded")));
    packets.extend(encoder.finish().expect("encoded"));
    let mut decoder = aac::Decoder::new(&config, 1).expect("a decoder");
    for _ in 0..2 {
        let mut out = Vec::new();
        packets.iter().for_each(|packet| decoder.decode(packet, &mut out).expect("decoded"));
        assert_eq!(out.len(), 49 * 1024);
        let loudest = (0..24_000).max_by(|a, b| out[1024 + a].abs().total_cmp(&out[1024 + b].abs()));
        assert!(loudest.is_some_and(|at| at.abs_diff(12_000) < 48), "{loudest:?}");
        decoder.reset();
    }
    assert!(decoder.decode(&[1, 2, 3], &mut Vec::new()).is_err());
}
