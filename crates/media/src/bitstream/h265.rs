//! H.265: NAL unit headers, the parameter sets and the first fields of a slice segment header (ITU-T H.265, 7.3). A NAL
//! unit here has no start code and no length in front.

use super::bits::{MAX_SIDE, cropped, small, unescaped};
use super::{BitReader, Malformed};

/// `nal_unit_type` values this crate and its users act on.
pub mod nal {
    /// Leading pictures that need what lies before the key frame they follow.
    pub const RASL_N: u8 = 8;
    pub const RASL_R: u8 = 9;
    pub const VPS: u8 = 32;
    pub const SPS: u8 = 33;
    pub const PPS: u8 = 34;
    pub const ACCESS_UNIT_DELIMITER: u8 = 35;
    pub const FILLER: u8 = 38;
}

/// Bytes of a NAL unit's header.
pub const HEADER: usize = 2;
/// Most temporal layers.
const MAX_SUB_LAYERS: u32 = 7;

/// Type of a NAL unit from the first of its two header bytes.
pub fn nal_type(header: u8) -> u8 {
    header >> 1 & 0x3f
}

/// `nuh_layer_id`: 0 but for scalable and multiview streams.
pub fn layer(header: [u8; HEADER]) -> u8 {
    (header[0] & 1) << 5 | header[1] >> 3
}

/// Whether a NAL unit of this type is a slice segment of a picture.
pub fn is_slice(kind: u8) -> bool {
    kind < nal::VPS
}

/// Whether decoding can begin with a picture of this type (IRAP: IDR, CRA, BLA).
pub fn is_key_slice(kind: u8) -> bool {
    (16..24).contains(&kind)
}

/// What a decoder and an `hvcC` box must know of one coded video sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H265Config {
    /// The video parameter set, as a NAL unit.
    pub vps: Vec<u8>,
    /// The active sequence parameter set, likewise.
    pub sps: Vec<u8>,
    /// The picture parameter sets that refer to it, the first key frame's first; at least one.
    pub pps: Vec<Vec<u8>>,
    /// Pixels within the conformance window.
    pub width: u32,
    pub height: u32,
}

impl H265Config {
    /// What these NAL units say.
    pub fn new(vps: &[u8], sps: &[u8], pps: &[u8]) -> Result<H265Config, Malformed> {
        Vps::parse(vps)?;
        PpsIds::parse(pps)?;
        Ok(H265Config::listing(&Sps::parse(sps)?, vps.to_vec(), sps.to_vec(), vec![pps.to_vec()]))
    }

    /// Of a sequence parameter set, as it is and taken apart, and the sets beside it.
    pub(crate) fn listing(parsed: &Sps, vps: Vec<u8>, sps: Vec<u8>, pps: Vec<Vec<u8>>) -> H265Config {
        H265Config { vps, sps, pps, width: parsed.width, height: parsed.height }
    }
}

/// A video parameter set: its id. What else it says matters to streams of several layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vps {
    pub id: u8,
}

/// A sequence parameter set, as far as it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    pub id: u8,
    pub vps: u8,
    /// `general_profile_idc`: 1 main, 2 main 10.
    pub profile: u8,
    /// `general_level_idc`: 30 times the level.
    pub level: u8,
    /// Pixels within the conformance window.
    pub width: u32,
    pub height: u32,
}

/// The ids in a picture parameter set: its own, and that of its sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PpsIds {
    pub pps: u8,
    pub sps: u8,
}

/// The first fields of a slice segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHead {
    /// The first slice segment of its picture.
    pub first: bool,
    pub pps: u8,
}

/// Bytes read of a NAL unit's payload where a few small numbers at its front suffice.
const FRONT: usize = 16;

/// The payload of a NAL unit of the base layer and this type, at most `limit` bytes.
fn payload(unit: &[u8], kind: u8, limit: usize) -> Option<Vec<u8>> {
    let (header, body) = unit.split_first_chunk::<HEADER>()?;
    (nal_type(header[0]) == kind && layer(*header) == 0).then(|| unescaped(body, limit))
}

impl Vps {
    pub fn parse(vps: &[u8]) -> Result<Self, Malformed> {
        let data = payload(vps, nal::VPS, FRONT).ok_or(Malformed("VPS: not one"))?;
        Ok(Self { id: BitReader::new(&data).bits(4)? as u8 })
    }
}

impl Sps {
    pub fn parse(sps: &[u8]) -> Result<Self, Malformed> {
        let data = payload(sps, nal::SPS, sps.len()).ok_or(Malformed("SPS: not one"))?;
        let mut r = BitReader::new(&data);
        let vps = r.bits(4)? as u8;
        let sub_layers = small(r.bits(3)?, MAX_SUB_LAYERS - 1, "SPS: temporal layers")?;
        r.bit()?; // sps_temporal_id_nesting_flag
        let (profile, level) = profile_and_level(&mut r, sub_layers)?;
        let id = small(r.ue()?, 15, "SPS: id")? as u8;
        let chroma = small(r.ue()?, 3, "SPS: chroma format")?;
        if chroma == 3 {
            r.bit()?; // separate_colour_plane_flag
        }
        let size = [r.ue()?, r.ue()?].map(|side| small(side, MAX_SIDE, "SPS: picture size"));
        let window = if r.bit()? { [r.ue()?, r.ue()?, r.ue()?, r.ue()?] } else { [0; 4] };
        let (unit_x, unit_y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        Ok(Self {
            id,
            vps,
            profile,
            level,
            width: cropped(size[0]?, window[0], window[1], unit_x)?,
            height: cropped(size[1]?, window[2], window[3], unit_y)?,
        })
    }
}

/// `profile_tier_level`, 7.3.3: the profile and the level of the whole stream. Those of its temporal layers, so many
/// above the lowest, are skipped.
fn profile_and_level(r: &mut BitReader, sub_layers: u32) -> Result<(u8, u8), Malformed> {
    r.skip(3)?; // profile space and tier
    let profile = r.bits(5)? as u8;
    r.skip(32 + 48)?; // compatibility and constraints
    let level = r.bits(8)? as u8;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((r.bit()?, r.bit()?));
    }
    if sub_layers > 0 {
        r.skip(2 * (8 - sub_layers as usize))?;
    }
    for (has_profile, has_level) in present {
        r.skip(if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 })?;
    }
    Ok((profile, level))
}

impl PpsIds {
    pub fn parse(pps: &[u8]) -> Result<Self, Malformed> {
        let data = payload(pps, nal::PPS, FRONT).ok_or(Malformed("PPS: not one"))?;
        let mut r = BitReader::new(&data);
        let (pps, sps) = (small(r.ue()?, 63, "PPS: id")?, small(r.ue()?, 15, "PPS: SPS id")?);
        Ok(Self { pps: pps as u8, sps: sps as u8 })
    }
}

impl SliceHead {
    /// Reads the head of a slice segment.
    pub fn parse(slice: &[u8]) -> Result<Self, Malformed> {
        let (header, body) = slice.split_first_chunk::<HEADER>().ok_or(Malformed("slice: not one"))?;
        let kind = nal_type(header[0]);
        let data = unescaped(body, FRONT);
        let mut r = BitReader::new(&data);
        let first = r.bit()?;
        if is_key_slice(kind) {
            r.bit()?; // no_output_of_prior_pics_flag
        }
        Ok(Self { first, pps: small(r.ue()?, 63, "slice: PPS id")? as u8 })
    }
}

#[cfg(test)]
mod tests;
