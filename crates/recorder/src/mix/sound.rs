//! The sound of a mix: Opus packets of many streams at media times in, one unbroken row of stereo frames out.
//!
//! The mix never waits for a stream: what is not there when its time has come is silence. What comes later all the same
//! is not cut away but played from then on, and the stream catches up by and by (see [`voice`]). Pure: no clock of its
//! own, no I/O; the only codec is libopus.

mod limiter;
mod place;
mod queue;
mod voice;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rules::select::StreamId;
use rules::speaker::Loudness;

use self::limiter::Limiter;
pub use self::voice::VoiceCounts;
use self::voice::{Told, Voice};
use crate::pcm::{FRAME, GridFrame};

/// Channels of the mix, interleaved.
const CHANNELS: usize = 2;
/// Values in one frame.
const VALUES: usize = FRAME as usize * CHANNELS;
/// Media times are kept within this, so that sums of them cannot overflow: a hundred thousand years.
const TIME_LIMIT: i64 = 1 << 60;

/// Mixes the sound of up to 17 streams into one grid of 48 kHz stereo frames. All times are media times in samples of
/// 48 kHz since the file's start.
///
/// Contract: `push` for the packets of a stream in the order of its RTP time, `ended` when its sound stops on purpose,
/// `mix` with growing times that lie at most five seconds behind the newest packets.
#[derive(Default)]
pub struct Mixer {
    /// Index of the next frame.
    next: i64,
    voices: BTreeMap<StreamId, Voice>,
    limiter: Limiter,
    /// Only streams that were given a place are heard.
    closed: bool,
    /// How loud everybody was in which frame, if anybody wants to know.
    heard: Option<VecDeque<Heard>>,
}

/// How loud the streams are in a frame of the mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Where the frame ends.
    pub until: i64,
    pub streams: Vec<Loudness>,
}

impl Mixer {
    /// A mix whose first frame begins at `from`, a multiple of [`FRAME`] (anything else is rounded up): 0, or where the
    /// sound in the file ends when that is gone on with.
    pub fn new(from: i64) -> Mixer {
        let from = from.clamp(-TIME_LIMIT, TIME_LIMIT);
        Mixer { next: from.div_euclid(FRAME) + i64::from(from.rem_euclid(FRAME) != 0), ..Mixer::default() }
    }

    /// Takes one Opus packet whose first decoded sample belongs at `position` and which lasts `duration` samples;
    /// `after_loss`: packets before it were lost in the network.
    pub fn push(&mut self, stream: &StreamId, position: i64, packet: &Bytes, duration: u32, after_loss: bool) {
        self.voice(stream).push(position.clamp(-TIME_LIMIT, TIME_LIMIT), packet, duration, after_loss);
    }

    /// The stream's sound stops here: unpublished, muted, or the connection was lost. What was pushed is still played;
    /// what is pushed after this begins anew.
    pub fn ended(&mut self, stream: &StreamId) {
        if let Some(voice) = self.voices.get_mut(stream) {
            voice.ended();
        }
    }

    /// Whether the stream is heard, and where between left (-1) and right (1); without a place it stays as it was sent.
    /// Takes effect at the end of what is mixed already, over 10 ms.
    pub fn set_place(&mut self, stream: &StreamId, heard: bool, pan: Option<f32>) {
        self.voice(stream).set_place(heard, pan);
    }

    /// Only these streams are heard from now on, and others once they are given a place. Of a stream whose sound has ended
    /// all that was pushed is still played.
    pub fn keep_only(&mut self, is_kept: impl Fn(&StreamId) -> bool) {
        self.closed = true;
        let others = self.voices.iter_mut().filter(|(stream, voice)| !is_kept(stream) && !voice.is_ended());
        others.for_each(|(_, voice)| voice.set_place(false, None));
    }

    /// From now on it is kept how loud everybody is, for [`Mixer::take_heard`].
    pub fn listen(&mut self) {
        self.heard.get_or_insert_default();
    }

    /// The oldest frame that ends at or before `until` and was not taken yet.
    pub fn take_heard(&mut self, until: i64) -> Option<Heard> {
        self.heard.as_mut()?.pop_front_if(|heard| heard.until <= until)
    }

    /// Appends every full frame that ends at or before `until` and was not given yet.
    pub fn mix(&mut self, until: i64, out: &mut Vec<GridFrame>) {
        let until = until.clamp(-TIME_LIMIT, TIME_LIMIT);
        while (self.next + 1) * FRAME <= until {
            let mut pcm = vec![0.0; VALUES];
            let mut streams = Vec::new();
            for (stream, voice) in &mut self.voices {
                let power = voice.mix(self.next * FRAME, until, &mut pcm);
                if self.heard.is_some() && power > 0.0 {
                    streams.push(Loudness { stream: stream.clone(), power });
                }
            }
            if let Some(heard) = &mut self.heard {
                heard.push_back(Heard { until: (self.next + 1) * FRAME, streams });
            }
            self.limiter.run(&mut pcm);
            out.push(GridFrame { index: self.next, pcm });
            self.next += 1;
        }
    }

    /// The time up to which must be mixed so that everything pushed so far is heard: for the end of a recording, where a
    /// stream may still lag behind. At least the end of what is mixed.
    pub fn sound_end(&self) -> i64 {
        let mixed = self.next * FRAME;
        let end = self.voices.values().map(|voice| voice.end(mixed)).max().unwrap_or(mixed);
        mixed + (end - mixed + FRAME - 1).div_euclid(FRAME).max(0) * FRAME
    }

    /// What became of the sound of every stream that was ever pushed or placed.
    pub fn counts(&self) -> impl Iterator<Item = (&StreamId, VoiceCounts)> {
        self.voices.iter().map(|(stream, voice)| (stream, voice.counts()))
    }

    /// The same since the last call.
    pub fn take_told(&mut self) -> impl Iterator<Item = (&StreamId, Told)> {
        self.voices.iter_mut().map(|(stream, voice)| (stream, voice.take_told()))
    }

    fn voice(&mut self, stream: &StreamId) -> &mut Voice {
        // Not by `entry`: that would copy the name for every packet.
        if !self.voices.contains_key(stream) {
            let mut voice = Voice::default();
            voice.set_place(!self.closed, None);
            self.voices.insert(stream.clone(), voice);
        }
        self.voices.get_mut(stream).expect("it was inserted above")
    }
}

#[cfg(test)]
mod fec_tests;
#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod long_test;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
