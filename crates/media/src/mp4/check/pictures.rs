//! Looking into the pictures of a file: NAL units behind lengths.

use super::{Disk, track::Placed};

/// What a picture is coded in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coding {
    H264,
    H265,
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

    /// Whether decoding can begin with the sample, by its first slice; `None` when its NAL units do not add up to it.
    pub fn is_key(&mut self, sample: &Placed, coding: Coding) -> Option<bool> {
        let mut at = sample.offset;
        let end = at.checked_add(sample.size.into())?;
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
