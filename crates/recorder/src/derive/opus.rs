//! The master's sound encoded as Opus: packets of 20 ms that join up from media time 0 on, silent where there is nothing.

use bytes::Bytes;
use codec::opus;
use codec::resample::Resampler;
use media::mp4::{Played, SampleEntry, Tail};

use super::pcm::Sound;
use crate::Result;

/// Bit/s per channel.
const BITRATE: u32 = 64_000;

/// See the module's head.
pub struct OpusEncoding {
    sound: Sound,
    channels: usize,
    resampler: Resampler,
    encoder: opus::Encoder,
    /// Samples of 48 kHz in the packets that were given.
    given: i64,
    samples: Vec<f32>,
    resampled: Vec<f32>,
}

impl OpusEncoding {
    /// Of a track with this entry.
    pub fn new(entry: &SampleEntry) -> Result<OpusEncoding> {
        let channels = usize::from(entry.channels()).clamp(1, 2);
        Ok(OpusEncoding {
            sound: Sound::default(),
            channels,
            resampler: Resampler::back(channels, entry.timescale())?,
            encoder: opus::Encoder::new(channels, BITRATE * channels as u32)?,
            given: 0,
            samples: Vec::new(),
            resampled: Vec::new(),
        })
    }

    /// What the packets are. As in all Opus, what is heard is by [`SampleEntry::priming`] behind them.
    pub fn entry(&self) -> SampleEntry {
        SampleEntry::opus(self.channels as u8, self.encoder.lookahead() as u16)
    }

    /// Samples of 48 kHz in the packets that were given.
    pub fn given(&self) -> i64 {
        self.given
    }

    /// Takes a piece of the sound; gives the packets that are ready.
    pub fn push(&mut self, played: &Played, tail: &Tail) -> Result<Vec<Bytes>> {
        self.sound.push(played, tail, &mut self.samples)?;
        self.resampler.push(&self.samples, &mut self.resampled)?;
        self.samples.clear();
        self.encode()
    }

    /// The packets that are left of a finished master, and how many samples of 48 kHz are heard of all.
    pub fn finish(&mut self, tail: &Tail) -> Result<(Vec<Bytes>, i64)> {
        let rate = i64::from(self.sound.pcm(tail)?.rate());
        let total = std::mem::take(&mut self.sound).finish(tail, &mut self.samples)?;
        self.resampler.push(&self.samples, &mut self.resampled)?;
        self.resampler.flush(&mut self.resampled)?;
        let heard = total * i64::from(opus::RATE) / rate;
        // What is behind the last sample only drives it out of the encoder.
        let left = (heard + self.encoder.lookahead() as i64 - self.given).max(0) as usize;
        self.resampled.resize(left.next_multiple_of(opus::FRAME) * self.channels, 0.0);
        Ok((self.encode()?, heard))
    }

    fn encode(&mut self) -> Result<Vec<Bytes>> {
        let block = opus::FRAME * self.channels;
        let whole = self.resampled.len() / block * block;
        let packets: codec::Result<Vec<Bytes>> =
            self.resampled[..whole].chunks_exact(block).map(|block| self.encoder.encode(block)).collect();
        self.resampled.drain(..whole);
        let packets = packets?;
        self.given += (packets.len() * opus::FRAME) as i64;
        Ok(packets)
    }
}
