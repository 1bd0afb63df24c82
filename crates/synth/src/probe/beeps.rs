//! Finds beeps of one tone in a running sound, their onset to a fraction of a millisecond.
//!
//! The sound is multiplied by the tone and averaged over 10 ms, which gives the tone's amplitude and is blind to every
//! other user's tone (they are multiples of 100 Hz). A sharp onset becomes a ramp of 10 ms whose half height lies
//! exactly at the onset, also when a codec has smeared it to both sides.

use crate::schedule::{BEEP, RATE, TONES, tone_hz};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Samples averaged: 10 ms.
const WINDOW: usize = 480;
/// Amplitude is looked at every so many samples.
const STEP: usize = 8;
/// Amplitudes kept: 120 ms.
const HISTORY: usize = 720;
/// Amplitudes from the trigger to where the beep's height is known: 25 ms.
const SETTLE: usize = 150;
/// A rise to less than this (amplitude) is no beep.
const FAINTEST: f64 = 0.004;
/// A beep is at least so much louder than what was before it.
const STEEPNESS: f64 = 2.5;

/// A beep that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beep {
    /// Onset, ms of presentation time.
    pub ms: f64,
    pub length_ms: f64,
    /// Amplitude, 0 to 1.
    pub level: f64,
    /// Whether it has the length it was sent with. Where a lost packet cut it, its onset is not to be trusted.
    pub whole: bool,
}

/// The strongest of all users' tones, Hz.
pub(super) fn strongest_tone(mono: &[f32]) -> u32 {
    let power = |hz: u32| -> f64 {
        let step = TAU * f64::from(hz) / RATE as f64;
        let window: Vec<(f64, f64)> = (0..WINDOW).map(|n| (step * n as f64).sin_cos()).collect();
        let one = |block: &[f32]| {
            let sum = block
                .iter()
                .zip(&window)
                .fold((0.0, 0.0), |(i, q), (&x, (sin, cos))| (i + f64::from(x) * cos, q + f64::from(x) * sin));
            sum.0 * sum.0 + sum.1 * sum.1
        };
        mono.chunks_exact(WINDOW).map(one).sum()
    };
    let powers = (0..TONES as u16).map(|user| (tone_hz(user), power(tone_hz(user))));
    powers.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(tone_hz(0), |(hz, _)| hz)
}

/// Takes sound sample by sample and collects the beeps in it.
pub(super) struct Detector {
    hz: u64,
    /// A second of (cos, sin).
    carrier: Vec<(f64, f64)>,
    /// The last [`WINDOW`] products, oldest first, and their sum.
    products: VecDeque<(f64, f64)>,
    sum: (f64, f64),
    /// Samples since the start or the last gap.
    count: u64,
    /// Time of the first of those samples, ms.
    start_ms: f64,
    /// The last amplitudes, oldest first.
    history: VecDeque<f64>,
    state: State,
    beeps: Vec<Beep>,
}

enum State {
    /// Amplitudes still to come before anything is believed, as after a gap.
    Waiting(usize),
    Quiet,
    /// The amplitude rose; so many steps ago.
    Rising(usize),
    /// Since `onset` (ms) at about this height; over when the amplitude falls below `middle`.
    Beeping {
        onset: f64,
        level: f64,
        middle: f64,
    },
}

impl Detector {
    pub(super) fn new(hz: u32) -> Detector {
        let carrier = (0..RATE).map(|n| TAU * n as f64 / RATE as f64).map(|angle| (angle.cos(), angle.sin()));
        let mut detector = Detector {
            hz: u64::from(hz),
            carrier: carrier.collect(),
            products: VecDeque::with_capacity(WINDOW),
            sum: (0.0, 0.0),
            count: 0,
            start_ms: 0.0,
            history: VecDeque::with_capacity(HISTORY),
            state: State::Quiet,
            beeps: Vec::new(),
        };
        detector.restart(0.0);
        detector
    }

    /// Goes on at another time, after a gap in the sound. What came before is forgotten.
    pub(super) fn restart(&mut self, ms: f64) {
        self.products = VecDeque::from(vec![(0.0, 0.0); WINDOW]);
        (self.sum, self.count, self.start_ms) = ((0.0, 0.0), 0, ms);
        // As if silence had come before, so that a beep right at the start is found.
        self.history = VecDeque::from(vec![0.0; HISTORY]);
        self.state = State::Waiting(0);
    }

    pub(super) fn add(&mut self, sample: f32) {
        let (cos, sin) = self.carrier[(self.count % RATE * self.hz % RATE) as usize];
        let new = (f64::from(sample) * cos, f64::from(sample) * sin);
        let old = self.products.pop_front().unwrap_or_default();
        self.products.push_back(new);
        self.sum = (self.sum.0 + new.0 - old.0, self.sum.1 + new.1 - old.1);
        self.count += 1;
        if self.count.is_multiple_of(STEP as u64) {
            let amplitude = (self.sum.0.powi(2) + self.sum.1.powi(2)).sqrt() * 2.0 / WINDOW as f64;
            self.history.pop_front();
            self.history.push_back(amplitude);
            self.step(amplitude);
        }
    }

    /// The beeps found so far.
    pub(super) fn finish(self) -> Vec<Beep> {
        self.beeps
    }

    fn step(&mut self, amplitude: f64) {
        match self.state {
            State::Waiting(0) => self.state = State::Quiet,
            State::Waiting(left) => self.state = State::Waiting(left - 1),
            State::Quiet => {
                if amplitude > (STEEPNESS * self.before(SETTLE)).max(FAINTEST) {
                    self.state = State::Rising(0);
                }
            }
            State::Rising(steps) if steps < SETTLE => self.state = State::Rising(steps + 1),
            State::Rising(_) => self.state = self.judge(),
            State::Beeping { onset, level, middle } => {
                if amplitude < middle {
                    self.end(onset, level, middle);
                } else if self.now_ms() - onset > 3.0 * BEEP as f64 * 1000.0 / RATE as f64 {
                    // A tone that goes on is none of our beeps.
                    self.state = State::Waiting(HISTORY);
                }
            }
        }
    }

    /// Enough has come after a rise: is it a beep, and when exactly did it begin?
    fn judge(&self) -> State {
        let end = self.history.len();
        let mut top: Vec<f64> = self.history.range(end - SETTLE / 2..).copied().collect();
        top.sort_by(f64::total_cmp);
        let level = top[top.len() / 2];
        let base = self.before(2 * SETTLE);
        let middle = (base + level) / 2.0;
        if level < (STEEPNESS * base).max(FAINTEST) {
            return State::Quiet;
        }
        // The last crossing upwards before the height was reached.
        let crossing = (end - 2 * SETTLE..end - SETTLE / 2)
            .rev()
            .find(|&index| self.history[index - 1] < middle && self.history[index] >= middle);
        match crossing {
            Some(index) => State::Beeping { onset: self.crossing_ms(index, middle), level, middle },
            None => State::Waiting(SETTLE),
        }
    }

    fn end(&mut self, onset: f64, level: f64, middle: f64) {
        let end = self.crossing_ms(self.history.len() - 1, middle);
        let length_ms = end - onset;
        let sent = BEEP as f64 * 1000.0 / RATE as f64;
        let whole = (length_ms - sent).abs() < 6.0;
        self.beeps.push(Beep { ms: onset, length_ms, level, whole });
        self.state = State::Waiting(2 * SETTLE);
    }

    /// Mean amplitude of 20 ms, that many steps ago.
    fn before(&self, steps: usize) -> f64 {
        let end = self.history.len() - steps;
        self.history.range(end - 120..end).sum::<f64>() / 120.0
    }

    /// Time of the newest amplitude: the middle of its window.
    fn now_ms(&self) -> f64 {
        self.time_ms(self.history.len() - 1)
    }

    fn time_ms(&self, index: usize) -> f64 {
        let steps_ago = (self.history.len() - 1 - index) as f64;
        // The window of a step that is just half filled by a tone begins half a window before the tone.
        let sample = self.count as f64 - steps_ago * STEP as f64 - WINDOW as f64 / 2.0;
        self.start_ms + sample * 1000.0 / RATE as f64
    }

    /// When the amplitude passed `middle` between the entry before `index` and that entry.
    fn crossing_ms(&self, index: usize, middle: f64) -> f64 {
        let (before, after) = (self.history[index - 1], self.history[index]);
        let part = if after == before { 1.0 } else { (middle - before) / (after - before) };
        self.time_ms(index - 1) + part * (STEP as f64 * 1000.0 / RATE as f64)
    }
}
