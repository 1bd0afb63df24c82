//! Which instructions the row passes use.

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use super::{lanes::Lanes, rows, rows::Pair, taps::Taps};

/// What the processor offers. Beyond `Plain`, a level is only made where the processor has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// All that can be used here, the best first.
    #[cfg(target_arch = "x86_64")]
    pub fn usable() -> Vec<Level> {
        let mut levels = vec![Level::Plain];
        if avx2::available() {
            levels.insert(0, Level::Avx2);
            if avx512::available() {
                levels.insert(0, Level::Avx512);
            }
        }
        levels
    }

    /// All that can be used here, the best first.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn usable() -> Vec<Level> {
        vec![Level::Plain]
    }

    /// See `rows::vertical`.
    pub fn vertical(self, plane: &[u8], pairs: &[Pair], out: &mut [i8]) {
        match self {
            Level::Plain => rows::vertical(plane, pairs, out),
            // SAFETY: the level says that the processor has AVX2.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::vertical(plane, pairs, out) },
            // SAFETY: the level says that the processor has AVX-512 as `avx512` asks for it.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::vertical(plane, pairs, out) },
        }
    }

    /// See `rows::horizontal`. `lanes` is made of `taps`, or missing for `Plain`.
    pub fn horizontal(self, taps: &Taps, lanes: Option<&Lanes>, row: &[i8], out: &mut [u8]) {
        match (self, lanes) {
            // SAFETY: the level says that the processor has AVX-512 as `avx512` asks for it.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, Some(lanes)) if lanes.per_lane == 8 => unsafe { avx512::horizontal(lanes, row, out) },
            // SAFETY: both levels say that the processor has AVX2.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2 | Level::Avx512, Some(lanes)) => unsafe { avx2::horizontal(lanes, row, out) },
            _ => rows::horizontal(taps, row, out),
        }
    }

    /// See `rows::half`.
    pub fn half(self, upper: &[u8], lower: &[u8], out: &mut [u8]) {
        match self {
            Level::Plain => rows::half(upper, lower, out),
            // SAFETY: both levels say that the processor has AVX2.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => unsafe { avx2::half(upper, lower, out) },
        }
    }
}
