//! Whether this machine can bear one more recording: what running ones were measured to cost, against what recordings
//! may take in all. All costs are in processors: 1.0 is one of them, all the time.

use std::collections::BTreeMap;

/// What a recording will cost, as far as a request tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Streams are kept as they come.
    Copied,
    /// Sound alone is mixed.
    Sound,
    /// One picture of so many million pixels per second is made, and the sound with it.
    Picture { megapixels: f64 },
}

/// The cost of streams that are kept as they come, and of mixing sound, until it is measured.
const SMALL: f64 = 0.02;
/// The cost of a million mixed pixels per second before anything was measured: 720p at 25 frames/s takes a third of a
/// processor.
const FIRST_PRICE: f64 = 0.015;
/// How fast the price follows what is measured, upwards; downwards a quarter of that, and at most to half of the first
/// price: a quiet night says little about the day.
const LEARNING: f64 = 0.2;

/// Recorders by a key of the caller's, and what they cost.
#[derive(Debug)]
pub struct Ledger<K> {
    /// What recordings may take; nothing is refused without it.
    limit: Option<f64>,
    /// Of a million mixed pixels per second.
    price: f64,
    claims: BTreeMap<K, Claim>,
}

#[derive(Debug)]
struct Claim {
    load: Load,
    measured: Option<f64>,
}

/// Why a recording is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the processors are taken: this recording needs about {needed:.2}, and of the {limit:.2} that recordings may take \
     {free:.2} are free; those that run go on, so try again later or on another machine"
)]
pub struct Full {
    pub needed: f64,
    pub free: f64,
    pub limit: f64,
}

impl<K: Ord> Ledger<K> {
    pub fn new(limit: Option<f64>) -> Ledger<K> {
        Ledger { limit, price: FIRST_PRICE, claims: BTreeMap::new() }
    }

    /// Whether there is room for one more.
    pub fn admit(&self, load: Load) -> Result<(), Full> {
        let Some(limit) = self.limit else { return Ok(()) };
        let taken: f64 = self.claims.values().map(|claim| self.cost(claim)).sum();
        let (needed, free) = (self.expected(load), (limit - taken).max(0.0));
        if needed <= free { Ok(()) } else { Err(Full { needed, free, limit }) }
    }

    /// A recorder begins, whatever there is room for. A known one keeps what was measured.
    pub fn begin(&mut self, key: K, load: Load) {
        self.claims.entry(key).or_insert(Claim { load, measured: None });
    }

    /// A recorder took so much lately.
    pub fn measured(&mut self, key: &K, cost: f64) {
        let Some(claim) = self.claims.get_mut(key) else { return };
        claim.measured = Some(cost);
        if let Load::Picture { megapixels } = claim.load {
            let seen = cost / megapixels;
            // A mix that nobody is in costs next to nothing, which says nothing about others.
            if seen.is_finite() && seen > self.price / 4.0 {
                let learning = if seen > self.price { LEARNING } else { LEARNING / 4.0 };
                self.price = (self.price + (seen - self.price) * learning).max(FIRST_PRICE / 2.0);
            }
        }
    }

    pub fn end(&mut self, key: &K) {
        self.claims.remove(key);
    }

    /// What a recorder is counted with: what it took lately, but a mix not with less than it may take as soon as
    /// somebody speaks and moves again.
    fn cost(&self, claim: &Claim) -> f64 {
        let expected = self.expected(claim.load);
        match claim.load {
            Load::Picture { .. } => claim.measured.map_or(expected, |measured| measured.max(expected / 2.0)),
            Load::Copied | Load::Sound => claim.measured.unwrap_or(expected),
        }
    }

    fn expected(&self, load: Load) -> f64 {
        match load {
            Load::Copied | Load::Sound => SMALL,
            Load::Picture { megapixels } => SMALL + megapixels * self.price,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1280x720 at 25 frames/s.
    const HD: Load = Load::Picture { megapixels: 23.04 };

    fn running(limit: f64, mixes: u32) -> Ledger<u32> {
        let mut ledger = Ledger::new(Some(limit));
        (0..mixes).for_each(|key| ledger.begin(key, HD));
        ledger
    }

    /// How many more mixes are admitted, each of which costs what was expected.
    fn room(mut ledger: Ledger<u32>) -> u32 {
        let mut more = 0;
        while ledger.admit(HD).is_ok() {
            ledger.begin(1_000 + more, HD);
            more += 1;
        }
        more
    }

    #[test]
    fn recordings_are_admitted_until_their_expected_cost_is_all_there_is() {
        assert_eq!(room(running(1.8, 0)), 4);
        assert_eq!(room(running(1.8, 3)), 1);
        assert_eq!(room(running(0.1, 0)), 0);
        let full = running(1.8, 4).admit(HD).expect_err("full");
        assert!((full.needed - 0.366).abs() < 0.001 && (full.free - 0.337).abs() < 0.002, "{full}");
        assert_eq!(running(1.8, 4).admit(Load::Copied), Ok(()), "a small one still fits");
        assert_eq!(Ledger::<u32>::new(None).admit(HD), Ok(()));
    }

    #[test]
    fn what_is_measured_replaces_what_was_expected() {
        let mut costly = running(4.0, 2);
        // Twice as dear as expected, for as long as it takes to believe it.
        (0..40).for_each(|_| (0..2).for_each(|key| costly.measured(&key, 0.7)));
        assert_eq!(room(costly), 3);
        let mut cheap = running(4.0, 2);
        (0..40).for_each(|_| (0..2).for_each(|key| cheap.measured(&key, 0.2)));
        assert_eq!(room(cheap), 16);
    }

    #[test]
    fn a_mix_that_is_quiet_keeps_half_of_its_place() {
        let mut ledger = running(1.0, 2);
        ledger.measured(&0, 0.36);
        ledger.measured(&1, 0.0);
        ledger.measured(&1, 0.001);
        assert_eq!(ledger.admit(HD), Ok(()), "beside one and a half");
        ledger.begin(2, HD);
        let full = ledger.admit(HD).expect_err("two and a half are taken");
        assert!((full.free - 0.09).abs() < 0.02, "{full}");
    }

    #[test]
    fn a_recording_that_ended_gives_its_place_back() {
        let mut ledger = running(0.4, 1);
        assert!(ledger.admit(HD).is_err());
        ledger.end(&0);
        assert_eq!(ledger.admit(HD), Ok(()));
        ledger.measured(&0, 3.0);
        assert_eq!(ledger.admit(HD), Ok(()), "a late measurement of one that is gone");
    }
}
