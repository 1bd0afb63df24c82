//! Cuts pictures into RTP payloads of at most `mtu` bytes, as the payload formats say.

use media::bitstream::av1::{ObuHeader, leb128, obu, write_leb128};
use media::packet::RtpPacket;

use crate::STEP;

/// Numbers the payloads of all pictures; the marker is on the last of each.
pub fn stream(pictures: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Vec<RtpPacket> {
    let mut packets: Vec<RtpPacket> = Vec::new();
    for (picture, payloads) in (0u64..).zip(pictures) {
        let last = payloads.len() - 1;
        for (i, payload) in payloads.into_iter().enumerate() {
            let seq = 1_000 + packets.len() as u64;
            packets.push(RtpPacket {
                seq,
                rtp_time: picture * STEP,
                marker: i == last,
                payload: payload.into(),
                arrival_ns: seq as i64,
                rotation: None,
            });
        }
    }
    packets
}

/// RFC 6184, packetization mode 1: small NAL units aggregated, large ones cut.
pub fn h264(nals: &[Vec<u8>], mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut group: Vec<&Vec<u8>> = Vec::new();
    for nal in nals {
        let size = 1 + group.iter().map(|nal| nal.len() + 2).sum::<usize>();
        if size + nal.len() + 2 > mtu {
            payloads.extend(aggregate(&std::mem::take(&mut group)));
        }
        if nal.len() + 3 <= mtu {
            group.push(nal);
        } else {
            payloads.extend(fragment(nal, mtu));
        }
    }
    payloads.extend(aggregate(&group));
    payloads
}

fn aggregate(nals: &[&Vec<u8>]) -> Option<Vec<u8>> {
    match nals {
        [] => None,
        [nal] => Some(nal.to_vec()),
        nals => {
            let mut payload = vec![24 | 0x60];
            for nal in nals {
                payload.extend((nal.len() as u16).to_be_bytes());
                payload.extend_from_slice(nal);
            }
            Some(payload)
        }
    }
}

fn fragment(nal: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    if nal.len() <= mtu {
        return vec![nal.to_vec()];
    }
    let chunks: Vec<&[u8]> = nal[1..].chunks(mtu - 2).collect();
    let last = chunks.len() - 1;
    let cut = |(i, chunk): (usize, &&[u8])| {
        let flags = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
        [&[nal[0] & 0xe0 | 28, flags | nal[0] & 0x1f], *chunk].concat()
    };
    chunks.iter().enumerate().map(cut).collect()
}

/// RFC 7798: small NAL units aggregated, large ones cut.
pub fn h265(nals: &[Vec<u8>], mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut group: Vec<&Vec<u8>> = Vec::new();
    let aggregate = |group: &mut Vec<&Vec<u8>>| match &std::mem::take(group)[..] {
        [] => None,
        [nal] => Some(nal.to_vec()),
        nals => {
            let sized = |nal: &&Vec<u8>| [&(nal.len() as u16).to_be_bytes(), &nal[..]].concat();
            Some([vec![48 << 1, 1], nals.iter().flat_map(sized).collect()].concat())
        }
    };
    for nal in nals {
        let size = 2 + group.iter().map(|nal| nal.len() + 2).sum::<usize>();
        if size + nal.len() + 2 > mtu {
            payloads.extend(aggregate(&mut group));
        }
        if nal.len() + 4 <= mtu {
            group.push(nal);
        } else {
            payloads.extend(h265_fragments(nal, mtu));
        }
    }
    payloads.extend(aggregate(&mut group));
    payloads
}

fn h265_fragments(nal: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    if nal.len() <= mtu {
        return vec![nal.to_vec()];
    }
    let chunks: Vec<&[u8]> = nal[2..].chunks(mtu - 3).collect();
    let last = chunks.len() - 1;
    let cut = |(i, chunk): (usize, &&[u8])| {
        let flags = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
        [&[nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1 & 0x3f], *chunk].concat()
    };
    chunks.iter().enumerate().map(cut).collect()
}

/// RFC 7741 with 15-bit picture ids.
pub fn vp8(frame: &[u8], id: u16, mtu: usize) -> Vec<Vec<u8>> {
    let cut = |(i, chunk): (usize, &[u8])| {
        let id = id.to_be_bytes();
        [&[if i == 0 { 0x90 } else { 0x80 }, 0x80, id[0] | 0x80, id[1]], chunk].concat()
    };
    frame.chunks(mtu - 4).enumerate().map(cut).collect()
}

/// RFC 9628, non-flexible mode with 15-bit picture ids and layer indices; one frame per spatial layer. The first
/// packet of a key picture has the layers' `sizes`.
pub fn vp9(layers: &[&[u8]], id: u16, sizes: &[(u16, u16)], mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for (layer, frame) in layers.iter().enumerate() {
        let chunks: Vec<&[u8]> = frame.chunks(mtu - 32).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let structure = i == 0 && layer == 0 && !sizes.is_empty();
            let begin = if i == 0 { 0x08 } else { 0 };
            let end = if i + 1 == chunks.len() { 0x04 } else { 0 };
            let mut payload = vec![0x80 | 0x20 | begin | end | if structure { 0x02 } else { 0 }];
            payload.extend((id | 0x8000).to_be_bytes());
            payload.extend([(layer as u8) << 1 | (layer > 0) as u8, 0]);
            if structure {
                // Sizes, and a group of one picture that refers to the one before.
                payload.push((sizes.len() as u8 - 1) << 5 | 0x18);
                payload.extend(sizes.iter().flat_map(|&(w, h)| [w.to_be_bytes(), h.to_be_bytes()].concat()));
                payload.extend([1, 0x04, 1]);
            }
            payload.extend_from_slice(chunk);
            payloads.push(payload);
        }
    }
    payloads
}

/// The OBUs of a temporal unit: header and payload without size field.
pub fn obus(mut unit: &[u8]) -> Vec<Vec<u8>> {
    let mut obus = Vec::new();
    while !unit.is_empty() {
        let header = ObuHeader::parse(unit).expect("the fixture is valid");
        assert!(header.has_size);
        let (size, skip) = leb128(&unit[header.len..]).expect("the fixture is valid");
        let (start, end) = (header.len + skip, header.len + skip + size as usize);
        obus.push([&[unit[0] & !2], &unit[1..header.len], &unit[start..end]].concat());
        unit = &unit[end..];
    }
    obus
}

/// RTP payload format for AV1: packets filled up to `mtu`, OBUs cut where they fall, each with its length
/// (`counted` false) or the last of up to three without (`counted` true).
pub fn av1(unit: &[u8], counted: bool, mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut elements: Vec<Vec<u8>> = Vec::new();
    let mut continues = false;
    let flush = |elements: &mut Vec<Vec<u8>>, continues: bool, continued: bool, payloads: &mut Vec<Vec<u8>>| {
        let count = if counted { elements.len() } else { 0 };
        let mut payload = vec![(continues as u8) << 7 | (continued as u8) << 6 | (count as u8) << 4];
        for (i, element) in elements.iter().enumerate() {
            if i + 1 != count {
                write_leb128(element.len(), &mut payload);
            }
            payload.extend_from_slice(element);
        }
        elements.clear();
        payloads.push(payload);
    };
    for obu in obus(unit) {
        if ObuHeader::parse(&obu).expect("just made").kind == obu::TEMPORAL_DELIMITER {
            continue;
        }
        let mut rest = &obu[..];
        while !rest.is_empty() {
            let used = 1 + elements.iter().map(|element| element.len() + 2).sum::<usize>();
            let room = mtu.saturating_sub(used + 2);
            if room == 0 || elements.len() == 3 {
                let inside = rest.len() < obu.len();
                flush(&mut elements, std::mem::replace(&mut continues, inside), inside, &mut payloads);
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            elements.push(now.to_vec());
            rest = later;
        }
    }
    flush(&mut elements, continues, false, &mut payloads);
    payloads
}
