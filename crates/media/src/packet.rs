//! The values that pass between the stages of this crate: RTP packets on the way in, encoded frames on the
//! way out, and what a decoder must know to start at a key frame. No behaviour beyond simple views.

use std::sync::Arc;

use crate::bitstream::{av1::Av1Config, h264::H264Config, h265::H265Config, vp9::Vp9Config};

/// One RTP packet of one stream, header already taken apart by the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// Sequence number, extended beyond 16 bits by the receiver (never near the end of its type).
    pub seq: u64,
    /// RTP timestamp in the clock of the codec, extended beyond 32 bits by the receiver.
    pub rtp_time: u64,
    /// Marker bit: for video the last packet of a picture.
    pub marker: bool,
    /// Payload without header, extensions and padding; empty for a packet of padding only.
    pub payload: Arc<[u8]>,
    /// When it arrived: nanoseconds of the recorder's monotonic clock.
    pub arrival_ns: i64,
    /// Clockwise turn that shows the picture upright, in degrees (0, 90, 180, 270), when the packet said so.
    pub rotation: Option<u16>,
}

/// Video codecs that have a depacketiser here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

/// One picture in the form an MP4 sample has: H.264 and H.265 as NAL units with 4-byte lengths, VP9 as one frame or
/// superframe, AV1 as OBUs with size fields and without temporal delimiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// RTP timestamp of the picture.
    pub rtp_time: u64,
    /// Arrival of the picture's earliest packet, in nanoseconds of the recorder's monotonic clock.
    pub arrival_ns: i64,
    pub data: Vec<u8>,
    /// A decoder may start here: every later picture needs nothing from before.
    pub key: bool,
    /// The rotation signalled with this picture or last before it; `None` when never signalled.
    pub rotation: Option<u16>,
    /// Something this picture may refer to was never received (or no key frame was seen yet); stays true up to
    /// the next key frame. Whether such pictures are kept is the caller's policy.
    pub after_loss: bool,
    /// At most so many pictures between it and the one before were lost: as many as packets were. A key frame is none the
    /// worse for it.
    pub lost_before: u64,
    /// Set on key frames, and the same `Arc` as long as its value does not change. Pictures of VP9 and AV1 may change their
    /// size without a key frame: then it is set on the first of another size, too.
    pub config: Option<Arc<VideoConfig>>,
}

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// RTP timestamp of the first sample, 48 kHz.
    pub rtp_time: u64,
    /// Nanoseconds of the recorder's monotonic clock.
    pub arrival_ns: i64,
    pub data: Arc<[u8]>,
    /// Length in samples at 48 kHz.
    pub duration: u32,
    pub stereo: bool,
}

/// What a sample entry and a decoder need to know of a coded video sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoConfig {
    H264(H264Config),
    H265(H265Config),
    Vp8 { width: u16, height: u16 },
    Vp9(Vp9Config),
    Av1(Av1Config),
}

impl VideoConfig {
    pub fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::H265(_) => VideoCodec::H265,
            Self::Vp8 { .. } => VideoCodec::Vp8,
            Self::Vp9(_) => VideoCodec::Vp9,
            Self::Av1(_) => VideoCodec::Av1,
        }
    }

    /// Width and height in pixels as shown before any rotation.
    pub fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::H264(c) => (c.width, c.height),
            Self::H265(c) => (c.width, c.height),
            Self::Vp8 { width, height } => ((*width).into(), (*height).into()),
            Self::Vp9(c) => (c.width, c.height),
            Self::Av1(c) => (c.width, c.height),
        }
    }
}
