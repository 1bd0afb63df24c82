//! What a muxer is told: the container, its streams, and what goes into them.

use ffmpeg_next::ffi;

/// A container format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    MpegTs,
    Flv,
    Mp3,
    Webm,
    /// Opus alone.
    Ogg,
    /// RF64 from 4 GiB on.
    Wav,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Format::MpegTs => "mpegts",
            Format::Flv => "flv",
            Format::Mp3 => "mp3",
            Format::Webm => "webm",
            Format::Ogg => "opus",
            Format::Wav => "wav",
        }
    }

    /// Private options of the muxer.
    pub(super) fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Format::Mp3 => &[("id3v2_version", "0")],
            Format::Wav => &[("rf64", "auto")],
            _ => &[],
        }
    }
}

/// A codec as containers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
    Aac,
    Opus,
    Mp3,
    /// 16 bits, little endian.
    Pcm,
}

impl Codec {
    pub(super) fn id(self) -> ffi::AVCodecID {
        match self {
            Codec::H264 => ffi::AVCodecID::AV_CODEC_ID_H264,
            Codec::H265 => ffi::AVCodecID::AV_CODEC_ID_HEVC,
            Codec::Vp8 => ffi::AVCodecID::AV_CODEC_ID_VP8,
            Codec::Vp9 => ffi::AVCodecID::AV_CODEC_ID_VP9,
            Codec::Av1 => ffi::AVCodecID::AV_CODEC_ID_AV1,
            Codec::Aac => ffi::AVCodecID::AV_CODEC_ID_AAC,
            Codec::Opus => ffi::AVCodecID::AV_CODEC_ID_OPUS,
            Codec::Mp3 => ffi::AVCodecID::AV_CODEC_ID_MP3,
            Codec::Pcm => ffi::AVCodecID::AV_CODEC_ID_PCM_S16LE,
        }
    }

    /// Samples of sound in a packet, where all are alike.
    pub(super) fn frame(self) -> i32 {
        match self {
            Codec::Aac => 1024,
            Codec::Mp3 => 1152,
            Codec::Opus => 960,
            _ => 0,
        }
    }

    pub(super) fn is_video(self) -> bool {
        matches!(self, Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1)
    }
}

/// What a container is told of a stream.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// What decoders need apart from the packets; `avcC` where the packets have NAL units behind lengths.
    pub extradata: Vec<u8>,
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Hz, and how many.
    pub rate: u32,
    pub channels: u8,
    /// Samples that a decoder makes before the first that is heard.
    pub padding: u32,
    pub bitrate: u32,
}

/// A stream of a container. Its times count `1 / timescale` seconds.
#[derive(Debug, Clone)]
pub struct Stream {
    pub codec: Codec,
    pub timescale: u32,
    pub shape: Shape,
}

/// One coded picture or frame of sound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packet<'a> {
    /// Number of the stream.
    pub stream: usize,
    /// When it is seen or heard, and in which order it is decoded; the latter only grows within a stream.
    pub pts: i64,
    pub dts: i64,
    pub duration: i64,
    pub key: bool,
    pub data: &'a [u8],
    /// Other parameters from here on; where the container can say so.
    pub extradata: Option<&'a [u8]>,
    /// Samples at the beginning and at the end of the packet that are not heard. [`Format::Mp3`] is told what its encoder
    /// puts in front by that of its first packet.
    pub skip: u32,
    pub trim: u32,
}
