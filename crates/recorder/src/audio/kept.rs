//! Opus packets that are kept as they were sent.

use std::collections::VecDeque;

use bytes::Bytes;
use media::mp4::{Sample, TrackId, Writer};

use super::{OPUS_DELAY, REMEMBERED, Sound, Told};
use crate::Result;
use crate::pcm::JUMP_FROM;

/// Offsets of kept packets below this (10 ms) are taken as drift and move them; larger ones are gaps.
const KEPT_RANGE: i64 = 480;

/// Opus packets as they were sent.
pub struct OpusLane {
    track: TrackId,
    /// Media time 0 of the present file, in samples since the lane's epoch.
    base: i64,
    /// Where the next packet lies when it joins up with the last.
    pub next: i64,
    held: Option<(i64, i64, Bytes)>,
    pub told: Told,
    /// Samples as they were written, last ones last.
    pub recent: Option<VecDeque<Sample>>,
}

impl OpusLane {
    pub fn new(track: TrackId, written_until: i64) -> OpusLane {
        OpusLane { track, base: 0, next: written_until, held: None, told: Told::default(), recent: None }
    }

    /// `at`: samples of 48 kHz, as heard.
    pub fn split(mut self, at: i64, from: &mut Writer, track: TrackId, to: &mut Writer) -> Result<OpusLane> {
        let first = at + OPUS_DELAY;
        if self.held.as_ref().is_some_and(|held| held.0 < first) {
            self.write_held(None, from)?;
        }
        for sample in self.recent.take().unwrap_or_default() {
            if sample.dts as i64 >= first {
                to.push(track, Sample { dts: sample.dts - at as u64, ..sample })?;
            }
        }
        let held = self.held.map(|(dts, duration, data)| (dts - at, duration, data));
        Ok(OpusLane { track, base: self.base + at, next: self.next - at, held, told: self.told, recent: None })
    }

    pub fn push(&mut self, sound: &Sound<'_>, writer: &mut Writer) -> Result<()> {
        // The track's edit list plays sound OPUS_DELAY earlier than its decode time.
        let mut dts = sound.position - self.base + OPUS_DELAY;
        if dts < self.next - KEPT_RANGE {
            return Ok(());
        }
        if (dts - self.next).abs() <= KEPT_RANGE / 16 {
            dts = self.next;
        }
        if let Some((last, ..)) = self.held.as_ref().filter(|_| dts > self.next + KEPT_RANGE) {
            let heard = self.base - OPUS_DELAY;
            if sound.after_loss {
                self.told.missing.push((self.next + heard, dts + heard));
            } else if dts - self.next < JUMP_FROM {
                self.told.silent.push((last + heard, dts + heard));
            }
        }
        dts = dts.max(self.held.as_ref().map_or(self.next, |held| held.0 + 1));
        self.write_held(Some(dts), writer)?;
        self.next = dts + sound.duration;
        self.held = Some((dts, sound.duration, sound.packet.clone()));
        Ok(())
    }

    /// Writes the packet held back; up to `until` when the next one is near enough to be its continuation.
    pub fn write_held(&mut self, until: Option<i64>, writer: &mut Writer) -> Result<()> {
        let Some((dts, duration, data)) = self.held.take() else { return Ok(()) };
        let lasts = until.map_or(duration, |next| next - dts);
        let duration = if (lasts - duration).abs() <= KEPT_RANGE { lasts } else { duration };
        let duration = duration.max(1) as u32;
        let sample = Sample { entry: 0, dts: dts.max(0) as u64, duration, key: true, after_still: false, data };
        if let Some(recent) = &mut self.recent {
            recent.push_back(sample.clone());
            while recent.len() > REMEMBERED {
                recent.pop_front();
            }
        }
        Ok(writer.push(self.track, sample)?)
    }
}
