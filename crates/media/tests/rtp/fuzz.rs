//! The fuzz targets' bodies on random bytes and on real streams with a few bytes changed.

use media::bitstream::av1::ObuHeader;
use media::fuzzing::{self, LOSS_BEFORE, MARKER, NEW_TIME, record};
use media::packet::{RtpPacket, VideoCodec};
use proptest::prelude::*;

use crate::fixtures::{AV1, AV1_RESIZED, BASELINE, HIGH, OPEN_GROUPS, SLICES, VP8, VP9, access_units, h265_units, ivf};
use crate::packetize;

/// A real stream as records; `lost` says which packets are left out.
fn records(packets: &[RtpPacket], lost: &[usize]) -> Vec<u8> {
    let mut data = Vec::new();
    let (mut time, mut gap) = (u64::MAX, false);
    for (i, packet) in packets.iter().enumerate() {
        if lost.contains(&i) {
            gap = true;
            continue;
        }
        let flags = [(packet.marker, MARKER), (packet.rtp_time != time, NEW_TIME), (gap, LOSS_BEFORE)];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
        data.extend(record(flags, &packet.payload));
        (time, gap) = (packet.rtp_time, false);
    }
    data
}

fn real_streams() -> Vec<(VideoCodec, Vec<RtpPacket>)> {
    let h264 = |file| packetize::stream(access_units(file).iter().map(|unit| packetize::h264(unit, 300)));
    let h265 = |file| packetize::stream(h265_units(file).iter().map(|unit| packetize::h265(unit, 300)));
    let vp8 = ivf(VP8).into_iter().zip(0..).map(|(frame, id)| packetize::vp8(&frame, id, 300));
    let vp9 = ivf(VP9).into_iter().zip(0..).map(|(frame, id)| packetize::vp9(&[&frame], id, &[(192, 108)], 300));
    let av1 = |file| packetize::stream(ivf(file).into_iter().map(|unit| packetize::av1(&unit, false, 300)));
    vec![
        (VideoCodec::H264, h264(BASELINE)),
        (VideoCodec::H264, h264(HIGH)),
        (VideoCodec::H265, h265(SLICES)),
        (VideoCodec::H265, h265(OPEN_GROUPS)),
        (VideoCodec::Vp8, packetize::stream(vp8)),
        (VideoCodec::Vp9, packetize::stream(vp9)),
        (VideoCodec::Av1, av1(AV1)),
        (VideoCodec::Av1, av1(AV1_RESIZED)),
    ]
}

const CODECS: [VideoCodec; 5] = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];

proptest! {
    #[test]
    fn random_bytes(data in prop::collection::vec(any::<u8>(), 0..2_000)) {
        fuzzing::rtp_reorder(&data);
        fuzzing::sps(&data);
        CODECS.into_iter().for_each(|codec| fuzzing::depacketize(codec, &data));
    }

    #[test]
    fn random_payloads(payloads in prop::collection::vec((0..16u8, prop::collection::vec(any::<u8>(), 0..40)), 0..60)) {
        let data: Vec<u8> = payloads.iter().flat_map(|(flags, payload)| record(*flags, payload)).collect();
        CODECS.into_iter().for_each(|codec| fuzzing::depacketize(codec, &data));
    }

    #[test]
    fn near_sequence_numbers(events in prop::collection::vec((0..40u16, 0..60u8, any::<u8>()), 0..300)) {
        let event = |(seq, time, rest): &(u16, u8, u8)| [seq.to_be_bytes()[0], seq.to_be_bytes()[1], *time, *rest];
        fuzzing::rtp_reorder(&events.iter().flat_map(event).collect::<Vec<u8>>());
    }

    #[test]
    fn damaged_streams(
        which in 0..7usize,
        lost in prop::collection::vec(0..150usize, 0..8),
        // Most headers lie near a packet's front, so damage is spread over packets rather than bytes.
        damage in prop::collection::vec((0..150usize, 0..12usize, any::<u8>()), 0..20),
    ) {
        let (codec, mut packets) = real_streams().swap_remove(which);
        for (packet, byte, value) in damage {
            let count = packets.len();
            let packet = &mut packets[packet % count];
            let mut payload = packet.payload.to_vec();
            let length = payload.len();
            payload[byte % length] = value;
            packet.payload = payload.into();
        }
        fuzzing::depacketize(codec, &records(&packets, &lost));
    }

    #[test]
    fn damaged_headers(which in 0..5usize, damage in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4)) {
        let sequence_header = packetize::obus(&ivf(AV1)[0]).into_iter().find(|obu| {
            ObuHeader::parse(obu).is_ok_and(|header| header.kind == media::bitstream::av1::obu::SEQUENCE_HEADER)
        });
        let mut header = match which {
            0 => access_units(BASELINE)[0][0].clone(),
            1 => access_units(HIGH)[0][1].clone(),
            2 => h265_units(SLICES)[0][2].clone(),
            3 => h265_units(OPEN_GROUPS)[0][1].clone(),
            _ => sequence_header.expect("the first unit has one")[1..].to_vec(),
        };
        for (at, value) in damage {
            let length = header.len();
            header[at % length] = value;
        }
        fuzzing::sps(&header);
    }
}

/// Writes the seeds of the fuzz targets; run by hand when the fixtures change:
/// `FUZZ_CORPUS=fuzz/corpus cargo test -p media --test rtp -- --ignored`
#[test]
#[ignore = "writes files"]
fn write_seeds() {
    let root = std::path::PathBuf::from(std::env::var_os("FUZZ_CORPUS").expect("FUZZ_CORPUS names a directory"));
    for (i, (codec, packets)) in real_streams().into_iter().enumerate() {
        let name = format!("{codec:?}").to_lowercase();
        std::fs::create_dir_all(root.join(&name)).expect("the directory can be made");
        let few = &packets[..packets.len().min(20)];
        std::fs::write(root.join(&name).join(format!("real{i}")), records(few, &[])).expect("it is writable");
    }
}
