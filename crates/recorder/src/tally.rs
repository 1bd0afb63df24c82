//! What happened to a stream's pictures and sound since it was told last, in times of the recorder's clock.

use rules::ledger::{Cause, Counts, Measured, Media, Span, Tally};
use rules::time::Mono;

use crate::clock::Clock;

/// Late packets told at a time: they only tell what is lost from what is late.
const MAX_LATE: usize = 100;

/// Of pictures or of sound.
#[derive(Debug, Default)]
pub struct Happened {
    pub counts: Counts,
    /// Missing in the file though it may seem to be there: from, to, why.
    pub missing: Vec<(Mono, Mono, Cause)>,
    /// When media was captured that came too late.
    pub late: Vec<Mono>,
    /// Media that came, where no file of its own tells of it.
    pub came: Vec<(Mono, Mono)>,
    pub clock: Option<Measured>,
}

impl Happened {
    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: Happened) {
        self.counts.add(&other.counts);
        self.missing.extend(other.missing);
        self.late.extend(other.late);
        self.came.extend(other.came);
        self.clock = other.clock.or(self.clock);
    }

    /// Media came that lasts from `from` to `to`.
    pub fn came(&mut self, from: Mono, to: Mono) {
        match self.came.last_mut() {
            Some((_, end)) if from.since(*end).abs() <= JOINS_NS => *end = to.max(*end),
            _ => self.came.push((from, to)),
        }
    }

    /// Media from `from` to `to` is missing.
    pub fn lacks(&mut self, from: Mono, to: Mono, cause: Cause) {
        match self.missing.last_mut() {
            Some((_, end, same)) if *same == cause && from.since(*end).abs() <= JOINS_NS => *end = to.max(*end),
            _ => self.missing.push((from, to, cause)),
        }
    }

    /// As it is written down; nothing if nothing happened.
    pub fn told(self, clock: &Clock) -> Option<Tally> {
        let ms = |at: Mono| clock.wall(at).millis();
        let span = |from: Mono, to: Mono| Span { start: ms(from), end: ms(to) };
        let tally = Tally {
            counts: self.counts,
            missing: self.missing.into_iter().map(|(from, to, cause)| (span(from, to), cause)).collect(),
            late: self.late.into_iter().take(MAX_LATE).map(ms).collect(),
            came: self.came.into_iter().map(|(from, to)| span(from, to)).collect(),
            clock: self.clock,
        };
        (tally != Tally::default()).then_some(tally)
    }
}

/// Media that follows within this (10 ms) goes on.
const JOINS_NS: i64 = 10_000_000;

/// Of both.
#[derive(Debug, Default)]
pub struct Both {
    pub picture: Happened,
    pub sound: Happened,
}

impl Both {
    pub fn of(&mut self, media: Media) -> &mut Happened {
        match media {
            Media::Picture => &mut self.picture,
            Media::Sound => &mut self.sound,
        }
    }
}
