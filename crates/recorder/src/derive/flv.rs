//! FLV: H.264 and AAC.

use std::path::PathBuf;

use codec::{black, mux};
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use super::aac::{AacFrame, AacFrames};
use super::{Facts, Output, clock, files};
use crate::{Error, Result};

/// All times are of the clock of pictures.
const RATE: u32 = crate::video::RATE;

pub struct Flv {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    muxer: mux::Muxer,
    video: Option<Picture>,
    audio: Option<AacFrames>,
}

/// What was last said of the pictures.
struct Picture {
    config: Vec<u8>,
}

impl Flv {
    pub fn new(path: PathBuf) -> Flv {
        Flv { path, open: None }
    }

    fn open(&mut self, tail: &Tail) -> Result<&mut Open> {
        if self.open.is_none() {
            self.open = Some(Open::create(&files::partial(&self.path), tail)?);
        }
        Ok(self.open.as_mut().expect("made above"))
    }
}

impl Open {
    fn create(path: &std::path::Path, tail: &Tail) -> Result<Open> {
        let mut streams = Vec::new();
        let mut video = None;
        if let Some(entry) = tail.entry(Kind::Video, 0) {
            if entry.codec() != Codec::H264 {
                return Err(Error::Format(format!("FLV takes no pictures of {}", entry.codec().name())));
            }
            let config = entry.config();
            let (width, height) = entry.size();
            let (width, height) = (width.into(), height.into());
            let shape = mux::Shape { extradata: config.clone(), width, height, ..mux::Shape::default() };
            streams.push(mux::Stream { codec: mux::Codec::H264, timescale: RATE, shape });
            video = Some(Picture { config });
        }
        let mut audio = None;
        if tail.entry(Kind::Audio, 0).is_some() {
            let frames = AacFrames::new(tail, 0)?;
            let of = frames.shape();
            let (rate, channels, extradata) = (of.rate, of.channels, of.config.to_vec());
            let shape = mux::Shape { extradata, rate, channels, ..mux::Shape::default() };
            streams.push(mux::Stream { codec: mux::Codec::Aac, timescale: rate, shape });
            audio = Some(frames);
        }
        Ok(Open { muxer: mux::Muxer::create(mux::Format::Flv, path, &streams)?, video, audio })
    }

    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        match played.kind {
            Kind::Video => self.picture(played, tail),
            Kind::Audio => {
                let frames = self.audio.as_mut().map_or(Ok(Vec::new()), |audio| audio.push(played, tail))?;
                self.sound(&frames)
            }
        }
    }

    fn picture(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let (Some(video), Some(entry)) = (&mut self.video, tail.entry(Kind::Video, played.entry)) else {
            return Ok(());
        };
        let (key, data, config) = match &played.content {
            Content::Sample { key, data } => (*key, data.clone(), entry.config()),
            Content::Filler => {
                let black = black::h264_key_frame(entry.size().0.into(), entry.size().1.into())?;
                let config = SampleEntry::h264(&[black.sps.to_vec()], &[black.pps.to_vec()])?.config();
                (true, black.sample, config)
            }
        };
        let at = clock(played, tail);
        let changed = config != video.config;
        video.config = config;
        Ok(self.muxer.write(&mux::Packet {
            stream: 0,
            pts: at,
            dts: at,
            duration: played.duration.into(),
            key,
            data: &data,
            extradata: changed.then_some(&video.config[..]),
            ..mux::Packet::default()
        })?)
    }

    fn sound(&mut self, frames: &[AacFrame]) -> Result<()> {
        let stream = usize::from(self.video.is_some());
        frames.iter().filter(|frame| frame.at >= 0).try_for_each(|AacFrame { at, data }| {
            let packet =
                mux::Packet { stream, pts: *at, dts: *at, duration: 1024, key: true, data, ..Default::default() };
            Ok(self.muxer.write(&packet)?)
        })
    }
}

impl Output for Flv {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        self.open(tail)?.push(played, tail)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        let mut open = self.open.take().ok_or_else(|| Error::Format("there is nothing in the recording".into()))?;
        let rest = open.audio.as_mut().map_or(Ok(Vec::new()), |audio| audio.finish(tail))?;
        open.sound(&rest)?;
        let (video, audio) = (open.video.map(|_| "h264"), open.audio.map(|_| "aac"));
        open.muxer.finish()?;
        Ok(Facts { size: files::complete(&self.path)?, video, audio })
    }
}
