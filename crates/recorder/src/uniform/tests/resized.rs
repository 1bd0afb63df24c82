//! Pictures of VP9 and AV1 that change their size without a key frame, from real encoders.

use codec::video::{Canvas, Draw, Rect, Scaler};
use media::bitstream::{av1, vp9};
use media::depacketize::{Depacketizer, Output};
use media::mp4::{self, Anchor, FinishOptions, Writer};
use media::packet::{EncodedFrame, RtpPacket, VideoCodec};
use media::rtp::reorder::Item;
use rules::time::Mono;

use super::*;
use crate::disk::BlackAndSilence;
use crate::unit::Picture;
use crate::video::{VideoLane, sample_entry};

const VP9_LAYERS: &[u8] = include_bytes!("../../../../media/tests/fixtures/vp9_layers.ivf");
const AV1_RESIZED: &[u8] = include_bytes!("../../../../media/tests/fixtures/av1_resized.ivf");
/// Ticks of the clock of pictures between two of them.
const STEP: u64 = 3_000;

/// The frames of an IVF file.
fn ivf(mut file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    file = &file[32..];
    while let Some((length, rest)) = file.split_first_chunk() {
        let (frame, rest) = rest[8..].split_at(u32::from_le_bytes(*length) as usize);
        frames.push(frame);
        file = rest;
    }
    frames
}

/// Pictures as they come out of the depacketizer, of the payloads of each.
fn received(codec: VideoCodec, pictures: &[Vec<Vec<u8>>]) -> Vec<EncodedFrame> {
    let mut depacketizer = Depacketizer::new(codec);
    let (mut seq, mut frames) = (0, Vec::new());
    for (n, payloads) in pictures.iter().enumerate() {
        for (i, payload) in payloads.iter().enumerate() {
            seq += 1;
            depacketizer.handle(Item::Packet(RtpPacket {
                seq,
                rtp_time: n as u64 * STEP,
                marker: i + 1 == payloads.len(),
                payload: payload.clone().into(),
                arrival_ns: 0,
                rotation: None,
            }));
            while let Some(Output::Frame(frame)) = depacketizer.poll() {
                frames.push(frame);
            }
        }
    }
    assert_eq!(frames.len(), pictures.len());
    frames
}

/// What a browser sent in two layers, of which the server left out the upper one for some pictures.
fn layers() -> Vec<EncodedFrame> {
    let picture = |(n, superframe): (usize, &&[u8])| -> Vec<Vec<u8>> {
        let layers = vp9::frames(superframe).into_iter().take(if (3..6).contains(&n) { 1 } else { 2 }).enumerate();
        // One packet each: a layer that begins and ends, its number, and whether it uses the lower one.
        layers.map(|(layer, frame)| [&[0x2c, (layer as u8) << 1 | layer as u8, 0], frame].concat()).collect()
    };
    received(VideoCodec::Vp9, &ivf(VP9_LAYERS).iter().enumerate().map(picture).collect::<Vec<_>>())
}

/// Frames of libaom, almost each of another size.
fn resized() -> Vec<EncodedFrame> {
    let picture = |unit: &&[u8]| {
        let (sample, _) = av1::to_sample(unit).expect("a temporal unit");
        let mut payload = vec![0];
        let mut rest = &sample[..];
        while !rest.is_empty() {
            let header = av1::ObuHeader::parse(rest).expect("an OBU");
            let (size, skip) = av1::leb128(&rest[header.len..]).expect("its size");
            let (obu, after) = rest.split_at(header.len + skip + size as usize);
            av1::write_leb128(obu.len(), &mut payload);
            payload.extend_from_slice(obu);
            rest = after;
        }
        vec![payload]
    };
    received(VideoCodec::Av1, &ivf(AV1_RESIZED).iter().map(picture).collect::<Vec<_>>())
}

/// Writes and finishes a file as a recorder does.
fn record(path: &Path, frames: &[EncodedFrame]) {
    let config = frames[0].config.as_deref().expect("a key frame");
    let mut writer = Writer::create(path, Anchor::default()).expect("a file");
    let entry = sample_entry(config, 0).expect("an entry");
    let codec = entry.codec();
    let mut lane = VideoLane::new(writer.add_track(entry).expect("a track"), codec, 0);
    for (n, frame) in frames.iter().enumerate() {
        let picture = Picture {
            at: Mono(0),
            arrival: Mono(0),
            data: frame.data.clone().into(),
            key: frame.key,
            after_loss: frame.after_loss,
            missing_before: None,
            config: frame.config.clone(),
            rotation: 0,
        };
        lane.push((n as u64 * STEP) as i64, &picture, &mut writer).expect("taken");
    }
    lane.finish(Some((frames.len() as u64 * STEP) as i64), &mut writer).expect("written");
    writer.flush().expect("written");
    drop(writer);
    mp4::finish(path, &FinishOptions::default(), &BlackAndSilence).expect("finished");
}

/// How far the luma of two pictures is apart, on average.
fn difference(a: &video::I420<'_>, b: &video::I420<'_>) -> f64 {
    let rows = (0..a.height as usize).map(|row| {
        let pairs = a.row(0, row).iter().zip(b.row(0, row));
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    });
    rows.sum::<u64>() as f64 / f64::from(a.width * a.height)
}

#[test]
fn a_group_in_which_the_size_changes_is_encoded_anew_as_a_whole() {
    for (codec, frames, canvas) in [(Codec::Vp9, layers(), (640, 360)), (Codec::Av1, resized(), (192, 108))] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("film.mp4");
        record(&path, &frames);
        play(&path);
        assert!(is_due(&path, false), "{codec:?}");
        make(&path, false).expect("made uniform");
        check(&path).expect("a file without faults");
        play(&path);
        assert!(!is_due(&path, false), "{codec:?}");
        let file = Replacing::open(&path).expect("readable").expect("pictures");
        let (mut before, mut after) = [(); 2].map(|()| Decoder::new(codec, 1).expect("a decoder")).into();
        let mut scaler = Scaler::new();
        for (n, frame) in frames.iter().enumerate() {
            let was = decode(&mut before, codec, &frame.data);
            let mut wanted = Canvas::new(canvas.0, canvas.1).expect("a canvas");
            let whole = Draw::whole(&was.view(), Rect::sized(canvas.0, canvas.1));
            wanted.draw(&mut scaler, &was.view(), &whole).expect("drawn");
            let is = decode(&mut after, codec, &file.read(n, usize::MAX).expect("readable"));
            assert_eq!((is.view().width, is.view().height), canvas, "{codec:?} {n}");
            let apart = difference(&wanted.view(), &is.view());
            assert!(apart < 3.0, "{codec:?} {n}: {apart}");
            assert_eq!(file.pictures()[n].key, n == 0);
        }
    }
}
