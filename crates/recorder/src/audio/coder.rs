//! AAC on its way into the track of one file: frames of the lane's grid in, samples out.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::aac;
use media::mp4::{Sample, SampleEntry, TrackId, Writer};

use crate::Result;
use crate::pcm::FRAME;

/// How AAC is encoded: Hz, channels, bit/s.
#[derive(Clone, Copy)]
pub struct AacForm {
    pub rate: u32,
    pub channels: u8,
    pub bitrate: u32,
}

impl AacForm {
    fn encoder(self) -> Result<aac::Encoder> {
        Ok(aac::Encoder::new(self.rate, self.channels.into(), self.bitrate)?)
    }

    /// The sample entry of a track of it.
    pub fn entry(self) -> Result<SampleEntry> {
        Ok(SampleEntry::aac(self.channels, self.rate, &self.encoder()?.config())?)
    }
}

/// The encoder of one file's sound. Frames are numbered by whoever gives them.
pub struct Coder {
    encoder: aac::Encoder,
    track: TrackId,
    /// The frame that is at media time 0 of the file; those before it only show the encoder what came before.
    pub base: i64,
    /// Decode times of the packets still to come out, in samples. The first packet only primes the decoder; each
    /// later one carries the frame put in one call before, and the edit list plays it one frame earlier.
    times: VecDeque<i64>,
    primed: bool,
}

impl Coder {
    pub fn new(form: AacForm, track: TrackId, base: i64) -> Result<Coder> {
        Ok(Coder { encoder: form.encoder()?, track, base, times: VecDeque::new(), primed: false })
    }

    /// Encodes one frame, interleaved.
    pub fn encode(&mut self, pcm: &[f32], index: i64, writer: &mut Writer) -> Result<()> {
        let at = (index - self.base) * FRAME;
        if !std::mem::replace(&mut self.primed, true) {
            self.times.push_back(at);
        }
        self.times.push_back(at + FRAME);
        let packets = self.encoder.encode(pcm)?;
        write(self.track, &mut self.times, packets, writer)
    }

    /// Writes what is still in the encoder.
    pub fn finish(self, writer: &mut Writer) -> Result<()> {
        let Coder { encoder, track, mut times, .. } = self;
        write(track, &mut times, encoder.finish()?, writer)
    }
}

fn write(track: TrackId, times: &mut VecDeque<i64>, packets: Vec<Bytes>, writer: &mut Writer) -> Result<()> {
    for data in packets {
        let Some(dts) = times.pop_front() else { break };
        let Ok(dts) = u64::try_from(dts) else { continue };
        writer.push(track, Sample { entry: 0, dts, duration: FRAME as u32, key: true, after_still: false, data })?;
    }
    Ok(())
}
