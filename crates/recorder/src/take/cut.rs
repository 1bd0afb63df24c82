//! A file that has become as long as files may, or whose picture comes back in another codec: the next one begins with a
//! key frame, without a picture or a sample of sound missing or there twice.
//!
//! The new file's media time 0 lies on the old one's grid of sound, at or up to a frame (21 ms at 48 kHz) after the key
//! frame. The old file gets sound up to there, which may come a little later than the picture; the lane of sound then
//! moves on.

use std::time::Duration;

use rules::time::{MILLI_NS, Mono, SECOND_NS, ns_to_ticks, ticks_to_ns};

use super::{Closed, OpenFile, Take};
use crate::Result;
use crate::audio::AudioLane;
use crate::messages::Settings;
use crate::pcm::FRAME;
use crate::unit::Unit;
use crate::video::{RATE, VideoLane};

/// Sound that belongs into the old file is waited for so long: longer than lost packets are.
const PATIENCE_NS: i64 = 3 * SECOND_NS;
/// Sound is remembered from so long before the cut on.
const NEAR_NS: i64 = 5 * SECOND_NS;
/// The same for the bound in bytes: what comes within that time, as fast as it came so far, or this part of the bound.
const NEAR_PART: u64 = 16;

/// The file before the present one, as long as its sound is not complete.
pub(super) struct Before {
    pub file: Box<OpenFile>,
    sequence: u32,
    /// The frame of its grid that the present file begins with.
    index: i64,
    until: Mono,
}

impl Before {
    pub fn new(file: Box<OpenFile>, sequence: u32, index: i64, now: Mono) -> Before {
        Before { file, sequence, index, until: now.plus(PATIENCE_NS) }
    }

    fn is_complete(&self, now: Mono) -> bool {
        self.until <= now || self.file.audio.as_ref().is_none_or(|lane| lane.reaches(self.index))
    }
}

/// How near a file is to its greatest length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    Young,
    /// The end may come within seconds.
    Near,
    /// The next file begins with the next picture that can be decoded by itself.
    Due,
}

impl Age {
    pub fn of(file: &OpenFile, now: Mono, settings: &Settings) -> Age {
        let length = now.since(file.file.epoch);
        let most = settings.max_file_ms.saturating_mul(MILLI_NS);
        let (size, largest) = (file.file.writer.size(), settings.max_file_bytes);
        let comes = u128::from(size) * NEAR_NS as u128 / length.max(1) as u128;
        let near = comes.max(u128::from(largest / NEAR_PART));
        if length >= most || size >= largest {
            Age::Due
        } else if length >= most - NEAR_NS || u128::from(size) + near >= u128::from(largest) {
            Age::Near
        } else {
            Age::Young
        }
    }
}

/// Whether the next file may begin with this unit: a key frame, or sound while there is no picture.
pub(super) fn may_begin(file: &OpenFile, unit: &Unit) -> bool {
    match unit {
        Unit::Picture(picture) => picture.key && picture.config.is_some(),
        Unit::Sound(_) => file.video.as_ref().is_none_or(VideoLane::is_away),
    }
}

/// Whether the unit is a key frame of another codec than the file's pictures.
pub(super) fn changes_codec(file: &OpenFile, unit: &Unit) -> bool {
    let Unit::Picture(picture) = unit else { return false };
    picture.key && file.video.as_ref().is_some_and(|lane| !lane.takes(picture))
}

/// The first frame of the file's grid of sound, which has this rate, that begins at `at` or later, and when that is.
pub(super) fn grid_after(epoch: Mono, at: Mono, rate: u32) -> (i64, Mono) {
    let position = ns_to_ticks(at.since(epoch), rate);
    let index = position.div_euclid(FRAME) + i64::from(position.rem_euclid(FRAME) != 0);
    (index, epoch.plus(ticks_to_ns(index * FRAME, rate)))
}

impl Take {
    /// Moves the sound on to the present file once the one before has all of its own; that one is complete then.
    pub(super) fn move_on(&mut self, now: Mono, forced: bool) -> Result<()> {
        let super::State::Open(present) = &mut self.state else { return Ok(()) };
        let Some(Before { file: mut old, sequence, index, .. }) =
            self.before.take_if(|before| forced || before.is_complete(now))
        else {
            return Ok(());
        };
        if let Some(lane) = old.audio.take() {
            let writer = &mut present.file.writer;
            let track = writer.add_track(AudioLane::entry(self.plan.audio)?)?;
            present.audio_track = Some(track);
            present.audio = Some(lane.split(index, &mut old.file.writer, track, writer)?);
        }
        let end = ticks_to_ns(index * FRAME, self.plan.audio.rate());
        if let Some(lane) = &mut old.video {
            lane.finish(Some(ns_to_ticks(end, RATE)), &mut old.file.writer)?;
        }
        old.tell_of_picture(&mut self.happened);
        old.file.writer.flush()?;
        let place = &self.plan.place;
        let end = Duration::from_nanos(end as u64);
        self.closed.push(Closed {
            path: place.path(sequence),
            file: place.file(sequence),
            end: Some(end),
            still: old.video.as_ref().is_some_and(VideoLane::stands_still),
            cut: Some(end),
        });
        Ok(())
    }
}
