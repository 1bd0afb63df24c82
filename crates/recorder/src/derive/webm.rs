//! WebM: pictures of VP8, VP9 or AV1, and Opus; all copied.

use std::path::PathBuf;

use bytes::Bytes;
use codec::mux;
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use super::{Facts, Output, clock, files};
use crate::{Error, Result};

const RATE: u32 = crate::video::RATE;
/// A silent packet of Opus, 20 ms, and its length in samples.
const SILENCE: (&[u8], i64) = (&[0xf8, 0xff, 0xfe], 960);

pub struct Webm {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    muxer: mux::Muxer,
    /// Names of the codecs of the picture and of the sound.
    names: [Option<&'static str>; 2],
    /// A black picture, once one was needed.
    black: Option<Bytes>,
}

impl Webm {
    pub fn new(path: PathBuf) -> Webm {
        Webm { path, open: None }
    }
}

/// The codec in the container, if it takes it.
fn codec_of(entry: &SampleEntry) -> Result<mux::Codec> {
    match entry.codec() {
        Codec::Opus => Ok(mux::Codec::Opus),
        Codec::Vp8 => Ok(mux::Codec::Vp8),
        Codec::Vp9 => Ok(mux::Codec::Vp9),
        Codec::Av1 => Ok(mux::Codec::Av1),
        codec @ (Codec::H264 | Codec::H265 | Codec::Aac) => {
            Err(Error::Format(format!("WebM takes no {}, and it is not encoded anew", codec.name())))
        }
    }
}

impl Open {
    fn create(path: &std::path::Path, tail: &Tail) -> Result<Open> {
        let mut streams = Vec::new();
        let mut names = [None, None];
        for (name, kind) in names.iter_mut().zip([Kind::Video, Kind::Audio]) {
            let Some(entry) = tail.entry(kind, 0) else { continue };
            let codec = codec_of(entry)?;
            let (width, height) = entry.size();
            let shape = mux::Shape {
                extradata: entry.config(),
                width: width.into(),
                height: height.into(),
                rate: entry.sample_rate(),
                channels: entry.channels(),
                padding: entry.priming() as u32,
                bitrate: 0,
            };
            streams.push(mux::Stream { codec, timescale: RATE, shape });
            *name = Some(entry.codec().name());
        }
        Ok(Open { muxer: mux::Muxer::create(mux::Format::Webm, path, &streams)?, names, black: None })
    }

    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let stream = usize::from(played.kind == Kind::Audio && self.names[0].is_some());
        // The container plays sound as much earlier as its decoder is late.
        let late = tail.entry(played.kind, 0).map_or(0, SampleEntry::priming) as i64 * i64::from(RATE) / 48_000;
        let at = clock(played, tail) + late;
        match (&played.content, played.kind) {
            (Content::Sample { key, data }, _) => self.write(stream, at, *key, data),
            (Content::Filler, Kind::Audio) => {
                let (data, samples) = SILENCE;
                // What is shorter than a packet stays a hole: a packet would reach into the next.
                let count = i64::from(played.duration) / samples;
                (0..count).try_for_each(|n| self.write(stream, at + n * samples * i64::from(RATE) / 48_000, true, data))
            }
            (Content::Filler, Kind::Video) => {
                let black = match (&self.black, tail.entry(Kind::Video, 0)) {
                    (Some(black), _) => black.clone(),
                    (None, Some(entry)) => self.black.insert(super::black(entry)?).clone(),
                    (None, None) => return Ok(()),
                };
                self.write(stream, at, true, &black)
            }
        }
    }

    fn write(&mut self, stream: usize, at: i64, key: bool, data: &[u8]) -> Result<()> {
        Ok(self.muxer.write(&mux::Packet { stream, pts: at, dts: at, key, data, ..mux::Packet::default() })?)
    }
}

impl Output for Webm {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::create(&files::partial(&self.path), tail)?),
        };
        open.push(played, tail)
    }

    fn finish(mut self: Box<Self>, _: &Tail) -> Result<Facts> {
        let open = self.open.take().ok_or_else(|| Error::Format("there is nothing in the recording".into()))?;
        let [video, audio] = open.names;
        open.muxer.finish()?;
        Ok(Facts { size: files::complete(&self.path)?, video, audio })
    }
}

#[cfg(test)]
mod tests {
    use media::mp4::{Anchor, Filler, FinishOptions, Sample, TailOptions, Writer};

    use super::*;
    use crate::derive::tests::studio::decodes;
    use crate::disk::BlackAndSilence;

    #[test]
    fn every_codec_that_it_takes_plays_with_black_before_it() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
            let dir = tempfile::tempdir().expect("a folder");
            let (master, path) = (dir.path().join("master.mp4"), dir.path().join("made.webm"));
            let mut writer = Writer::create(&master, Anchor::default()).expect("a file");
            let sound = writer.add_track(SampleEntry::opus(2, 312)).expect("a track");
            let (entry, data) = BlackAndSilence.black(codec, 320, 180).expect("an encoder");
            let pictures = writer.add_track(entry).expect("a track");
            let sample =
                Sample { entry: 0, dts: 0, duration: 960, key: true, after_still: false, data: SILENCE.0.into() };
            for n in 0..50 {
                writer.push(sound, Sample { dts: n * 960, ..sample.clone() }).expect("in order");
            }
            writer.push(pictures, Sample { dts: 30_000, duration: 60_000, data, ..sample }).expect("in order");
            writer.flush().expect("the disk takes it");
            drop(writer);
            media::mp4::finish(&master, &FinishOptions::default(), &BlackAndSilence).expect("finished");
            let mut tail = Tail::open(&master, TailOptions { sound_only: false, live: None }).expect("readable");
            let mut webm = Box::new(Webm::new(path.clone()));
            while let Some(played) = tail.next(None).expect("readable") {
                webm.push(&played, &tail).expect("taken");
            }
            let facts = webm.finish(&tail).expect("complete");
            assert_eq!((facts.video, facts.audio), (Some(codec.name()), Some("opus")));
            decodes(&path);
        }
    }
}
