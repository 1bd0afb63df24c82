//! The master's sound as frames of AAC without holes: copied where it is AAC, silent frames in its gaps; encoded where it
//! is Opus. And the file of such frames alone (ADTS).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use bytes::Bytes;
use codec::aac;
use media::bitstream::adts;
use media::mp4::{Codec, Content, Kind, Played, Tail};

use super::pcm::{Pcm, no_sound};
use super::{Facts, Output, files};
use crate::pcm::FRAME;
use crate::{Error, Result};

/// Bit/s per channel of sound that is encoded here.
const BITRATE: u32 = 64_000;

/// A frame, and when it is heard, in samples; below zero it only primes the decoder.
pub struct AacFrame {
    pub at: i64,
    pub data: Bytes,
}

/// How frames are to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacShape {
    pub rate: u32,
    pub channels: u8,
    pub config: Bytes,
}

impl AacShape {
    /// What a decoder needs in front of a frame that has no container.
    pub fn with_header(&self, frame: &[u8]) -> Result<Vec<u8>> {
        let header = adts::header(self.rate, self.channels, frame.len());
        let header = header.ok_or_else(|| Error::Format("a frame of AAC cannot stand alone".into()))?;
        Ok([&header, frame].concat())
    }
}

/// See the module's head.
pub struct AacFrames {
    shape: AacShape,
    silence: Bytes,
    /// Nothing while the sound is AAC already, or not there yet.
    encoding: Option<Box<Encoding>>,
    /// Made for a track that was there.
    real: bool,
    next: i64,
}

struct Encoding {
    pcm: Pcm,
    encoder: aac::Encoder,
    times: VecDeque<i64>,
    index: i64,
    samples: Vec<f32>,
}

impl AacFrames {
    /// `from`: the first frame begins there; nothing was given before.
    pub fn new(tail: &Tail, from: i64) -> Result<AacFrames> {
        let entry = tail.entry(Kind::Audio, 0);
        let (rate, channels) = entry.map_or((48_000, 2), |entry| (entry.timescale(), entry.channels()));
        let encoder = aac::Encoder::new(rate, channels.into(), BITRATE * u32::from(channels))?;
        let config = match entry {
            Some(entry) if entry.codec() == Codec::Aac => entry.config().into(),
            _ => encoder.config(),
        };
        let encoding = match entry {
            Some(entry) if entry.codec() == Codec::Opus => {
                let index = from.max(0).div_euclid(FRAME) + i64::from(from.max(0) % FRAME > 0);
                let pcm = Pcm::new(entry, index)?;
                let times = VecDeque::from([(index - 1) * FRAME]);
                Some(Box::new(Encoding { pcm, encoder, times, index, samples: Vec::new() }))
            }
            _ => None,
        };
        let shape = AacShape { rate, channels, config };
        let silence = aac::silent_frame(rate, channels.into())?;
        Ok(AacFrames { shape, silence, encoding, real: entry.is_some(), next: from })
    }

    pub fn shape(&self) -> &AacShape {
        &self.shape
    }

    /// Takes a piece of the sound; gives the frames that are ready.
    pub fn push(&mut self, played: &Played, tail: &Tail) -> Result<Vec<AacFrame>> {
        if !self.real && tail.entry(Kind::Audio, 0).is_some() {
            *self = AacFrames::new(tail, self.next)?;
        }
        let frames = match &mut self.encoding {
            Some(encoding) => encoding.push(played)?,
            None => match &played.content {
                Content::Sample { data, .. } => vec![AacFrame { at: played.at, data: data.clone() }],
                Content::Filler => {
                    let count = (i64::from(played.duration) / FRAME).max(1);
                    let silent = |n| AacFrame { at: played.at + n * FRAME, data: self.silence.clone() };
                    (0..count).map(silent).collect()
                }
            },
        };
        self.next = frames.last().map_or(self.next, |frame| frame.at + FRAME);
        Ok(frames)
    }

    /// Gives what is left of a finished master.
    pub fn finish(&mut self, tail: &Tail) -> Result<Vec<AacFrame>> {
        match self.encoding.take() {
            Some(encoding) => encoding.finish(tail.ticks(Kind::Audio).ok_or_else(no_sound)? as i64),
            None => Ok(Vec::new()),
        }
    }
}

impl Encoding {
    fn push(&mut self, played: &Played) -> Result<Vec<AacFrame>> {
        self.pcm.push(played, &mut self.samples)?;
        self.encode()
    }

    fn encode(&mut self) -> Result<Vec<AacFrame>> {
        let block = aac::FRAME * self.pcm.channels();
        let whole = self.samples.len() / block * block;
        let mut out = Vec::new();
        for samples in self.samples[..whole].chunks_exact(block) {
            self.times.push_back(self.index * FRAME);
            self.index += 1;
            out.extend(timed(&mut self.times, self.encoder.encode(samples)?));
        }
        self.samples.drain(..whole);
        Ok(out)
    }

    fn finish(self, total: i64) -> Result<Vec<AacFrame>> {
        let Encoding { pcm, mut encoder, mut times, mut index, mut samples } = self;
        let block = aac::FRAME * pcm.channels();
        pcm.finish(total, &mut samples);
        samples.resize(samples.len().next_multiple_of(block), 0.0);
        let mut out = Vec::new();
        for samples in samples.chunks_exact(block) {
            times.push_back(index * FRAME);
            index += 1;
            out.extend(timed(&mut times, encoder.encode(samples)?));
        }
        out.extend(timed(&mut times, encoder.finish()?));
        Ok(out)
    }
}

fn timed(times: &mut VecDeque<i64>, packets: Vec<Bytes>) -> Vec<AacFrame> {
    packets.into_iter().map_while(|data| Some(AacFrame { at: times.pop_front()?, data })).collect()
}

/// A file of AAC frames with headers.
pub struct AdtsFile {
    path: PathBuf,
    open: Option<(BufWriter<File>, AacFrames)>,
    /// Where the next frame belongs.
    next: i64,
}

impl AdtsFile {
    pub fn new(path: PathBuf) -> AdtsFile {
        AdtsFile { path, open: None, next: 0 }
    }
}

/// Writes frames behind each other. There are no times in such a file, so that what is missing is filled up, and nothing
/// is before the beginning.
fn write(file: &mut impl Write, next: &mut i64, frames: &AacFrames, new: &[AacFrame]) -> Result<()> {
    for AacFrame { at, data } in new.iter().filter(|frame| frame.at >= 0) {
        while *at >= *next + FRAME {
            file.write_all(&frames.shape.with_header(&frames.silence)?)?;
            *next += FRAME;
        }
        file.write_all(&frames.shape.with_header(data)?)?;
        *next += FRAME;
    }
    Ok(())
}

impl Output for AdtsFile {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let (file, frames) = match &mut self.open {
            Some(open) => open,
            None => {
                let file = BufWriter::new(File::create(files::partial(&self.path))?);
                self.open.insert((file, AacFrames::new(tail, 0)?))
            }
        };
        let new = frames.push(played, tail)?;
        write(file, &mut self.next, frames, &new)
    }

    fn finish(self: Box<Self>, tail: &Tail) -> Result<Facts> {
        let AdtsFile { path, open, mut next } = *self;
        let (mut file, mut frames) = open.ok_or_else(no_sound)?;
        let rest = frames.finish(tail)?;
        write(&mut file, &mut next, &frames, &rest)?;
        file.flush()?;
        Ok(Facts { size: files::complete(&path)?, video: None, audio: Some("aac") })
    }
}
