//! Whatever is lost, and whenever what is held back is passed on: a picture that seems whole comes behind the one it
//! refers to, in every codec.

use media::depacketize::{Depacketizer, Output};
use media::packet::{EncodedFrame, RtpPacket, VideoCodec};
use media::rtp::reorder::{Reorder, ReorderConfig};
use proptest::prelude::*;

use crate::fixtures::{BASELINE, SLICES, access_units};
use crate::{STEP, av1, frames, h264, h265, packetize, vpx};

/// The stream a few times behind itself, so that there are key frames to lose.
fn repeated(packets: Vec<RtpPacket>, times: u64) -> Vec<RtpPacket> {
    let count = packets.len() as u64;
    let duration = packets[packets.len() - 1].rtp_time + STEP;
    let moved = |packet: &RtpPacket, n: u64| RtpPacket {
        seq: packet.seq + n * count,
        rtp_time: packet.rtp_time + n * duration,
        ..packet.clone()
    };
    (0..times).flat_map(|n| packets.iter().map(move |packet| moved(packet, n))).collect()
}

/// All pictures of these refer to the one before, but for key frames.
fn streams(mtu: usize) -> [(VideoCodec, Vec<RtpPacket>); 5] {
    [
        (VideoCodec::H264, repeated(h264::packets(BASELINE, mtu), 4)),
        (VideoCodec::H265, repeated(h265::packets(SLICES, mtu), 2)),
        (VideoCodec::Vp8, vpx::vp8_packets(mtu)),
        (VideoCodec::Vp9, vpx::vp9_packets(mtu)),
        (VideoCodec::Av1, repeated(av1::packets(true, mtu), 2)),
    ]
}

/// Passes the packets on, and behind some of them all that is held back.
fn receive(codec: VideoCodec, packets: &[RtpPacket], lost: &[bool], flushes: &[usize]) -> Vec<EncodedFrame> {
    let mut reorder = Reorder::new(ReorderConfig::default());
    let mut depacketizer = Depacketizer::new(codec);
    let mut out: Vec<Output> = Vec::new();
    for (at, packet) in packets.iter().enumerate() {
        if !lost[at] {
            reorder.handle_packet(packet.clone(), 0);
        }
        if flushes.contains(&at) || at + 1 == packets.len() {
            reorder.flush();
        }
        while let Some(item) = reorder.poll() {
            depacketizer.handle(item);
            out.extend(std::iter::from_fn(|| depacketizer.poll()));
        }
    }
    depacketizer.flush();
    out.extend(std::iter::from_fn(|| depacketizer.poll()));
    frames(out)
}

fn assert_none_is_damaged(codec: VideoCodec, got: &[EncodedFrame]) {
    let mut before: Option<u64> = None;
    for frame in got {
        if !frame.after_loss && !frame.key {
            let referred = frame.rtp_time - STEP;
            assert_eq!(before, Some(referred), "{codec:?}: the picture at {} seems whole", frame.rtp_time);
        }
        before = (!frame.after_loss).then_some(frame.rtp_time);
    }
}

proptest! {
    #[test]
    fn no_picture_is_passed_on_as_whole_whose_reference_is_missing(
        mtu in prop::sample::select(vec![100usize, 300, 1_200]),
        bursts in prop::collection::vec((0..1_000usize, 1..24usize), 0..6),
        flushes in prop::collection::vec(0..1_000usize, 0..4),
    ) {
        for (codec, packets) in streams(mtu) {
            let mut lost = vec![false; packets.len()];
            for (from, count) in &bursts {
                let from = from * packets.len() / 1_000;
                lost.iter_mut().skip(from).take(*count).for_each(|lost| *lost = true);
            }
            let flushes: Vec<usize> = flushes.iter().map(|at| at * packets.len() / 1_000).collect();
            assert_none_is_damaged(codec, &receive(codec, &packets, &lost, &flushes));
        }
    }
}

/// H.264 counts from 0 again with each key frame. Behind a lost one may come the very number that would have followed.
#[test]
fn a_key_frame_of_h264_is_missed_though_the_numbers_go_on() {
    let units = access_units(BASELINE);
    // A key frame, another, and the first picture behind that, which has number 1.
    let short = packetize::stream([0, 8, 9].map(|unit| packetize::h264(&units[unit], 300)));
    let of_key = short.iter().filter(|packet| packet.rtp_time == STEP).map(|packet| vec![packet.seq]);
    for lost in of_key.chain([short.iter().filter(|packet| packet.rtp_time == STEP).map(|packet| packet.seq).collect()])
    {
        let lost: Vec<bool> = short.iter().map(|packet| lost.contains(&packet.seq)).collect();
        let got = receive(VideoCodec::H264, &short, &lost, &[]);
        assert_eq!(got.last().map(|frame| (frame.rtp_time, frame.after_loss)), Some((2 * STEP, true)));
    }
    // All between a key frame and that picture.
    let packets = packetize::stream(units.iter().map(|nals| packetize::h264(nals, 1_200)));
    let lost: Vec<bool> = packets.iter().map(|packet| (1..=8).contains(&(packet.rtp_time / STEP))).collect();
    let got = receive(VideoCodec::H264, &packets, &lost, &[]);
    assert_eq!((got[1].rtp_time, got[1].after_loss), (9 * STEP, true));
}
