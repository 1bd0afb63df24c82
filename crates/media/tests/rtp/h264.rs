//! H.264: slices survive bit for bit, losses cost what they must and no more.

use std::sync::Arc;

use media::bitstream::h264::{Sps, nal, nal_type};
use media::depacketize::{DropReason, Output};
use media::packet::{EncodedFrame, RtpPacket, VideoCodec, VideoConfig};

use crate::fixtures::{BASELINE, HIGH, access_units};
use crate::{STEP, frames, lose_each_packet, packetize, receive};

const MTUS: [usize; 3] = [60, 300, 1_200];

pub fn packets(file: &[u8], mtu: usize) -> Vec<RtpPacket> {
    packetize::stream(access_units(file).iter().map(|nals| packetize::h264(nals, mtu)))
}

fn is(kinds: &'static [u8]) -> impl Fn(&&Vec<u8>) -> bool {
    move |nal| kinds.contains(&nal_type(nal[0]))
}

fn with_lengths<'a>(nals: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    nals.into_iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes(), &nal[..]].concat()).collect()
}

/// The sample an access unit should become.
fn sample(nals: &[Vec<u8>]) -> Vec<u8> {
    const SETS: &[u8] = &[nal::SPS, nal::PPS];
    const NOT_KEPT: &[u8] = &[nal::SPS, nal::PPS, nal::ACCESS_UNIT_DELIMITER, nal::FILLER];
    with_lengths(nals.iter().filter(is(SETS)).chain(nals.iter().filter(|nal| !is(NOT_KEPT)(nal))))
}

fn without_sets(nals: &[Vec<u8>]) -> Vec<Vec<u8>> {
    nals.iter().filter(|nal| !is(&[nal::SPS, nal::PPS])(nal)).cloned().collect()
}

fn check_whole(file: &[u8], frames: &[EncodedFrame], markers: bool) {
    let units = access_units(file);
    assert_eq!((units.len(), frames.len()), (24, 24));
    let first = frames[0].config.clone().expect("the first is a key frame");
    for (i, (unit, frame)) in units.iter().zip(frames).enumerate() {
        assert_eq!(frame.rtp_time, i as u64 * STEP);
        assert!(frame.data == sample(unit), "picture {i}, markers {markers}");
        assert_eq!(frame.key, unit.iter().any(|nal| nal_type(nal[0]) == nal::IDR_SLICE));
        assert_eq!(frame.config.as_ref().map(Arc::as_ptr), frame.key.then_some(Arc::as_ptr(&first)));
        assert!(!frame.after_loss);
    }
    assert_eq!(first.dimensions(), (192, 108));
}

#[test]
fn pictures_come_out_bit_for_bit() {
    for file in [BASELINE, HIGH] {
        for mtu in MTUS {
            let mut packets = packets(file, mtu);
            check_whole(file, &frames(receive(VideoCodec::H264, packets.clone())), true);
            packets.iter_mut().for_each(|packet| packet.marker = false);
            check_whole(file, &frames(receive(VideoCodec::H264, packets.clone())), false);
            // In blocks of seven, each turned round.
            let mut shuffled: Vec<RtpPacket> = vec![packets.remove(0)];
            packets.chunks(7).for_each(|block| shuffled.extend(block.iter().rev().cloned()));
            check_whole(file, &frames(receive(VideoCodec::H264, shuffled)), false);
        }
    }
}

#[test]
fn arrival_is_the_earliest_packet_and_rotation_lasts() {
    let mut packets = packets(BASELINE, 300);
    let last_of_first = packets.iter().position(|packet| packet.marker).expect("there are markers");
    packets[last_of_first].rotation = Some(90);
    packets[1].arrival_ns = -5;
    let frames = frames(receive(VideoCodec::H264, packets));
    assert_eq!(frames[0].arrival_ns, -5);
    assert_eq!(frames[1].arrival_ns, 1_000 + last_of_first as i64 + 1);
    assert!(frames.iter().all(|frame| frame.rotation == Some(90)));
}

#[test]
fn parameter_sets_tell_size_and_profile() {
    let config = |file| {
        let first = frames(receive(VideoCodec::H264, packets(file, 1_200))).remove(0);
        match first.config.as_deref() {
            Some(VideoConfig::H264(config)) => config.clone(),
            other => panic!("{other:?}"),
        }
    };
    let (baseline, high) = (config(BASELINE), config(HIGH));
    assert_eq!((baseline.profile, baseline.level, baseline.reorder_frames), (66, 11, Some(0)));
    assert_eq!((high.profile, high.level, high.reorder_frames), (100, 12, Some(2)));
    assert_eq!((high.width, high.height, high.chroma_format, high.bit_depth_luma), (192, 108, 1, 8));
    let sps = Sps::parse(&high.sps).expect("an encoder made it");
    assert_eq!((sps.frame_rate, sps.frame_mbs_only), (Some((30, 1)), true));
}

#[test]
fn any_one_packet_lost_costs_one_picture() {
    const NEEDED: &[u8] = &[nal::SPS, nal::PPS, nal::SLICE, nal::IDR_SLICE, nal::FILLER];
    for file in [BASELINE, HIGH] {
        for mtu in [300, 1_200] {
            let units = access_units(file);
            // No picture refers to one with `nal_ref_idc` 0.
            let disposable = |frame: &EncodedFrame| {
                let unit = &units[(frame.rtp_time / STEP) as usize];
                unit.iter().filter(is(&[nal::SLICE])).any(|nal| nal[0] & 0x60 == 0)
            };
            // Delimiters and SEI in a packet of their own would be missed by nobody.
            let needed = |nals: &Vec<Vec<u8>>| -> Vec<Vec<u8>> { nals.iter().filter(is(NEEDED)).cloned().collect() };
            let packets = packetize::stream(units.iter().map(|nals| packetize::h264(&needed(nals), mtu)));
            lose_each_packet(VideoCodec::H264, &packets, disposable);
        }
    }
}

#[test]
fn an_incomplete_picture_is_reported_with_its_reason() {
    let mut packets = packets(BASELINE, 300);
    let second = packets.iter().position(|packet| packet.rtp_time == STEP).expect("there is a second picture");
    packets.remove(second + 1);
    let dropped: Vec<Output> = receive(VideoCodec::H264, packets)
        .into_iter()
        .filter(|output| matches!(output, Output::Dropped { .. }))
        .collect();
    assert_eq!(dropped, [Output::Dropped { rtp_time: STEP, reason: DropReason::Incomplete }]);
}

#[test]
fn lost_padding_is_no_loss() {
    let mut packets = with_padding(BASELINE);
    check_whole(BASELINE, &frames(receive(VideoCodec::H264, packets.clone())), true);
    packets.retain(|packet| !packet.payload.is_empty());
    check_whole(BASELINE, &frames(receive(VideoCodec::H264, packets)), true);
}

/// Padding behind each picture but key frames: behind these it might be another key frame that is missing.
fn with_padding(file: &[u8]) -> Vec<RtpPacket> {
    let whole = frames(receive(VideoCodec::H264, packets(file, 300)));
    let is_key = |time: u64| whole.iter().any(|frame| frame.rtp_time == time && frame.key);
    let mut padded = Vec::new();
    for packet in packets(file, 300) {
        let padding = RtpPacket { payload: Arc::new([]), ..packet.clone() };
        let wanted = packet.marker && !is_key(packet.rtp_time);
        padded.push(packet);
        padded.extend(wanted.then_some(padding));
    }
    (1_000..).zip(&mut padded).for_each(|(seq, packet)| packet.seq = seq);
    padded
}

#[test]
fn sets_sent_once_are_put_before_every_key_frame() {
    let units = access_units(BASELINE);
    let sets: Vec<Vec<u8>> = units[0].iter().filter(is(&[nal::SPS, nal::PPS])).cloned().collect();
    let first = vec![packetize::h264(&sets, 1_200)];
    let rest = units.iter().map(|unit| packetize::h264(&without_sets(unit), 300));
    let packets = packetize::stream(first.into_iter().chain(rest));
    // Lost packets in between do not call in question sets that never came with a key frame.
    let (second, third) = (8 * STEP, 9 * STEP);
    let thinned = packets.iter().filter(|packet| packet.rtp_time != second).cloned();
    for (got, missing) in
        [(receive(VideoCodec::H264, packets.clone()), None), (receive(VideoCodec::H264, thinned), Some(7))]
    {
        let frames = frames(got);
        let mut expected: Vec<Vec<u8>> = units.iter().map(|unit| sample(unit)).collect();
        missing.map(|index| expected.remove(index));
        assert!(frames.iter().map(|frame| &frame.data).eq(&expected));
        let key = frames.iter().find(|frame| frame.rtp_time == third).expect("the second key frame came");
        assert!(key.key && !key.after_loss);
    }
}

#[test]
fn a_key_frame_without_any_sets_is_dropped() {
    let units = access_units(BASELINE);
    let packets = packetize::stream(units[..8].iter().map(|unit| packetize::h264(&without_sets(unit), 300)));
    let got = receive(VideoCodec::H264, packets);
    assert_eq!(got[0], Output::Dropped { rtp_time: 0, reason: DropReason::NoParameterSets });
    assert!(frames(got).iter().all(|frame| !frame.key && frame.after_loss));
}

#[test]
fn a_key_frame_whose_sets_were_lost_is_dropped() {
    let mut packets = packets(BASELINE, 60);
    let key = packets.iter().position(|packet| packet.rtp_time == 8 * STEP).expect("there is a second key frame");
    let removed = packets.remove(key);
    assert_eq!(nal_type(removed.payload[3]), nal::SPS, "sets travel in an aggregate of their own");
    let got = receive(VideoCodec::H264, packets);
    assert!(got.contains(&Output::Dropped { rtp_time: 8 * STEP, reason: DropReason::Incomplete }));
    let after: Vec<bool> = frames(got).iter().map(|frame| frame.after_loss).collect();
    assert_eq!(after[..8], [false; 8]);
    assert_eq!(after[8..15], [true; 7]);
    assert!(after[15..].iter().all(|after| !after));
}

#[test]
fn another_encoder_takes_over_within_the_stream() {
    let units: Vec<_> = access_units(BASELINE).into_iter().chain(access_units(HIGH)).collect();
    let frames = frames(receive(VideoCodec::H264, packetize::stream(units.iter().map(|u| packetize::h264(u, 300)))));
    assert!(frames.iter().map(|frame| frame.data.clone()).eq(units.iter().map(|unit| sample(unit))));
    let (first, second) = (frames[0].config.as_ref().expect("key"), frames[24].config.as_ref().expect("key"));
    assert_ne!(first, second);
    assert!(frames.iter().all(|frame| !frame.after_loss));
}

#[test]
fn after_a_restart_of_the_sender_only_a_key_frame_helps() {
    let mut packets = packets(BASELINE, 300);
    for packet in packets.iter_mut().filter(|packet| packet.rtp_time >= 4 * STEP) {
        packet.seq += 40_000;
        packet.rtp_time += 1 << 33;
    }
    let got = frames(receive(VideoCodec::H264, packets));
    assert_eq!(got.len(), 24);
    let after: Vec<usize> = (0..24).filter(|&i| got[i].after_loss).collect();
    assert_eq!(after, [4, 5, 6, 7]);
}
