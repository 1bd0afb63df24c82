//! H.264: NAL unit types, the parameter sets and the first fields of a slice header (ITU-T H.264, 7.3).
//! A NAL unit here has no start code and no length in front.

use super::bits::{MAX_SIDE, cropped, small, unescaped};
use super::{BitReader, Malformed};

/// `nal_unit_type` values this crate acts on.
pub mod nal {
    pub const SLICE: u8 = 1;
    pub const IDR_SLICE: u8 = 5;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
    pub const ACCESS_UNIT_DELIMITER: u8 = 9;
    pub const FILLER: u8 = 12;
}

/// What a decoder and an `avcC` box must know of one coded video sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H264Config {
    /// The active sequence parameter set, as a NAL unit.
    pub sps: Vec<u8>,
    /// The picture parameter sets that refer to it, as NAL units, by id; at least one, at most 255.
    pub pps: Vec<Vec<u8>>,
    /// Pixels after cropping.
    pub width: u32,
    pub height: u32,
    /// `profile_idc`
    pub profile: u8,
    /// The byte of constraint flags between profile and level.
    pub compatibility: u8,
    /// `level_idc`
    pub level: u8,
    /// `chroma_format_idc`: 0 grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    pub bit_depth_luma: u8,
    pub bit_depth_chroma: u8,
    /// How many pictures can follow a picture in decoding order and come before it on the screen;
    /// `None` when the stream does not say.
    pub reorder_frames: Option<u32>,
}

impl H264Config {
    /// What these two NAL units say.
    pub fn new(sps: &[u8], pps: &[u8]) -> Result<H264Config, Malformed> {
        Ok(H264Config::listing(&Sps::parse(sps)?, sps.to_vec(), vec![pps.to_vec()]))
    }

    /// Of a sequence parameter set, as it is and taken apart, and the picture parameter sets that refer to it.
    pub(crate) fn listing(parsed: &Sps, sps: Vec<u8>, pps: Vec<Vec<u8>>) -> H264Config {
        H264Config {
            sps,
            pps,
            width: parsed.width,
            height: parsed.height,
            profile: parsed.profile,
            compatibility: parsed.compatibility,
            level: parsed.level,
            chroma_format: parsed.chroma_format,
            bit_depth_luma: parsed.bit_depth_luma,
            bit_depth_chroma: parsed.bit_depth_chroma,
            reorder_frames: parsed.reorder_frames,
        }
    }
}

/// A sequence parameter set, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    pub profile: u8,
    pub compatibility: u8,
    pub level: u8,
    pub chroma_format: u8,
    pub bit_depth_luma: u8,
    pub bit_depth_chroma: u8,
    /// Pixels after cropping, 1 to 16384.
    pub width: u32,
    pub height: u32,
    /// False for interlaced coding.
    pub frame_mbs_only: bool,
    /// `max_num_reorder_frames`, or 0 where profile or picture order type rule reordering out.
    pub reorder_frames: Option<u32>,
    /// Nominal frames per second as a fraction, when the stream says so.
    pub frame_rate: Option<(u32, u32)>,
    /// For reading slice headers.
    frame_num_bits: u32,
    separate_colour_planes: bool,
}

/// A picture parameter set: only its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PpsIds {
    pub pps: u8,
    pub sps: u8,
}

/// The start of a slice header, as far as it reads without parameter sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHead {
    /// 0 for the first slice of a picture.
    pub first_mb: u32,
    pub pps: u8,
}

/// Type of a NAL unit from its first byte.
pub fn nal_type(header: u8) -> u8 {
    header & 0x1f
}

impl Sps {
    pub fn parse(sps: &[u8]) -> Result<Self, Malformed> {
        if sps.first().is_none_or(|&h| nal_type(h) != nal::SPS) {
            return Err(Malformed("SPS: not one"));
        }
        let data = unescaped(&sps[1..], sps.len());
        let mut r = BitReader::new(&data);
        let (profile, compatibility, level) = (r.bits(8)? as u8, r.bits(8)? as u8, r.bits(8)? as u8);
        let id = r.ue()?;
        if id > 31 {
            return Err(Malformed("SPS: id"));
        }
        let chroma = Chroma::read(&mut r, profile)?;
        let frame_num_bits = small(r.ue()?, 12, "SPS: frame number length")? + 4;
        let order_type = small(r.ue()?, 2, "SPS: picture order type")?;
        skip_order(&mut r, order_type)?;
        r.ue()?; // max_num_ref_frames
        r.bit()?; // gaps_in_frame_num_value_allowed_flag
        let (width_mbs, height_units) = (side(r.ue()?)?, side(r.ue()?)?);
        let frame_mbs_only = r.bit()?;
        if !frame_mbs_only {
            r.bit()?; // mb_adaptive_frame_field_flag
        }
        r.bit()?; // direct_8x8_inference_flag
        let rows = if frame_mbs_only { 1 } else { 2 };
        let crop = if r.bit()? { [r.ue()?, r.ue()?, r.ue()?, r.ue()?] } else { [0; 4] };
        let (unit_x, unit_y) = chroma.crop_unit();
        let width = cropped(width_mbs * 16, crop[0], crop[1], unit_x)?;
        let height = cropped(height_units * 16 * rows, crop[2], crop[3], unit_y * rows)?;
        // Hints only: an SPS is not refused because of them.
        let vui = if r.bit()? { Vui::read(&mut r).unwrap_or_default() } else { Vui::default() };
        let never_reorders = profile == 66 || order_type == 2;
        Ok(Self {
            id: id as u8,
            profile,
            compatibility,
            level,
            chroma_format: chroma.format as u8,
            bit_depth_luma: chroma.depth_luma,
            bit_depth_chroma: chroma.depth_chroma,
            width,
            height,
            frame_mbs_only,
            reorder_frames: if never_reorders { Some(0) } else { vui.reorder_frames },
            frame_rate: vui.frame_rate,
            frame_num_bits,
            separate_colour_planes: chroma.separate_planes,
        })
    }

    /// `frame_num` of a slice that refers to this SPS: counts reference pictures, modulo `frame_num_modulus`.
    pub fn frame_num(&self, slice: &[u8]) -> Result<u32, Malformed> {
        let data = unescaped(slice.get(1..).unwrap_or_default(), SLICE_HEAD);
        let mut r = BitReader::new(&data);
        r.ue()?;
        r.ue()?;
        r.ue()?;
        r.bits(if self.separate_colour_planes { 2 } else { 0 })?;
        r.bits(self.frame_num_bits)
    }

    pub fn frame_num_modulus(&self) -> u32 {
        1 << self.frame_num_bits
    }
}

/// Enough bytes for the fields read of a slice header: three exp-Golomb codes and 18 bits.
const SLICE_HEAD: usize = 32;

impl SliceHead {
    /// Reads the head of a coded slice (NAL unit types 1 and 5).
    pub fn parse(slice: &[u8]) -> Result<Self, Malformed> {
        let data = unescaped(slice.get(1..).unwrap_or_default(), SLICE_HEAD);
        let mut r = BitReader::new(&data);
        let first_mb = r.ue()?;
        r.ue()?; // slice_type
        let pps = small(r.ue()?, 255, "slice: PPS id")? as u8;
        Ok(Self { first_mb, pps })
    }
}

impl PpsIds {
    pub fn parse(pps: &[u8]) -> Result<Self, Malformed> {
        if pps.first().is_none_or(|&h| nal_type(h) != nal::PPS) {
            return Err(Malformed("PPS: not one"));
        }
        let data = unescaped(&pps[1..], SLICE_HEAD);
        let mut r = BitReader::new(&data);
        let (pps, sps) = (small(r.ue()?, 255, "PPS: id")?, small(r.ue()?, 31, "PPS: SPS id")?);
        Ok(Self { pps: pps as u8, sps: sps as u8 })
    }
}

struct Chroma {
    format: u32,
    depth_luma: u8,
    depth_chroma: u8,
    separate_planes: bool,
}

impl Chroma {
    fn read(r: &mut BitReader, profile: u8) -> Result<Self, Malformed> {
        let mut chroma = Self { format: 1, depth_luma: 8, depth_chroma: 8, separate_planes: false };
        if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            return Ok(chroma);
        }
        chroma.format = small(r.ue()?, 3, "SPS: chroma format")?;
        if chroma.format == 3 {
            chroma.separate_planes = r.bit()?;
        }
        chroma.depth_luma = small(r.ue()?, 6, "SPS: bit depth")? as u8 + 8;
        chroma.depth_chroma = small(r.ue()?, 6, "SPS: bit depth")? as u8 + 8;
        r.bit()?; // qpprime_y_zero_transform_bypass_flag
        if r.bit()? {
            for list in 0..if chroma.format == 3 { 12 } else { 8 } {
                if r.bit()? {
                    skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(chroma)
    }

    /// Pixels per unit of cropping, for a frame of progressive coding (table 6-1).
    fn crop_unit(&self) -> (u32, u32) {
        match self.format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

fn skip_scaling_list(r: &mut BitReader, size: u32) -> Result<(), Malformed> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            let delta = r.se()?;
            if !(-128..=127).contains(&delta) {
                return Err(Malformed("SPS: scaling list"));
            }
            next = (last + delta + 256) % 256;
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn skip_order(r: &mut BitReader, order_type: u32) -> Result<(), Malformed> {
    match order_type {
        0 => {
            r.ue()?;
        }
        1 => {
            r.bit()?;
            r.se()?;
            r.se()?;
            for _ in 0..small(r.ue()?, 255, "SPS: picture order cycle")? {
                r.se()?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[derive(Default)]
struct Vui {
    frame_rate: Option<(u32, u32)>,
    reorder_frames: Option<u32>,
}

impl Vui {
    fn read(r: &mut BitReader) -> Result<Self, Malformed> {
        const EXTENDED_SAR: u32 = 255;
        let mut vui = Self::default();
        if r.bit()? && r.bits(8)? == EXTENDED_SAR {
            r.skip(32)?;
        }
        if r.bit()? {
            r.bit()?; // overscan_appropriate_flag
        }
        if r.bit()? {
            r.skip(4)?; // video_format, video_full_range_flag
            if r.bit()? {
                r.skip(24)?; // colour description
            }
        }
        if r.bit()? {
            r.ue()?;
            r.ue()?; // chroma sample location
        }
        if r.bit()? {
            let (tick, scale) = (r.bits(32)?, r.bits(32)?);
            r.bit()?; // fixed_frame_rate_flag
            // Two ticks are one frame.
            vui.frame_rate = (tick != 0 && scale != 0).then_some((scale / 2, tick)).filter(|&(n, _)| n != 0);
        }
        let (nal_hrd, vcl_hrd) = (skip_hrd(r)?, skip_hrd(r)?);
        if nal_hrd || vcl_hrd {
            r.bit()?; // low_delay_hrd_flag
        }
        r.bit()?; // pic_struct_present_flag
        if r.bit()? {
            r.bit()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                r.ue()?; // limits of sizes and motion vectors
            }
            vui.reorder_frames = Some(small(r.ue()?, 16, "SPS: reorder depth")?);
        }
        Ok(vui)
    }
}

fn skip_hrd(r: &mut BitReader) -> Result<bool, Malformed> {
    if !r.bit()? {
        return Ok(false);
    }
    let count = small(r.ue()?, 31, "SPS: HRD")? + 1;
    r.skip(8)?;
    for _ in 0..count {
        r.ue()?;
        r.ue()?;
        r.bit()?;
    }
    r.skip(20)?;
    Ok(true)
}

/// Macroblocks (or pairs of rows) of one side, from the coded value "minus 1".
fn side(minus_1: u32) -> Result<u32, Malformed> {
    Ok(small(minus_1, MAX_SIDE / 16 - 1, "SPS: picture size")? + 1)
}

#[cfg(test)]
mod tests;
