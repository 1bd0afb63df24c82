//! Opus payloads (RFC 7587): one packet is one frame to store.

use crate::bitstream::{Malformed, opus::Toc};
use crate::packet::{AudioFrame, RtpPacket};

/// The Opus packet in an RTP packet; `None` when there is only padding in it.
pub fn frame(packet: &RtpPacket) -> Result<Option<AudioFrame>, Malformed> {
    if packet.payload.is_empty() {
        return Ok(None);
    }
    let toc = Toc::parse(&packet.payload)?;
    Ok(Some(AudioFrame {
        rtp_time: packet.rtp_time,
        arrival_ns: packet.arrival_ns,
        data: packet.payload.clone(),
        duration: toc.duration(),
        stereo: toc.stereo,
    }))
}
