//! The few functions of libopus that the decoder needs. FFmpeg's wrapper of it cannot be asked for in-band FEC.

use super::{MAX_PACKET, RATE};
use crate::{Error, Result};
use std::ffi::c_int;
use std::ptr::{self, NonNull};

/// Most frames in one packet.
const MAX_FRAMES: usize = 48;

mod ffi {
    use std::ffi::{c_int, c_uchar};

    /// libopus's decoder, known to it alone.
    #[repr(C)]
    pub struct OpusDecoder {
        _private: [u8; 0],
    }

    // SAFETY: these are the declarations of opus.h, in which `opus_int32` is an `int32_t` and `opus_int16` an `int16_t`.
    unsafe extern "C" {
        pub fn opus_decoder_create(rate: i32, channels: c_int, error: *mut c_int) -> *mut OpusDecoder;
        pub fn opus_decoder_destroy(decoder: *mut OpusDecoder);
        pub fn opus_decode_float(
            decoder: *mut OpusDecoder,
            data: *const c_uchar,
            length: i32,
            pcm: *mut f32,
            frame_size: c_int,
            decode_fec: c_int,
        ) -> c_int;
        pub fn opus_packet_parse(
            data: *const c_uchar,
            length: i32,
            toc: *mut c_uchar,
            frames: *mut *const c_uchar,
            sizes: *mut i16,
            payload_offset: *mut c_int,
        ) -> c_int;
        pub fn opus_packet_get_samples_per_frame(data: *const c_uchar, rate: i32) -> c_int;
    }
}

/// What a decoder is asked for.
#[derive(Clone, Copy)]
pub enum Ask<'a> {
    /// All of a packet.
    Packet(&'a [u8]),
    /// The frame before a packet, which it carries a copy of. Its length must be asked for.
    Before(&'a [u8]),
    /// What may have been in a packet that was lost.
    Lost,
}

/// A decoder of libopus at 48 kHz.
pub struct Libopus {
    raw: NonNull<ffi::OpusDecoder>,
    channels: usize,
}

// SAFETY: the decoder is a block of memory that belongs to whoever holds it; libopus keeps no thread-local state, and it
// is never shared: every call borrows it mutably.
unsafe impl Send for Libopus {}

impl Libopus {
    /// `channels` is 1 or 2.
    pub fn new(channels: usize) -> Result<Libopus> {
        let mut error: c_int = 0;
        // SAFETY: `error` may be written; what comes back is ours alone, or null.
        let raw = unsafe { ffi::opus_decoder_create(RATE as i32, channels as c_int, &mut error) };
        let raw = NonNull::new(raw).ok_or(Error::Opus { call: "opus_decoder_create", code: error })?;
        Ok(Libopus { raw, channels })
    }

    /// Appends what was asked for to `out`, at most `samples` per channel and at most [`MAX_PACKET`]; answers how many
    /// they are. On an error nothing is added.
    pub fn decode(&mut self, ask: Ask<'_>, samples: usize, out: &mut Vec<f32>) -> Result<usize> {
        let (packet, fec) = match ask {
            Ask::Packet(packet) => (packet, 0),
            Ask::Before(packet) => (packet, 1),
            Ask::Lost => (&[][..], 0),
        };
        let samples = samples.min(MAX_PACKET);
        let from = out.len();
        out.resize(from + samples * self.channels, 0.0);
        let data = if packet.is_empty() { ptr::null() } else { packet.as_ptr() };
        let length = i32::try_from(packet.len()).unwrap_or(i32::MAX);
        // SAFETY: the decoder is alive and borrowed mutably; `data` is null, which means a loss, or `length` readable bytes;
        // behind `from` there is room for `samples` per channel, and libopus writes no more than it is told to.
        let got = unsafe {
            let pcm = out[from..].as_mut_ptr();
            ffi::opus_decode_float(self.raw.as_ptr(), data, length, pcm, samples as c_int, fec)
        };
        out.truncate(from + got.clamp(0, samples as c_int) as usize * self.channels);
        if got < 0 { Err(Error::Opus { call: "opus_decode_float", code: got }) } else { Ok(got as usize) }
    }
}

impl Drop for Libopus {
    fn drop(&mut self) {
        // SAFETY: made by `opus_decoder_create`, destroyed here only.
        unsafe { ffi::opus_decoder_destroy(self.raw.as_ptr()) };
    }
}

/// The first frame of a packet and how many samples each of its frames lasts; nothing of what is no packet.
pub fn first_frame(packet: &[u8]) -> Option<(&[u8], usize)> {
    let length = i32::try_from(packet.len()).ok().filter(|length| *length > 0)?;
    let mut frames = [ptr::null(); MAX_FRAMES];
    let mut sizes = [0_i16; MAX_FRAMES];
    // SAFETY: `packet` has `length` bytes, at least one; there is room for as many frames as a packet can have; libopus
    // allows null for what is not asked for.
    let (count, samples) = unsafe {
        let (frames, sizes) = (frames.as_mut_ptr(), sizes.as_mut_ptr());
        let count = ffi::opus_packet_parse(packet.as_ptr(), length, ptr::null_mut(), frames, sizes, ptr::null_mut());
        (count, ffi::opus_packet_get_samples_per_frame(packet.as_ptr(), RATE as i32))
    };
    if count < 1 {
        return None;
    }
    let start = (frames[0] as usize).checked_sub(packet.as_ptr() as usize)?;
    let end = start.checked_add(usize::try_from(sizes[0]).ok()?)?;
    Some((packet.get(start..end)?, usize::try_from(samples).ok()?))
}
