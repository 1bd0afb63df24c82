//! M4A: the sound alone in an MP4 of our own.

use std::path::PathBuf;

use media::mp4::{self, FinishOptions, Kind, Played, Sample, SampleEntry, Tail, TrackId, Writer};

use super::aac::{AacFrame, AacFrames};
use super::pcm::no_sound;
use super::{Facts, Output, files};
use crate::Result;
use crate::disk::BlackAndSilence;
use crate::pcm::FRAME;

/// Frames of sound between two writes: about a second.
const FLUSH: usize = 47;

pub struct M4a {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    writer: Writer,
    track: TrackId,
    frames: AacFrames,
    /// Where the next frame may be, in samples as heard.
    next: i64,
    unwritten: usize,
}

impl M4a {
    pub fn new(path: PathBuf) -> M4a {
        M4a { path, open: None }
    }

    fn open(&mut self, tail: &Tail) -> Result<&mut Open> {
        if self.open.is_none() {
            let partial = files::partial(&self.path);
            if partial.try_exists()? {
                std::fs::remove_file(&partial)?;
            }
            let frames = AacFrames::new(tail, -FRAME)?;
            let shape = frames.shape();
            let entry = SampleEntry::aac(shape.channels, shape.rate, &shape.config)?;
            let mut anchor = tail.anchor().clone();
            anchor.note.clear();
            let mut writer = Writer::create(&partial, anchor)?;
            let track = writer.add_track(entry)?;
            self.open = Some(Open { writer, track, frames, next: -FRAME, unwritten: 0 });
        }
        Ok(self.open.as_mut().expect("made above"))
    }
}

impl Open {
    fn write(&mut self, frames: Vec<AacFrame>) -> Result<()> {
        for AacFrame { at, data } in frames {
            let at = at.max(self.next);
            self.next = at + FRAME;
            let dts = (at + FRAME) as u64;
            let sample = Sample { entry: 0, dts, duration: FRAME as u32, key: true, after_still: false, data };
            self.writer.push(self.track, sample)?;
            self.unwritten += 1;
        }
        if self.unwritten >= FLUSH {
            self.unwritten = 0;
            self.writer.flush()?;
        }
        Ok(())
    }
}

impl Output for M4a {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let open = self.open(tail)?;
        let frames = open.frames.push(played, tail)?;
        open.write(frames)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        tail.ticks(Kind::Audio).ok_or_else(no_sound)?;
        let mut open = self.open.take().ok_or_else(no_sound)?;
        let rest = open.frames.finish(tail)?;
        open.write(rest)?;
        open.writer.flush()?;
        drop(open);
        mp4::finish(&files::partial(&self.path), &FinishOptions::default(), &BlackAndSilence)?;
        Ok(Facts { size: files::complete(&self.path)?, video: None, audio: Some("aac") })
    }
}
