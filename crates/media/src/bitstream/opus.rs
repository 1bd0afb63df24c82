//! Opus: the table-of-contents byte and the number of frames in a packet (RFC 6716, 3.1 and 3.2).

use super::Malformed;

/// Samples at 48 kHz of the longest packet allowed: 120 ms.
pub const MAX_PACKET: u32 = 5_760;

/// What the first bytes of an Opus packet say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toc {
    /// Samples at 48 kHz per frame: 120, 240, 480, 960, 1920 or 2880.
    pub frame_size: u32,
    /// Frames in the packet, 1 to 48.
    pub frames: u32,
    pub stereo: bool,
}

impl Toc {
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let &first = packet.first().ok_or(Malformed("Opus packet: it is empty"))?;
        let configuration = first >> 3;
        let frame_size = match configuration {
            // SILK: 10, 20, 40, 60 ms
            0..=11 => [480, 960, 1920, 2880][usize::from(configuration % 4)],
            // hybrid: 10, 20 ms
            12..=15 => [480, 960][usize::from(configuration % 2)],
            // CELT: 2.5, 5, 10, 20 ms
            _ => [120, 240, 480, 960][usize::from(configuration % 4)],
        };
        let frames = match first & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => u32::from(packet.get(1).ok_or(Malformed("Opus packet: it ends too early"))? & 0x3f),
        };
        if frames == 0 || frames * frame_size > MAX_PACKET {
            return Err(Malformed("Opus packet: its length"));
        }
        Ok(Self { frame_size, frames, stereo: first & 4 != 0 })
    }

    /// Samples at 48 kHz of the whole packet.
    pub fn duration(self) -> u32 {
        self.frame_size * self.frames
    }
}
