//! How far sound and picture are apart: every flash with the beep that belongs to it.

use super::Beep;
use super::report::round;
use serde::{Deserialize, Serialize};

/// A flash and a beep further apart than this (ms) do not belong together.
const FURTHEST: f64 = 450.0;

/// Offsets in ms; positive means that the sound comes late.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncReport {
    pub pairs: u64,
    pub median_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    /// Of every pair: when it flashed, and the offset.
    pub offsets_ms: Vec<(f64, f64)>,
    /// When it flashed without a (whole) beep.
    pub flashes_alone_ms: Vec<f64>,
    /// When it beeped without a flash.
    pub beeps_alone_ms: Vec<f64>,
}

pub(super) fn report(flashes: &[f64], beeps: &[Beep]) -> SyncReport {
    let mut report = SyncReport::default();
    let mut used = vec![false; beeps.len()];
    let mut sorted = Vec::new();
    for &flash in flashes {
        let distance = |beep: &Beep| (beep.ms - flash).abs();
        let nearest = beeps.iter().enumerate().min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
        match nearest.filter(|(index, beep)| distance(beep) < FURTHEST && !used[*index]) {
            Some((index, beep)) => {
                used[index] = true;
                if beep.whole {
                    sorted.push(beep.ms - flash);
                    report.offsets_ms.push((round(flash), round(beep.ms - flash)));
                } else {
                    report.flashes_alone_ms.push(flash);
                }
            }
            None => report.flashes_alone_ms.push(flash),
        }
    }
    report.beeps_alone_ms = beeps.iter().zip(used).filter(|(_, used)| !used).map(|(beep, _)| beep.ms).collect();
    sorted.sort_by(f64::total_cmp);
    report.pairs = sorted.len() as u64;
    if let (Some(min), Some(max)) = (sorted.first(), sorted.last()) {
        (report.min_ms, report.max_ms) = (round(*min), round(*max));
        report.median_ms = round((sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_the_nearest_and_the_rest_is_alone() {
        let beep = |ms, whole| Beep { ms, length_ms: 60.0, level: 0.2, whole };
        let beeps = [beep(12.0, true), beep(1030.0, true), beep(2990.0, true), beep(4000.0, false), beep(9000.0, true)];
        let report = report(&[0.0, 1000.0, 2000.0, 3000.0, 4000.0], &beeps);
        assert_eq!((report.pairs, report.min_ms, report.median_ms, report.max_ms), (3, -10.0, 12.0, 30.0));
        assert_eq!(report.flashes_alone_ms, [2000.0, 4000.0]);
        assert_eq!(report.beeps_alone_ms, [9000.0]);
    }
}
