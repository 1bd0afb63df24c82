//! Video: what encoders and decoders share. Pictures are I420 (8 bit, 4:2:0, three planes).

mod decoder;
mod encoder;
mod picture;

pub use decoder::Decoder;
pub use encoder::{Config, Encoder, Packet, Profile};
pub(crate) use picture::Converter;
pub use picture::{I420, Picture};

/// The four codecs of WebRTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

impl Codec {
    /// All of them, the most common first.
    pub const ALL: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

    /// Lower-case name: `h264`, `vp8`, `vp9`, `av1`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
        }
    }
}
