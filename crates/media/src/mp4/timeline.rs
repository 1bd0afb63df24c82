//! From the samples that were recorded to a track without holes: what is played when, and where filler comes in.

use super::{
    Kind, SampleEntry,
    fragment::{ReadRun, SampleInfo},
};

/// Everything recorded of one track, in order and without overlaps.
#[derive(Default)]
pub(super) struct Media {
    pub runs: Vec<MediaRun>,
    samples: Vec<SampleInfo>,
    /// Where the last sample ends, in ticks.
    pub end: u64,
}

/// Samples that lie behind each other in the file and follow each other in time.
pub(super) struct MediaRun {
    /// Of the first sample, in bytes from the beginning of the file.
    pub offset: u64,
    pub entry: u32,
    dts: u64,
    end: u64,
    first: usize,
    count: usize,
}

impl Media {
    /// Adds what was scanned; a run that begins before the end of the one before it is left out.
    pub fn add(&mut self, run: ReadRun) {
        if run.dts < self.end {
            tracing::warn!(track = run.track, dts = run.dts, end = self.end, "overlapping fragment left out");
            return;
        }
        self.end = run.end();
        let (first, count) = (self.samples.len(), run.samples.len());
        self.runs.push(MediaRun { offset: run.offset, entry: run.entry, dts: run.dts, end: self.end, first, count });
        self.samples.extend(run.samples);
    }

    pub fn samples(&self, run: &MediaRun) -> &[SampleInfo] {
        &self.samples[run.first..run.first + run.count]
    }

    /// Leaves out what begins at `end` (common units, as heard or seen) or later.
    pub fn cut(&mut self, entry: &SampleEntry, end: u128) {
        let timescale = u128::from(entry.timescale());
        // To the nearest tick: a boundary that is a whole tick may have been rounded on its way here.
        let end = (end * timescale + UNITS / 2) / UNITS + u128::from(entry.priming());
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        while let Some(run) = self.runs.last_mut().filter(|run| run.end > end) {
            let mut at = run.dts;
            let samples = &self.samples[run.first..run.first + run.count];
            run.count = samples
                .iter()
                .take_while(|sample| {
                    let begins = at;
                    at += u64::from(sample.duration);
                    begins < end
                })
                .count();
            let kept = &samples[..run.count];
            run.end = run.dts + kept.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
            if run.count > 0 {
                break;
            }
            self.runs.pop();
        }
        let kept = self.runs.last().map_or(0, |run| run.first + run.count);
        self.samples.truncate(kept);
        self.end = self.runs.last().map_or(0, |run| run.end);
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }
}

/// A stretch of a finished track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// The run of this number; its last sample is shown `stretch` ticks longer.
    Media { run: usize, stretch: u32 },
    /// As many filler samples, `ticks` long together: each the usual length, but the last takes the rest.
    Fill { count: u32, ticks: u64 },
}

/// A still picture is not lengthened beyond this (in ticks; hours in every timescale), for its duration has 32 bits.
const LONGEST_STILL: u64 = 1 << 31;

/// Time units that ticks of all timescales convert to exactly.
pub(super) const UNITS: u128 = 70_560_000;

/// Where a track that ends at `ticks` ends as heard or seen, in common units.
pub(super) fn presented_units(entry: &SampleEntry, ticks: u64) -> u128 {
    u128::from(ticks.saturating_sub(entry.priming())) * UNITS / u128::from(entry.timescale())
}

/// A length of time in common units, to the nearest.
pub(super) fn units(time: std::time::Duration) -> u128 {
    (time.as_nanos() * UNITS + 500_000_000) / 1_000_000_000
}

/// Lays out a track from its beginning to `end` (common units, as heard or seen). A hole shorter than one filler sample
/// lengthens the sample before it instead, and so does any behind a picture that stood still (`still`: the last one
/// did). Sound ends with a whole frame, the nearest to `end`.
pub(super) fn lay_out(entry: &SampleEntry, media: &Media, end: u128, still: bool) -> Vec<Piece> {
    let step = entry.filler_duration();
    let mut pieces = Vec::with_capacity(media.runs.len());
    let mut cursor = 0;
    for (run, of) in media.runs.iter().enumerate() {
        let hole = of.dts - cursor;
        let after_still = media.samples(of).first().is_some_and(|sample| sample.after_still);
        fill(&mut pieces, hole, step, after_still);
        pieces.push(Piece::Media { run, stretch: 0 });
        cursor = of.end;
    }
    let end = end * u128::from(entry.timescale()) / UNITS + u128::from(entry.priming());
    let tail = u64::try_from(end).unwrap_or(u64::MAX).saturating_sub(cursor);
    let step = u64::from(step);
    match entry.kind() {
        Kind::Video => fill(&mut pieces, tail, step as u32, still),
        Kind::Audio => fill(&mut pieces, (tail + step / 2) / step * step, step as u32, false),
    }
    pieces
}

/// What becomes of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// The sample before it is lengthened.
    Stretched,
    /// As many filler samples take its place.
    Filled(u32),
}

/// Decides about a hole of so many `ticks` in a track whose filler samples have `step`. `stays`: the picture before it
/// stays; `follows`: there is a sample before it.
pub(super) fn hole(ticks: u64, step: u32, stays: bool, follows: bool) -> Hole {
    let longest = if stays { LONGEST_STILL } else { u64::from(step) - 1 };
    if follows && ticks <= longest {
        return Hole::Stretched;
    }
    let count = u32::try_from(ticks / u64::from(step)).expect("times are bounded to days");
    Hole::Filled(count.max(1))
}

fn fill(pieces: &mut Vec<Piece>, ticks: u64, step: u32, stays: bool) {
    if ticks == 0 {
        return;
    }
    match (hole(ticks, step, stays, !pieces.is_empty()), pieces.last_mut()) {
        (Hole::Stretched, Some(Piece::Media { stretch, .. })) => *stretch += ticks as u32,
        (Hole::Filled(count), _) => pieces.push(Piece::Fill { count, ticks }),
        (Hole::Stretched, _) => unreachable!("filler is never followed by a hole"),
    }
}
