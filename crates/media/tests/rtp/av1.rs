//! AV1: temporal units survive whole, without their delimiters.

use media::bitstream::av1::{ObuHeader, obu};
use media::depacketize::{DropReason, Output};
use media::mp4;
use media::packet::{RtpPacket, VideoCodec, VideoConfig};
use media::sizes::Sizes;

use crate::fixtures::{AV1, AV1_RESIZED, ivf};
use crate::{STEP, frames, lose_each_packet, packetize, receive};

pub fn packets(counted: bool, mtu: usize) -> Vec<RtpPacket> {
    packetize::stream(ivf(AV1).iter().map(|unit| packetize::av1(unit, counted, mtu)))
}

fn without_delimiter(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[obu::TEMPORAL_DELIMITER << 3 | 2, 0]).expect("each unit has one")
}

#[test]
fn temporal_units_come_out_whole() {
    for counted in [false, true] {
        for mtu in [40, 300, 1_200] {
            let got = frames(receive(VideoCodec::Av1, packets(counted, mtu)));
            let source = ivf(AV1);
            assert!(got.iter().map(|frame| &frame.data[..]).eq(source.iter().map(|unit| without_delimiter(unit))));
            let keys: Vec<u64> = got.iter().filter(|frame| frame.key).map(|frame| frame.rtp_time / STEP).collect();
            assert_eq!(keys, [0, 12]);
            assert!(got.iter().all(|frame| !frame.after_loss));
        }
    }
}

#[test]
fn the_sequence_header_tells_size_and_format() {
    let got = frames(receive(VideoCodec::Av1, packets(true, 1_200)));
    let Some(VideoConfig::Av1(config)) = got[0].config.as_deref() else { panic!("{:?}", got[0].config) };
    assert_eq!((config.width, config.height, config.profile, config.bit_depth), (192, 108, 0, 8));
    assert_eq!((config.subsampling_x, config.subsampling_y, config.monochrome), (true, true, false));
    assert!(got[0].data.starts_with(&config.sequence_header));
}

#[test]
fn frames_change_their_size_without_a_key_frame() {
    // As an independent decoder has them.
    let wanted = [
        (128, 72),
        (102, 58),
        (140, 79),
        (118, 66),
        (128, 72),
        (102, 58),
        (140, 79),
        (118, 66),
        (192, 108),
        (128, 72),
        (128, 72),
        (154, 86),
    ];
    let source = ivf(AV1_RESIZED);
    let packets = packetize::stream(source.iter().map(|unit| packetize::av1(unit, true, 300)));
    let got = frames(receive(VideoCodec::Av1, packets));
    assert!(got.iter().enumerate().all(|(n, frame)| frame.key == (n == 0)));
    let mut sizes = Sizes::new(mp4::Codec::Av1);
    assert_eq!(got.iter().map(|frame| sizes.follow(&frame.data)).collect::<Vec<_>>(), wanted.map(Some));
    let told: Vec<_> = got.iter().map(|frame| frame.config.as_deref().map(VideoConfig::dimensions)).collect();
    let mut changes = wanted.map(Some);
    changes[10] = None;
    assert_eq!(told, changes, "told where it is another one than before");
    let header = |n: usize| match got[n].config.as_deref() {
        Some(VideoConfig::Av1(config)) => config.sequence_header.clone(),
        other => panic!("{other:?}"),
    };
    assert!(header(0) == header(1) && got[0].data.starts_with(&header(0)) && !got[1].data.starts_with(&header(0)));
}

#[test]
fn any_one_packet_lost_costs_one_picture() {
    lose_each_packet(VideoCodec::Av1, &packets(true, 300), |_| false);
}

/// The stream with each temporal unit in packets of one OBU at most.
fn one_obu_per_packet(keep: impl Fn(usize, u8) -> bool) -> Vec<RtpPacket> {
    packetize::stream(ivf(AV1).iter().enumerate().map(|(i, unit)| {
        let kind = |obu: &Vec<u8>| ObuHeader::parse(obu).expect("the fixture is valid").kind;
        let kept = packetize::obus(unit).into_iter().filter(|obu| kind(obu) != obu::TEMPORAL_DELIMITER);
        kept.filter(|obu| keep(i, kind(obu))).map(|obu| [&[0x10], &obu[..]].concat()).collect()
    }))
}

#[test]
fn a_sequence_header_sent_once_is_put_before_every_key_frame() {
    let whole = frames(receive(VideoCodec::Av1, packets(true, 1_200)));
    let packets = one_obu_per_packet(|unit, kind| unit == 0 || kind != obu::SEQUENCE_HEADER);
    assert!(frames(receive(VideoCodec::Av1, packets)).iter().map(|f| &f.data).eq(whole.iter().map(|f| &f.data)));
}

#[test]
fn a_key_frame_whose_sequence_header_was_lost_is_dropped() {
    let mut packets = one_obu_per_packet(|_, _| true);
    let key = packets.iter().position(|packet| packet.rtp_time == 12 * STEP).expect("there is a second key frame");
    packets.remove(key);
    let dropped = Output::Dropped { rtp_time: 12 * STEP, reason: DropReason::Incomplete };
    assert!(receive(VideoCodec::Av1, packets).contains(&dropped));
}

#[test]
fn a_key_frame_without_any_sequence_header_is_dropped() {
    let packets = one_obu_per_packet(|_, kind| kind != obu::SEQUENCE_HEADER);
    let got = receive(VideoCodec::Av1, packets);
    assert_eq!(got[0], Output::Dropped { rtp_time: 0, reason: DropReason::NoParameterSets });
    assert!(frames(got).iter().all(|frame| frame.after_loss));
}

#[test]
fn after_a_loss_a_picture_without_its_lowest_layer_is_dropped() {
    // Every second unit becomes the upper layer of the picture before it; frame headers have an extension then.
    let source = ivf(AV1);
    let layered = |unit: &Vec<u8>, layer: u8| -> Vec<Vec<u8>> {
        let obus = packetize::obus(unit).into_iter().filter(|obu| obu[0] >> 3 == obu::FRAME);
        obus.map(|obu| [&[0x10, obu[0] | 4, layer << 3], &obu[1..]].concat()).collect()
    };
    let pictures = source[1..].chunks_exact(2).map(|pair| [layered(&pair[0], 0), layered(&pair[1], 1)].concat());
    let packets = packetize::stream(pictures);
    let lower = packets.iter().position(|packet| packet.rtp_time == 2 * STEP).expect("there is a third picture");
    let mut thinned = packets.clone();
    thinned.remove(lower);
    let dropped = Output::Dropped { rtp_time: 2 * STEP, reason: DropReason::Incomplete };
    assert!(!receive(VideoCodec::Av1, packets).contains(&dropped));
    assert!(receive(VideoCodec::Av1, thinned).contains(&dropped));
}
