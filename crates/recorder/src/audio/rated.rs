//! Sound on the grid, at the rate of its file: frames of 48 kHz in, frames of that rate out, at their own grid positions.

use codec::resample::{RATE, Resampler};

use crate::Result;
use crate::pcm::{FRAME, GridFrame};

/// See the module's head.
pub struct Rated {
    rate: u32,
    channels: usize,
    resampler: Resampler,
    /// The frame that joins up with the last one, unless what was pushed is complete.
    expected: Option<i64>,
    /// Interleaved; its first sample is the first of frame `next`.
    pending: Vec<f32>,
    /// Values that come before frame `next`.
    surplus: usize,
    next: i64,
}

impl Rated {
    /// No frame before `first` is given out.
    pub fn new(rate: u32, channels: usize, first: i64) -> Result<Rated> {
        let resampler = Resampler::new(channels, rate, channels)?;
        Ok(Rated { rate, channels, resampler, expected: None, pending: Vec::new(), surplus: 0, next: first })
    }

    /// Takes a frame of the grid; gives those that are full.
    pub fn push(&mut self, frame: &GridFrame) -> Result<Vec<GridFrame>> {
        let mut full = Vec::new();
        if self.expected != Some(frame.index) {
            full = self.finish()?;
            self.begin_at(frame.index);
        }
        self.expected = Some(frame.index + 1);
        self.resampler.push(&frame.pcm, &mut self.pending)?;
        self.give(&mut full);
        Ok(full)
    }

    /// Gives the rest, its last frame filled with silence.
    pub fn finish(&mut self) -> Result<Vec<GridFrame>> {
        let mut full = Vec::new();
        if self.expected.take().is_some() {
            self.resampler.flush(&mut self.pending)?;
            let wanted = self.pending.len().saturating_sub(self.surplus).next_multiple_of(self.frame());
            self.pending.resize(self.surplus + wanted, 0.0);
            self.give(&mut full);
        }
        Ok(full)
    }

    fn begin_at(&mut self, index: i64) {
        let rate = i64::from(RATE);
        let position = (index * FRAME * i64::from(self.rate) + rate / 2).div_euclid(rate);
        self.next = self.next.max(position.div_euclid(FRAME));
        let before = position - self.next * FRAME;
        let values = |samples: i64| samples.max(0) as usize * self.channels;
        self.surplus = values(-before);
        self.pending = vec![0.0; values(before)];
    }

    /// Values of a frame.
    fn frame(&self) -> usize {
        FRAME as usize * self.channels
    }

    fn give(&mut self, full: &mut Vec<GridFrame>) {
        let cut = self.surplus.min(self.pending.len());
        self.pending.drain(..cut);
        self.surplus -= cut;
        let frame = self.frame();
        let whole = self.pending.len() / frame * frame;
        for pcm in self.pending.drain(..whole).collect::<Vec<_>>().chunks_exact(frame) {
            full.push(GridFrame { index: self.next, pcm: pcm.to_vec() });
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(at: f64) -> f32 {
        (at * 440.0 * std::f64::consts::TAU).sin() as f32 * 0.5
    }

    /// The tone at these frames of the grid, one channel.
    fn frames(indices: impl Iterator<Item = i64>) -> Vec<GridFrame> {
        let frame = |index| GridFrame {
            index,
            pcm: (index * FRAME..(index + 1) * FRAME).map(|n| tone(n as f64 / f64::from(RATE))).collect(),
        };
        indices.map(frame).collect()
    }

    #[test]
    fn every_sample_is_at_its_time_also_behind_gaps() {
        for rate in [16_000, 32_000, 44_100] {
            let mut rated = Rated::new(rate, 1, 0).expect("a rate");
            let mut given = Vec::new();
            for frame in frames((3..60).chain(200..260)) {
                given.extend(rated.push(&frame).expect("resampled"));
            }
            given.extend(rated.finish().expect("resampled"));
            assert!(given.windows(2).all(|pair| pair[0].index < pair[1].index), "{rate}");
            let time = |index: i64, n: usize| (index * FRAME + n as i64) as f64 / f64::from(rate);
            let grid = |index: i64| index as f64 * FRAME as f64 / f64::from(RATE);
            let spans = [(grid(3), grid(60)), (grid(200), grid(260))];
            let mut heard = 0;
            for frame in &given {
                for (n, sample) in frame.pcm.iter().enumerate() {
                    let at = time(frame.index, n);
                    // Where it begins and ends abruptly the filter rings.
                    let near = spans.iter().any(|(from, to)| (at - from).abs() < 0.004 || (at - to).abs() < 0.004);
                    let inside = spans.iter().any(|(from, to)| (*from..*to).contains(&at));
                    let wanted = if inside { tone(at) } else { 0.0 };
                    assert!(near || (sample - wanted).abs() < 0.03, "{rate} at {at}: {sample}, {wanted}");
                    heard += usize::from(inside);
                }
            }
            let seconds = spans.iter().map(|(from, to)| to - from).sum::<f64>();
            assert!((heard as f64 - seconds * f64::from(rate)).abs() < 4.0, "{rate}: nothing is missing");
        }
    }

    #[test]
    fn what_is_in_the_file_already_is_not_given_again() {
        let mut rated = Rated::new(16_000, 1, 10).expect("a rate");
        let given: Vec<i64> = frames(20..60)
            .iter()
            .flat_map(|frame| rated.push(frame).expect("resampled"))
            .map(|frame| frame.index)
            .collect();
        assert_eq!(given, (10..19).collect::<Vec<_>>());
    }
}
