//! The horizontal filter as vector instructions want it: 16 output pixels at a time, in two lanes of 8.
//!
//! A lane of 16 source bytes gives `per_lane` outputs of `16 / per_lane` taps each: one shuffle lays the taps side by
//! side, one multiply-add weighs them. Filters with more taps take several such steps, each further on in the source by
//! the taps of the one before, with the same shuffle. The more the source is shrunk, the fewer outputs find their taps
//! within 16 bytes: `per_lane` is the largest of 8, 4, 2 and 1 that does.

use super::taps::{ONE, Taps};

/// Output pixels per chunk.
pub const CHUNK: usize = 16;
/// Source bytes per lane.
const LANE: usize = 16;

/// One axis, ready for the vector code.
#[derive(Debug)]
pub struct Lanes {
    /// 8, 4, 2 or 1 outputs per lane and step; a chunk takes `8 / per_lane` sums.
    pub per_lane: usize,
    /// Steps per sum.
    pub steps: usize,
    /// Source bytes between two steps.
    pub stride: usize,
    /// Per sum, of 16 outputs after the other: where the two lanes begin in the source.
    pub starts: Vec<[u32; 2]>,
    /// Per sum: the shuffle of both lanes.
    pub masks: Vec<[u8; 32]>,
    /// Per step and sum: the weights of both lanes. Neighbours sum up to 256 at most.
    pub weights: Vec<[u8; 32]>,
    /// Bytes of source that are read, which is more than the source has: the buffer must be longer.
    pub reach: usize,
}

impl Lanes {
    pub fn new(taps: &Taps) -> Lanes {
        let per_lane = [8, 4, 2].into_iter().find(|&n| fits(taps, n)).unwrap_or(1);
        let stride = LANE / per_lane;
        let longest = (0..taps.len()).map(|output| taps.at(output).1.len()).max().unwrap_or(1);
        // An even number: wider vectors take two at a time.
        let (chunks, steps) = (taps.len().div_ceil(CHUNK).next_multiple_of(2), longest.div_ceil(stride));
        let sums = chunks * (8 / per_lane);
        let mut lanes = Lanes {
            per_lane,
            steps,
            stride,
            starts: vec![[0; 2]; sums],
            masks: vec![[0; 32]; sums],
            weights: vec![[0; 32]; sums * steps],
            reach: 0,
        };
        for sum in 0..sums {
            for half in 0..2 {
                lanes.fill(taps, sum, half);
            }
        }
        let furthest = lanes.starts.iter().flatten().max().copied().unwrap_or(0) as usize;
        lanes.reach = furthest + (steps - 1) * stride + LANE;
        lanes
    }

    /// Writes one lane of one sum.
    fn fill(&mut self, taps: &Taps, sum: usize, half: usize) {
        let (per_lane, stride) = (self.per_lane, self.stride);
        let sums_per_chunk = 8 / per_lane;
        let first = sum / sums_per_chunk * CHUNK + half * 8 + sum % sums_per_chunk * per_lane;
        let outputs = first..(first + per_lane).min(taps.len());
        // Both lanes beyond the last output stay zero.
        let Some(base) = outputs.clone().map(|output| taps.at(output).0).min() else { return };
        self.starts[sum][half] = base as u32;
        for (slot, output) in outputs.enumerate() {
            let (start, weights) = taps.at(output);
            let at = half * LANE + slot * stride;
            let alone = weights == [ONE as u16];
            for tap in 0..stride {
                // 256 is no byte: the one pixel is taken twice, 255 times and once.
                let offset = if alone { 0 } else { tap };
                self.masks[sum][at + tap] = (start - base + offset) as u8;
            }
            if alone {
                self.weights[sum][at..at + 2].copy_from_slice(&[255, 1]);
                continue;
            }
            for (step, part) in weights.chunks(stride).enumerate() {
                for (tap, &weight) in part.iter().enumerate() {
                    self.weights[step * self.starts.len() + sum][at + tap] = weight as u8;
                }
            }
        }
    }
}

/// True when the taps of any `per_lane` outputs of one lane are found within 16 bytes, step by step.
fn fits(taps: &Taps, per_lane: usize) -> bool {
    let stride = LANE / per_lane;
    (0..taps.len()).step_by(per_lane).all(|first| {
        let starts = (first..(first + per_lane).min(taps.len())).map(|output| taps.at(output).0);
        let (low, high) = (starts.clone().min().unwrap_or(0), starts.max().unwrap_or(0));
        high - low + stride <= LANE
    })
}
