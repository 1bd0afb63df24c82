//! Looking into the pictures of a file: NAL units behind lengths, frames of VP8 and VP9, OBUs of AV1.

use super::{Disk, track::Placed};

/// What a picture is coded in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coding {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

impl Coding {
    /// Whether a NAL unit that begins so is a slice of a picture, and if so, of one where decoding can begin.
    fn slice(self, header: u8) -> Option<bool> {
        match (self, header & 0x1f, header >> 1 & 0x3f) {
            (Coding::H264, 1, _) | (Coding::H265, _, 0..=15 | 24..=31) => Some(false),
            (Coding::H264, 5, _) | (Coding::H265, _, 16..=23) => Some(true),
            _ => None,
        }
    }
}

/// Types of OBUs.
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;

/// A file read from front to back, much at once.
pub(super) struct Window<'a> {
    disk: &'a dyn Disk,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, start: 0, bytes: Vec::new() }
    }

    /// The `N` bytes at `at`.
    fn read<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let inside = |window: &Self| {
            let from = usize::try_from(at.checked_sub(window.start)?).ok()?;
            window.bytes.get(from..)?.first_chunk().copied()
        };
        if let Some(found) = inside(self) {
            return Some(found);
        }
        self.bytes.resize(256 << 10, 0);
        let read = self.disk.read_at(&mut self.bytes, at).ok()?;
        self.bytes.truncate(read);
        self.start = at;
        inside(self)
    }

    /// Whether decoding can begin with the sample, by its first slice or frame; `None` when it is no sample of that coding.
    pub fn is_key(&mut self, sample: &Placed, coding: Coding) -> Option<bool> {
        let end = sample.offset.checked_add(sample.size.into())?;
        match coding {
            Coding::H264 | Coding::H265 => self.begins_with_key_slice(sample.offset, end, coding),
            Coding::Vp8 => Some(self.read::<1>(sample.offset)?[0] & 1 == 0),
            Coding::Vp9 => {
                let [first] = self.read(sample.offset)?;
                // A reserved bit follows the profile where that is 3; then "show an existing frame", then "not a key frame".
                let after_profile = if first & 0x30 == 0x30 { first << 1 } else { first };
                (first >> 6 == 2).then_some(after_profile & 0x0c == 0)
            }
            Coding::Av1 => self.begins_with_key_frame(sample.offset, end),
        }
    }

    /// Of a temporal unit; a key frame without a sequence header is none to begin with.
    fn begins_with_key_frame(&mut self, mut at: u64, end: u64) -> Option<bool> {
        let mut has_header = false;
        while at < end {
            let [first] = self.read(at)?;
            let (extended, sized) = (first & 4 != 0, first & 2 != 0);
            at += if extended { 2 } else { 1 };
            let len = if sized { self.leb128(&mut at)? } else { end.checked_sub(at)? };
            if len > end.checked_sub(at)? {
                return None;
            }
            match first >> 3 & 15 {
                OBU_SEQUENCE_HEADER => has_header = true,
                OBU_FRAME | OBU_FRAME_HEADER => {
                    // "Show an existing frame", two bits of the type (0 for a key frame), "show this frame".
                    let [header] = self.read(at)?;
                    return Some(header >> 4 == 1 && has_header);
                }
                _ => {}
            }
            at += len;
        }
        None
    }

    fn leb128(&mut self, at: &mut u64) -> Option<u64> {
        let mut value = 0;
        for shift in (0..28).step_by(7) {
            let [byte] = self.read(*at)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn begins_with_key_slice(&mut self, mut at: u64, end: u64, coding: Coding) -> Option<bool> {
        while end - at >= 5 {
            let [a, b, c, d, header] = self.read(at)?;
            let len = u64::from(u32::from_be_bytes([a, b, c, d]));
            if len == 0 || len > end - at - 4 {
                return None;
            }
            at += 4 + len;
            if let Some(key) = coding.slice(header) {
                return Some(key);
            }
        }
        None
    }
}
