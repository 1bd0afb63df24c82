//! The sizes of a track's pictures, as its samples say them.

use crate::bitstream::h264::{self, Sps};
use crate::bitstream::vp9::layers::Layers;
use crate::bitstream::{av1, h265, vp8, vp9};
use crate::mp4::Codec;

/// Parameter sets are found in so many bytes at the beginning of a key frame, and VP8 says its size there, too.
const FRONT: usize = 1024;

/// Follows the samples of one track, in decoding order.
#[derive(Debug)]
pub struct Sizes {
    codec: Codec,
    vp9: Layers,
    av1: av1::Frames,
}

impl Sizes {
    pub fn new(codec: Codec) -> Sizes {
        Sizes { codec, vp9: Layers::default(), av1: av1::Frames::default() }
    }

    /// How many of a sample's first bytes are needed. Only in VP9 and AV1 may others than key frames have a size of their own.
    pub fn needed(&self, key: bool) -> usize {
        match self.codec {
            Codec::Vp9 | Codec::Av1 => usize::MAX,
            _ if key => FRONT,
            _ => 0,
        }
    }

    /// The size of the next sample's picture; nothing where it does not say it, or cannot be read.
    pub fn follow(&mut self, sample: &[u8]) -> Option<(u32, u32)> {
        match self.codec {
            Codec::H264 => {
                let is_sps =
                    |unit: &&[u8]| unit.first().is_some_and(|header| h264::nal_type(*header) == h264::nal::SPS);
                let sps = Sps::parse(units(sample).find(is_sps)?).ok()?;
                Some((sps.width, sps.height))
            }
            Codec::H265 => {
                let is_sps =
                    |unit: &&[u8]| unit.first().is_some_and(|header| h265::nal_type(*header) == h265::nal::SPS);
                let sps = h265::Sps::parse(units(sample).find(is_sps)?).ok()?;
                Some((sps.width, sps.height))
            }
            Codec::Vp8 => {
                let (width, height) = vp8::key_frame(sample).ok()??;
                Some((width.into(), height.into()))
            }
            Codec::Vp9 => {
                // A frame that cannot be read is followed by those that cannot be read.
                vp9::frames(sample).into_iter().for_each(|frame| _ = self.vp9.follow(frame, false));
                self.vp9.size()
            }
            Codec::Av1 => {
                self.av1.follow(sample).ok()?;
                self.av1.size()
            }
            Codec::Aac | Codec::Opus => None,
        }
    }
}

/// The whole NAL units behind their lengths in these bytes of a sample.
fn units(mut sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = sample.split_first_chunk::<4>()?;
        let (unit, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        sample = rest;
        Some(unit)
    })
}
