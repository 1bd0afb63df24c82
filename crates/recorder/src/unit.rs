//! What the tracks of a room hand to the takes: pictures and packets of sound, placed on the recorder's clock. Cheap to
//! clone, because several tasks may record the same stream.

use std::sync::Arc;

use bytes::Bytes;
use media::packet::VideoConfig;
use rules::ledger::Cause;
use rules::time::Mono;

#[derive(Debug, Clone)]
pub enum Unit {
    Picture(Picture),
    Sound(SoundPacket),
}

impl Unit {
    /// When it was captured.
    pub fn at(&self) -> Mono {
        match self {
            Unit::Picture(picture) => picture.at,
            Unit::Sound(sound) => sound.at,
        }
    }

    /// When its first packet arrived.
    pub fn arrival(&self) -> Mono {
        match self {
            Unit::Picture(picture) => picture.arrival,
            Unit::Sound(sound) => sound.arrival,
        }
    }
}

/// One coded picture.
#[derive(Debug, Clone)]
pub struct Picture {
    pub at: Mono,
    pub arrival: Mono,
    /// As an MP4 sample has it.
    pub data: Bytes,
    pub key: bool,
    /// It may refer to something that was lost.
    pub after_loss: bool,
    /// Why pictures directly before it are missing, or may be, and how many at most.
    pub missing_before: Option<(Cause, u64)>,
    /// On key frames.
    pub config: Option<Arc<VideoConfig>>,
    /// Clockwise turn that shows it upright, degrees.
    pub rotation: u16,
}

/// One Opus packet.
#[derive(Debug, Clone)]
pub struct SoundPacket {
    /// Capture time of the first sample that it decodes to.
    pub at: Mono,
    pub arrival: Mono,
    pub data: Bytes,
    /// Samples of 48 kHz.
    pub duration: u32,
    /// Packets before it were lost in the network.
    pub after_loss: bool,
}
