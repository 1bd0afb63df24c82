//! What mixes have of their own: H.265, pictures that stand still without being marked, other rates of sound.

use bytes::Bytes;
use codec::aac;
use codec::video::{Codec, Config, Encoder};
use media::bitstream::annex_b;
use media::mp4::{Anchor, FinishOptions, Sample, SampleEntry, Writer};
use rules::request::FileFormat::{self, Aac, Flv, Hls, M4a, Mp3, Mp4, Ogg, Wav, Webm};
use rules::select::Source;
use rules::time::Wall;
use synth::draw::Painter;

use super::studio::{EPOCH_NS, decodes, probe, samples};
use crate::derive::{Following, playlist};
use crate::disk::BlackAndSilence;
use crate::messages::FileName;
use crate::names;

const FPS: u64 = 25;

/// Four seconds of pictures; from the third on one stands still up to the eighth, as while nobody is in the room.
fn pictures(writer: &mut Writer) {
    let mut encoder = Encoder::new(&Config::recording(Codec::H265, 320, 180, 25, 300_000, 50)).expect("x265");
    let mut painter = Painter::new(320, 180, 3, "mix");
    let mut track = None;
    for frame in (0..3 * FPS).chain(8 * FPS..9 * FPS) {
        let drawn = painter.draw(frame as u32, false);
        for packet in encoder.encode(&drawn, frame as i64, frame == 8 * FPS).expect("encoded") {
            let track = *track.get_or_insert_with(|| {
                let entry = SampleEntry::h265_of(&packet.data).expect("parameter sets");
                writer.add_track(entry).expect("a track")
            });
            let data = Bytes::from(annex_b::to_lengths(&packet.data));
            let (dts, after_still) = (frame * 3_600, frame == 8 * FPS);
            let sample = Sample { entry: 0, dts, duration: 3_600, key: packet.key, after_still, data };
            writer.push(track, sample).expect("in order");
        }
        if frame % 10 == 9 {
            writer.flush().expect("the disk takes it");
        }
    }
}

/// A beep in each second, at 44.1 kHz.
fn sound(writer: &mut Writer) {
    let mut encoder = aac::Encoder::new(44_100, 2, 128_000).expect("an encoder");
    let track = writer.add_track(SampleEntry::aac(2, 44_100, &encoder.config()).expect("a rate")).expect("a track");
    let voice = |n: usize| if n % 44_100 < 2_646 { (n as f32 * 0.15).sin() * 0.25 } else { 0.0 };
    let mut packets = Vec::new();
    for first in (0..9 * 44_100).step_by(1024) {
        let block: Vec<f32> = (first..first + 1024).flat_map(|n| [voice(n); 2]).collect();
        packets.extend(encoder.encode(&block).expect("encoded"));
    }
    packets.extend(encoder.finish().expect("encoded"));
    for (n, data) in (0..).zip(packets) {
        let sample = Sample { entry: 0, dts: n * 1024, duration: 1024, key: true, after_still: false, data };
        writer.push(track, sample).expect("in order");
    }
}

#[test]
fn a_mix_of_h265_at_another_rate() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = FileName { source: Source::Mix, sequence: 0 };
    let master = names::path(dir.path(), &name);
    let formats = [Mp4, Hls, Flv, Webm, Mp3, Aac, M4a, Ogg, Wav];
    let mut following = Following::default();
    following.add(dir.path(), &formats).expect("noted");
    let mut writer = Writer::create(&master, Anchor { epoch_ns: EPOCH_NS, note: Vec::new() }).expect("a file");
    sound(&mut writer);
    pictures(&mut writer);
    writer.flush().expect("the disk takes it");
    following.follow(Wall(EPOCH_NS + 9_000_000_000));
    drop(writer);
    let finished = media::mp4::finish(&master, &FinishOptions::default(), &BlackAndSilence).expect("finished");
    let facts = crate::disk::described(name.clone(), &finished);
    let mut made = following.complete(dir.path(), &facts, false).expect("made");
    assert_eq!(made.failed, ["no FLV was made: FLV takes no pictures of h265"]);
    let late = made.late.expect("a WEBM is to be made");
    assert_eq!(late.make(dir.path(), &name, Ok(false), &mut made.files), None);
    let path = |format: FileFormat| names::derived(dir.path(), &name, format);
    let text = std::fs::read_to_string(path(Hls)).expect("a playlist");
    assert_eq!(playlist::read(&text), (2, true), "cut where the pictures go on after 6 s: {text}");
    decodes(&path(Hls));
    let folder = names::segments(dir.path(), &name);
    let counts = ["00000.ts", "00001.ts"].map(|name| probe(&folder.join(name)).video.expect("pictures").pictures);
    assert_eq!(counts, [3 * FPS, FPS]);
    let wanted = samples(&master).len();
    for format in [Mp3, Aac, M4a, Wav] {
        decodes(&path(format));
        assert_eq!(samples(&path(format)).len(), wanted, "{format:?}");
    }
    for format in [Ogg, Webm] {
        decodes(&path(format));
        let (heard, rate) = (samples(&path(format)), 48_000);
        assert_eq!(heard.len(), wanted * 480 / 441, "{format:?}");
        for second in 1..9 {
            let loud = (second * rate - 2_400..).find(|n| heard[*n].abs() > 0.1).expect("a beep");
            assert!(loud.abs_diff(second * rate) < 144, "{format:?}: beep {second} at {loud}");
        }
    }
    // The picture of the third second stands still up to the eighth.
    let video = probe(&path(Webm)).video.expect("pictures");
    assert_eq!((video.pictures, video.damaged, video.black.len()), (4 * FPS, 0, 0));
}
