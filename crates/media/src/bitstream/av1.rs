//! AV1: OBU headers, the sequence header and the start of a frame header (AV1 bitstream specification, 5.3 to 5.9).

mod frames;
mod sequence;

use super::{BitReader, Malformed};

pub use frames::Frames;
pub use sequence::Av1Config;

/// `obu_type` values this crate acts on.
pub mod obu {
    pub const SEQUENCE_HEADER: u8 = 1;
    pub const TEMPORAL_DELIMITER: u8 = 2;
    pub const FRAME_HEADER: u8 = 3;
    pub const TILE_GROUP: u8 = 4;
    pub const METADATA: u8 = 5;
    pub const FRAME: u8 = 6;
    pub const TILE_LIST: u8 = 8;
    pub const PADDING: u8 = 15;
}

/// The first byte or two of an OBU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObuHeader {
    /// `obu_type`
    pub kind: u8,
    pub has_size: bool,
    /// 0 without an extension.
    pub spatial_layer: u8,
    /// Length of the header itself, 1 or 2 bytes.
    pub len: usize,
}

impl ObuHeader {
    pub fn parse(obu: &[u8]) -> Result<Self, Malformed> {
        const TRUNCATED: Malformed = Malformed("OBU: it ends too early");
        let &first = obu.first().ok_or(TRUNCATED)?;
        if first & 0x80 != 0 {
            return Err(Malformed("OBU: forbidden bit"));
        }
        let extended = first & 4 != 0;
        let extension = if extended { *obu.get(1).ok_or(TRUNCATED)? } else { 0 };
        Ok(Self {
            kind: first >> 3 & 0xf,
            has_size: first & 2 != 0,
            spatial_layer: extension >> 3 & 3,
            len: if extended { 2 } else { 1 },
        })
    }
}

/// Reads a LEB128 number of at most 32 bits; returns it and its length in bytes.
pub fn leb128(data: &[u8]) -> Result<(u32, usize), Malformed> {
    let mut value = 0u64;
    for (i, &byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Malformed("LEB128: too large"))?;
            return Ok((value, i + 1));
        }
    }
    Err(Malformed("LEB128: no end"))
}

/// Appends a number as LEB128.
pub fn write_leb128(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Whether the frame header (payload of a FRAME_HEADER or FRAME OBU) is of a shown key frame.
/// `reduced_still_picture` streams, which no camera sends, are not told apart.
pub fn is_key_frame(frame: &[u8]) -> Result<bool, Malformed> {
    let mut r = BitReader::new(frame);
    let show_existing = r.bit()?;
    Ok(!show_existing && r.bits(2)? == 0 && r.bit()?)
}

/// An OBU that has its size.
pub(crate) struct Obu<'a> {
    pub header: ObuHeader,
    /// All of it, with its header.
    pub bytes: &'a [u8],
    pub payload: &'a [u8],
}

/// Takes an OBU that has its size off the front; gives what is behind it, too.
pub(crate) fn split_obu(unit: &[u8]) -> Result<(Obu<'_>, &[u8]), Malformed> {
    let header = ObuHeader::parse(unit)?;
    if !header.has_size {
        return Err(Malformed("OBU: without a size"));
    }
    let (length, skip) = leb128(&unit[header.len..])?;
    let begins = header.len + skip;
    let (bytes, rest) = unit.split_at_checked(begins + length as usize).ok_or(Malformed("OBU: it ends too early"))?;
    Ok((Obu { header, bytes, payload: &bytes[begins..] }, rest))
}

/// A temporal unit of OBUs that all have sizes, as an MP4 sample has it: without its delimiter. And what its sequence
/// header says, if it has one.
pub fn to_sample(mut unit: &[u8]) -> Result<(Vec<u8>, Option<Av1Config>), Malformed> {
    let (mut sample, mut config) = (Vec::with_capacity(unit.len()), None);
    while !unit.is_empty() {
        let (Obu { header, bytes, payload }, rest) = split_obu(unit)?;
        match header.kind {
            obu::TEMPORAL_DELIMITER => {}
            kind => {
                if kind == obu::SEQUENCE_HEADER {
                    config = Some(Av1Config::parse(payload)?);
                }
                sample.extend_from_slice(bytes);
            }
        }
        unit = rest;
    }
    Ok((sample, config))
}
