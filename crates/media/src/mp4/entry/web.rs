//! Sample entries of VP8, VP9 and AV1 (VP Codec ISO Media File Format Binding 1.0; AV1 Codec ISO Media File Format
//! Binding 1.2).

use shiguredo_mp4::{
    Uint,
    boxes::{Av01Box, Av1cBox, SampleEntry, VisualSampleEntryFields as Visual, Vp08Box, Vp09Box, VpccBox},
};

use crate::{
    bitstream::{av1::Av1Config, vp9::Vp9Config},
    mp4::{Error, Result},
};

/// Code points of colours (ISO/IEC 23091-2): BT.601, which VP8 is by definition, and what the pictures themselves say.
const BT_601: u8 = 6;
const UNSPECIFIED: u8 = 2;

pub(super) fn vp8(width: u16, height: u16) -> SampleEntry {
    let vpcc_box = VpccBox {
        profile: 0,
        level: 0,
        bit_depth: Uint::new(8),
        chroma_subsampling: Uint::new(1),
        video_full_range_flag: Uint::new(0),
        colour_primaries: BT_601,
        transfer_characteristics: BT_601,
        matrix_coefficients: BT_601,
        codec_initialization_data: Vec::new(),
    };
    SampleEntry::Vp08(Vp08Box { visual: visual(width, height), vpcc_box, unknown_boxes: Vec::new() })
}

pub(super) fn vp9(config: &Vp9Config) -> Result<SampleEntry> {
    let (width, height) = sides(config.width, config.height)?;
    let vpcc_box = VpccBox {
        profile: config.profile,
        level: vp9_level(config.width, config.height),
        bit_depth: Uint::new(config.bit_depth),
        chroma_subsampling: Uint::new(config.chroma_subsampling),
        video_full_range_flag: Uint::new(config.full_range.into()),
        colour_primaries: UNSPECIFIED,
        transfer_characteristics: UNSPECIFIED,
        matrix_coefficients: UNSPECIFIED,
        codec_initialization_data: Vec::new(),
    };
    Ok(SampleEntry::Vp09(Vp09Box { visual: visual(width, height), vpcc_box, unknown_boxes: Vec::new() }))
}

pub(super) fn av1(config: &Av1Config) -> Result<SampleEntry> {
    let (width, height) = sides(config.width, config.height)?;
    let av1c_box = Av1cBox {
        seq_profile: Uint::new(config.profile),
        seq_level_idx_0: Uint::new(config.level),
        seq_tier_0: Uint::new(config.high_tier.into()),
        high_bitdepth: Uint::new((config.bit_depth > 8).into()),
        twelve_bit: Uint::new((config.bit_depth == 12).into()),
        monochrome: Uint::new(config.monochrome.into()),
        chroma_subsampling_x: Uint::new(config.subsampling_x.into()),
        chroma_subsampling_y: Uint::new(config.subsampling_y.into()),
        chroma_sample_position: Uint::new(config.chroma_sample_position),
        initial_presentation_delay_minus_one: None,
        config_obus: config.sequence_header.clone(),
    };
    Ok(SampleEntry::Av01(Av01Box { visual: visual(width, height), av1c_box, unknown_boxes: Vec::new() }))
}

fn sides(width: u32, height: u32) -> Result<(u16, u16)> {
    let side = |pixels: u32| u16::try_from(pixels).ok().filter(|side| *side > 0);
    side(width).zip(side(height)).ok_or_else(|| Error::Invalid(format!("a picture of {width}x{height}")))
}

/// Times ten, the lowest one for pictures of this size at 60 a second (VP9 specification, annex A): the stream itself does
/// not say it.
fn vp9_level(width: u32, height: u32) -> u8 {
    /// Levels with their samples per second and per picture, and the longest side.
    const LEVELS: [(u8, u64, u64, u32); 13] = [
        (10, 829_440, 36_864, 512),
        (11, 2_764_800, 73_728, 768),
        (20, 4_608_000, 122_880, 960),
        (21, 9_216_000, 245_760, 1_344),
        (30, 20_736_000, 552_960, 2_048),
        (31, 36_864_000, 983_040, 2_752),
        (40, 83_558_400, 2_228_224, 4_160),
        (41, 160_432_128, 2_228_224, 4_160),
        (50, 311_951_360, 8_912_896, 8_384),
        (51, 588_251_136, 8_912_896, 8_384),
        (52, 1_176_502_272, 8_912_896, 8_384),
        (60, 1_176_502_272, 35_651_584, 16_832),
        (61, 2_353_004_544, 35_651_584, 16_832),
    ];
    let samples = u64::from(width) * u64::from(height);
    let fits = |&&(_, rate, picture, side): &&(u8, u64, u64, u32)| {
        samples * 60 <= rate && samples <= picture && width.max(height) <= side
    };
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

fn visual(width: u16, height: u16) -> Visual {
    Visual {
        data_reference_index: Visual::DEFAULT_DATA_REFERENCE_INDEX,
        width,
        height,
        horizresolution: Visual::DEFAULT_HORIZRESOLUTION,
        vertresolution: Visual::DEFAULT_VERTRESOLUTION,
        frame_count: Visual::DEFAULT_FRAME_COUNT,
        compressorname: Visual::NULL_COMPRESSORNAME,
        depth: Visual::DEFAULT_DEPTH,
    }
}
