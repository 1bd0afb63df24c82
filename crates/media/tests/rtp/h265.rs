//! H.265: slices survive bit for bit, losses cost what they must and no more.

use std::sync::Arc;

use media::bitstream::h265::{is_key_slice, nal, nal_type};
use media::depacketize::{DropReason, Output};
use media::mp4::SampleEntry;
use media::packet::{EncodedFrame, RtpPacket, VideoCodec, VideoConfig};

use crate::fixtures::{OPEN_GROUPS, SLICES, h265_units};
use crate::{STEP, frames, lose_each_packet, packetize, receive};

const MTUS: [usize; 3] = [60, 300, 1_200];
const SETS: &[u8] = &[nal::VPS, nal::SPS, nal::PPS];

pub fn packets(file: &[u8], mtu: usize) -> Vec<RtpPacket> {
    packetize::stream(h265_units(file).iter().map(|nals| packetize::h265(nals, mtu)))
}

fn is(nal: &[u8], kinds: &[u8]) -> bool {
    kinds.contains(&nal_type(nal[0]))
}

/// The sample an access unit should become.
fn sample(nals: &[Vec<u8>]) -> Vec<u8> {
    let kept = nals.iter().filter(|nal| !is(nal, &[nal::ACCESS_UNIT_DELIMITER]));
    kept.flat_map(|nal| [&(nal.len() as u32).to_be_bytes(), &nal[..]].concat()).collect()
}

fn is_key(nals: &[Vec<u8>]) -> bool {
    nals.iter().any(|nal| is_key_slice(nal_type(nal[0])))
}

fn without_sets(nals: &[Vec<u8>]) -> Vec<Vec<u8>> {
    nals.iter().filter(|nal| !is(nal, SETS)).cloned().collect()
}

fn check_whole(frames: &[EncodedFrame], times: bool) {
    let units = h265_units(SLICES);
    assert_eq!((units.len(), frames.len()), (24, 24));
    let first = frames[0].config.clone().expect("the first is a key frame");
    for (i, (unit, frame)) in units.iter().zip(frames).enumerate() {
        assert!(!times || frame.rtp_time == i as u64 * STEP);
        assert!(frame.data == sample(unit), "picture {i}");
        assert_eq!(frame.key, is_key(unit));
        assert_eq!(frame.config.as_ref().map(Arc::as_ptr), frame.key.then_some(Arc::as_ptr(&first)));
        assert!(!frame.after_loss);
    }
    assert_eq!(first.dimensions(), (192, 108));
}

#[test]
fn pictures_of_several_slices_come_out_bit_for_bit() {
    for mtu in MTUS {
        let mut packets = packets(SLICES, mtu);
        check_whole(&frames(receive(VideoCodec::H265, packets.clone())), true);
        packets.iter_mut().for_each(|packet| packet.marker = false);
        check_whole(&frames(receive(VideoCodec::H265, packets.clone())), true);
        // In blocks of seven, each turned round.
        let mut shuffled: Vec<RtpPacket> = vec![packets.remove(0)];
        packets.chunks(7).for_each(|block| shuffled.extend(block.iter().rev().cloned()));
        check_whole(&frames(receive(VideoCodec::H265, shuffled)), true);
    }
}

#[test]
fn parameter_sets_become_a_sample_entry() {
    let first = frames(receive(VideoCodec::H265, packets(SLICES, 1_200))).remove(0);
    let Some(VideoConfig::H265(config)) = first.config.as_deref() else { panic!("{:?}", first.config) };
    let entry = SampleEntry::h265(std::slice::from_ref(&config.vps), std::slice::from_ref(&config.sps), &config.pps);
    let entry = entry.expect("an encoder made them");
    assert_eq!(entry.size(), (192, 108));
    // `hvcC`: version 1; main profile of the main tier with its compatibility flags; level 2.
    let hvcc = entry.config();
    assert_eq!((&hvcc[..6], hvcc[12]), (&[1, 1, 0x60, 0, 0, 0][..], 60));
    for set in [&config.vps, &config.sps, &config.pps[0]] {
        assert!(hvcc.windows(set.len()).any(|window| window == &set[..]));
    }
}

#[test]
fn any_one_packet_lost_costs_one_picture_and_waits_for_the_next_key_frame() {
    for mtu in [300, 1_200] {
        // Delimiters and SEI in a packet of their own would be missed by nobody.
        let needed = |nals: &Vec<Vec<u8>>| -> Vec<Vec<u8>> {
            nals.iter().filter(|nal| nal_type(nal[0]) < nal::ACCESS_UNIT_DELIMITER).cloned().collect()
        };
        let units = h265_units(SLICES);
        let packets = packetize::stream(units.iter().map(|nals| packetize::h265(&needed(nals), mtu)));
        lose_each_packet(VideoCodec::H265, &packets, |_| false);
    }
}

#[test]
fn without_its_first_slice_a_picture_is_dropped() {
    // One slice per packet: only the bit in its header tells that the second is not the first.
    let units: Vec<_> = h265_units(SLICES).iter().map(|unit| packetize::h265(unit, 16 << 10)).collect();
    let single = |unit: &Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        unit.iter().filter(|nal| !is(nal, &[nal::ACCESS_UNIT_DELIMITER])).cloned().collect()
    };
    assert_eq!(units[0].len(), 1, "all in one aggregate");
    let mut packets = packetize::stream(h265_units(SLICES).iter().map(single));
    let second = packets.iter().position(|packet| packet.rtp_time == 3 * STEP).expect("there is a fourth picture");
    packets.remove(second);
    let got = receive(VideoCodec::H265, packets);
    assert!(got.contains(&Output::Dropped { rtp_time: 3 * STEP, reason: DropReason::Incomplete }));
    let after: Vec<bool> = frames(got).iter().map(|frame| frame.after_loss).collect();
    assert_eq!(after, (0..23).map(|n| (3..11).contains(&n)).collect::<Vec<_>>());
}

#[test]
fn sets_sent_once_are_put_before_every_key_frame() {
    let units = h265_units(SLICES);
    let sets: Vec<Vec<u8>> = units[0].iter().filter(|nal| is(nal, SETS)).cloned().collect();
    let first = vec![packetize::h265(&sets, 1_200)];
    let rest = units.iter().map(|unit| packetize::h265(&without_sets(unit), 300));
    let got = frames(receive(VideoCodec::H265, packetize::stream(first.into_iter().chain(rest))));
    check_whole(&got, false);
}

#[test]
fn a_key_frame_without_its_sets_is_dropped() {
    let units = h265_units(SLICES);
    let packets = packetize::stream(units[..8].iter().map(|unit| packetize::h265(&without_sets(unit), 300)));
    let got = receive(VideoCodec::H265, packets);
    assert_eq!(got[0], Output::Dropped { rtp_time: 0, reason: DropReason::NoParameterSets });
    assert!(frames(got).iter().all(|frame| !frame.key && frame.after_loss));
    // They were there, and are lost the second time.
    let mut packets = self::packets(SLICES, 100);
    let key = packets.iter().position(|packet| packet.rtp_time == 12 * STEP).expect("there is a second key frame");
    assert_eq!(nal_type(packets[key].payload[0]), 48, "sets travel in an aggregate of their own");
    packets.remove(key);
    let got = receive(VideoCodec::H265, packets);
    assert!(got.contains(&Output::Dropped { rtp_time: 12 * STEP, reason: DropReason::Incomplete }));
}

#[test]
fn pictures_that_need_what_lies_before_a_key_frame_are_left_out() {
    let units = h265_units(OPEN_GROUPS);
    let leading = |unit: &Vec<Vec<u8>>| unit.iter().any(|nal| is(nal, &[nal::RASL_N, nal::RASL_R]));
    assert_eq!(units.iter().filter(|unit| leading(unit)).count(), 2);
    let expected: Vec<_> = units.iter().filter(|unit| !leading(unit)).map(|unit| sample(unit)).collect();
    let got = frames(receive(VideoCodec::H265, packets(OPEN_GROUPS, 300)));
    assert!(got.iter().map(|frame| &frame.data).eq(&expected));
    assert_eq!(got.iter().filter(|frame| frame.key).count(), 2);
    assert!(got.iter().all(|frame| !frame.after_loss));
}

#[test]
fn layers_above_the_base_and_other_modes_are_not_taken() {
    let mut units = h265_units(SLICES);
    for unit in &mut units {
        // A slice of layer 1 behind the picture, as scalable streams have it.
        unit.push(vec![0x02, 1 << 3 | 1, 0x80, 7, 7]);
    }
    let stream = packetize::stream(units.iter().map(|unit| packetize::h265(unit, 300)));
    check_whole(&frames(receive(VideoCodec::H265, stream)), true);
    let paci = packetize::stream([vec![vec![50 << 1, 1, 0, 0, 0]]]);
    let dropped = Output::Dropped { rtp_time: 0, reason: DropReason::Malformed };
    assert_eq!(receive(VideoCodec::H265, paci), [dropped]);
}

#[test]
fn another_encoder_takes_over_within_the_stream() {
    let units: Vec<_> = h265_units(SLICES).into_iter().chain(h265_units(OPEN_GROUPS).into_iter().take(6)).collect();
    let got = frames(receive(VideoCodec::H265, packetize::stream(units.iter().map(|u| packetize::h265(u, 300)))));
    assert!(got.iter().map(|frame| frame.data.clone()).eq(units.iter().map(|unit| sample(unit))));
    let sizes: Vec<_> = got.iter().filter_map(|frame| Some(frame.config.as_ref()?.dimensions())).collect();
    assert_eq!(sizes, [(192, 108), (192, 108), (64, 64)]);
    assert!(got.iter().all(|frame| !frame.after_loss));
}
