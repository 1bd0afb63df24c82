//! Real streams, cut into RTP packets, shuffled and thinned out, and put together again.
//! The fixtures are 24 pictures of 192x108 made by FFmpeg 5.1 (libx264, libx265, libvpx, SVT-AV1) from its `testsrc2`.

mod av1;
mod fixtures;
mod fuzz;
mod h264;
mod h265;
mod losses;
mod packetize;
mod vpx;

use media::depacketize::{Depacketizer, Output};
use media::packet::{EncodedFrame, RtpPacket, VideoCodec};
use media::rtp::reorder::{Reorder, ReorderConfig};

/// RTP clock ticks per picture.
const STEP: u64 = 3_000;

/// The packets as they leave the network, in any order and with any missing, to pictures.
fn receive(codec: VideoCodec, packets: impl IntoIterator<Item = RtpPacket>) -> Vec<Output> {
    let mut reorder = Reorder::new(ReorderConfig::default());
    let mut depacketizer = Depacketizer::new(codec);
    for packet in packets {
        reorder.handle_packet(packet, 0);
    }
    reorder.flush();
    let mut out = Vec::new();
    while let Some(item) = reorder.poll() {
        depacketizer.handle(item);
        out.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    depacketizer.flush();
    out.extend(std::iter::from_fn(|| depacketizer.poll()));
    out
}

fn frames(outputs: Vec<Output>) -> Vec<EncodedFrame> {
    let frame = |output| if let Output::Frame(frame) = output { Some(frame) } else { None };
    outputs.into_iter().filter_map(frame).collect()
}

/// Loses each packet in turn. The picture it was of must be missing, all others whole and in order, and
/// `after_loss` set up to the next key frame, unless `harmless` says that no other picture refers to this one. The one
/// behind it tells of the loss.
fn lose_each_packet(codec: VideoCodec, packets: &[RtpPacket], harmless: impl Fn(&EncodedFrame) -> bool) {
    let whole = frames(receive(codec, packets.iter().cloned()));
    // The stream begins with its first packet, so losing that is no loss in the middle.
    for lost in 1..packets.len() {
        let rest = packets.iter().enumerate().filter(|(i, _)| *i != lost).map(|(_, packet)| packet.clone());
        let mut got = frames(receive(codec, rest));
        let time = packets[lost].rtp_time;
        let index = whole.iter().position(|frame| frame.rtp_time == time).expect("each packet is of a picture");
        let mut expected = whole.clone();
        let missing = expected.remove(index);
        let reaches = if harmless(&missing) { 0 } else { expected.len() };
        for frame in expected.iter_mut().take(reaches).skip(index).take_while(|frame| !frame.key) {
            frame.after_loss = true;
        }
        let told: Vec<u64> = got.iter_mut().map(|frame| std::mem::take(&mut frame.lost_before)).collect();
        assert!(got == expected, "packet {lost} at RTP time {time} lost");
        let behind = told.get(index).copied();
        assert!(reaches == 0 || behind != Some(0), "packet {lost} at RTP time {time} lost, and not told of");
        assert_eq!(told.iter().sum::<u64>(), behind.unwrap_or(0), "told of where nothing was lost");
    }
}
