//! A media file as something to send: decoded and encoded once, held in memory, repeated for ever.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use codec::file::{Event, Reader, Sound};
use codec::opus;
use codec::video::{Config, Encoder, Picture};
use synth::clip::ClipSpec;
use synth::schedule::{PACKET, RATE, frame_at};

use super::clips::{Coded, Media};

/// What is longer is cut: all of it is in memory.
const MAX_SECONDS: u32 = 300;
/// Channels of the sound sent.
const CHANNELS: usize = 2;
const SECOND_NS: u64 = 1_000_000_000;

/// Reads and encodes a file. `spec` says codec and frames per second, `bitrate` the bit/s for the file's size in pixels. `progress` hears how many seconds are done.
pub fn load(
    path: &Path,
    spec: &ClipSpec,
    bitrate: impl Fn(u32, u32) -> u32,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Media> {
    let reader = Reader::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (mut pictures, mut sound) = (Pictures::new(spec, bitrate), SoundTrack::new(spec)?);
    for event in reader {
        match event {
            Event::Picture(picture) => pictures.push(picture)?,
            Event::Sound(block) => sound.push(&block)?,
            Event::Broken(error) => tracing::warn!(%error, "a part of {} is not readable", path.display()),
        }
        progress(pictures.seconds().max(sound.seconds()));
        if pictures.seconds().max(sound.seconds()) > u64::from(MAX_SECONDS) {
            break;
        }
    }
    let seconds = pictures.seconds().max(sound.seconds()).min(u64::from(MAX_SECONDS));
    if seconds == 0 {
        bail!("{} has neither picture nor sound", path.display());
    }
    let (spec, frames) = pictures.finish(seconds)?;
    Ok(Media::of_file(spec, frames, sound.finish(seconds)?))
}

/// Brings pictures to an even rate: each frame shows the last picture that is not later.
struct Pictures<F> {
    spec: ClipSpec,
    bitrate: F,
    encoder: Option<Encoder>,
    last: Option<Picture>,
    frames: Vec<Coded>,
    /// Of the newest picture.
    ns: u64,
}

impl<F: Fn(u32, u32) -> u32> Pictures<F> {
    fn new(spec: &ClipSpec, bitrate: F) -> Self {
        let spec = ClipSpec { layers: 1, channels: CHANNELS, ..spec.clone() };
        Self { spec, bitrate, encoder: None, last: None, frames: Vec::new(), ns: 0 }
    }

    /// Whole seconds begun so far.
    fn seconds(&self) -> u64 {
        if self.last.is_some() { self.ns / SECOND_NS + 1 } else { 0 }
    }

    fn push(&mut self, picture: Picture) -> anyhow::Result<()> {
        let (width, height) = (picture.view().width, picture.view().height);
        if self.encoder.is_none() {
            let bitrate = (self.bitrate)(width, height);
            self.spec = ClipSpec { width, height, bitrate, ..self.spec.clone() };
            let config = Config::live(self.spec.codec, width, height, self.spec.fps, bitrate, self.spec.gop);
            self.encoder = Some(Encoder::new(&config).context("the pictures cannot be encoded")?);
        }
        if (width, height) != (self.spec.width, self.spec.height) {
            bail!("the pictures change their size to {width}x{height}");
        }
        let ns = picture.pts.map_or(self.ns, |pts| u64::try_from(pts).unwrap_or(0)).max(self.ns);
        self.ns = ns.min(u64::from(MAX_SECONDS) * SECOND_NS);
        // The first picture also stands for the time before it.
        let shown = self.last.replace(picture);
        self.fill(frame_at(self.ns, self.spec.fps), shown)
    }

    /// Encodes a picture, else the newest, for all frames before `end`.
    fn fill(&mut self, end: u64, picture: Option<Picture>) -> anyhow::Result<()> {
        let (Some(encoder), Some(shown)) = (&mut self.encoder, picture.as_ref().or(self.last.as_ref())) else {
            return Ok(());
        };
        while (self.frames.len() as u64) < end {
            let number = i64::try_from(self.frames.len())?;
            let packet = encoder.encode(&shown.view(), number, number == 0)?.pop();
            let packet = packet.context("the encoder held a picture back")?;
            self.frames.push(Coded { data: Arc::from(&packet.data[..]), key: packet.key });
        }
        Ok(())
    }

    fn finish(mut self, seconds: u64) -> anyhow::Result<(ClipSpec, Vec<Coded>)> {
        let frames = seconds * u64::from(self.spec.fps);
        self.fill(frames, None)?;
        self.frames.truncate(usize::try_from(frames)?);
        Ok((self.spec, self.frames))
    }
}

/// Puts blocks of sound at their times, and encodes them.
struct SoundTrack {
    encoder: opus::Encoder,
    /// Interleaved.
    waiting: Vec<f32>,
    /// The sample that comes after `waiting`, counted from the beginning of the file.
    next: u64,
    packets: Vec<Arc<[u8]>>,
    heard: bool,
}

impl SoundTrack {
    fn new(spec: &ClipSpec) -> anyhow::Result<Self> {
        let encoder = opus::Encoder::new(CHANNELS, spec.audio_bitrate).context("sound cannot be encoded")?;
        // Decoded sound comes late by the look-ahead; so much earlier it goes in.
        let next = encoder.lookahead() as u64;
        Ok(Self { encoder, waiting: Vec::new(), next, packets: Vec::new(), heard: false })
    }

    /// Whole seconds begun so far.
    fn seconds(&self) -> u64 {
        if self.heard { self.next.div_ceil(RATE) } else { 0 }
    }

    fn push(&mut self, block: &Sound) -> anyhow::Result<()> {
        self.heard = true;
        let first = block.pts.map_or(self.next, |pts| frame_at(u64::try_from(pts).unwrap_or(0), RATE as u32));
        self.silence_until(first.min(u64::from(MAX_SECONDS) * RATE))?;
        let known = usize::try_from(self.next.saturating_sub(first))?;
        for sample in block.samples.chunks_exact(block.channels.max(1)).skip(known) {
            self.waiting.extend([sample[0], sample[sample.len() - 1]]);
            self.next += 1;
        }
        self.encode()
    }

    fn silence_until(&mut self, sample: u64) -> anyhow::Result<()> {
        while self.next < sample {
            let missing = (sample - self.next).min(PACKET);
            self.waiting.extend(std::iter::repeat_n(0.0, usize::try_from(missing)? * CHANNELS));
            self.next += missing;
            self.encode()?;
        }
        Ok(())
    }

    fn encode(&mut self) -> anyhow::Result<()> {
        let block = PACKET as usize * CHANNELS;
        let whole = self.waiting.len() / block * block;
        for samples in self.waiting[..whole].chunks_exact(block) {
            self.packets.push(Arc::from(&self.encoder.encode(samples)?[..]));
        }
        self.waiting.drain(..whole);
        Ok(())
    }

    fn finish(mut self, seconds: u64) -> anyhow::Result<Vec<Arc<[u8]>>> {
        if !self.heard {
            return Ok(Vec::new());
        }
        self.silence_until(seconds * RATE + self.encoder.lookahead() as u64)?;
        self.packets.truncate(usize::try_from(seconds * RATE / PACKET)?);
        Ok(self.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn spec() -> ClipSpec {
        ClipSpec { fps: 10, gop: 10, ..ClipSpec::new(0, "") }
    }

    fn block(pts: Option<i64>, channels: usize, samples: usize) -> Sound {
        Sound { pts, channels, samples: vec![0.5; samples * channels] }
    }

    #[test]
    fn sound_has_whole_seconds_and_holes_are_silent() {
        let mut track = SoundTrack::new(&spec()).unwrap();
        assert_eq!(track.seconds(), 0);
        track.push(&block(Some(0), 1, 4_800)).unwrap();
        track.push(&block(Some(SECOND / 2), 2, 48_000)).unwrap();
        track.push(&block(Some(SECOND), 2, 4_800)).unwrap();
        assert_eq!(track.next, 72_000, "an overlap is left out");
        assert_eq!(track.seconds(), 2);
        assert_eq!(track.finish(2).unwrap().len(), 100);
    }

    #[test]
    fn without_sound_there_are_no_packets() {
        assert!(SoundTrack::new(&spec()).unwrap().finish(3).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(load(file.path(), &spec(), |_, _| 100_000, &mut |_| ()).is_err());
    }
}
