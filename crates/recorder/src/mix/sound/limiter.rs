//! Keeps the sum of many voices below full scale without being heard on any single one.

use super::CHANNELS;

/// Sums up to this (-1 dBFS) pass untouched.
const THRESHOLD: f32 = 0.891_25;
/// Part of the missing reduction that is made with each sample: 98 % within one millisecond.
const ATTACK: f32 = 0.08;
/// Part of the reduction that is given back with each sample: two thirds within 200 ms.
const RELEASE: f32 = 1.0 / (0.2 * 48_000.0);
/// A reduction below this counts as none.
const RELEASED: f32 = 0.000_1;

/// A gain for both channels that falls at once and rises slowly. It looks at no sample before its time, so what goes
/// over while the gain still falls is bent by a soft knee.
#[derive(Default)]
pub struct Limiter {
    /// What the gain is below one.
    reduction: f32,
}

impl Limiter {
    /// Limits interleaved samples in place; afterwards all lie within -1..=1. Without need of limiting they stay the
    /// same bit for bit.
    pub fn run(&mut self, sum: &mut [f32]) {
        for pair in sum.as_chunks_mut::<CHANNELS>().0 {
            // False for NaN too.
            if self.reduction == 0.0 && pair.iter().all(|sample| sample.abs() <= THRESHOLD) {
                continue;
            }
            self.limit(pair);
        }
    }

    fn limit(&mut self, pair: &mut [f32; CHANNELS]) {
        for sample in pair.iter_mut().filter(|sample| !sample.is_finite()) {
            *sample = 0.0;
        }
        let peak = pair.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let wanted = if peak > THRESHOLD { 1.0 - THRESHOLD / peak } else { 0.0 };
        if wanted > self.reduction {
            self.reduction += (wanted - self.reduction) * ATTACK;
        } else {
            self.reduction -= self.reduction * RELEASE;
            if self.reduction < RELEASED {
                self.reduction = 0.0;
            }
        }
        for sample in pair {
            *sample = bend(*sample * (1.0 - self.reduction));
        }
    }
}

/// The same up to the threshold, then ever flatter, never above one.
fn bend(sample: f32) -> f32 {
    let over = sample.abs() - THRESHOLD;
    if over <= 0.0 {
        return sample;
    }
    const ROOM: f32 = 1.0 - THRESHOLD;
    (THRESHOLD + ROOM * (over / ROOM).tanh()).min(1.0).copysign(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32, samples: usize) -> Vec<f32> {
        (0..samples * CHANNELS).map(|i| amplitude * ((i / 2) as f32 * 0.05).sin()).collect()
    }

    #[test]
    fn what_lies_below_the_threshold_is_untouched() {
        let before = tone(0.89, 48_000);
        let mut after = before.clone();
        Limiter::default().run(&mut after);
        assert_eq!(before, after);
    }

    #[test]
    fn nothing_goes_over_full_scale_and_the_gain_comes_back() {
        let mut limiter = Limiter::default();
        let mut loud = tone(9.0, 48_000);
        loud.extend([f32::MAX, f32::MIN, f32::INFINITY, f32::NAN]);
        limiter.run(&mut loud);
        assert!(loud.iter().all(|sample| sample.abs() <= 1.0));
        // Once the gain has fallen the tone keeps its shape, and little is left for the knee.
        let crest = loud[40_000..90_000].iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!((0.85..0.95).contains(&crest), "{crest}");
        let mut quiet = tone(0.1, 200_000);
        limiter.run(&mut quiet);
        assert_eq!(limiter.reduction, 0.0);
    }
}
