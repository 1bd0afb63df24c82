//! Ogg: the sound as Opus, copied where it is Opus, else encoded.

use std::path::PathBuf;

use bytes::Bytes;
use codec::{mux, opus};
use media::bitstream::opus::Toc;
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use super::opus::OpusEncoding;
use super::pcm::no_sound;
use super::{Facts, Output, files};
use crate::{Error, Result};

/// CELT silence of 20 ms and of 2.5 ms, and their samples.
const SILENCE: [(&[u8], i64); 2] = [(&[0xf8, 0xff, 0xfe], 960), (&[0xe0, 0xff, 0xfe], 120)];

pub struct Ogg {
    path: PathBuf,
    open: Option<Open>,
}

enum Open {
    Copy(Pages),
    Encode(Box<Encode>),
}

struct Encode {
    sound: OpusEncoding,
    pages: Pages,
}

/// The muxer, one packet held back: the last one may be cut.
struct Pages {
    muxer: mux::Muxer,
    held: Option<(Vec<u8>, i64)>,
    /// Samples of 48 kHz before the first that is heard.
    padding: i64,
    /// Samples written, those included.
    at: i64,
}

impl Pages {
    fn create(path: &std::path::Path, entry: &SampleEntry) -> Result<Pages> {
        let padding = entry.priming() as u32;
        let channels = entry.channels();
        let shape =
            mux::Shape { extradata: entry.config(), rate: opus::RATE, channels, padding, ..mux::Shape::default() };
        let stream = mux::Stream { codec: mux::Codec::Opus, timescale: opus::RATE, shape };
        let muxer = mux::Muxer::create(mux::Format::Ogg, &files::partial(path), &[stream])?;
        Ok(Pages { muxer, held: None, padding: padding.into(), at: 0 })
    }

    /// Where the next packet comes.
    fn end(&self) -> i64 {
        self.at + self.held.as_ref().map_or(0, |(_, duration)| *duration)
    }

    fn push(&mut self, data: &[u8], duration: i64) -> Result<()> {
        match self.held.replace((data.to_vec(), duration)) {
            Some((data, duration)) => self.write(&data, duration),
            None => Ok(()),
        }
    }

    /// Fills up with silence, which has lengths of its own: what is left is less than 2.5 ms.
    fn silence_until(&mut self, until: i64) -> Result<()> {
        for (data, duration) in SILENCE {
            while self.end() + duration <= until {
                self.push(data, duration)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8], duration: i64) -> Result<()> {
        let at = self.at - self.padding;
        self.at += duration;
        Ok(self.muxer.write(&mux::Packet { pts: at, dts: at, duration, key: true, data, ..mux::Packet::default() })?)
    }

    /// `total`: samples that are heard.
    fn finish(mut self, total: i64) -> Result<()> {
        let total = total + self.padding;
        self.silence_until(total)?;
        if self.end() < total {
            let (data, duration) = SILENCE[1];
            self.push(data, duration)?;
        }
        if let Some((data, duration)) = self.held.take() {
            let heard = (total - self.at).clamp(1, duration);
            self.write(&data, heard)?;
        }
        self.muxer.finish()?;
        Ok(())
    }
}

impl Ogg {
    pub fn new(path: PathBuf) -> Ogg {
        Ogg { path, open: None }
    }

    fn open(&mut self, tail: &Tail) -> Result<&mut Open> {
        if self.open.is_none() {
            let entry = tail.entry(Kind::Audio, 0).ok_or_else(no_sound)?;
            self.open = Some(match entry.codec() {
                Codec::Opus => Open::Copy(Pages::create(&self.path, entry)?),
                Codec::Aac => Open::Encode(Box::new(Encode::new(&self.path, entry)?)),
                _ => return Err(Error::Internal("pictures have no sound")),
            });
        }
        Ok(self.open.as_mut().expect("made above"))
    }
}

impl Encode {
    fn new(path: &std::path::Path, entry: &SampleEntry) -> Result<Encode> {
        let sound = OpusEncoding::new(entry)?;
        Ok(Encode { pages: Pages::create(path, &sound.entry())?, sound })
    }

    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let packets = self.sound.push(played, tail)?;
        self.write(&packets)
    }

    fn write(&mut self, packets: &[Bytes]) -> Result<()> {
        packets.iter().try_for_each(|packet| self.pages.push(packet, opus::FRAME as i64))
    }

    fn finish(mut self, tail: &Tail) -> Result<()> {
        let (packets, heard) = self.sound.finish(tail)?;
        self.write(&packets)?;
        self.pages.finish(heard)
    }
}

impl Output for Ogg {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        match self.open(tail)? {
            Open::Encode(encode) => encode.push(played, tail),
            Open::Copy(pages) => {
                let Content::Sample { data, .. } = &played.content else { return Ok(()) };
                pages.silence_until(played.at + pages.padding)?;
                let samples = Toc::parse(data).map_or(played.duration, Toc::duration);
                pages.push(data, samples.into())
            }
        }
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        match self.open.take().ok_or_else(no_sound)? {
            Open::Copy(pages) => pages.finish(tail.ticks(Kind::Audio).ok_or_else(no_sound)? as i64)?,
            Open::Encode(encode) => encode.finish(tail)?,
        }
        Ok(Facts { size: files::complete(&self.path)?, video: None, audio: Some("opus") })
    }
}
