//! What a synthetic publisher sends: pictures in one to three layers and Opus packets, either from a clip that was
//! encoded once and loops for ever, or encoded live.

mod live;
mod store;

pub use live::Live;
pub use store::{Clip, default_cache};

use crate::schedule::LOOP_SECONDS;
use crate::{Error, Result, draw};
use bytes::Bytes;
use codec::video::Codec;

/// Everything that decides how a user looks and sounds.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipSpec {
    /// Chooses colour and tone, and is written into every picture.
    pub user: u16,
    /// For people to read; the first 14 characters are shown.
    pub name: String,
    pub codec: Codec,
    /// Pixels of the largest layer, even.
    pub width: u32,
    pub height: u32,
    /// Frames per second; must divide 48000.
    pub fps: u32,
    /// Bit/s of the largest layer.
    pub bitrate: u32,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Simulcast layers, 1 to 3; each has half the width and height of the next.
    pub layers: usize,
    /// Seconds after which pictures (and their numbers) start again.
    pub loop_seconds: u32,
    /// Frames by which this user's flashes and beeps come after the whole second.
    pub offset: u32,
    /// 1 or 2.
    pub channels: usize,
    /// Bit/s of the Opus packets.
    pub audio_bitrate: u32,
    /// A faint tone between the beeps, in which dropouts can be found.
    pub hum: bool,
}

impl ClipSpec {
    /// H.264, 640x360 at 30 fps with 600 kbit/s, a key frame every second, one layer, mono sound with hum.
    pub fn new(user: u16, name: &str) -> ClipSpec {
        ClipSpec {
            user,
            name: name.to_owned(),
            codec: Codec::H264,
            width: 640,
            height: 360,
            fps: 30,
            bitrate: 600_000,
            gop: 30,
            layers: 1,
            loop_seconds: LOOP_SECONDS,
            offset: 0,
            channels: 1,
            audio_bitrate: 48_000,
            hum: true,
        }
    }

    /// Frames in a loop.
    pub fn frames(&self) -> u64 {
        u64::from(self.fps) * u64::from(self.loop_seconds)
    }

    /// The layers, smallest first. One layer alone is `f`.
    pub fn layers(&self) -> Vec<Layer> {
        let names = ["f", "h", "q"];
        let mut layers: Vec<Layer> = names
            .into_iter()
            .take(self.layers)
            .enumerate()
            .map(|(step, rid)| Layer {
                rid,
                width: (self.width >> step).next_multiple_of(2),
                height: (self.height >> step).next_multiple_of(2),
                bitrate: (self.bitrate / 3_u32.pow(step as u32)).max(60_000),
            })
            .collect();
        layers.reverse();
        layers
    }

    /// Says what is wrong with the parameters, if anything.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: &str| Err(Error::Argument(text.to_owned()));
        if !(1..=3).contains(&self.layers) {
            return wrong("a clip has 1 to 3 layers");
        }
        if self.fps == 0 || self.fps > 120 || 48_000 % self.fps != 0 {
            return wrong("frames per second must divide 48000 and be at most 120");
        }
        if self.loop_seconds == 0 || self.gop == 0 {
            return wrong("a loop has at least a second, a group of pictures at least one");
        }
        if !self.width.is_multiple_of(2) || !self.height.is_multiple_of(2) {
            return wrong("width and height must be even");
        }
        if self.layers().iter().any(|layer| layer.width < draw::SMALLEST.0 || layer.height < draw::SMALLEST.1) {
            return wrong("the smallest layer must have 64x36 pixels or more");
        }
        Ok(())
    }
}

/// One simulcast layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its name in RTP: `q`, `h` or `f`.
    pub rid: &'static str,
    pub width: u32,
    pub height: u32,
    /// Bit/s.
    pub bitrate: u32,
}

/// One encoded picture: H.264 in Annex B with parameter sets in key frames, VP8 and VP9 raw, AV1 as a temporal unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub data: Bytes,
    pub key: bool,
}
