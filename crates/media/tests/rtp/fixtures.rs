//! Reads the fixtures: Annex B and IVF files.

use media::bitstream::h264::{nal, nal_type};
use media::bitstream::h265;

pub const BASELINE: &[u8] = include_bytes!("../fixtures/baseline_slices.h264");
pub const HIGH: &[u8] = include_bytes!("../fixtures/high_aud_filler.h264");
pub const SLICES: &[u8] = include_bytes!("../fixtures/slices.h265");
/// Its second key frame (CRA) has two pictures behind it that are shown before.
pub const OPEN_GROUPS: &[u8] = include_bytes!("../fixtures/open_groups.h265");
pub const VP8: &[u8] = include_bytes!("../fixtures/vp8.ivf");
pub const VP9: &[u8] = include_bytes!("../fixtures/vp9.ivf");
/// Of a browser: superframes of two spatial layers each.
pub const VP9_LAYERS: &[u8] = include_bytes!("../fixtures/vp9_layers.ivf");
pub const AV1: &[u8] = include_bytes!("../fixtures/av1.ivf");
/// Of libaom: almost every frame has another size, and only the first is a key frame.
pub const AV1_RESIZED: &[u8] = include_bytes!("../fixtures/av1_resized.ivf");

/// The NAL units of each access unit of an Annex B file.
pub fn access_units(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut has_slice = true;
    for nal in nal_units(file) {
        let coded = matches!(nal_type(nal[0]), nal::SLICE | nal::IDR_SLICE);
        let first = !coded || nal[1] & 0x80 != 0;
        // Filler follows the slices it fills up for.
        if has_slice && first && nal_type(nal[0]) != nal::FILLER {
            units.push(Vec::new());
            has_slice = false;
        }
        has_slice |= coded;
        units.last_mut().expect("the first NAL unit begins a unit").push(nal);
    }
    units
}

/// The same of H.265.
pub fn h265_units(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut has_slice = true;
    for nal in nal_units(file) {
        let coded = h265::is_slice(h265::nal_type(nal[0]));
        if has_slice && (!coded || nal[2] & 0x80 != 0) {
            units.push(Vec::new());
            has_slice = false;
        }
        has_slice |= coded;
        units.last_mut().expect("the first NAL unit begins a unit").push(nal);
    }
    units
}

fn nal_units(file: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = (0..file.len() - 2).filter(|&i| file[i..].starts_with(&[0, 0, 1])).collect();
    let ends = starts[1..].iter().copied().chain([file.len()]);
    let cut = |(&start, end): (&usize, usize)| {
        let nal = &file[start + 3..end];
        // Zeros in front of the next start code belong to it.
        nal[..nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)].to_vec()
    };
    starts.iter().zip(ends).map(cut).collect()
}

/// The frames of an IVF file.
pub fn ivf(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let size = u32::from_le_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        frames.push(rest[12..12 + size].to_vec());
        rest = &rest[12 + size..];
    }
    frames
}

/// The two frames of a superframe whose sizes take four bytes each (VP9 specification, annex B).
pub fn layers(superframe: &[u8]) -> [&[u8]; 2] {
    let index = superframe.len() - 10;
    let length = |at: usize| u32::from_le_bytes(superframe[at..at + 4].try_into().expect("four bytes")) as usize;
    let (low, high) = superframe[..index].split_at(length(index + 1));
    assert_eq!(high.len(), length(index + 5));
    [low, high]
}
