//! Who speaks, by how loud everybody is.
//!
//! Somebody else becomes the speaker when they were the loudest for a second longer than all others were meanwhile;
//! pauses in which nobody speaks do not count. Whoever spoke last stays the speaker in silence, and until somebody else
//! takes over. So a cough or an interjection changes nothing, and of two who speak at once the louder one wins.

use std::collections::BTreeMap;

use crate::layout::Member;
use crate::select::{StreamId, StreamKind};
use crate::time::{MILLI_NS, SECOND_NS};

/// Power below which nobody speaks (-50 dBFS): the noise of a quiet room.
const SPEECH: f32 = 1e-5;
/// A voice that falls silent is taken for this much softer each nanosecond, as a power of ten: 20 dB in 200 ms. Speech
/// has gaps between its syllables.
const FADING: f32 = 2.0 / (200 * MILLI_NS) as f32;
/// Somebody is the loudest for so much longer (nanoseconds) before they are the speaker.
const TAKES_OVER_NS: i64 = SECOND_NS;
/// Between two changes at least so long (nanoseconds): pictures that jump cannot be looked at.
const STAYS_NS: i64 = 2 * SECOND_NS;

/// How loud a stream is in a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Loudness {
    pub stream: StreamId,
    /// Mean of the squares of its samples; 1 is full scale.
    pub power: f32,
}

/// See the module's head. No clock: it is told of one stretch of time after the other.
#[derive(Debug, Default)]
pub struct SpeakerRule {
    speaker: Option<StreamId>,
    changed_at: Option<i64>,
    /// Who may be the next, and for how much longer than others they were the loudest, nanoseconds.
    rival: Option<(StreamId, i64)>,
    /// Of each stream, fading away after its loudest moments.
    levels: BTreeMap<StreamId, f32>,
}

impl SpeakerRule {
    /// Who speaks, or spoke last.
    pub fn speaker(&self) -> Option<&StreamId> {
        self.speaker.as_ref()
    }

    /// The loudness of all streams in the stretch of `length` nanoseconds that ends at `until` (media time). Only those
    /// that `may_speak` are considered. Returns whether the speaker changed.
    pub fn hear(&mut self, until: i64, length: i64, heard: &[Loudness], may_speak: impl Fn(&StreamId) -> bool) -> bool {
        let fading = 10f32.powf(-FADING * length as f32);
        self.levels.values_mut().for_each(|level| *level *= fading);
        for Loudness { stream, power } in heard {
            match self.levels.get_mut(stream) {
                Some(level) => *level = level.max(*power),
                None => _ = self.levels.insert(stream.clone(), *power),
            }
        }
        self.levels.retain(|_, level| *level >= SPEECH);
        let speaking = self.levels.iter().filter(|(stream, _)| stream.kind == StreamKind::Camera && may_speak(stream));
        let Some((loudest, _)) = speaking.max_by(|a, b| a.1.total_cmp(b.1)) else { return false };
        match &mut self.rival {
            Some((rival, time)) if rival == loudest => *time = (*time + length).min(TAKES_OVER_NS),
            Some((_, time)) if *time > length => *time -= length,
            _ => self.rival = Some((loudest.clone(), length)).filter(|(rival, _)| self.speaker.as_ref() != Some(rival)),
        }
        let takes_over = self.rival.as_ref().is_some_and(|(rival, time)| rival == loudest && *time >= TAKES_OVER_NS);
        if !takes_over || self.changed_at.is_some_and(|at| until - at < STAYS_NS) {
            return false;
        }
        self.speaker = self.rival.take().map(|(rival, _)| rival);
        self.changed_at = Some(until);
        true
    }
}

/// Whether a stream may be shown as the speaker: somebody who shows no picture only if nobody who is there does.
pub fn may_speak(members: &[Member], stream: &StreamId) -> bool {
    let somebody_is_seen = members.iter().any(|member| member.stream.kind == StreamKind::Camera && member.video);
    members.iter().any(|member| member.stream == *stream && (member.video || !somebody_is_seen))
}

#[cfg(test)]
mod tests;
