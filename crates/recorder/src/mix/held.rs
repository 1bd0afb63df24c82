//! A mix before its file is written to: what comes first, kept until all that began with it has come.

use rules::select::StreamId;
use rules::time::{MILLI_NS, Mono, SECOND_NS};

use crate::Result;
use crate::clock::Clock;
use crate::growing::{Growing, Place, Resumed};
use crate::unit::Unit;

/// How long the first media is kept before the file begins, so that what began together begins together.
const HOLD_NS: i64 = 250 * MILLI_NS;

/// How long a file of before a restart waits for media once somebody is there, who may be muted. Meanwhile its last
/// picture stands still, which is better than one without anybody.
const PATIENCE_NS: i64 = SECOND_NS;

/// See the module's head.
pub struct Held {
    /// Where it goes.
    pub file: Resumed,
    pub units: Vec<(StreamId, Unit)>,
    pub until: Mono,
}

impl Held {
    /// Of the first media.
    pub fn of(stream: &StreamId, unit: Unit, place: &Place, clock: &Clock) -> Result<Held> {
        let file = Growing::resume(place, place.newest(), clock)?;
        let until = unit.arrival().plus(HOLD_NS);
        Ok(Held { file, units: vec![(stream.clone(), unit)], until })
    }

    /// Of somebody who is there from `at` on, when there is a file to go on in.
    pub fn without_media(place: &Place, clock: &Clock, at: Mono) -> Result<Option<Held>> {
        let file = Growing::resume(place, place.newest(), clock)?;
        let goes_on = matches!(file, Resumed::File(..));
        Ok(goes_on.then(|| Held { file, units: Vec::new(), until: at.plus(PATIENCE_NS) }))
    }

    pub fn push(&mut self, stream: &StreamId, unit: Unit) {
        self.until = self.until.min(unit.arrival().plus(HOLD_NS));
        self.units.push((stream.clone(), unit));
    }

    /// When the first media was captured.
    pub fn first(&self) -> Option<Mono> {
        self.units.iter().map(|(_, unit)| unit.at()).min()
    }
}
