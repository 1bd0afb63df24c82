//! A user's sound: a beep of its own frequency at every second, and between the beeps either silence or the same tone
//! faintly, in which every dropout can be found. A pure function of the sample's number since the epoch.

use crate::schedule::{BEEP, RATE, tone_hz};
use std::f64::consts::TAU;

/// Amplitude of the beep.
pub const BEEP_LEVEL: f32 = 0.25;
/// Amplitude of the faint tone between beeps.
pub const HUM_LEVEL: f32 = 0.02;

/// The sound of one user.
#[derive(Debug, Clone)]
pub struct Voice {
    hz: u64,
    /// Samples by which the beeps come after the whole second.
    offset: u64,
    /// Whether there is a faint tone between the beeps.
    hum: bool,
    /// One second of a sine at 1 Hz.
    sine: Vec<f32>,
}

impl Voice {
    /// `offset` frames of `fps` after the whole second is when the user beeps.
    pub fn new(user: u16, fps: u32, offset: u32, hum: bool) -> Voice {
        let sine = (0..RATE).map(|n| (TAU * n as f64 / RATE as f64).sin() as f32).collect();
        let offset = u64::from(offset) * RATE / u64::from(fps.max(1));
        Voice { hz: u64::from(tone_hz(user)), offset: offset % RATE, hum, sine }
    }

    /// The sample with this number since the epoch, -1..=1. The tone starts each beep at phase zero, rising.
    pub fn sample(&self, number: u64) -> f32 {
        let since = (number % RATE + RATE - self.offset) % RATE;
        let level = match (since < BEEP, self.hum) {
            (true, _) => BEEP_LEVEL,
            (false, true) => HUM_LEVEL,
            (false, false) => return 0.0,
        };
        level * self.sine[(since * self.hz % RATE) as usize]
    }

    /// Fills a block of `channels` equal channels, interleaved, from the sample with number `first` on.
    pub fn fill(&self, first: u64, channels: usize, block: &mut [f32]) {
        for (number, frame) in (first..).zip(block.chunks_mut(channels)) {
            frame.fill(self.sample(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beeps_start_and_end_at_the_exact_sample() {
        let second = 1_790_000_000 * RATE;
        let voice = Voice::new(3, 30, 0, false);
        assert_eq!(voice.sample(second - 1), 0.0);
        assert!(voice.sample(second + 1) > 0.01);
        assert!(voice.sample(second + BEEP - 1).abs() > 0.01);
        assert_eq!(voice.sample(second + BEEP), 0.0);
        let late = Voice::new(3, 30, 3, false);
        assert_eq!(late.sample(second + 4800 - 1), 0.0);
        assert_eq!(late.sample(second + 4801), voice.sample(second + 1));
    }

    #[test]
    fn the_hum_is_there_and_faint() {
        let voice = Voice::new(0, 25, 0, true);
        let loudest = (BEEP..RATE).map(|n| voice.sample(n).abs()).fold(0.0, f32::max);
        assert!((loudest - HUM_LEVEL).abs() < 1e-3);
        let mut block = [1.0; 8];
        voice.fill(RATE + 100, 2, &mut block);
        assert_eq!(block[2], voice.sample(RATE + 101));
        assert_eq!(block[2], block[3]);
    }
}
