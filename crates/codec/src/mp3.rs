//! MP3: an encoder (LAME, through FFmpeg).

use bytes::Bytes;
use ffmpeg_next::{Packet, encoder, format, frame};

use crate::ff::{self, named, taken};
use crate::{Error, Result};

/// Samples per channel of one frame.
pub const FRAME: usize = 1152;

/// Encodes a stream of sound.
pub struct Encoder {
    inner: encoder::Audio,
    channels: usize,
    rate: u32,
    next_pts: i64,
}

impl Encoder {
    /// `rate` in Hz (32000, 44100 and 48000, and their halves), `channels` 1 or 2, `bitrate` in bit/s.
    pub fn new(rate: u32, channels: usize, bitrate: u32) -> Result<Encoder> {
        if !matches!(channels, 1 | 2) {
            return Err(Error::Argument(format!("{channels} channels: only 1 and 2 are possible")));
        }
        let mut context = ff::encoder_context("libmp3lame")?;
        ff::set_audio(&mut context, rate, channels);
        context.set_time_base((1, rate as i32));
        let mut opening = context.encoder().audio().map_err(named("open MP3 encoder"))?;
        opening.set_format(PLANAR);
        opening.set_bit_rate(bitrate as usize);
        let inner = opening.open().map_err(named("open MP3 encoder"))?;
        Ok(Encoder { inner, channels, rate, next_pts: 0 })
    }

    /// Samples per channel that a decoder gives before the first one that was put in.
    pub fn padding(&self) -> usize {
        ff::initial_padding(&self.inner)
    }

    /// Takes up to [`FRAME`] samples per channel, interleaved f32; fewer only at the end. Gives the frames that are ready.
    pub fn encode(&mut self, block: &[f32]) -> Result<Vec<Bytes>> {
        let samples = block.len() / self.channels;
        if samples == 0 || samples > FRAME || !block.len().is_multiple_of(self.channels) {
            return Err(Error::Argument(format!("an MP3 block has up to {FRAME} samples")));
        }
        let mut frame: frame::Audio = ff::audio_frame(PLANAR, samples, self.channels, self.rate)?;
        for channel in 0..self.channels {
            let plane = ff::samples_f32_mut(&mut frame, channel).expect("the frame was allocated as planar f32");
            for (to, from) in plane.iter_mut().zip(block[channel..].iter().step_by(self.channels)) {
                *to = *from;
            }
        }
        frame.set_pts(Some(self.next_pts));
        self.next_pts += samples as i64;
        self.inner.send_frame(&frame).map_err(named("encode MP3"))?;
        self.packets()
    }

    /// Gives the frames still inside. The encoder is used up.
    pub fn finish(mut self) -> Result<Vec<Bytes>> {
        self.inner.send_eof().map_err(named("finish MP3"))?;
        self.packets()
    }

    fn packets(&mut self) -> Result<Vec<Bytes>> {
        let mut out = Vec::new();
        let mut packet = Packet::empty();
        while taken("encode MP3", self.inner.receive_packet(&mut packet))?.is_some() {
            out.extend(packet.data().map(Bytes::copy_from_slice));
        }
        Ok(out)
    }
}

const PLANAR: format::Sample = format::Sample::F32(format::sample::Type::Planar);
