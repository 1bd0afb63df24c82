//! AAC-LC: encoder, decoder, and the one silent frame that fills gaps.

use crate::ff::{self, named, taken};
use crate::{Error, Result};
use bytes::Bytes;
use ffmpeg_next::{Dictionary, Packet, codec, decoder, encoder, format, frame};

/// Samples per channel of one AAC frame.
pub const FRAME: usize = 1024;
/// Samples per channel that a decoder gives before the first one that was put in: one frame.
pub const PRIMING: usize = FRAME;

/// From this bit rate on FFmpeg's fast quantiser is no worse than its thorough one, and takes half the time.
const FAST_FROM: u32 = 64_000;
/// Quality (120 is FFmpeg's normal) at which speech takes a little less than the bit rate asked for, and the densest
/// noise half as much again. Without a fixed quality FFmpeg encodes a frame up to five times to make it as large as the
/// rate allows, which for silence and plain tones is all in vain.
const FAST_QUALITY: usize = 160;

/// Encodes frames of exactly 1024 samples per channel into raw AAC-LC frames (no ADTS).
///
/// Priming: the decoder's output for packet i is input frame i - 1. Packet 0 decodes to priming only, and n input
/// frames give n + 1 packets once [`Encoder::finish`] was called.
pub struct Encoder {
    inner: encoder::Audio,
    frame: frame::Audio,
    channels: usize,
    next_pts: i64,
    config: Bytes,
}

impl Encoder {
    /// `sample_rate` in Hz (a rate that AAC has), `channels` 1 or 2, `bitrate` in bit/s.
    pub fn new(sample_rate: u32, channels: usize, bitrate: u32) -> Result<Encoder> {
        if !matches!(channels, 1 | 2) {
            return Err(Error::Argument(format!("{channels} channels: only 1 and 2 are possible")));
        }
        let mut context = ff::encoder_context("aac")?;
        ff::set_audio(&mut context, sample_rate, channels);
        context.set_time_base((1, sample_rate as i32));
        // Raw frames with the configuration apart; and no library name inside the first frame.
        let flags = codec::Flags::GLOBAL_HEADER | codec::Flags::BITEXACT;
        let fast = bitrate >= FAST_FROM;
        context.set_flags(if fast { flags | codec::Flags::QSCALE } else { flags });
        let mut opening = context.encoder().audio().map_err(named("open AAC encoder"))?;
        let planar = format::Sample::F32(format::sample::Type::Planar);
        opening.set_format(planar);
        opening.set_bit_rate(bitrate as usize);
        let mut options = Dictionary::new();
        if fast {
            options.set("aac_coder", "fast");
            opening.set_quality(FAST_QUALITY);
        }
        let inner = opening.open_with(options).map_err(named("open AAC encoder"))?;
        let config = Bytes::from(ff::extradata(&inner));
        let frame = ff::audio_frame(planar, FRAME, channels, sample_rate)?;
        Ok(Encoder { inner, frame, channels, next_pts: 0, config })
    }

    /// The AudioSpecificConfig.
    pub fn config(&self) -> Bytes {
        self.config.clone()
    }

    /// Channels of the input.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Takes 1024 samples per channel, interleaved f32; gives the packets that are ready (the encoder looks one frame
    /// ahead, so the first call gives none).
    pub fn encode(&mut self, block: &[f32]) -> Result<Vec<Bytes>> {
        if block.len() != FRAME * self.channels {
            return Err(Error::Argument(format!("an AAC block has {} values", FRAME * self.channels)));
        }
        ff::make_writable(&mut self.frame)?;
        for channel in 0..self.channels {
            let plane = ff::samples_f32_mut(&mut self.frame, channel).expect("the frame was allocated as planar f32");
            for (to, from) in plane.iter_mut().zip(block[channel..].iter().step_by(self.channels)) {
                *to = *from;
            }
        }
        self.frame.set_pts(Some(self.next_pts));
        self.next_pts += FRAME as i64;
        self.inner.send_frame(&self.frame).map_err(named("encode AAC"))?;
        self.packets()
    }

    /// Gives the packets still inside. The encoder is used up.
    pub fn finish(mut self) -> Result<Vec<Bytes>> {
        self.inner.send_eof().map_err(named("finish AAC"))?;
        self.packets()
    }

    fn packets(&mut self) -> Result<Vec<Bytes>> {
        let mut out = Vec::new();
        let mut packet = Packet::empty();
        while taken("encode AAC", self.inner.receive_packet(&mut packet))?.is_some() {
            out.extend(packet.data().map(Bytes::copy_from_slice));
        }
        Ok(out)
    }
}

/// Decodes raw AAC-LC frames (no ADTS). A bad frame is an error of that frame; the decoder goes on with the next.
pub struct Decoder {
    inner: decoder::Audio,
    frame: frame::Audio,
    channels: usize,
}

impl Decoder {
    /// `config` is the AudioSpecificConfig, of 1 or 2 channels, which the output has too.
    pub fn new(config: &[u8], channels: usize) -> Result<Decoder> {
        let mut context = ff::decoder_context("aac")?;
        ff::set_extradata(&mut context, config)?;
        let inner = context.decoder().audio().map_err(named("open AAC decoder"))?;
        Ok(Decoder { inner, frame: frame::Audio::empty(), channels })
    }

    /// Appends the samples of the frame before this one, interleaved f32, to `out` (see [`Encoder`]); of the first frame,
    /// and after a [`Decoder::reset`], those of silence.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<()> {
        self.inner.send_packet(&Packet::copy(packet)).map_err(named("decode AAC"))?;
        while taken("decode AAC", self.inner.receive_frame(&mut self.frame))?.is_some() {
            let frame = &self.frame;
            let planes: Option<Vec<&[f32]>> = (0..self.channels).map(|plane| ff::samples_f32(frame, plane)).collect();
            let planes = planes.filter(|_| frame.format() == format::Sample::F32(format::sample::Type::Planar));
            let planes = planes.ok_or_else(|| Error::Argument("the AAC decoder gave another format".into()))?;
            out.extend((0..frame.samples()).flat_map(|n| planes.iter().map(move |plane| plane[n])));
        }
        Ok(())
    }

    /// Forgets the frame before.
    pub fn reset(&mut self) {
        self.inner.flush();
    }
}

/// One AAC-LC frame of silence for a track with this rate (Hz) and channel count: a few bytes that fit between any two
/// frames of an [`Encoder`] with the same two parameters, whatever its bitrate.
pub fn silent_frame(sample_rate: u32, channels: usize) -> Result<Bytes> {
    let mut encoder = Encoder::new(sample_rate, channels, 64_000)?;
    let silence = vec![0.0; FRAME * channels];
    let mut last = None;
    // The third is the first that follows nothing but silence.
    for _ in 0..4 {
        last = encoder.encode(&silence)?.pop().or(last);
    }
    last.ok_or_else(|| Error::Argument("the AAC encoder gave no silent frame".into()))
}
