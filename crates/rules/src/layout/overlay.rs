//! What is laid over the cells.

use serde::{Deserialize, Serialize};

use super::cell::{Label, Member};
use crate::calendar::calendar_of;
use crate::request::{Clock, Mark, MixExtension, Watermark};
use crate::time::{SECOND_NS, Wall};

/// Nothing, unless the request has our extensions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlays {
    /// The users' names on their cells.
    pub names: bool,
    pub clock: Option<Clock>,
    /// From the lowest to the uppermost.
    pub watermarks: Vec<Watermark>,
}

impl From<&MixExtension> for Overlays {
    fn from(mix: &MixExtension) -> Overlays {
        Overlays { names: mix.names, clock: mix.clock, watermarks: mix.watermarks.clone() }
    }
}

impl Clock {
    /// What it shows: `YYYY-MM-DD hh:mm:ss`.
    pub fn text(&self, wall: Wall) -> String {
        let seconds = wall.0.div_euclid(SECOND_NS) + i64::from(self.utc_offset_minutes) * 60;
        let (day, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = calendar_of(day);
        format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60)
    }
}

impl Overlays {
    /// Whether anything is written.
    pub(super) fn has_text(&self) -> bool {
        let is_text = |watermark: &Watermark| matches!(watermark.mark, Mark::Text { .. });
        self.names || self.clock.is_some() || self.watermarks.iter().any(is_text)
    }

    /// The name of a stream's user; their id if they have none.
    pub(super) fn label(&self, member: &Member) -> Option<Label> {
        let name = if member.name.trim().is_empty() { &member.stream.user } else { &member.name };
        self.names.then(|| Label::Name(name.clone()))
    }
}
