//! WAV: the sound as plain samples of 16 bits.

use std::path::PathBuf;

use codec::mux;
use media::mp4::{Played, Tail};

use super::pcm::{Sound, no_sound};
use super::{Facts, Output, files};
use crate::Result;

pub struct Wav {
    path: PathBuf,
    sound: Sound,
    muxer: Option<mux::Muxer>,
    samples: Vec<f32>,
    /// Samples per channel written.
    at: i64,
}

impl Wav {
    pub fn new(path: PathBuf) -> Wav {
        Wav { path, sound: Sound::default(), muxer: None, samples: Vec::new(), at: 0 }
    }

    fn write(&mut self, channels: usize) -> Result<()> {
        let Some(muxer) = &mut self.muxer else { return Ok(()) };
        let data: Vec<u8> = self.samples.drain(..).flat_map(|sample| rounded(sample).to_le_bytes()).collect();
        if data.is_empty() {
            return Ok(());
        }
        let duration = (data.len() / 2 / channels) as i64;
        let (pts, dts, data) = (self.at, self.at, &data[..]);
        muxer.write(&mux::Packet { pts, dts, duration, key: true, data, ..mux::Packet::default() })?;
        self.at += duration;
        Ok(())
    }
}

fn rounded(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

impl Output for Wav {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let pcm = self.sound.pcm(tail)?;
        let (rate, channels) = (pcm.rate(), pcm.channels());
        if self.muxer.is_none() {
            let shape = mux::Shape { rate, channels: channels as u8, ..mux::Shape::default() };
            let stream = mux::Stream { codec: mux::Codec::Pcm, timescale: rate, shape };
            self.muxer = Some(mux::Muxer::create(mux::Format::Wav, &files::partial(&self.path), &[stream])?);
        }
        self.sound.push(played, tail, &mut self.samples)?;
        self.write(channels)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        let channels = self.sound.pcm(tail)?.channels();
        std::mem::take(&mut self.sound).finish(tail, &mut self.samples)?;
        self.write(channels)?;
        self.muxer.take().ok_or_else(no_sound)?.finish()?;
        Ok(Facts { size: files::complete(&self.path)?, video: None, audio: Some("pcm_s16le") })
    }
}
