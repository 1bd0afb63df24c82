//! Decoding of H.264 (Annex B), VP8, VP9 and AV1 frames to I420.

use super::picture::Converter;
use super::{Codec, Picture};
use crate::Result;
use crate::ff::{self, named, taken};
use ffmpeg_next::{Packet, decoder, frame, threading};

/// No stream of a room is larger; a header that says so is damaged, and must not cost gigabytes. 8192 x 4608.
const MAX_PIXELS: i64 = 8192 * 4608;

/// Decodes one stream. A bad packet is an error of that packet; the decoder goes on with the next.
pub struct Decoder {
    inner: decoder::Video,
    converter: Converter,
}

impl Decoder {
    /// `threads`: how many the decoder may start; 1 decodes in the caller's thread and gives each picture at once.
    pub fn new(codec: Codec, threads: usize) -> Result<Decoder> {
        let name = match codec {
            Codec::H264 => "h264",
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
        Ok(Decoder { inner, converter: Converter::default() })
    }

    /// Decodes one frame; `pts` comes back with its picture. Gives the pictures that are ready, in output order.
    pub fn decode(&mut self, data: &[u8], pts: i64) -> Result<Vec<Picture>> {
        let mut packet = Packet::copy(data);
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
            out.push(self.converter.picture(frame)?);
        }
    }
}
