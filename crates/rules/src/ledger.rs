//! The account of a task: what of every stream should be there, what is written, and why the rest is not. Facts in, in
//! the order in which they were noted; a [`report::Report`] out. No clock: all times are Unix milliseconds of the facts.
//!
//! Recorders append facts to a file and die at any moment; whoever reads the file makes the account. What is written is
//! told by the files themselves ([`Fact::File`]), or, of a member of a mix, by what came ([`Tally::came`]).

mod account;
mod fact;
#[cfg(test)]
mod property_tests;
pub mod report;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::select::{Source, StreamId};
pub use account::MAX_GAPS;
use account::{Account, State};
pub use fact::{Cause, Counts, Entry, Fact, FileFact, Format, Further, Measured, Media, Presence, Tally, TrackFact};
pub use report::Report;
pub use spans::Span;
use spans::Spans;

/// Changes remembered of one source of them; what comes beyond is not told apart any more.
const MAX_CHANGES: usize = 100_000;
/// Pieces remembered that are missing of one lane: ten hours of a mix that leaves out every second of 30 frames. Of what
/// comes beyond, nothing but its numbers is known.
const MAX_MISSING: usize = 1_000_000;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Ledger {
    /// From the first fact to the last one.
    period: Option<Span>,
    ended: Option<i64>,
    recorders: Vec<i64>,
    /// Away or not, from a moment on, for everybody.
    shared: Vec<(i64, Option<Cause>)>,
    lanes: BTreeMap<(Source, Media), Lane>,
    files: BTreeMap<(Source, u32), FileFact>,
}

/// What is known of one kind of media of a stream, or of the mix.
#[derive(Debug, Default)]
struct Lane {
    presence: Vec<(i64, Presence)>,
    sent: Vec<(i64, String)>,
    tally: Tally,
    came: Spans,
}

impl Ledger {
    /// Takes the next fact.
    pub fn take(&mut self, entry: Entry) {
        let at = entry.at;
        let last = self.period.map_or(at, |period| period.end).max(at);
        match entry.fact {
            Fact::Recorder => {
                // Up to when the one before was there is not known better than by its last word.
                if let Some(period) = self.period {
                    self.share(period.end, Some(Cause::RecorderRestarted));
                }
                self.recorders.push(at);
            }
            Fact::Room { up: true } => self.share(at, None),
            Fact::Room { up: false } => {
                // What a recorder has not found yet it has not lost.
                if self.shared.last().is_none_or(|(_, cause)| cause.is_none()) {
                    self.share(at, Some(Cause::ConnectionLost));
                }
            }
            Fact::Presence { stream, media, is } => change(&mut self.lane(stream.into(), media).presence, at, is),
            Fact::Sent { stream, media, mime } => change(&mut self.lane(stream.into(), media).sent, at, mime),
            Fact::Tally { stream, media, tally } => self.lane(stream.into(), media).add(*tally),
            Fact::Mixed { media, tally } => self.lane(Source::Mix, media).add(*tally),
            Fact::File(file) => {
                // What is told of a file ends with it, and it is no sign that anything goes on.
                self.files.insert((file.source.clone(), file.sequence), file);
                return;
            }
            Fact::Alive => {}
            Fact::End => self.ended = Some(at),
        }
        self.period = Some(Span { start: self.period.map_or(at, |period| period.start.min(at)), end: last });
    }

    /// The files that were told of.
    pub fn files(&self) -> impl Iterator<Item = (&Source, u32)> {
        self.files.keys().map(|(source, sequence)| (source, *sequence))
    }

    /// The recording ended at `at`, if the facts do not tell.
    pub fn ended(&mut self, at: i64) {
        self.ended.get_or_insert(at);
    }

    /// Who was published when the facts broke off.
    pub fn presences(&self) -> impl Iterator<Item = (&StreamId, Media, Presence)> {
        self.lanes.iter().filter_map(|((source, media), lane)| {
            let (_, is) = lane.presence.last()?;
            Some((source.stream()?, *media, *is))
        })
    }

    fn share(&mut self, at: i64, cause: Option<Cause>) {
        change(&mut self.shared, at, cause);
    }

    fn lane(&mut self, source: Source, media: Media) -> &mut Lane {
        self.lanes.entry((source, media)).or_default()
    }

    /// The account of one lane from `start` to `end`.
    fn account(&self, source: &Source, media: Media, period: Span) -> Account {
        let mut written = Spans::default();
        for file in self.files.values().filter(|file| file.source == *source) {
            let tracks = file.tracks.iter().filter(|track| track.media == media);
            for track in tracks {
                // In a mix the last picture lasts until there is a recorder again, which nobody wanted.
                let meant = track.still.iter().filter(|span| !self.is_without_recorder(**span));
                track.written.iter().chain(meant).for_each(|span| written.add(*span));
            }
        }
        let lane = self.lanes.get(&(source.clone(), media));
        if let Some(lane) = lane {
            lane.came.iter().for_each(|span| written.add(span));
        }
        let presence = match source {
            Source::Stream(_) => lane.map(|lane| lane.presence.clone()).unwrap_or_default(),
            Source::Mix => self.anybody(media),
        };
        let states = State::timeline(&self.shared, &presence);
        let empty = Tally::default();
        account::account(period, &written, &states, lane.map_or(&empty, |lane| &lane.tally))
    }

    /// Whether a recorder took over in it. When the one before died is not known: its last word came earlier.
    fn is_without_recorder(&self, span: Span) -> bool {
        self.recorders.iter().skip(1).any(|at| (span.start..=span.end).contains(at))
    }

    /// When anybody was there for the mix.
    fn anybody(&self, media: Media) -> Vec<(i64, Presence)> {
        let of = self.lanes.iter().filter(|((_, of), _)| *of == media);
        let mut changes: Vec<(i64, usize, Presence)> = of
            .enumerate()
            .flat_map(|(lane, (_, of))| of.presence.iter().map(move |(at, is)| (*at, lane, *is)))
            .collect();
        changes.sort_by_key(|(at, lane, _)| (*at, *lane));
        let (mut now, mut all) = (BTreeMap::new(), Vec::new());
        for (at, lane, is) in changes {
            now.insert(lane, is);
            let on = now.values().any(|is| *is == Presence::On);
            let there = now.values().any(|is| *is != Presence::Away);
            all.push((
                at,
                if on {
                    Presence::On
                } else if there {
                    Presence::Muted
                } else {
                    Presence::Away
                },
            ));
        }
        all
    }
}

/// Notes what holds from `at` on, in order of time, as long as there is room.
fn change<T: PartialEq>(changes: &mut Vec<(i64, T)>, at: i64, value: T) {
    let last = changes.last();
    if last.is_none_or(|(_, last)| *last != value) && changes.len() < MAX_CHANGES {
        let at = last.map_or(at, |(last, _)| at.max(*last));
        changes.push((at, value));
    }
}

impl Lane {
    fn add(&mut self, tally: Tally) {
        self.tally.counts.add(&tally.counts);
        self.tally.missing.extend(tally.missing);
        self.tally.missing.truncate(MAX_MISSING);
        self.tally.late.extend(tally.late);
        self.tally.late.truncate(MAX_CHANGES);
        tally.came.into_iter().for_each(|span| self.came.add(span));
        self.tally.clock = tally.clock.or(self.tally.clock);
    }
}
