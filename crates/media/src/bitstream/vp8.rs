//! VP8: the frame tag and the size in a key frame (RFC 6386, 9.1).

use super::Malformed;

/// Width and height in pixels when the frame is a key frame.
pub fn key_frame(frame: &[u8]) -> Result<Option<(u16, u16)>, Malformed> {
    let &[tag, _, _, ref rest @ ..] = frame else { return Err(Malformed("VP8 frame: it ends too early")) };
    if tag & 1 == 1 {
        return Ok(None);
    }
    let &[0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = rest else { return Err(Malformed("VP8 frame: start code")) };
    // The upper two bits ask for upscaling on display.
    let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    match (size(w0, w1), size(h0, h1)) {
        (0, _) | (_, 0) => Err(Malformed("VP8 frame: picture size")),
        size => Ok(Some(size)),
    }
}
