//! One stream's sound on its way into the mix: Opus packets wait here coded until their time has come, are decoded and
//! joined to what was played before, so that nothing clicks and nothing that was said is cut.
//!
//! * A little off (10 ms): stretched by up to one percent, as in a file of one stream.
//! * A gap: the last of lost packets is taken from the copy in the one after it, if that has one (in-band FEC, see
//!   [`super::queue`]); the others are concealed. Else the sound fades away (into what the decoder makes up for a moment,
//!   so that the last word is whole) and fades in again after the silence.
//! * Late, because the network held it up: played from the present on. The lag is worked off by leaving out silence and
//!   by playing two percent faster, while enough is waiting. More than four seconds that wait behind such a lag are skipped.
//! * A jump of more than a second, or sound after an end: a new decoder, and a short cross-fade where they meet.

use bytes::Bytes;
use codec::opus::Decoder;
use rules::ledger::Cause;

use super::CHANNELS;
use super::place::Place;
use super::queue::{HELD_MAX, Queue, Waiting};
use crate::pcm::{self, FRAME};

/// Offsets up to this many samples (10 ms) are drift.
const DRIFT: i64 = 480;
/// Offsets below this (half a millisecond) are rounding.
const TOLERANCE: i64 = 24;
/// Sound this far (five seconds) after the present cannot be meant: it is played when its turn comes.
const FAR: i64 = 5 * 48_000;
/// A lag above this (four seconds) is shortened by skipping, if as much is waiting.
const LAG_MAX: i64 = 4 * 48_000;
/// What a late stream keeps waiting (60 ms), so that it does not break off with every packet that comes a little later.
const CUSHION: i64 = 2_880;
/// At most this much of a loss (100 ms) is concealed.
const CONCEAL_MAX: i64 = 4_800;
/// Sound fades away and crosses over within this many samples (5 ms).
const FADE: usize = 240;
/// Blocks that stay below this (-60 dBFS) are silence.
const SILENT: f32 = 0.001;

/// What became of a stream's sound. All but the first two are samples of 48 kHz.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct VoiceCounts {
    /// Packets pushed.
    pub packets: u64,
    /// Packets that the decoder refused; something was made up in their place.
    pub undecodable: u64,
    /// Made up for lost packets.
    pub concealed: u64,
    /// Of lost packets, taken from the copies in those after them.
    pub recovered: u64,
    /// Silence put into gaps of up to a second.
    pub silence: u64,
    /// Added or taken away by stretching.
    pub stretched: u64,
    /// Played more than 10 ms after its time.
    pub late: u64,
    /// Silence left out to work off a lag.
    pub silence_dropped: u64,
    /// Never played: it waited behind a lag of more than four seconds, or for a mix that stood still for long.
    pub skipped: u64,
    /// How far the stream lags behind at present.
    pub lag: i64,
}

/// What became of a stream's sound since it was told last.
#[derive(Debug, Default)]
pub struct Told {
    /// Not played, or not as it was sent: from, to (samples of 48 kHz), why.
    pub missing: Vec<(i64, i64, Cause)>,
    /// Packets that were not played.
    pub dropped: u64,
    /// Packets that the decoder refused.
    pub undecodable: u64,
    /// As in [`VoiceCounts`].
    pub concealed: u64,
    pub recovered: u64,
}

/// See the module's head.
#[derive(Default)]
pub struct Voice {
    queue: Queue,
    decoder: Option<Decoder>,
    /// Decoded and not mixed yet; begins where the mix ends.
    pcm: Vec<f32>,
    /// The packet that is being worked on.
    block: Vec<f32>,
    tail: Vec<f32>,
    /// What was played last was sound: to stop there would click.
    sounding: bool,
    /// Where the last sound ended, while a gap lasts.
    silent_since: Option<i64>,
    /// Since when late sound has been kept waiting for more.
    late_since: Option<i64>,
    place: Place,
    counts: VoiceCounts,
    /// What is still to be told, and the counts when the last was.
    told: Told,
    counts_told: VoiceCounts,
}

impl Voice {
    pub fn push(&mut self, position: i64, packet: &Bytes, duration: u32, after_loss: bool) {
        self.counts.packets += 1;
        let skipped = self.queue.push(position, packet, duration, after_loss);
        skipped.iter().for_each(|packet| self.skip(packet, Cause::Overload));
    }

    /// What became of its sound since the last call.
    pub fn take_told(&mut self) -> Told {
        let before = std::mem::replace(&mut self.counts_told, self.counts);
        Told {
            undecodable: self.counts.undecodable - before.undecodable,
            concealed: self.counts.concealed - before.concealed,
            recovered: self.counts.recovered - before.recovered,
            ..std::mem::take(&mut self.told)
        }
    }

    pub fn ended(&mut self) {
        self.queue.end();
    }

    /// No more of its sound is to come for now.
    pub fn is_ended(&self) -> bool {
        self.queue.is_ended()
    }

    pub fn set_place(&mut self, heard: bool, pan: Option<f32>) {
        let idle = !self.sounding && self.pcm.is_empty();
        self.place.set(heard, pan, idle);
    }

    pub fn counts(&self) -> VoiceCounts {
        self.counts
    }

    /// Where the last sound will end, if it is mixed up to `mixed` now and no more comes.
    pub fn end(&self, mixed: i64) -> i64 {
        if self.place.is_unheard() {
            return mixed;
        }
        let fade = if self.sounding || !self.queue.is_empty() { FADE as i64 + CUSHION } else { 0 };
        let playing = mixed + samples(&self.pcm);
        let end = |end: i64, next: &Waiting| {
            let gap = next.position - end;
            end + next.duration + if gap > FAR { 0 } else { gap.max(0) }
        };
        self.queue.iter().fold(playing, end).min(mixed + HELD_MAX + FAR) + fade
    }

    /// Adds this stream's sound to the frame that begins at `start`. Everything up to `present` should have been pushed.
    /// Gives the mean of the squares of its samples.
    pub fn mix(&mut self, start: i64, present: i64, sum: &mut [f32]) -> f32 {
        if self.place.is_unheard() {
            self.drop_unheard(start + FRAME, present);
            return 0.0;
        }
        self.fill(start, present);
        let ready = self.pcm.len().min(sum.len());
        let power = self.pcm[..ready].iter().map(|sample| sample * sample).sum::<f32>() / sum.len() as f32;
        if ready > 0 {
            self.place.add(&self.pcm[..ready], &mut sum[..ready]);
            self.pcm.drain(..ready);
        }
        if self.queue.is_ended() && !self.sounding && self.queue.is_empty() {
            self.decoder = None;
            self.counts.lag = 0;
        }
        power
    }

    /// Makes `pcm` as long as a frame at least, or as there is sound for.
    fn fill(&mut self, start: i64, present: i64) {
        loop {
            let end = start + samples(&self.pcm);
            let missing = start + FRAME - end;
            if missing <= 0 {
                return;
            }
            let Some(head) = self.queue.front() else {
                if !self.sounding {
                    return;
                }
                self.fade_away(end);
                continue;
            };
            let placed = head.position - present <= FAR;
            let gap = if placed { head.position - end } else { 0 };
            let lost = head.after_loss && !head.anew && gap >= (head.duration / 2).max(TOLERANCE);
            if self.sounding && lost {
                let packet = head.duration;
                self.conceal_loss(end, gap, packet);
            } else if self.sounding && gap > DRIFT {
                self.fade_away(end);
            } else if !self.sounding && gap > 0 {
                let silence = gap.min(missing) as usize * CHANNELS;
                self.pcm.resize(self.pcm.len() + silence, 0.0);
            } else if !self.sounding && (gap < -DRIFT || !placed) && self.waits_for_more(end) {
                return;
            } else {
                self.play(end, -gap);
            }
        }
    }

    /// Late sound begins only when some of it has come, or nothing more comes: the next packets will be late too.
    fn waits_for_more(&mut self, end: i64) -> bool {
        let since = *self.late_since.get_or_insert(end);
        !self.queue.is_ended() && self.queue.held() < CUSHION && end - since < CUSHION
    }

    /// Decodes the next packet behind what is there, which ends `lag` samples after the packet's place.
    fn play(&mut self, end: i64, lag: i64) {
        let too_late = |head: &Waiting, queue: &Queue| lag > LAG_MAX && queue.held() - head.duration >= LAG_MAX;
        if self.queue.front().is_some_and(|head| too_late(head, &self.queue)) {
            let skipped = self.queue.skip_oldest();
            skipped.iter().for_each(|packet| self.skip(packet, Cause::Late));
            return;
        }
        let Some(head) = self.queue.pop_if(|_| true) else { return };
        let crosses = self.sounding && (head.anew || head.after_loss);
        if crosses {
            self.make_tail();
        }
        if head.anew || self.decoder.is_none() {
            self.decoder = Decoder::new(CHANNELS).ok();
        }
        self.decode(&head);
        self.correct(lag);
        if crosses {
            self.cross_over();
        } else if !self.sounding {
            pcm::fade_in(&mut self.block, CHANNELS);
        }
        if self.block.is_empty() {
            return;
        }
        if let Some(since) = self.silent_since.take()
            && !head.anew
        {
            self.counts.silence += (end - since).max(0) as u64;
        }
        self.pcm.extend_from_slice(&self.block);
        self.sounding = true;
        self.late_since = None;
    }

    fn decode(&mut self, head: &Waiting) {
        self.block.clear();
        let decoder = self.decoder.as_mut();
        if head.copy {
            decoder.into_iter().for_each(|decoder| decoder.recover(&head.data, &mut self.block));
            self.counts.recovered += samples(&self.block) as u64;
        } else if decoder.is_none_or(|decoder| decoder.decode(&head.data, &mut self.block).is_err()) {
            self.block.clear();
            self.counts.undecodable += 1;
            self.told.missing.push((head.position, head.position + head.duration, Cause::DecoderError));
            make_up(&mut self.decoder, head.duration, &mut self.block);
        }
    }

    fn skip(&mut self, packet: &Waiting, cause: Cause) {
        self.counts.skipped += packet.duration as u64;
        self.told.dropped += 1;
        self.told.missing.push((packet.position, packet.position + packet.duration, cause));
    }

    /// Brings the block nearer to its place.
    fn correct(&mut self, lag: i64) {
        let length = samples(&self.block);
        let late = lag > DRIFT;
        let hurries = late && self.queue.held() >= CUSHION;
        self.counts.lag = if late { lag } else { 0 };
        if late {
            self.counts.late += length as u64;
        }
        if hurries && self.block.iter().all(|sample| sample.abs() < SILENT) {
            let cut = lag.min(length);
            self.block.drain(..cut as usize * CHANNELS);
            self.counts.silence_dropped += cut as u64;
            return;
        }
        let limit = match (hurries, late) {
            (true, _) => length / 50,
            // It would run dry.
            (false, true) => 0,
            (false, false) if lag.abs() > TOLERANCE => length / 100,
            (false, false) => 0,
        };
        let change = lag.clamp(-limit, limit);
        if change != 0 {
            self.block = pcm::stretch(&self.block, CHANNELS, (length - change) as usize);
            self.counts.stretched += change.unsigned_abs();
        }
    }

    /// Conceals lost packets of `packet` samples before the next one, which lies `gap` samples after what there is.
    fn conceal_loss(&mut self, end: i64, gap: i64, packet: i64) {
        self.queue.forget_loss();
        // In whole packets: the decoder goes on at their bounds only. The rest is stretched away.
        let packet = packet.max(1);
        let made_up = ((gap + packet / 2) / packet * packet).clamp(1, CONCEAL_MAX);
        make_up(&mut self.decoder, made_up, &mut self.pcm);
        self.counts.concealed += made_up as u64;
        if gap - made_up > DRIFT {
            let fades = (made_up as usize).min(FADE) * CHANNELS;
            let from = self.pcm.len() - fades;
            fade_out(&mut self.pcm[from..]);
            self.fall_silent(end + made_up);
        }
    }

    /// Ends the sound softly with what the decoder makes up.
    fn fade_away(&mut self, end: i64) {
        self.make_tail();
        self.pcm.extend_from_slice(&self.tail);
        self.fall_silent(end);
    }

    fn fall_silent(&mut self, end: i64) {
        self.sounding = false;
        self.silent_since = Some(end);
        self.counts.lag = 0;
    }

    fn make_tail(&mut self) {
        self.tail.clear();
        make_up(&mut self.decoder, FADE as i64, &mut self.tail);
        fade_out(&mut self.tail);
    }

    /// From the tail over to the block.
    fn cross_over(&mut self) {
        let crossing = self.block.len().max(self.tail.len());
        self.block.resize(crossing, 0.0);
        let steps = self.tail.len() as f32;
        for (i, (sample, tail)) in self.block.iter_mut().zip(&self.tail).enumerate() {
            *sample = *sample * (i as f32 / steps) + tail;
        }
    }

    /// What nobody hears need not be decoded.
    fn drop_unheard(&mut self, until: i64, present: i64) {
        self.pcm.clear();
        self.decoder = None;
        self.sounding = false;
        self.silent_since = None;
        self.late_since = None;
        self.counts.lag = 0;
        while self.queue.pop_if(|head| head.position < until || head.position - present > FAR).is_some() {}
    }
}

/// Samples per channel.
fn samples(pcm: &[f32]) -> i64 {
    (pcm.len() / CHANNELS) as i64
}

/// What the decoder guesses to come next; silence without one.
fn make_up(decoder: &mut Option<Decoder>, samples: i64, out: &mut Vec<f32>) {
    let samples = samples as usize;
    match decoder {
        Some(decoder) => decoder.conceal(samples, out),
        None => out.resize(out.len() + samples * CHANNELS, 0.0),
    }
}

fn fade_out(block: &mut [f32]) {
    let steps = block.len() as f32;
    for (i, sample) in block.iter_mut().enumerate() {
        *sample *= 1.0 - i as f32 / steps;
    }
}
