//! Video: what encoders and decoders share. Pictures are I420 (8 bit, 4:2:0, three planes).

mod canvas;
mod config;
mod decoder;
mod draw;
mod encoder;
mod layout;
mod picture;
mod scale;
mod sprite;

pub use canvas::{Canvas, Rect, rgb_to_yuv};
pub use config::{Config, Profile};
pub use decoder::Decoder;
pub use draw::Draw;
pub use encoder::{Encoder, Packet, has_encoder};
pub(crate) use picture::Converter;
pub use picture::{Colours, I420, Picture};
pub use scale::Scaler;
pub use sprite::Sprite;

use ffmpeg_next::codec::Id;

/// The codecs of WebRTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

impl Codec {
    /// All of them, the most common first.
    pub const ALL: [Codec; 5] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265];

    /// Lower-case name: `h264`, `h265`, `vp8`, `vp9`, `av1`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
        }
    }

    fn id(self) -> Id {
        match self {
            Codec::H264 => Id::H264,
            Codec::H265 => Id::HEVC,
            Codec::Vp8 => Id::VP8,
            Codec::Vp9 => Id::VP9,
            Codec::Av1 => Id::AV1,
        }
    }
}
