//! Sound on a grid: PCM blocks at media times in, full encoder frames at grid positions out.
//!
//! The timeline wins over the samples: a block that lies a little off is stretched by up to one percent, a gap becomes
//! silence, an overlap is cut. A long gap is not filled with frames at all: the grid jumps over it, and the index made
//! at the end of the recording points at one silent frame instead. Pure: no clock, no codec.

use std::collections::VecDeque;

/// Samples per channel of one encoder frame (AAC).
pub const FRAME: i64 = 1024;
/// Offsets up to this many samples (10 ms) are taken as drift and stretched away.
const STRETCH_RANGE: i64 = 480;
/// Offsets below this (half a millisecond) are rounding.
const TOLERANCE: i64 = 24;
/// Gaps from this length on (one second) are jumped over instead of being encoded as silence. What is away for less, and was
/// not lost, was silent: senders leave that out (DTX).
pub const JUMP_FROM: i64 = 48_000;
/// A block that follows a gap fades in over this many samples, so that it does not click.
const FADE: usize = 96;

/// One full frame: `index * FRAME` is its media time in samples; `pcm` is interleaved.
#[derive(Debug, Clone, PartialEq)]
pub struct GridFrame {
    pub index: i64,
    pub pcm: Vec<f32>,
}

/// See the module's head. Positions are samples per channel at the grid's rate since media time 0.
#[derive(Debug)]
pub struct Grid {
    channels: usize,
    /// No frame before this index is given out: what lies before is already in the file.
    first_index: i64,
    cursor: Option<i64>,
    partial: Vec<f32>,
    ready: VecDeque<GridFrame>,
}

impl Grid {
    /// A grid of interleaved sound with `channels` channels whose first frame has at least `first_index`.
    pub fn new(channels: usize, first_index: i64) -> Grid {
        Grid { channels, first_index, cursor: None, partial: Vec::new(), ready: VecDeque::new() }
    }

    /// How many samples are missing before a block at `position`; 0 when it joins up.
    pub fn gap_before(&self, position: i64) -> i64 {
        self.cursor.map_or(0, |cursor| if position - cursor > STRETCH_RANGE { position - cursor } else { 0 })
    }

    /// Adds a block of interleaved samples whose first one belongs at `position`.
    pub fn push(&mut self, position: i64, block: &[f32]) {
        let cursor = self.start_at(position);
        let offset = position - cursor;
        let samples = (block.len() / self.channels) as i64;
        if offset > STRETCH_RANGE {
            self.skip_to(position);
            let mut faded = block.to_vec();
            fade_in(&mut faded, self.channels);
            self.append(&faded);
        } else if offset < -STRETCH_RANGE {
            let cut = (-offset).min(samples) as usize;
            self.append(&block[cut * self.channels..]);
        } else if offset.abs() > TOLERANCE {
            let limit = (samples / 100).max(1);
            let target = samples + offset.clamp(-limit, limit);
            let stretched = stretch(block, self.channels, target as usize);
            self.append(&stretched);
        } else {
            self.append(block);
        }
    }

    /// Fills the frame that was begun with silence, so that everything pushed so far can be taken.
    pub fn pad(&mut self) {
        let missing = (FRAME as usize - self.partial.len() / self.channels) % FRAME as usize;
        self.append_silence(missing as i64);
    }

    /// The next full frame, in order.
    pub fn pop(&mut self) -> Option<GridFrame> {
        self.ready.pop_front()
    }

    fn start_at(&mut self, position: i64) -> i64 {
        if let Some(cursor) = self.cursor {
            return cursor;
        }
        let first = position.div_euclid(FRAME).max(self.first_index) * FRAME;
        self.cursor = Some(first);
        if position > first {
            self.append_silence(position - first);
        }
        first.max(position)
    }

    fn skip_to(&mut self, position: i64) {
        let gap = position - self.cursor.unwrap_or(position);
        if gap < JUMP_FROM {
            self.append_silence(gap);
            return;
        }
        // One frame of silence on both sides: the transform of a frame reaches into its neighbours.
        self.pad();
        self.append_silence(FRAME);
        let resume = (position.div_euclid(FRAME) - 1) * FRAME;
        self.cursor = Some(resume);
        self.append_silence(position - resume);
    }

    fn append_silence(&mut self, samples: i64) {
        let silence = vec![0.0; samples.max(0) as usize * self.channels];
        self.append(&silence);
    }

    fn append(&mut self, mut block: &[f32]) {
        let full = FRAME as usize * self.channels;
        let Some(mut cursor) = self.cursor else { return };
        while !block.is_empty() {
            let (head, rest) = block.split_at(block.len().min(full - self.partial.len()));
            self.partial.extend_from_slice(head);
            cursor += (head.len() / self.channels) as i64;
            block = rest;
            if self.partial.len() == full {
                let pcm = std::mem::take(&mut self.partial);
                self.ready.push_back(GridFrame { index: cursor / FRAME - 1, pcm });
            }
        }
        self.cursor = Some(cursor);
    }
}

pub(crate) fn fade_in(block: &mut [f32], channels: usize) {
    for (i, frame) in block.chunks_mut(channels).take(FADE).enumerate() {
        let gain = i as f32 / FADE as f32;
        frame.iter_mut().for_each(|sample| *sample *= gain);
    }
}

/// Resamples a block to `target` samples per channel by linear interpolation; meant for changes of about a percent.
pub(crate) fn stretch(block: &[f32], channels: usize, target: usize) -> Vec<f32> {
    let samples = block.len() / channels;
    if samples < 2 || target < 2 {
        return block.to_vec();
    }
    let step = (samples - 1) as f64 / (target - 1) as f64;
    let mut out = Vec::with_capacity(target * channels);
    for i in 0..target {
        let at = i as f64 * step;
        let left = (at as usize).min(samples - 2);
        let part = (at - left as f64) as f32;
        for channel in 0..channels {
            let (a, b) = (block[left * channels + channel], block[(left + 1) * channels + channel]);
            out.push(a + (b - a) * part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(grid: &mut Grid) -> Vec<GridFrame> {
        std::iter::from_fn(|| grid.pop()).collect()
    }

    #[test]
    fn contiguous_blocks_come_out_bit_for_bit() {
        let mut grid = Grid::new(2, 0);
        let sound: Vec<f32> = (0..96_000).map(|i| (i as f32 * 0.001).sin()).collect();
        for (i, block) in sound.chunks(1920).enumerate() {
            grid.push(i as i64 * 960, block);
        }
        let frames = drain(&mut grid);
        assert_eq!(frames.len(), 46);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame.index, i as i64);
            assert_eq!(frame.pcm, sound[i * 2048..(i + 1) * 2048]);
        }
    }

    #[test]
    fn a_long_gap_is_jumped_over_and_a_short_one_is_silence() {
        let mut grid = Grid::new(1, 0);
        grid.push(0, &[0.5; 960]);
        grid.push(10_000, &[0.5; 960]);
        grid.push(10_000_000, &[0.5; 960]);
        grid.pad();
        let frames = drain(&mut grid);
        let indices: Vec<i64> = frames.iter().map(|f| f.index).collect();
        let resumed = 10_000_000 / 1024;
        assert_eq!(indices, [(0..=11).collect::<Vec<_>>(), vec![resumed - 1, resumed, resumed + 1]].concat()[..15]);
        assert!(frames[5].pcm.iter().all(|s| *s == 0.0));
    }

    #[test]
    fn sound_before_what_is_already_in_the_file_is_cut() {
        let mut grid = Grid::new(1, 100);
        grid.push(100 * FRAME - 480, &[0.5; 960]);
        grid.pad();
        let frames = drain(&mut grid);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].index, 100);
    }

    proptest! {
        /// Frames are in order, never before the first index, and the cursor follows the blocks within the tolerance.
        #[test]
        fn the_timeline_wins(steps in proptest::collection::vec((-2000i64..200_000, 1usize..2000), 1..60)) {
            let mut grid = Grid::new(2, 3);
            let mut position = 5000;
            let mut last = 2;
            for (step, samples) in steps {
                position += step;
                let before = grid.cursor.unwrap_or(position);
                grid.push(position, &vec![0.1; samples * 2]);
                let end = grid.cursor.expect("a block was pushed");
                prop_assert!(end >= before.min(position));
                if position - before > STRETCH_RANGE {
                    prop_assert_eq!(end, position + samples as i64);
                }
                position = end;
                while let Some(frame) = grid.pop() {
                    prop_assert!(frame.index > last);
                    prop_assert_eq!(frame.pcm.len(), 2048);
                    last = frame.index;
                }
            }
        }
    }
}
