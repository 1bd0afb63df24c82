//! VP9: the uncompressed header of a frame (VP9 bitstream specification, 6.2), up to the picture size; and the frames of a
//! superframe.

pub mod layers;

use super::{BitReader, Malformed};

/// What a `vpcC` box and the recorder must know of a VP9 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9Config {
    /// 0 to 3.
    pub profile: u8,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// As in `vpcC`: 1 is 4:2:0 (colocated), 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_subsampling: u8,
    pub full_range: bool,
    /// Pixels.
    pub width: u32,
    pub height: u32,
}

/// `Some` when the frame is a key frame.
pub fn key_frame(frame: &[u8]) -> Result<Option<Vp9Config>, Malformed> {
    let mut r = BitReader::new(frame);
    if r.bits(2)? != 2 {
        return Err(Malformed("VP9 frame: marker"));
    }
    let profile = r.bits(1)? | r.bits(1)? << 1;
    if profile == 3 && r.bit()? {
        return Err(Malformed("VP9 frame: profile"));
    }
    let show_existing = r.bit()?;
    if show_existing || r.bit()? {
        return Ok(None);
    }
    r.skip(2)?; // show_frame, error_resilient_mode
    if r.bits(24)? != 0x49_8342 {
        return Err(Malformed("VP9 frame: sync code"));
    }
    let (bit_depth, chroma_subsampling, full_range) = colour(&mut r, profile)?;
    let (width, height) = (r.bits(16)? + 1, r.bits(16)? + 1);
    Ok(Some(Vp9Config { profile: profile as u8, bit_depth, chroma_subsampling, full_range, width, height }))
}

/// The frames of a sample: those that the index at its end lists (annex B), or it alone.
pub fn frames(sample: &[u8]) -> Vec<&[u8]> {
    superframe(sample).unwrap_or_else(|| vec![sample])
}

fn superframe(sample: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = *sample.last().filter(|marker| **marker >> 5 == 6)?;
    let (count, bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let (mut rest, index) = sample.split_at_checked(sample.len().checked_sub(2 + count * bytes)?)?;
    let sizes = index.strip_prefix(&[marker])?.chunks_exact(bytes).take(count);
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let size = size.iter().rev().fold(0, |size, byte| size << 8 | usize::from(*byte));
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = behind;
    }
    Some(frames)
}

fn colour(r: &mut BitReader, profile: u32) -> Result<(u8, u8, bool), Malformed> {
    const RGB: u32 = 7;
    let bit_depth = match (profile >= 2).then(|| r.bit()).transpose()? {
        None => 8,
        Some(false) => 10,
        Some(true) => 12,
    };
    if r.bits(3)? == RGB {
        if profile.is_multiple_of(2) {
            return Err(Malformed("VP9 frame: RGB in this profile"));
        }
        r.bit()?; // reserved
        return Ok((bit_depth, 3, true));
    }
    let full_range = r.bit()?;
    if profile.is_multiple_of(2) {
        return Ok((bit_depth, 1, full_range));
    }
    let (x, y) = (r.bit()?, r.bit()?);
    r.bit()?; // reserved
    let subsampling = match (x, y) {
        (true, false) => 2,
        (false, false) => 3,
        // 4:2:0 belongs to the even profiles; 4:4:0 has no value in `vpcC`.
        _ => return Err(Malformed("VP9 frame: subsampling")),
    };
    Ok((bit_depth, subsampling, full_range))
}
