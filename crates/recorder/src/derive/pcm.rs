//! The master's sound as plain samples from media time 0 on, without holes.

use codec::{aac, opus};
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use crate::pcm::{FRAME, Grid};
use crate::{Error, Result};

enum Decoder {
    Aac(aac::Decoder),
    Opus(opus::Decoder),
}

/// See the module's head.
pub struct Pcm {
    decoder: Decoder,
    grid: Grid,
    channels: usize,
    rate: u32,
    /// Samples per channel given so far, whole frames of the grid.
    given: i64,
    block: Vec<f32>,
    /// The last piece was filler.
    silent: bool,
}

impl Pcm {
    /// Of a track with this entry, from this frame of the grid on.
    pub fn new(entry: &SampleEntry, first: i64) -> Result<Pcm> {
        let channels = usize::from(entry.channels()).clamp(1, 2);
        let decoder = match entry.codec() {
            Codec::Aac => Decoder::Aac(aac::Decoder::new(&entry.config(), channels)?),
            Codec::Opus => Decoder::Opus(opus::Decoder::new(channels)?),
            _ => return Err(Error::Internal("pictures have no sound")),
        };
        let grid = Grid::new(channels, first);
        let (rate, given) = (entry.timescale(), first * FRAME);
        Ok(Pcm { decoder, grid, channels, rate, given, block: Vec::new(), silent: true })
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes a piece of the sound and appends to `out` (interleaved) what is ready.
    pub fn push(&mut self, played: &Played, out: &mut Vec<f32>) -> Result<()> {
        let silent = std::mem::replace(&mut self.silent, played.content == Content::Filler);
        let Content::Sample { data, .. } = &played.content else {
            self.grid.pad();
            self.take(out);
            self.silence_until((played.at + i64::from(played.duration)).div_euclid(FRAME) * FRAME, out);
            return Ok(());
        };
        self.block.clear();
        let decoded = match &mut self.decoder {
            Decoder::Aac(decoder) => {
                if silent {
                    decoder.reset();
                }
                decoder.decode(data, &mut self.block)
            }
            Decoder::Opus(decoder) => decoder.decode(data, &mut self.block).map(|_| ()),
        };
        if let Err(error) = decoded {
            // The gap is silent.
            tracing::debug!(at = played.at, %error, "damaged sound");
        }
        // What lies before media time 0 only primed the decoder.
        let before = usize::try_from(-played.at).unwrap_or(0).min(self.block.len() / self.channels);
        if self.block.len() > before * self.channels {
            self.grid.push(played.at + before as i64, &self.block[before * self.channels..]);
        }
        self.take(out);
        Ok(())
    }

    /// Appends to `out` what is left of `total` samples per channel.
    pub fn finish(mut self, total: i64, out: &mut Vec<f32>) {
        self.grid.pad();
        self.take(out);
        self.silence_until(total, out);
        let beyond = usize::try_from(self.given - total).unwrap_or(0) * self.channels;
        out.truncate(out.len().saturating_sub(beyond));
    }

    fn take(&mut self, out: &mut Vec<f32>) {
        while let Some(frame) = self.grid.pop() {
            let at = frame.index * FRAME;
            if at < self.given {
                continue;
            }
            self.silence_until(at, out);
            out.extend(&frame.pcm);
            self.given += FRAME;
        }
    }

    fn silence_until(&mut self, until: i64, out: &mut Vec<f32>) {
        let missing = usize::try_from(until - self.given).unwrap_or(0);
        out.resize(out.len() + missing * self.channels, 0.0);
        self.given += missing as i64;
    }
}

/// The whole sound of a master as plain samples, its decoder made when the first piece comes.
#[derive(Default)]
pub struct Sound {
    pcm: Option<Pcm>,
}

impl Sound {
    /// Takes a piece and appends to `out` what is ready.
    pub fn push(&mut self, played: &Played, tail: &Tail, out: &mut Vec<f32>) -> Result<()> {
        self.pcm(tail)?.push(played, out)
    }

    /// How the sound is.
    pub fn pcm(&mut self, tail: &Tail) -> Result<&mut Pcm> {
        match self.pcm {
            Some(ref mut pcm) => Ok(pcm),
            None => {
                let entry = tail.entry(Kind::Audio, 0).ok_or_else(no_sound)?;
                Ok(self.pcm.insert(Pcm::new(entry, 0)?))
            }
        }
    }

    /// Appends to `out` what is left of a finished master. How many samples per channel all of it has.
    pub fn finish(self, tail: &Tail, out: &mut Vec<f32>) -> Result<i64> {
        let total = tail.ticks(Kind::Audio).ok_or_else(no_sound)? as i64;
        self.pcm.ok_or_else(no_sound)?.finish(total, out);
        Ok(total)
    }
}

pub fn no_sound() -> Error {
    Error::Format("there is no sound in the recording".into())
}
