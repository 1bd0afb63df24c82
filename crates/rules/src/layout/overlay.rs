//! What is laid over the cells.

use serde::{Deserialize, Serialize};

use super::cell::{Label, Member};
use crate::request::{Clock, MixExtension, Watermark};

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

impl Overlays {
    /// The name of a stream's user; their id if they have none.
    pub(super) fn label(&self, member: &Member) -> Option<Label> {
        let name = if member.name.trim().is_empty() { &member.stream.user } else { &member.name };
        self.names.then(|| Label::Name(name.clone()))
    }
}
