//! Where a key frame begins in a stream of RTP payloads, for each video codec.

use crate::rooms::VideoCodec;

/// Whether this payload is the first packet of a key frame (for H.264 and H.265: of its parameter sets). Never panics;
/// payloads that make no sense are no key frames.
pub fn starts_keyframe(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::H264 => h264(payload),
        VideoCodec::Vp8 => vp8(payload).unwrap_or(false),
        VideoCodec::Vp9 => vp9(payload).unwrap_or(false),
        VideoCodec::H265 => h265(payload),
        VideoCodec::Av1 => payload.first().is_some_and(|aggregation| aggregation & 0x08 != 0),
    }
}

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

fn h264(payload: &[u8]) -> bool {
    let starts = |nal: &u8| matches!(nal & 0x1f, NAL_IDR | NAL_SPS);
    let Some(first) = payload.first() else { return false };
    match first & 0x1f {
        NAL_STAP_A => any_of_aggregate(&payload[1..], |nal| nal.first().is_some_and(starts)),
        NAL_FU_A => payload.get(1).is_some_and(|header| header & 0x80 != 0 && starts(header)),
        _ => starts(first),
    }
}

/// Whether one of the NAL units of an aggregate, behind lengths of 16 bits, is what is looked for.
fn any_of_aggregate(mut rest: &[u8], starts: impl Fn(&[u8]) -> bool) -> bool {
    while let [high, low, after @ ..] = rest {
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        if starts(after) {
            return true;
        }
        rest = after.get(size..).unwrap_or_default();
    }
    false
}

const H265_VPS: u8 = 32;
const H265_SPS: u8 = 33;
const H265_AP: u8 = 48;
const H265_FU: u8 = 49;

fn h265(payload: &[u8]) -> bool {
    // Parameter sets, or the first slice segment of an IRAP picture.
    let starts = |kind: u8, first: u8| match kind {
        H265_VPS | H265_SPS => true,
        16..=23 => first & 0x80 != 0,
        _ => false,
    };
    let starts_unit = |nal: &[u8]| matches!(nal, [header, _, first, ..] if starts(header >> 1 & 0x3f, *first));
    match payload {
        [header, _, rest @ ..] if header >> 1 & 0x3f == H265_AP => any_of_aggregate(rest, starts_unit),
        [header, _, fragment, first, ..] if header >> 1 & 0x3f == H265_FU => {
            fragment & 0x80 != 0 && starts(fragment & 0x3f, *first)
        }
        nal => starts_unit(nal),
    }
}

fn vp8(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(1)?;
        at += 1;
        if extension & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0);
        at += usize::from(extension & 0x30 != 0);
    }
    let starts_first_partition = first & 0x10 != 0 && first & 0x07 == 0;
    Some(starts_first_partition && payload.get(at)? & 0x01 == 0)
}

fn vp9(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let [has_id, predicted, has_layer, begins] = [0x80, 0x40, 0x20, 0x08].map(|bit| first & bit != 0);
    if predicted || !begins {
        return Some(false);
    }
    let mut at = 1;
    if has_id {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    // Only the lowest spatial layer begins the picture.
    Some(!has_layer || payload.get(at)? & 0x0e == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h264_begins_at_parameter_sets_or_at_the_picture() {
        let h264 = |bytes: &[u8]| starts_keyframe(VideoCodec::H264, bytes);
        assert!(h264(&[0x67, 0x42]));
        assert!(h264(&[0x65, 0x88]));
        assert!(h264(&[0x78, 0, 2, 0x68, 1, 0, 2, 0x65, 1]));
        assert!(h264(&[0x7c, 0x85, 1]));
        assert!(!h264(&[0x7c, 0x05, 1]), "a later fragment");
        assert!(!h264(&[0x68, 1]), "PPS alone");
        assert!(!h264(&[0x41, 1]));
        assert!(!h264(&[0x78, 0xff, 0xff, 0x41]), "size beyond the packet");
    }

    #[test]
    fn h265_begins_at_parameter_sets_or_at_the_first_slice() {
        let h265 = |bytes: &[u8]| starts_keyframe(VideoCodec::H265, bytes);
        assert!(h265(&[0x40, 1, 0x0c]) && h265(&[0x42, 1, 1]));
        assert!(h265(&[0x28, 1, 0xaf]), "IDR");
        assert!(!h265(&[0x28, 1, 0x2f]), "a later slice of it");
        assert!(h265(&[0x60, 1, 0, 3, 0x46, 1, 0x50, 0, 3, 0x26, 1, 0xaf]), "behind a delimiter");
        assert!(h265(&[0x62, 1, 0x93, 0xaf]) && !h265(&[0x62, 1, 0x13, 0xaf]), "fragments");
        assert!(!h265(&[0x44, 1, 0xc1]), "PPS alone");
        assert!(!h265(&[0x02, 1, 0xd0]) && !h265(&[0x62, 1, 0x81, 0xd0]));
        assert!(!h265(&[0x60, 1, 0xff, 0xff, 0x02, 1]), "size beyond the packet");
    }

    #[test]
    fn vp8_looks_behind_its_descriptor() {
        let vp8 = |bytes: &[u8]| starts_keyframe(VideoCodec::Vp8, bytes);
        assert!(vp8(&[0x10, 0x00]));
        assert!(!vp8(&[0x10, 0x01]), "inter frame");
        assert!(!vp8(&[0x00, 0x00]), "not the start");
        assert!(!vp8(&[0x11, 0x00]), "a later partition");
        assert!(vp8(&[0x90, 0xf0, 0x81, 0x02, 7, 9, 0x00]), "two-byte picture id, TL0PICIDX, TID");
        assert!(!vp8(&[0x90, 0xf0, 0x81]));
    }

    #[test]
    fn vp9_begins_at_the_lowest_layer() {
        let vp9 = |bytes: &[u8]| starts_keyframe(VideoCodec::Vp9, bytes);
        assert!(vp9(&[0x88, 0x01]));
        assert!(vp9(&[0xa8, 0x81, 0x02, 0x00]));
        assert!(!vp9(&[0xa8, 0x81, 0x02, 0x02]), "second spatial layer");
        assert!(!vp9(&[0xc8, 0x01]), "predicted");
        assert!(!vp9(&[0x80, 0x01]), "not the beginning");
    }

    #[test]
    fn av1_begins_at_a_new_sequence() {
        assert!(starts_keyframe(VideoCodec::Av1, &[0x18]));
        assert!(!starts_keyframe(VideoCodec::Av1, &[0x10]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for codec in VideoCodec::ALL {
                let _ = starts_keyframe(codec, &bytes);
            }
        }
    }
}
