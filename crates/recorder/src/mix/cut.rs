//! Where a mix may be cut into files: where a picture and a frame of sound begin at the same time.

use rules::time::{SECOND_NS, ticks_to_ns};

use crate::pcm::FRAME;

/// The first moment at or after `at` (media time, nanoseconds) at which a picture and a frame of sound begin, both
/// counted from media time 0. A third of a second later at most for usual rates, at 44.1 kHz up to minutes.
///
/// `fps`: none without pictures; `rate`: Hz.
pub fn next_cut(at: i64, fps: Option<u32>, rate: u32) -> i64 {
    // Both begin together every `step` pictures; without pictures, every frame of sound.
    let (step, rate) = match fps {
        Some(fps) => {
            let sound = FRAME * i64::from(fps);
            (sound / gcd(sound, rate.into()), fps)
        }
        None => (FRAME, rate),
    };
    let period = i128::from(step) * i128::from(SECOND_NS);
    let steps = (i128::from(at.max(0)) * i128::from(rate) + period - 1) / period;
    ticks_to_ns((steps as i64).saturating_mul(step), rate)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rules::time::ns_to_ticks;

    #[test]
    fn usual_rates_are_cut_at_once() {
        let hour = 3_600 * SECOND_NS;
        assert_eq!(next_cut(0, Some(25), 48_000), 0);
        assert_eq!(next_cut(1, Some(25), 48_000), 320_000_000);
        assert_eq!(next_cut(hour, Some(25), 48_000), hour);
        assert_eq!(next_cut(4 * hour + 1, Some(30), 48_000), 4 * hour + 1_600_000_000 / 3);
        assert_eq!(next_cut(1, None, 48_000), 21_333_333);
    }

    proptest! {
        #[test]
        fn both_begin_there(at in 0..100_000 * SECOND_NS, fps in 1u32..=60, rate in 0usize..4) {
            let rate = [16_000, 32_000, 44_100, 48_000][rate];
            let cut = next_cut(at, Some(fps), rate);
            prop_assert!(cut >= at && cut - at <= 1_600 * SECOND_NS);
            let (picture, sample) = (ns_to_ticks(cut, fps), ns_to_ticks(cut, rate));
            prop_assert_eq!(ticks_to_ns(picture, fps), cut);
            prop_assert_eq!(sample % FRAME, 0);
            prop_assert!((ticks_to_ns(sample, rate) - cut).abs() <= 1);
        }
    }
}
