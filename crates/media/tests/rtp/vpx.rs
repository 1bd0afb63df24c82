//! VP8 and VP9 frames survive whole; spatial layers become a superframe.

use media::depacketize::{DropReason, Output};
use media::packet::{RtpPacket, VideoCodec, VideoConfig};

use media::bitstream::vp9::layers::Layers;
use media::mp4;
use media::sizes::Sizes;

use crate::fixtures::{VP8, VP9, VP9_LAYERS, ivf, layers};
use crate::{STEP, frames, lose_each_packet, packetize, receive};

pub fn vp8_packets(mtu: usize) -> Vec<RtpPacket> {
    // The picture id wraps on the way.
    packetize::stream(ivf(VP8).iter().zip(0x7ff8..).map(|(frame, id)| packetize::vp8(frame, id & 0x7fff, mtu)))
}

pub fn vp9_packets(mtu: usize) -> Vec<RtpPacket> {
    packetize::stream(ivf(VP9).iter().zip(0x7ff8..).map(|(frame, id)| packetize::vp9(&[frame], id & 0x7fff, &[], mtu)))
}

#[test]
fn frames_come_out_whole() {
    for mtu in [64, 300, 1_200] {
        for (codec, file, packets) in
            [(VideoCodec::Vp8, VP8, vp8_packets(mtu)), (VideoCodec::Vp9, VP9, vp9_packets(mtu))]
        {
            let got = frames(receive(codec, packets));
            assert!(got.iter().map(|frame| &frame.data).eq(&ivf(file)));
            let keys: Vec<u64> = got.iter().filter(|frame| frame.key).map(|frame| frame.rtp_time / STEP).collect();
            assert_eq!(keys, [0, 12]);
            let config = got[0].config.as_deref().expect("a key frame");
            assert_eq!((config.codec(), config.dimensions()), (codec, (192, 108)));
            assert!(got.iter().all(|frame| !frame.after_loss));
        }
    }
}

#[test]
fn any_one_packet_lost_costs_one_picture() {
    lose_each_packet(VideoCodec::Vp8, &vp8_packets(300), |_| false);
    lose_each_packet(VideoCodec::Vp9, &vp9_packets(300), |_| false);
}

#[test]
fn vp9_tells_its_format() {
    let got = frames(receive(VideoCodec::Vp9, vp9_packets(1_200)));
    let Some(VideoConfig::Vp9(config)) = got[0].config.as_deref() else { panic!("{:?}", got[0].config) };
    assert_eq!((config.profile, config.bit_depth, config.chroma_subsampling, config.full_range), (0, 8, 1, false));
}

#[test]
fn spatial_layers_become_a_superframe() {
    let source = ivf(VP9_LAYERS);
    let layers: Vec<[&[u8]; 2]> = source.iter().map(|superframe| layers(superframe)).collect();
    let sizes = [(320, 180), (640, 360)];
    let packets = |sizes: &[(u16, u16)]| {
        packetize::stream(layers.iter().zip(0..).map(|(layers, id)| packetize::vp9(layers, id, sizes, 300)))
    };
    let got = frames(receive(VideoCodec::Vp9, packets(&sizes)));
    assert_eq!(got.len(), 10);
    let mut stream = Layers::default();
    for (frame, [low, high]) in got.iter().zip(&layers) {
        let low = stream.follow(low, true).expect("readable").expect("shown as it came");
        assert_eq!(stream.follow(high, false), Ok(None), "the one that is shown stays as it is");
        let (a, b) = ((low.len() as u32).to_le_bytes(), (high.len() as u32).to_le_bytes());
        assert!(frame.data == [&low[..], high, &[0xd9], &a, &b, &[0xd9]].concat());
    }
    assert_eq!(got[0].config.as_deref().expect("a key frame").dimensions(), (640, 360));

    // The packet that ends a layer's frame is lost: the whole picture goes.
    let mut thinned = packets(&sizes);
    let lost = thinned.iter().position(|packet| packet.rtp_time == 3 * STEP && packet.payload[0] & 4 != 0);
    thinned.remove(lost.expect("each layer ends"));
    let dropped = |output: &&Output| matches!(output, Output::Dropped { rtp_time, .. } if *rtp_time == 3 * STEP);
    assert_eq!(receive(VideoCodec::Vp9, thinned).iter().filter(dropped).count(), 1);
}

#[test]
fn the_size_is_that_of_the_highest_layer_that_was_sent() {
    let source = ivf(VP9_LAYERS);
    // From the fifth picture on the server sends the lower layer alone, later both again: no key frame is needed.
    let both = |n: usize| !(4..8).contains(&n);
    let packets = source.iter().enumerate().map(|(n, superframe)| {
        let layers: [&[u8]; 2] = layers(superframe);
        packetize::vp9(&layers[..if both(n) { 2 } else { 1 }], n as u16, &[], 300)
    });
    let got = frames(receive(VideoCodec::Vp9, packetize::stream(packets)));
    let told: Vec<_> = got.iter().map(|frame| frame.config.as_deref().map(VideoConfig::dimensions)).collect();
    let mut wanted = [None; 10];
    (wanted[0], wanted[4], wanted[8]) = (Some((640, 360)), Some((320, 180)), Some((640, 360)));
    assert_eq!(told, wanted);
    assert!(got.iter().enumerate().all(|(n, frame)| frame.key == (n == 0)));
    let mut sizes = Sizes::new(mp4::Codec::Vp9);
    for (n, frame) in got.iter().enumerate() {
        assert_eq!(sizes.follow(&frame.data), Some(if both(n) { (640, 360) } else { (320, 180) }), "{n}");
    }
}

#[test]
fn a_layer_that_does_not_end_is_incomplete() {
    let mut packets = vp9_packets(300);
    let last = packets.iter().position(|packet| packet.marker).expect("there are markers");
    let mut payload = packets[last].payload.to_vec();
    payload[0] &= !4;
    packets[last].payload = payload.into();
    let got = receive(VideoCodec::Vp9, packets);
    assert_eq!(got[0], Output::Dropped { rtp_time: 0, reason: DropReason::Incomplete });
}
