//! Opus at 48 kHz: decoder with in-band FEC and loss concealment, and an encoder for synthetic publishers. Both are
//! libopus: the encoder through FFmpeg, the decoder directly.

mod libopus;

use self::libopus::{Ask, Libopus};
use crate::ff::{self, named, taken};
use crate::{Error, Result};
use bytes::Bytes;
use ffmpeg_next::{Dictionary, Packet, encoder, format, frame};

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
/// libopus conceals in multiples of this: 2.5 ms.
const CONCEAL_STEP: usize = 120;

/// How many samples per channel of the time directly before it a packet carries a copy of (in-band FEC): one frame, or
/// none. Only packets of speech (SILK, hybrid) do.
pub fn carried(packet: &[u8]) -> usize {
    let Some((frame, samples)) = libopus::first_frame(packet) else { return 0 };
    let (toc, Some(&flags)) = (packet[0], frame.first()) else { return 0 };
    // RFC 6716, 4.2.3: for each channel a bit per 20 ms that says whether there is voice, then whether there are copies.
    let voices = samples.div_ceil(FRAME).max(1);
    let copies = |channel: usize| flags >> (7 - voices - channel * (voices + 1)) & 1 == 1;
    let speech = toc & 0x80 == 0;
    let stereo = toc & 0x04 != 0;
    if speech && (copies(0) || stereo && copies(1)) { samples } else { 0 }
}

/// Decodes one Opus stream. A bad packet is an error of that packet; the decoder goes on with the next.
pub struct Decoder {
    inner: Libopus,
    channels: usize,
    /// Samples per channel concealed since the last good packet.
    concealed: usize,
}

impl Decoder {
    /// A decoder whose output always has this many channels (1 or 2), whatever the packets hold.
    pub fn new(channels: usize) -> Result<Decoder> {
        check_channels(channels)?;
        Ok(Decoder { inner: Libopus::new(channels)?, channels, concealed: 0 })
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Appends the packet's samples, interleaved f32 in -1..=1, to `out`; returns how many per channel were added.
    /// On an error nothing is added.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<usize> {
        if packet.is_empty() {
            return Err(Error::Argument("an Opus packet has at least one byte".into()));
        }
        let samples = self.inner.decode(Ask::Packet(packet), MAX_PACKET, out)?;
        self.concealed = 0;
        Ok(samples)
    }

    /// Appends the sound directly before `next` from the copy that this packet carries: exactly [`carried`] samples per
    /// channel. To be called before the packet itself is decoded; what was lost before that is to be concealed first.
    /// After music, which has no copies, libopus conceals instead.
    pub fn recover(&mut self, next: &[u8], out: &mut Vec<f32>) {
        let samples = carried(next);
        let end = out.len() + samples * self.channels;
        if samples > 0 && self.inner.decode(Ask::Before(next), samples, out).is_ok() {
            self.concealed = 0;
        }
        out.resize(end, 0.0);
    }

    /// Appends exactly `samples` samples per channel in place of lost packets: the decoder's own concealment, which
    /// goes on from the last packet, and after [`CONCEALED`] samples silence. Never fails; what the decoder does not
    /// give is silence.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<f32>) {
        let end = out.len() + samples * self.channels;
        while out.len() < end && self.concealed < CONCEALED {
            let from = out.len();
            let left = (end - from) / self.channels;
            match self.inner.decode(Ask::Lost, left.next_multiple_of(CONCEAL_STEP).min(MAX_PACKET), out) {
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
        Encoder::open(channels, bitrate, &[("application", "audio")])
    }

    /// An encoder of speech that expects a fifth of its packets to be lost: at up to about 40 kbit/s each carries a copy
    /// of the one before (in-band FEC).
    pub fn speech(channels: usize, bitrate: u32) -> Result<Encoder> {
        Encoder::open(channels, bitrate, &[("application", "voip"), ("fec", "1"), ("packet_loss", "20")])
    }

    fn open(channels: usize, bitrate: u32, settings: &[(&str, &str)]) -> Result<Encoder> {
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
        settings.iter().for_each(|(name, value)| options.set(name, value));
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
