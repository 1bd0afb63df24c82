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

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(packet: &[u8]) -> Option<u32> {
        Toc::parse(packet).ok().map(Toc::duration)
    }

    #[test]
    fn the_table_of_rfc_6716() {
        // Frame sizes in tenths of milliseconds, by configuration.
        let silk = [100, 200, 400, 600].repeat(3);
        let hybrid = [100, 200].repeat(2);
        let celt = [25, 50, 100, 200].repeat(4);
        for (configuration, tenths) in (0u8..).zip([silk, hybrid, celt].concat()) {
            assert_eq!(duration(&[configuration << 3]), Some(tenths * 48 / 10), "configuration {configuration}");
        }
    }

    #[test]
    fn frames_are_counted() {
        const CELT_20_MS: u8 = 31 << 3;
        assert_eq!(duration(&[CELT_20_MS]), Some(960));
        assert_eq!(duration(&[CELT_20_MS | 1]), Some(1_920));
        assert_eq!(duration(&[CELT_20_MS | 2]), Some(1_920));
        assert_eq!(duration(&[CELT_20_MS | 3, 6]), Some(5_760));
        // The upper bits of the count are flags.
        assert_eq!(duration(&[CELT_20_MS | 3, 0xc0 | 2]), Some(1_920));
        assert!(Toc::parse(&[CELT_20_MS | 4]).is_ok_and(|toc| toc.stereo));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for packet in [&[][..], &[0xfb], &[0xfb, 0], &[0xfb, 7]] {
            assert_eq!(duration(packet), None, "{packet:?}");
        }
    }
}
