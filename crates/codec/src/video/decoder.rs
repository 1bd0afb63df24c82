//! Decoding of H.264 and H.265 (Annex B, or with lengths), VP8, VP9 and AV1 frames to I420.

use super::picture::Converter;
use super::{Codec, Picture};
use crate::ff::{self, named, taken};
use crate::{Error, Result};
use ffmpeg_next::{Packet, decoder, frame, threading};

/// No stream of a room is larger; a header that says so is damaged, and must not cost gigabytes. 8192 x 4608.
const MAX_PIXELS: i64 = 8192 * 4608;

/// Decodes one stream. A bad packet is an error of that packet; the decoder goes on with the next.
pub struct Decoder {
    codec: Codec,
    inner: decoder::Video,
    converter: Converter,
}

impl Decoder {
    /// `threads`: how many the decoder may start; 1 decodes in the caller's thread and gives each picture at once.
    pub fn new(codec: Codec, threads: usize) -> Result<Decoder> {
        let name = match codec {
            Codec::H264 => "h264",
            Codec::H265 => "hevc",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "libdav1d",
        };
        let mut context = ff::decoder_context(name)?;
        // Slice threads add no delay, frame threads would.
        context.set_threading(threading::Config {
            kind: threading::Type::Slice,
            count: threads.max(1),
            ..Default::default()
        });
        let mut opening = context.decoder();
        // SAFETY: writes plain fields of an owned context that is not open yet.
        unsafe {
            let raw = opening.as_mut_ptr();
            (*raw).flags |= ffmpeg_next::ffi::AV_CODEC_FLAG_LOW_DELAY as i32;
            (*raw).max_pixels = MAX_PIXELS;
        }
        let inner = opening.video().map_err(named("open video decoder"))?;
        Ok(Decoder { codec, inner, converter: Converter::default() })
    }

    /// Decodes one frame; `pts` comes back with its picture. Gives the pictures that are ready, in output order.
    pub fn decode(&mut self, data: &[u8], pts: i64) -> Result<Vec<Picture>> {
        self.send(Packet::copy(data), pts)
    }

    /// Decodes one H.264 or H.265 sample as MP4 has it: NAL units with their lengths in 4 bytes in front. Parameter sets
    /// are taken from the samples, and may change at any key frame; a sample whose lengths do not add up is an error.
    pub fn decode_sized(&mut self, sample: &[u8], pts: i64) -> Result<Vec<Picture>> {
        // As many bytes with start codes as with lengths: the one copy that FFmpeg needs anyway, with its padding, is
        // where they change.
        let mut packet = Packet::copy(sample);
        if !sample.is_empty() && !packet.data_mut().is_some_and(start_codes) {
            return Err(Error::Argument("the lengths of the sample's NAL units do not add up".into()));
        }
        self.send(packet, pts)
    }

    fn send(&mut self, mut packet: Packet, pts: i64) -> Result<Vec<Picture>> {
        packet.set_pts(Some(pts));
        self.inner.send_packet(&packet).map_err(named("decode video"))?;
        self.pictures()
    }

    /// Gives the pictures still inside and makes the decoder ready for a new stream.
    pub fn flush(&mut self) -> Result<Vec<Picture>> {
        self.inner.send_eof().map_err(named("flush video decoder"))?;
        let pictures = self.pictures();
        self.inner.flush();
        pictures
    }

    fn pictures(&mut self) -> Result<Vec<Picture>> {
        let mut out = Vec::new();
        loop {
            let mut frame = frame::Video::empty();
            if taken("decode video", self.inner.receive_frame(&mut frame))?.is_none() {
                return Ok(out);
            }
            let mut picture = self.converter.picture(frame)?;
            // VP8 has limited range only. FFmpeg takes its bit "no clamping is needed" (RFC 6386, 9.2) for another one.
            picture.full_range &= self.codec != Codec::Vp8;
            out.push(picture);
        }
    }
}

/// Writes a start code over the length of each NAL unit; false when the lengths are not those of the sample.
fn start_codes(mut rest: &mut [u8]) -> bool {
    while !rest.is_empty() {
        let Some((length, tail)) = rest.split_first_chunk_mut::<4>() else { return false };
        let unit = u32::from_be_bytes(*length) as usize;
        if unit > tail.len() {
            return false;
        }
        *length = [0, 0, 0, 1];
        rest = &mut tail[unit..];
    }
    true
}
