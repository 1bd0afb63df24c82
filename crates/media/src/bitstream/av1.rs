//! AV1: OBU headers, the sequence header and the start of a frame header (AV1 bitstream specification, 5.3 to 5.9).

use super::{BitReader, Malformed};

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

/// What an `av1C` box and the recorder must know of an AV1 stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Config {
    /// The sequence header OBU with its size field, for `av1C`.
    pub sequence_header: Vec<u8>,
    pub profile: u8,
    /// `seq_level_idx[0]`
    pub level: u8,
    /// `seq_tier[0]`: high tier
    pub high_tier: bool,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    pub monochrome: bool,
    pub subsampling_x: bool,
    pub subsampling_y: bool,
    pub chroma_sample_position: u8,
    /// Largest picture, in pixels.
    pub width: u32,
    pub height: u32,
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

/// A temporal unit of OBUs that all have sizes, as an MP4 sample has it: without its delimiter. And what its sequence
/// header says, if it has one.
pub fn to_sample(mut unit: &[u8]) -> Result<(Vec<u8>, Option<Av1Config>), Malformed> {
    let (mut sample, mut config) = (Vec::with_capacity(unit.len()), None);
    while !unit.is_empty() {
        let header = ObuHeader::parse(unit)?;
        if !header.has_size {
            return Err(Malformed("OBU: without a size"));
        }
        let (length, skip) = leb128(&unit[header.len..])?;
        let begins = header.len + skip;
        let (obu, rest) = unit.split_at_checked(begins + length as usize).ok_or(Malformed("OBU: it ends too early"))?;
        match header.kind {
            obu::TEMPORAL_DELIMITER => {}
            kind => {
                if kind == obu::SEQUENCE_HEADER {
                    config = Some(Av1Config::parse(&obu[begins..])?);
                }
                sample.extend_from_slice(obu);
            }
        }
        unit = rest;
    }
    Ok((sample, config))
}

impl Av1Config {
    /// Parses the payload of a sequence header OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut r = BitReader::new(payload);
        let profile = r.bits(3)? as u8;
        if profile > 2 {
            return Err(Malformed("AV1 sequence header: profile"));
        }
        r.bit()?; // still_picture
        let reduced = r.bit()?;
        let (level, high_tier) = if reduced { (r.bits(5)?, false) } else { operating_points(&mut r)? };
        let (width_bits, height_bits) = (r.bits(4)? + 1, r.bits(4)? + 1);
        let (width, height) = (r.bits(width_bits)? + 1, r.bits(height_bits)? + 1);
        skip_tools(&mut r, reduced)?;
        let mut config = Self {
            sequence_header: sized_sequence_header(payload),
            profile,
            level: level as u8,
            high_tier,
            bit_depth: 8,
            monochrome: false,
            subsampling_x: true,
            subsampling_y: true,
            chroma_sample_position: 0,
            width,
            height,
        };
        config.read_colour(&mut r)?;
        Ok(config)
    }

    fn read_colour(&mut self, r: &mut BitReader) -> Result<(), Malformed> {
        const SRGB_IDENTITY: (u32, u32, u32) = (1, 13, 0);
        const UNSPECIFIED: (u32, u32, u32) = (2, 2, 2);
        let high = r.bit()?;
        self.bit_depth = match (high, self.profile) {
            (false, _) => 8,
            (true, 2) if r.bit()? => 12,
            (true, _) => 10,
        };
        self.monochrome = self.profile != 1 && r.bit()?;
        let description = if r.bit()? { (r.bits(8)?, r.bits(8)?, r.bits(8)?) } else { UNSPECIFIED };
        if self.monochrome {
            return Ok(());
        }
        if description == SRGB_IDENTITY {
            (self.subsampling_x, self.subsampling_y) = (false, false);
            return Ok(());
        }
        r.bit()?; // color_range
        (self.subsampling_x, self.subsampling_y) = match self.profile {
            0 => (true, true),
            1 => (false, false),
            _ if self.bit_depth == 12 => {
                let x = r.bit()?;
                (x, x && r.bit()?)
            }
            _ => (true, false),
        };
        if self.subsampling_x && self.subsampling_y {
            self.chroma_sample_position = r.bits(2)? as u8;
        }
        Ok(())
    }
}

/// Level and tier of the first operating point.
fn operating_points(r: &mut BitReader) -> Result<(u32, bool), Malformed> {
    let mut delay_bits = None;
    if r.bit()? {
        r.skip(64)?; // num_units_in_display_tick, time_scale
        if r.bit()? {
            r.ue()?; // num_ticks_per_picture_minus_1: uvlc(), coded like ue(v)
        }
        if r.bit()? {
            delay_bits = Some(r.bits(5)? as usize + 1);
            r.skip(32 + 5 + 5)?;
        }
    }
    let initial_delay = r.bit()?;
    let mut first = (0, false);
    for i in 0..=r.bits(5)? {
        r.skip(12)?; // operating_point_idc
        let level = r.bits(5)?;
        let tier = level > 7 && r.bit()?;
        if i == 0 {
            first = (level, tier);
        }
        if let Some(bits) = delay_bits
            && r.bit()?
        {
            r.skip(2 * bits + 1)?;
        }
        if initial_delay && r.bit()? {
            r.skip(4)?;
        }
    }
    Ok(first)
}

/// Everything between the picture size and the colour configuration.
fn skip_tools(r: &mut BitReader, reduced: bool) -> Result<(), Malformed> {
    if !reduced && r.bit()? {
        r.skip(4 + 3)?; // lengths of frame ids
    }
    r.skip(3)?; // 128x128 superblocks, filter intra, intra edge filter
    if !reduced {
        r.skip(4)?; // interintra, masked compound, warped motion, dual filter
        let order_hint = r.bit()?;
        if order_hint {
            r.skip(2)?;
        }
        let screen_content = r.bit()? || r.bit()?;
        if screen_content && !r.bit()? {
            r.skip(1)?; // seq_force_integer_mv
        }
        if order_hint {
            r.skip(3)?;
        }
    }
    r.skip(3) // superres, cdef, restoration
}

fn sized_sequence_header(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![obu::SEQUENCE_HEADER << 3 | 2];
    write_leb128(payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}
