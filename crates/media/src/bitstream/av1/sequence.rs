//! The sequence header (5.5): what files must know of a stream, and what the headers of its frames leave out.

use super::{obu, write_leb128};
use crate::bitstream::{BitReader, Malformed};

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

/// What decides how the headers of frames are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Syntax {
    /// Every frame is a key frame and most of its header goes without saying.
    pub reduced: bool,
    /// Bits of the times at which frames are to be shown, where they say them.
    pub time_bits: Option<usize>,
    pub has_decoder_model: bool,
    /// Bits of a frame's width and height.
    pub side_bits: (u32, u32),
    /// Bits of the id of a frame, and of the difference to that of a reference.
    pub id_bits: Option<(usize, usize)>,
    /// Nothing where each frame says it.
    pub screen_content: Option<bool>,
    pub says_integer_vectors: bool,
    /// None where frames have no order.
    pub order_bits: usize,
}

impl Av1Config {
    /// Parses the payload of a sequence header OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        Ok(read(payload)?.0)
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

/// Parses the payload of a sequence header OBU.
pub(super) fn read(payload: &[u8]) -> Result<(Av1Config, Syntax), Malformed> {
    let mut r = BitReader::new(payload);
    let profile = r.bits(3)? as u8;
    if profile > 2 {
        return Err(Malformed("AV1 sequence header: profile"));
    }
    r.bit()?; // still_picture
    let mut syntax = Syntax { reduced: r.bit()?, ..Syntax::default() };
    let (level, high_tier) = if syntax.reduced { (r.bits(5)?, false) } else { operating_points(&mut r, &mut syntax)? };
    syntax.side_bits = (r.bits(4)? + 1, r.bits(4)? + 1);
    let (width, height) = (r.bits(syntax.side_bits.0)? + 1, r.bits(syntax.side_bits.1)? + 1);
    read_tools(&mut r, &mut syntax)?;
    let mut config = Av1Config {
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
    Ok((config, syntax))
}

/// Gives level and tier of the first operating point.
fn operating_points(r: &mut BitReader, syntax: &mut Syntax) -> Result<(u32, bool), Malformed> {
    let mut delay_bits = None;
    if r.bit()? {
        r.skip(64)?; // num_units_in_display_tick, time_scale
        let equal_intervals = r.bit()?;
        if equal_intervals {
            r.ue()?; // num_ticks_per_picture_minus_1: uvlc(), coded like ue(v)
        }
        syntax.has_decoder_model = r.bit()?;
        if syntax.has_decoder_model {
            delay_bits = Some(r.bits(5)? as usize + 1);
            r.skip(32 + 5)?; // num_units_in_decoding_tick, length of buffer_removal_time
            let time_bits = r.bits(5)? as usize + 1;
            syntax.time_bits = (!equal_intervals).then_some(time_bits);
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
fn read_tools(r: &mut BitReader, syntax: &mut Syntax) -> Result<(), Malformed> {
    if !syntax.reduced && r.bit()? {
        let difference = r.bits(4)? as usize + 2;
        syntax.id_bits = Some((difference + r.bits(3)? as usize + 1, difference));
    }
    r.skip(3)?; // 128x128 superblocks, filter intra, intra edge filter
    syntax.says_integer_vectors = true;
    if !syntax.reduced {
        r.skip(4)?; // interintra, masked compound, warped motion, dual filter
        let order_hint = r.bit()?;
        if order_hint {
            r.skip(2)?;
        }
        syntax.screen_content = if r.bit()? { None } else { Some(r.bit()?) };
        if syntax.screen_content != Some(false) {
            syntax.says_integer_vectors = r.bit()?;
            if !syntax.says_integer_vectors {
                r.skip(1)?; // seq_force_integer_mv
            }
        }
        if order_hint {
            syntax.order_bits = r.bits(3)? as usize + 1;
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
