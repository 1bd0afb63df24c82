//! One track as it is played: what was read and not given out yet, and where filler comes in.

use std::collections::VecDeque;

use crate::mp4::{
    Kind, SampleEntry, StoredPicture,
    fragment::{ReadRun, SampleInfo},
    timeline::{Hole, UNITS, hole},
};

/// One track on its way.
pub(super) struct Lane {
    pub kind: Kind,
    /// Index into the tracks; nothing for silence in place of a track that is not there yet.
    pub track: Option<usize>,
    pub timescale: u32,
    pub priming: u64,
    pub step: u32,
    pub queue: VecDeque<Queued>,
    /// Up to here (ticks) everything was given out, and what was last.
    pub cursor: u64,
    pub last: Last,
    /// Where the last sample ends that was given out or is queued, and how much filler the finished file has up to there.
    pub media_end: u64,
    pub filled: u64,
    pub entry: u32,
}

pub(super) struct Queued {
    pub dts: u64,
    pub offset: u64,
    pub entry: u32,
    pub info: SampleInfo,
}

/// What a lane gave last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Nothing,
    /// A sample of so many ticks.
    Sample(u32),
    Filler,
}

impl Lane {
    pub fn new(track: usize, entry: &SampleEntry) -> Lane {
        Lane {
            kind: entry.kind(),
            track: Some(track),
            timescale: entry.timescale(),
            priming: entry.priming(),
            step: entry.filler_duration(),
            ..Lane::silence()
        }
    }

    /// Silence in place of sound that may still come, as recorders make it.
    pub fn silence() -> Lane {
        Lane {
            kind: Kind::Audio,
            track: None,
            timescale: 48_000,
            priming: 1024,
            step: 1024,
            queue: VecDeque::new(),
            cursor: 0,
            last: Last::Nothing,
            media_end: 0,
            filled: 0,
            entry: 0,
        }
    }

    /// The same behind the silence that was given in its place.
    pub fn behind(self, silence: &Lane) -> Lane {
        let heard = silence.cursor.saturating_sub(silence.priming) * u64::from(self.timescale);
        match silence.last {
            Last::Nothing => self,
            last => Lane { cursor: heard / u64::from(silence.timescale) + self.priming, last, ..self },
        }
    }

    /// Queues what was scanned; by the rules of the finished file's index.
    pub fn add(&mut self, run: ReadRun, shift: u64) {
        let Some(gap) = run.dts.checked_sub(self.media_end) else { return };
        let follows = self.media_end > 0;
        let after_still = run.samples.first().is_some_and(|sample| sample.after_still);
        if gap > 0 && matches!(hole(gap, self.step, after_still, follows), Hole::Filled(_)) {
            self.filled += gap;
        }
        self.media_end = run.end();
        let (mut dts, mut offset) = (run.dts, run.offset - shift);
        for info in run.samples {
            self.queue.push_back(Queued { dts, offset, entry: run.entry, info });
            dts += u64::from(info.duration);
            offset += u64::from(info.size);
        }
    }

    /// Queues what the finished file's index names.
    pub fn queue_index(&mut self, pictures: &[StoredPicture], shift: u64) {
        for StoredPicture { offset, size, entry, key, duration } in pictures.iter().copied() {
            let info = SampleInfo { duration, size, key, after_still: false };
            self.queue.push_back(Queued { dts: self.media_end, offset: offset.saturating_sub(shift), entry, info });
            self.media_end += u64::from(duration);
        }
    }

    /// Ticks of the filler that comes before `until`, if any does.
    pub fn filler(&self, until: u64, stays: bool) -> Option<u32> {
        let left = until.checked_sub(self.cursor).filter(|left| *left > 0)?;
        let filled = match self.last {
            Last::Filler => left >= u64::from(self.step),
            last => {
                let follows = last != Last::Nothing;
                matches!(hole(left, self.step, stays, follows), Hole::Filled(_))
            }
        };
        filled.then(|| left.min(self.chunk().into()) as u32)
    }

    /// Most ticks of filler at once: a second.
    pub fn chunk(&self) -> u32 {
        self.timescale / self.step * self.step
    }

    /// As heard or seen, in common units.
    pub fn units(&self, ticks: u64) -> u128 {
        u128::from(ticks.saturating_sub(self.priming)) * UNITS / u128::from(self.timescale)
    }
}
