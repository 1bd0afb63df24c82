//! NAL units of H.264 and H.265 behind their lengths: of 16 bits in an aggregate, of 32 in a sample.

use crate::bitstream::Malformed;

/// Bytes of a length in a sample.
pub(super) const LENGTH: usize = 4;

/// Takes a NAL unit with its 16-bit length off an aggregate.
pub(super) fn split_sized(data: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    const TRUNCATED: Malformed = Malformed("aggregate");
    let (length, rest) = data.split_first_chunk().ok_or(TRUNCATED)?;
    rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(TRUNCATED)
}

/// A sample that begins with these parameter sets; `nals` have their lengths.
pub(super) fn with_sets<'a>(sets: impl Iterator<Item = &'a Vec<u8>>, nals: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(nals.len() + 256);
    for set in sets {
        // Sets are at most a few KiB long.
        data.extend_from_slice(&(set.len() as u32).to_be_bytes());
        data.extend_from_slice(set);
    }
    data.extend_from_slice(nals);
    data
}
