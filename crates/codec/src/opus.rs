//! Opus at 48 kHz: decoder with loss concealment, and an encoder for synthetic publishers. Both are libopus, through
//! FFmpeg.

use crate::ff::{self, named, taken};
use crate::{Error, Result};
use bytes::Bytes;
use ffmpeg_next::{Dictionary, Packet, decoder, encoder, format, frame};

/// Samples per second of everything here.
pub const RATE: u32 = 48_000;
/// Samples per channel of one encoded packet: 20 ms.
pub const FRAME: usize = 960;
/// No Opus packet decodes to more samples per channel than this: 120 ms.
pub const MAX_PACKET: usize = 5760;
/// Samples per channel after which a loss is no longer concealed but silent: 400 ms.
pub const CONCEALED: usize = 19_200;
/// Over so many samples before that the concealment fades out: 200 ms.
const FADE: usize = 9_600;

/// Decodes one Opus stream. A bad packet is an error of that packet; the decoder goes on with the next.
pub struct Decoder {
    inner: decoder::Audio,
    frame: frame::Audio,
    channels: usize,
    /// First byte of the last good packet, with its frame count set to one: the shape in which a lost one is asked for.
    toc: u8,
    /// Samples per channel concealed since the last good packet.
    concealed: usize,
}

impl Decoder {
    /// A decoder whose output always has this many channels (1 or 2), whatever the packets hold.
    pub fn new(channels: usize) -> Result<Decoder> {
        check_channels(channels)?;
        let mut context = ff::decoder_context("libopus")?;
        ff::set_audio(&mut context, RATE, channels);
        let mut opening = context.decoder();
        // SAFETY: writes a plain option field of an owned context before it is opened.
        unsafe { (*opening.as_mut_ptr()).request_sample_fmt = ffmpeg_next::ffi::AVSampleFormat::AV_SAMPLE_FMT_FLT };
        opening.set_packet_time_base((1, RATE as i32));
        let inner = opening.audio().map_err(named("open libopus decoder"))?;
        // 20 ms, CELT, full band: what a browser sends.
        Ok(Decoder { inner, frame: frame::Audio::empty(), channels, toc: 0xf8, concealed: 0 })
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Appends the packet's samples, interleaved f32 in -1..=1, to `out`; returns how many per channel were added.
    /// On an error nothing is added.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<usize> {
        let Some(toc) = packet.first() else {
            return Err(Error::Argument("an Opus packet has at least one byte".into()));
        };
        let samples = self.run(packet, usize::MAX, out)?;
        // Same mode and frame length, one frame in the packet.
        self.toc = toc & !0x03;
        self.concealed = 0;
        Ok(samples)
    }

    /// Appends exactly `samples` samples per channel in place of lost packets: the decoder's own concealment, which
    /// goes on from the last packet, and after [`CONCEALED`] samples silence. Never fails; what the decoder does not
    /// give is silence.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<f32>) {
        let end = out.len() + samples * self.channels;
        while out.len() < end && self.concealed < CONCEALED {
            let from = out.len();
            let left = (end - from) / self.channels;
            // A packet of nothing but its first byte says "this frame was not sent", which libopus conceals.
            match self.run(&[self.toc], left, out) {
                Ok(got) if got > 0 => self.fade(&mut out[from..]),
                _ => break,
            }
        }
        out.resize(end, 0.0);
    }

    /// libopus goes on with comfort noise for ever; a recording shall be silent where nothing was received.
    fn fade(&mut self, block: &mut [f32]) {
        for pair in block.chunks_exact_mut(self.channels) {
            let left = CONCEALED.saturating_sub(self.concealed) as f32;
            let gain = (left / FADE as f32).min(1.0);
            pair.iter_mut().for_each(|sample| *sample *= gain);
            self.concealed += 1;
        }
    }

    fn run(&mut self, packet: &[u8], limit: usize, out: &mut Vec<f32>) -> Result<usize> {
        self.inner.send_packet(&Packet::copy(packet)).map_err(named("decode Opus"))?;
        let mut added = 0;
        while taken("decode Opus", self.inner.receive_frame(&mut self.frame))?.is_some() {
            let samples = ff::samples_f32(&self.frame, 0)
                .filter(|_| ff::channels(&self.frame) == self.channels)
                .ok_or_else(|| Error::Argument("the Opus decoder gave another format than asked for".into()))?;
            let take = (limit - added).min(self.frame.samples());
            out.extend_from_slice(&samples[..take * self.channels]);
            added += take;
        }
        Ok(added)
    }
}

/// Encodes blocks of 20 ms.
pub struct Encoder {
    inner: encoder::Audio,
    frame: frame::Audio,
    channels: usize,
    next_pts: i64,
}

impl Encoder {
    /// `channels` is 1 or 2, `bitrate` in bit/s.
    pub fn new(channels: usize, bitrate: u32) -> Result<Encoder> {
        check_channels(channels)?;
        let mut context = ff::encoder_context("libopus")?;
        ff::set_audio(&mut context, RATE, channels);
        context.set_time_base((1, RATE as i32));
        let mut opening = context.encoder().audio().map_err(named("open libopus encoder"))?;
        let packed = format::Sample::F32(format::sample::Type::Packed);
        opening.set_format(packed);
        opening.set_bit_rate(bitrate as usize);
        let mut options = Dictionary::new();
        options.set("frame_duration", "20");
        options.set("application", "audio");
        let inner = opening.open_with(options).map_err(named("open libopus encoder"))?;
        let frame = ff::audio_frame(packed, FRAME, channels, RATE)?;
        Ok(Encoder { inner, frame, channels, next_pts: 0 })
    }

    /// Samples per channel by which decoded sound comes later than what was put in. Feed the sound this much early, and
    /// packet i decodes to exactly the samples from `i * FRAME` on.
    pub fn lookahead(&self) -> usize {
        ff::initial_padding(&self.inner)
    }

    /// Encodes exactly [`FRAME`] samples per channel, interleaved, into one packet.
    pub fn encode(&mut self, block: &[f32]) -> Result<Bytes> {
        if block.len() != FRAME * self.channels {
            return Err(Error::Argument(format!("an Opus block has {} values", FRAME * self.channels)));
        }
        ff::make_writable(&mut self.frame)?;
        ff::samples_f32_mut(&mut self.frame, 0).expect("the frame was allocated as packed f32").copy_from_slice(block);
        self.frame.set_pts(Some(self.next_pts));
        self.next_pts += FRAME as i64;
        self.inner.send_frame(&self.frame).map_err(named("encode Opus"))?;
        let mut packet = Packet::empty();
        taken("encode Opus", self.inner.receive_packet(&mut packet))?;
        packet
            .data()
            .map(Bytes::copy_from_slice)
            .ok_or_else(|| Error::Argument("the Opus encoder gave no packet for a block".into()))
    }
}

fn check_channels(channels: usize) -> Result<()> {
    match channels {
        1 | 2 => Ok(()),
        _ => Err(Error::Argument(format!("{channels} channels: only 1 and 2 are possible"))),
    }
}
