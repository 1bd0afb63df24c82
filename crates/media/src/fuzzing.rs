//! Bodies of the fuzz targets: each takes any bytes and checks what must hold whatever they are. The ordinary
//! tests run them too, so that they never rot. Not for use outside tests.

use std::collections::BTreeMap;

use crate::bitstream::av1::{Av1Config, ObuHeader, leb128};
use crate::bitstream::h264::{PpsIds, SliceHead, Sps, nal, nal_type};
use crate::bitstream::h265;
use crate::bitstream::opus::{MAX_PACKET, Toc};
use crate::bitstream::{vp8, vp9};
use crate::depacketize::{Depacketizer, Output};
use crate::mp4::Codec;
use crate::packet::{EncodedFrame, RtpPacket, VideoCodec, VideoConfig};
use crate::rtp::reorder::{Item, Reorder, ReorderConfig};
use crate::sizes::Sizes;

/// Flags in the first byte of a record that [`depacketize`] reads; the next two are the payload's length.
pub const MARKER: u8 = 1;
pub const NEW_TIME: u8 = 2;
pub const LOSS_BEFORE: u8 = 4;
pub const RESTART_BEFORE: u8 = 8;

/// Four bytes per event: two for a sequence number, one for the time that passed, one for the bounds.
pub fn rtp_reorder(data: &[u8]) {
    let config = ReorderConfig { wait_ns: 100, max_packets: 8, max_bytes: 64 };
    let mut reorder = Reorder::new(config);
    let mut order = Order::default();
    let mut now = 0i64;
    for event in data.chunks_exact(4) {
        now += i64::from(event[2]);
        let seq = u64::from(u16::from_be_bytes([event[0], event[1]]));
        if event[3] & 1 == 0 {
            reorder.handle_timeout(now);
            assert!(reorder.next_timeout().is_none_or(|due| due > now), "nothing due is left");
        }
        let payload = vec![event[3]; usize::from(event[3] >> 4)].into();
        reorder.handle_packet(
            RtpPacket { seq, rtp_time: seq, marker: false, payload, arrival_ns: now, rotation: None },
            now,
        );
        let (packets, bytes) = reorder.held();
        assert!(packets <= config.max_packets && bytes <= config.max_bytes);
        order.check(&mut reorder);
    }
    reorder.flush();
    order.check(&mut reorder);
    assert_eq!(reorder.held(), (0, 0));
    assert_eq!(reorder.next_timeout(), None);
    let stats = reorder.stats();
    assert_eq!(stats.received, order.passed + stats.duplicates + stats.late);
    assert_eq!((stats.lost, stats.restarts), (order.lost, order.restarts));
}

/// Follows what comes out of a [`Reorder`]: every number once, in order.
#[derive(Default)]
struct Order {
    next: Option<u64>,
    passed: u64,
    lost: u64,
    restarts: u64,
}

impl Order {
    fn check(&mut self, reorder: &mut Reorder) {
        while let Some(item) = reorder.poll() {
            let (first, count) = match &item {
                Item::Packet(packet) => (packet.seq, 1),
                Item::Lost { first_seq, count } => (*first_seq, *count),
                Item::Restart => {
                    self.restarts += 1;
                    self.next = None;
                    continue;
                }
            };
            assert!(count > 0 && self.next.is_none_or(|next| next == first), "no number left out or repeated");
            self.next = Some(first + count);
            if matches!(item, Item::Packet(_)) { self.passed += 1 } else { self.lost += count }
        }
    }
}

/// Records of packets, as [`record`] writes them.
pub fn depacketize(codec: VideoCodec, mut data: &[u8]) {
    let mut depacketizer = Depacketizer::new(codec);
    let mut pictures: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut seq, mut rtp_time, mut bytes) = (0, 0, 0);
    while let [flags, high, low, rest @ ..] = data {
        let (payload, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
        data = after;
        if flags & LOSS_BEFORE != 0 {
            depacketizer.handle(Item::Lost { first_seq: seq, count: 1 });
            seq += 1;
        }
        if flags & RESTART_BEFORE != 0 {
            depacketizer.handle(Item::Restart);
        }
        rtp_time += u64::from(flags & NEW_TIME != 0);
        bytes += payload.len();
        *pictures.entry(rtp_time).or_default() += 1;
        depacketizer.handle(Item::Packet(RtpPacket {
            seq,
            rtp_time,
            marker: flags & MARKER != 0,
            payload: payload.into(),
            arrival_ns: seq as i64,
            rotation: None,
        }));
        seq += 1;
        check_outputs(&mut depacketizer, codec, &mut pictures, bytes);
    }
    depacketizer.flush();
    check_outputs(&mut depacketizer, codec, &mut pictures, bytes);
}

/// One record for [`depacketize`].
pub fn record(flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    [&[flags], &length.to_be_bytes()[..], &payload[..length.into()]].concat()
}

fn check_outputs(depacketizer: &mut Depacketizer, codec: VideoCodec, packets: &mut BTreeMap<u64, usize>, bytes: usize) {
    while let Some(output) = depacketizer.poll() {
        let (Output::Frame(EncodedFrame { rtp_time, .. }) | Output::Dropped { rtp_time, .. }) = &output;
        let left = packets.get_mut(rtp_time).expect("a picture has the time of its packets");
        *left = left.checked_sub(1).expect("a packet makes one picture at most");
        if let Output::Frame(frame) = &output {
            check_frame(frame, codec, bytes);
        }
    }
}

fn check_frame(frame: &EncodedFrame, codec: VideoCodec, bytes: usize) {
    assert!(!frame.data.is_empty());
    assert!(!frame.key || frame.config.is_some());
    assert!(!(frame.key && frame.after_loss));
    if let Some(config) = &frame.config {
        let (width, height) = config.dimensions();
        assert!(config.codec() == codec && width > 0 && height > 0 && width <= 1 << 16 && height <= 1 << 16);
    }
    match codec {
        VideoCodec::H264 => check_avcc(frame),
        VideoCodec::H265 => check_hvcc(frame),
        VideoCodec::Av1 => check_obus(frame),
        // Each packet adds its payload, and a superframe its index.
        VideoCodec::Vp8 | VideoCodec::Vp9 => assert!(frame.data.len() <= bytes + 64),
    }
}

/// The NAL units of a sample, none of them empty.
fn sized(mut sample: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    while let Some((length, after)) = sample.split_first_chunk() {
        let (nal, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).expect("lengths fit");
        assert!(!nal.is_empty());
        nals.push(nal);
        sample = after;
    }
    assert!(sample.is_empty());
    nals
}

fn check_avcc(frame: &EncodedFrame) {
    let nals = sized(&frame.data);
    assert!(nals.iter().all(|nal| !matches!(nal_type(nal[0]), nal::ACCESS_UNIT_DELIMITER | nal::FILLER)));
    assert!(nals.iter().any(|nal| matches!(nal_type(nal[0]), nal::SLICE | nal::IDR_SLICE)));
    if let Some(VideoConfig::H264(config)) = frame.config.as_deref() {
        assert_eq!(nals[0], config.sps);
        assert!(config.pps.iter().eq(&nals[1..=config.pps.len()]));
        assert!(nals[config.pps.len() + 1..].iter().all(|nal| !matches!(nal_type(nal[0]), nal::SPS | nal::PPS)));
    }
}

fn check_hvcc(frame: &EncodedFrame) {
    use h265::nal::{ACCESS_UNIT_DELIMITER, FILLER, PPS, VPS};
    let nals = sized(&frame.data);
    let kinds: Vec<u8> = nals.iter().map(|nal| h265::nal_type(nal[0])).collect();
    assert!(kinds.iter().all(|kind| !matches!(*kind, ACCESS_UNIT_DELIMITER | FILLER)));
    assert!(nals.iter().all(|nal| nal.len() >= h265::HEADER && h265::layer([nal[0], nal[1]]) == 0));
    let first = kinds.iter().copied().find(|kind| h265::is_slice(*kind)).expect("a picture has slices");
    assert_eq!(h265::is_key_slice(first), frame.key);
    if let Some(VideoConfig::H265(config)) = frame.config.as_deref() {
        assert_eq!((nals[0], nals[1]), (&config.vps[..], &config.sps[..]));
        let behind = 2 + config.pps.len();
        assert!(config.pps.iter().eq(&nals[2..behind]));
        assert!(kinds[behind..].iter().all(|kind| !(VPS..=PPS).contains(kind)));
    }
}

fn check_obus(frame: &EncodedFrame) {
    let mut rest = &frame.data[..];
    while !rest.is_empty() {
        let header = ObuHeader::parse(rest).expect("OBUs have headers");
        assert!(header.has_size);
        let (size, skip) = leb128(&rest[header.len..]).expect("OBUs have sizes");
        rest = rest.get(header.len + skip + size as usize..).expect("sizes fit");
    }
}

/// The headers of all codecs, each read from the same bytes.
pub fn sps(data: &[u8]) {
    if let Ok(sps) = Sps::parse(data) {
        assert!((1..=16_384).contains(&sps.width) && (1..=16_384).contains(&sps.height));
        assert!(sps.frame_num(data).unwrap_or_default() < sps.frame_num_modulus());
    }
    if let Ok(PpsIds { sps, .. }) = PpsIds::parse(data) {
        assert!(sps < 32);
    }
    if let Ok(sps) = h265::Sps::parse(data) {
        assert!((1..=16_384).contains(&sps.width) && (1..=16_384).contains(&sps.height));
    }
    if let Ok(h265::PpsIds { pps, sps }) = h265::PpsIds::parse(data) {
        assert!(pps < 64 && sps < 16);
    }
    // Any value is right; that none of these panics is the test.
    let _ = (SliceHead::parse(data), h265::SliceHead::parse(data), h265::Vps::parse(data));
    let _ = (vp8::key_frame(data), vp9::key_frame(data));
    let (one, two) = data.split_at(data.len() / 2);
    for codec in [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let mut sizes = Sizes::new(codec);
        let _ = [one, two, data].map(|sample| sizes.follow(sample));
    }
    if let Ok(toc) = Toc::parse(data) {
        assert!((120..=MAX_PACKET).contains(&toc.duration()));
    }
    if let Ok(config) = Av1Config::parse(data) {
        assert!(config.profile <= 2 && matches!(config.bit_depth, 8 | 10 | 12));
    }
}
