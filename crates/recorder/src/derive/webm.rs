//! WebM: pictures of VP8, VP9 or AV1, copied, and Opus, copied or encoded. Where the master's pictures are others they come
//! from a [`rendition`](super::rendition) of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use codec::{mux, opus};
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use super::opus::OpusEncoding;
use super::{Facts, Output, clock, files};
use crate::{Error, Result};

const RATE: u32 = crate::video::RATE;
/// A silent packet of Opus, 20 ms, and its length in samples.
const SILENCE: (&[u8], i64) = (&[0xf8, 0xff, 0xfe], 960);
/// Sound is encoded less than this behind the pictures, ticks of their clock: pieces of silence are of a second.
const BEHIND: i64 = 2 * RATE as i64;

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
    /// Of sound that is not Opus.
    encoding: Option<OpusEncoding>,
    /// By their time and the number of their stream: what the other stream may still have something to put before.
    blocks: BTreeMap<(i64, usize), Block>,
}

struct Block {
    key: bool,
    data: Bytes,
    /// In ticks. Of all, only the end of the last says how long the file is.
    duration: i64,
    /// Samples at its end that are not heard.
    trim: u32,
}

/// Whether pictures of this codec are copied.
pub fn takes(codec: Codec) -> bool {
    pictures_of(codec).is_some()
}

fn pictures_of(codec: Codec) -> Option<mux::Codec> {
    match codec {
        Codec::Vp8 => Some(mux::Codec::Vp8),
        Codec::Vp9 => Some(mux::Codec::Vp9),
        Codec::Av1 => Some(mux::Codec::Av1),
        Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus => None,
    }
}

/// Makes the file of a finished recording's pictures and sound.
pub fn join(path: PathBuf, mut pictures: Tail, mut sound: Tail) -> Result<Facts> {
    let entries = [pictures.entry(Kind::Video, 0), sound.entry(Kind::Audio, 0)];
    let mut open = Open::create(&files::partial(&path), entries)?;
    let mut next = [pictures.next(None)?, sound.next(None)?];
    loop {
        let at = |played: &Option<Played>, tail| played.as_ref().map_or(i64::MAX, |played| clock(played, tail));
        let (turn, tail) = match at(&next[0], &pictures) <= at(&next[1], &sound) {
            true => (0, &mut pictures),
            false => (1, &mut sound),
        };
        let Some(played) = next[turn].take() else { break };
        open.push(&played, tail)?;
        next[turn] = tail.next(None)?;
    }
    open.finish(&path, &sound)
}

impl Webm {
    pub fn new(path: PathBuf) -> Webm {
        Webm { path, open: None }
    }
}

impl Open {
    fn create(path: &Path, entries: [Option<&SampleEntry>; 2]) -> Result<Open> {
        let (mut streams, mut names, mut encoding) = (Vec::new(), [None, None], None);
        if let Some(entry) = entries[0] {
            let codec = pictures_of(entry.codec())
                .ok_or_else(|| Error::Format(format!("WebM takes no pictures of {}", entry.codec().name())))?;
            let (width, height) = entry.size();
            let (width, height) = (width.into(), height.into());
            let shape = mux::Shape { extradata: entry.config(), width, height, ..mux::Shape::default() };
            streams.push(mux::Stream { codec, timescale: RATE, shape });
            names[0] = Some(entry.codec().name());
        }
        if let Some(entry) = entries[1] {
            let encoded = match entry.codec() {
                Codec::Opus => entry.clone(),
                _ => encoding.insert(OpusEncoding::new(entry)?).entry(),
            };
            let (extradata, padding) = (encoded.config(), encoded.priming() as u32);
            let (rate, channels) = (encoded.sample_rate(), encoded.channels());
            let shape = mux::Shape { extradata, rate, channels, padding, ..mux::Shape::default() };
            streams.push(mux::Stream { codec: mux::Codec::Opus, timescale: RATE, shape });
            names[1] = Some(encoded.codec().name());
        }
        let muxer = mux::Muxer::create(mux::Format::Webm, path, &streams)?;
        Ok(Open { muxer, names, black: None, encoding, blocks: BTreeMap::new() })
    }

    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let at = clock(played, tail);
        match played.kind {
            Kind::Video => self.picture(played, at, tail)?,
            Kind::Audio => self.sound(played, at, tail)?,
        }
        // Pieces come in the order of time.
        let encoded = self.encoding.as_ref().map(|encoding| ticks(encoding.given()).max(at - BEHIND));
        self.write_until(encoded.map_or(at, |encoded| encoded.min(at)))
    }

    fn picture(&mut self, played: &Played, at: i64, tail: &Tail) -> Result<()> {
        let (key, data) = match (&played.content, &self.black, tail.entry(Kind::Video, 0)) {
            (Content::Sample { key, data }, ..) => (*key, data.clone()),
            (Content::Filler, Some(black), _) => (true, black.clone()),
            (Content::Filler, None, Some(entry)) => (true, self.black.insert(super::black(entry)?).clone()),
            (Content::Filler, None, None) => return Ok(()),
        };
        self.blocks.insert((at, 0), Block { key, data, duration: played.duration.into(), trim: 0 });
        Ok(())
    }

    fn sound(&mut self, played: &Played, at: i64, tail: &Tail) -> Result<()> {
        if let Some(encoding) = &mut self.encoding {
            let from = encoding.given();
            let packets = encoding.push(played, tail)?;
            self.encoded(from, packets, 0);
            return Ok(());
        }
        // The container plays sound as much earlier as its decoder is late.
        let at = at + ticks(tail.entry(Kind::Audio, 0).map_or(0, SampleEntry::priming) as i64);
        let stream = self.sound_stream();
        let mut add = |at, data, samples| {
            let block = Block { key: true, data, duration: ticks(samples), trim: 0 };
            self.blocks.insert((at, stream), block);
        };
        match &played.content {
            Content::Sample { data, .. } => add(at, data.clone(), played.duration.into()),
            Content::Filler => {
                let (data, samples) = SILENCE;
                // What is shorter than a packet stays a hole: a packet would reach into the next.
                let count = i64::from(played.duration) / samples;
                (0..count).for_each(|n| add(at + ticks(n * samples), Bytes::from_static(data), samples));
            }
        }
        Ok(())
    }

    /// Takes packets that were encoded, whose first begins at this sample; of the last one so many are not heard.
    fn encoded(&mut self, from: i64, packets: Vec<Bytes>, trim: u32) {
        let (stream, last) = (self.sound_stream(), packets.len().saturating_sub(1));
        for (n, data) in packets.into_iter().enumerate() {
            let trim = if n == last { trim } else { 0 };
            let at = ticks(from + (n * opus::FRAME) as i64);
            let duration = ticks(opus::FRAME as i64 - i64::from(trim));
            self.blocks.insert((at, stream), Block { key: true, data, duration, trim });
        }
    }

    fn sound_stream(&self) -> usize {
        usize::from(self.names[0].is_some())
    }

    /// Writes all blocks of up to this time.
    fn write_until(&mut self, until: i64) -> Result<()> {
        while let Some(block) = self.blocks.first_entry().filter(|block| block.key().0 <= until) {
            let ((at, stream), Block { key, data, duration, trim }) = block.remove_entry();
            let packet =
                mux::Packet { stream, pts: at, dts: at, duration, key, data: &data, trim, ..Default::default() };
            self.muxer.write(&packet)?;
        }
        Ok(())
    }

    /// Completes the file; `sound` is where its sound came from.
    fn finish(mut self, path: &Path, sound: &Tail) -> Result<Facts> {
        if let Some(encoding) = &mut self.encoding {
            let from = encoding.given();
            let (packets, heard) = encoding.finish(sound)?;
            let beyond = encoding.given() - heard - encoding.entry().priming() as i64;
            self.encoded(from, packets, beyond.max(0) as u32);
        }
        self.write_until(i64::MAX)?;
        let [video, audio] = self.names;
        self.muxer.finish()?;
        Ok(Facts { size: files::complete(path)?, video, audio })
    }
}

/// Samples of 48 kHz in the clock of pictures.
fn ticks(samples: i64) -> i64 {
    samples * i64::from(RATE) / i64::from(opus::RATE)
}

impl Output for Webm {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let entries = [Kind::Video, Kind::Audio].map(|kind| tail.entry(kind, 0));
                self.open.insert(Open::create(&files::partial(&self.path), entries)?)
            }
        };
        open.push(played, tail)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        let open = self.open.take().ok_or_else(|| Error::Format("there is nothing in the recording".into()))?;
        open.finish(&self.path, tail)
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
            let mut tail = Tail::open(&master, TailOptions { only: None, live: None }).expect("readable");
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
