//! MP3: the sound, encoded. Its header says how many samples at both ends are the encoder's own.

use std::path::PathBuf;

use bytes::Bytes;
use codec::{mp3, mux};
use media::mp4::{Played, Tail};

use super::pcm::{Sound, no_sound};
use super::{Facts, Output, files};
use crate::Result;

/// Bit/s per channel.
const BITRATE: u32 = 64_000;

pub struct Mp3 {
    path: PathBuf,
    sound: Sound,
    open: Option<Open>,
    samples: Vec<f32>,
}

struct Open {
    encoder: mp3::Encoder,
    file: File,
    channels: usize,
}

/// The muxer, one frame held back: the last one is to be marked.
struct File {
    muxer: mux::Muxer,
    held: Option<Bytes>,
    padding: i64,
    /// Frames written.
    frames: i64,
}

impl Mp3 {
    pub fn new(path: PathBuf) -> Mp3 {
        Mp3 { path, sound: Sound::default(), open: None, samples: Vec::new() }
    }

    fn open(&mut self, tail: &Tail) -> Result<&mut Open> {
        if self.open.is_none() {
            let pcm = self.sound.pcm(tail)?;
            let (rate, channels) = (pcm.rate(), pcm.channels());
            let bitrate = BITRATE * channels as u32;
            let encoder = mp3::Encoder::new(rate, channels, bitrate)?;
            let padding = encoder.padding() as u32;
            let shape = mux::Shape { rate, channels: channels as u8, padding, bitrate, ..mux::Shape::default() };
            let stream = mux::Stream { codec: mux::Codec::Mp3, timescale: rate, shape };
            let muxer = mux::Muxer::create(mux::Format::Mp3, &files::partial(&self.path), &[stream])?;
            let file = File { muxer, held: None, padding: padding.into(), frames: 0 };
            self.open = Some(Open { encoder, file, channels });
        }
        Ok(self.open.as_mut().expect("made above"))
    }

    fn encode(&mut self, tail: &Tail) -> Result<()> {
        let mut samples = std::mem::take(&mut self.samples);
        let Open { encoder, file, channels } = self.open(tail)?;
        let block = mp3::FRAME * *channels;
        let whole = samples.len() / block * block;
        for block in samples[..whole].chunks_exact(block) {
            file.write(encoder.encode(block)?)?;
        }
        samples.drain(..whole);
        self.samples = samples;
        Ok(())
    }
}

impl File {
    fn write(&mut self, frames: Vec<Bytes>) -> Result<()> {
        frames.into_iter().try_for_each(|frame| match self.held.replace(frame) {
            Some(before) => self.write_one(&before, 0),
            None => Ok(()),
        })
    }

    fn write_one(&mut self, data: &[u8], trim: u32) -> Result<()> {
        let (frame, at) = (mp3::FRAME as i64, self.frames * mp3::FRAME as i64 - self.padding);
        let skip = if self.frames == 0 { self.padding as u32 } else { 0 };
        let packet =
            mux::Packet { pts: at, dts: at, duration: frame, key: true, data, skip, trim, ..mux::Packet::default() };
        self.frames += 1;
        Ok(self.muxer.write(&packet)?)
    }

    /// `total`: samples per channel that are heard.
    fn finish(mut self, total: i64) -> Result<()> {
        if let Some(last) = self.held.take() {
            let beyond = (self.frames + 1) * mp3::FRAME as i64 - self.padding - total;
            self.write_one(&last, u32::try_from(beyond).unwrap_or(0))?;
        }
        self.muxer.finish()?;
        Ok(())
    }
}

impl Output for Mp3 {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        self.sound.push(played, tail, &mut self.samples)?;
        self.encode(tail)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        let total = std::mem::take(&mut self.sound).finish(tail, &mut self.samples)?;
        self.encode(tail)?;
        let Open { mut encoder, mut file, .. } = self.open.take().ok_or_else(no_sound)?;
        if !self.samples.is_empty() {
            file.write(encoder.encode(&self.samples)?)?;
        }
        file.write(encoder.finish()?)?;
        file.finish(total)?;
        Ok(Facts { size: files::complete(&self.path)?, video: None, audio: Some("mp3") })
    }
}
