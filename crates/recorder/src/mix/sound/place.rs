//! Where in the stereo picture a voice is heard, and whether at all.

use std::f32::consts::FRAC_PI_4;

use super::CHANNELS;

/// Samples over which a change is spread: 10 ms.
const RAMP: usize = 480;

/// What each channel of the mix takes of the left and the right channel of a voice.
type Gains = [[f32; CHANNELS]; CHANNELS];

const AS_SENT: Gains = [[1.0, 0.0], [0.0, 1.0]];
const UNHEARD: Gains = [[0.0; CHANNELS]; CHANNELS];

/// Gains on their way to those asked for.
pub struct Place {
    now: Gains,
    target: Gains,
    /// Samples until the target is reached.
    left: usize,
}

impl Default for Place {
    fn default() -> Place {
        Place { now: AS_SENT, target: AS_SENT, left: 0 }
    }
}

impl Place {
    /// A new target. `at_once`: nothing is heard now that could click.
    pub fn set(&mut self, heard: bool, pan: Option<f32>, at_once: bool) {
        let target = match pan.filter(|pan| pan.is_finite()) {
            _ if !heard => UNHEARD,
            None => AS_SENT,
            Some(pan) => panned(pan.clamp(-1.0, 1.0)),
        };
        if at_once {
            *self = Place { now: target, target, left: 0 };
        } else if target != self.target {
            *self = Place { now: self.now, target, left: RAMP };
        }
    }

    /// Nothing is heard, and that is how it stays.
    pub fn is_unheard(&self) -> bool {
        self.left == 0 && self.now == UNHEARD
    }

    /// Adds a voice's interleaved samples to as many of the sum.
    pub fn add(&mut self, pcm: &[f32], sum: &mut [f32]) {
        let (pcm, sum) = (pcm.as_chunks::<CHANNELS>().0, sum.as_chunks_mut::<CHANNELS>().0);
        let mut pairs = pcm.iter().zip(sum);
        while self.left > 0 {
            let Some((from, to)) = pairs.next() else { return };
            self.step();
            add(from, to, &self.now);
        }
        if self.now == AS_SENT {
            pairs.for_each(|(from, to)| *to = [to[0] + from[0], to[1] + from[1]]);
        } else {
            pairs.for_each(|(from, to)| add(from, to, &self.now));
        }
    }

    fn step(&mut self) {
        let part = 1.0 / self.left as f32;
        self.left -= 1;
        if self.left == 0 {
            self.now = self.target;
            return;
        }
        for (now, target) in self.now.as_flattened_mut().iter_mut().zip(self.target.as_flattened()) {
            *now += (target - *now) * part;
        }
    }
}

fn add(from: &[f32; CHANNELS], to: &mut [f32; CHANNELS], gains: &Gains) {
    for (to, gains) in to.iter_mut().zip(gains) {
        *to += from[0] * gains[0] + from[1] * gains[1];
    }
}

/// Both channels of the voice at one place. The power is the same everywhere, and in the middle a voice that is the
/// same on both channels is as loud as without a place.
fn panned(pan: f32) -> Gains {
    let (right, left) = ((pan + 1.0) * FRAC_PI_4).sin_cos();
    [left, right].map(|gain| [gain * std::f32::consts::FRAC_1_SQRT_2; CHANNELS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_the_power_and_moves_it() {
        for (pan, [left, right]) in [(-1.0, [2.0, 0.0]), (0.0, [1.0, 1.0]), (1.0, [0.0, 2.0])] {
            let mut place = Place::default();
            place.set(true, Some(pan), true);
            let mut sum = [0.0; 2];
            place.add(&[1.0, 1.0], &mut sum);
            assert!((sum[0] * sum[0] - left).abs() < 1e-5 && (sum[1] * sum[1] - right).abs() < 1e-5, "{pan}: {sum:?}");
        }
    }

    #[test]
    fn a_change_is_a_ramp_that_arrives() {
        let mut place = Place::default();
        place.set(false, None, false);
        let mut sum = [0.0; 2 * 600];
        place.add(&[1.0; 2 * 600], &mut sum);
        assert!(sum.as_chunks::<2>().0.windows(2).all(|pair| (pair[0][0] - pair[1][0]).abs() < 0.003));
        assert!(sum[0] > 0.99 && sum[2 * RAMP..].iter().all(|sample| *sample == 0.0));
        assert!(place.is_unheard());
    }
}
