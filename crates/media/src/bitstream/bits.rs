//! Bits of a header, most significant first, with the variable-length integers of H.264 and H.265, and what the parameter
//! sets of both have in common.

use super::Malformed;

/// Reads bits from a byte slice; reading beyond the end is an error, never a panic.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    data: &'a [u8],
    /// Bits already read.
    position: usize,
}

const TRUNCATED: Malformed = Malformed("header: it ends too early");

impl<'a> BitReader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    pub fn bit(&mut self) -> Result<bool, Malformed> {
        let byte = *self.data.get(self.position / 8).ok_or(TRUNCATED)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// `count` bits (at most 32) as an unsigned number.
    pub fn bits(&mut self, count: u32) -> Result<u32, Malformed> {
        debug_assert!(count <= 32);
        let mut value = 0u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    pub fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        let end = self.position.checked_add(count).ok_or(TRUNCATED)?;
        if end > self.data.len() * 8 {
            return Err(TRUNCATED);
        }
        self.position = end;
        Ok(())
    }

    /// Unsigned exp-Golomb code, `ue(v)`.
    pub fn ue(&mut self) -> Result<u32, Malformed> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Malformed("exp-Golomb code"));
            }
        }
        // At most 2^31 - 1 + (2^31 - 1): fits.
        Ok((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed exp-Golomb code, `se(v)`.
    pub fn se(&mut self) -> Result<i32, Malformed> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
        i32::try_from(value).map_err(|_| Malformed("exp-Golomb code"))
    }

    pub fn bits_read(&self) -> usize {
        self.position
    }

    /// Whole bytes not yet begun.
    pub fn bytes_read(&self) -> usize {
        self.position.div_ceil(8)
    }
}

/// The bytes of a NAL unit behind its header, at most `limit`, with emulation prevention bytes removed.
pub(super) fn unescaped(bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().min(limit));
    let mut zeros = 0;
    for &byte in bytes {
        if out.len() == limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

pub(super) fn small(value: u32, max: u32, what: &'static str) -> Result<u32, Malformed> {
    if value <= max { Ok(value) } else { Err(Malformed(what)) }
}

/// Longest side of a picture, in pixels (the highest levels of both codecs end below it).
pub(super) const MAX_SIDE: u32 = 16_384;

/// The pixels of one side that are shown: without `from` and `to` units at its ends.
pub(super) fn cropped(size: u32, from: u32, to: u32, unit: u32) -> Result<u32, Malformed> {
    let cut = (u64::from(from) + u64::from(to)) * u64::from(unit);
    u32::try_from(cut)
        .ok()
        .and_then(|cut| size.checked_sub(cut))
        .filter(|&left| (1..=MAX_SIDE).contains(&left))
        .ok_or(Malformed("SPS: cropping"))
}
