//! The header in front of each frame of AAC where there is no container (ADTS, ISO 14496-3).

/// Bytes of a header.
pub const HEADER: usize = 7;

const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// The header of a frame of `len` bytes of AAC-LC with 1 or 2 channels. Nothing for a rate that AAC has not, or a frame
/// that is too large.
pub fn header(sample_rate: u32, channels: u8, len: usize) -> Option<[u8; HEADER]> {
    let rate = RATES.into_iter().position(|rate| rate == sample_rate)? as u8;
    let len = u16::try_from(len + HEADER).ok().filter(|len| *len < 1 << 13)?;
    // MPEG-4 without checksum, profile LC, buffer fullness 0x7ff: variable bit rate.
    let channels = channels << 6 | (len >> 11) as u8;
    Some([0xff, 0xf1, 1 << 6 | rate << 2, channels, (len >> 3) as u8, ((len & 7) as u8) << 5 | 0x1f, 0xfc])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_the_frame_is() {
        // As FFmpeg writes it for a frame of 178 bytes, 48 kHz, two channels.
        assert_eq!(header(48_000, 2, 178), Some([0xff, 0xf1, 0x4c, 0x80, 0x17, 0x3f, 0xfc]));
        assert_eq!(header(16_000, 1, 8184), Some([0xff, 0xf1, 0x60, 0x43, 0xff, 0xff, 0xfc]));
        assert_eq!((header(48_000, 2, 8185), header(12_345, 2, 10)), (None, None));
    }
}
