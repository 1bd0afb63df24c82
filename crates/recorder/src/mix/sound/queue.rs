//! The packets of one stream that wait for their time, coded and in the order they were sent.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::opus::{self, MAX_PACKET};

/// A position that is off from its predecessor's end by more than this (one second) begins anew.
const JUMP: i64 = 48_000;
/// At most so much sound (30 seconds) waits, for a mix that stands still...
pub const HELD_MAX: i64 = 30 * 48_000;
/// ...in at most so many packets.
const PACKETS_MAX: usize = 6_000;

/// A packet that waits for its time.
pub struct Waiting {
    /// Media time of its first sample.
    pub position: i64,
    pub data: Bytes,
    /// Not the packet itself is meant but the copy that it carries of what was lost before it.
    pub copy: bool,
    /// Samples.
    pub duration: i64,
    /// Packets before it were lost.
    pub after_loss: bool,
    /// It does not go on from the packet before: it needs a new decoder.
    pub anew: bool,
}

/// See the module's head.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    held: i64,
    /// Where a packet belongs that joins up with the last one pushed; none at the start and after an end.
    expected: Option<i64>,
}

impl Queue {
    /// Adds a packet, and in front of it what it brings back of a loss; answers what had to be skipped to make room for
    /// it.
    pub fn push(&mut self, position: i64, data: &Bytes, duration: u32, mut after_loss: bool) -> Vec<Waiting> {
        let mut skipped = Vec::new();
        if after_loss
            && let Some(expected) = self.expected
            && let Some((copied, remaining)) = brought_back(position.saturating_sub(expected), data)
        {
            skipped = self.add(position - copied, data, true, copied, remaining);
            after_loss = false;
        }
        skipped.extend(self.add(position, data, false, i64::from(duration).min(MAX_PACKET as i64), after_loss));
        skipped
    }

    fn add(&mut self, position: i64, data: &Bytes, copy: bool, duration: i64, after_loss: bool) -> Vec<Waiting> {
        let anew = self.expected.is_none_or(|expected| (position - expected).abs() > JUMP);
        if anew && self.expected.is_some_and(|expected| position < expected) {
            // What waits for a later time must not hold this up.
            self.waiting.iter_mut().for_each(|before| before.position = before.position.min(position));
        }
        self.expected = Some(position + duration);
        let mut skipped = Vec::new();
        while self.held + duration > HELD_MAX || self.waiting.len() >= PACKETS_MAX {
            skipped.extend(self.skip_oldest());
        }
        self.held += duration;
        self.waiting.push_back(Waiting { position, data: data.clone(), copy, duration, after_loss, anew });
        skipped
    }

    /// The next packet will have nothing to do with the last.
    pub fn end(&mut self) {
        self.expected = None;
    }

    /// No packet is to come that belongs to the last one.
    pub fn is_ended(&self) -> bool {
        self.expected.is_none()
    }

    /// Samples that wait.
    pub fn held(&self) -> i64 {
        self.held
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// The front packet's loss is dealt with.
    pub fn forget_loss(&mut self) {
        if let Some(head) = self.waiting.front_mut() {
            head.after_loss = false;
        }
    }

    pub fn pop_if(&mut self, condition: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        let head = self.waiting.pop_front_if(|head| condition(head))?;
        self.held -= head.duration;
        Some(head)
    }

    /// Takes the first packet away unplayed.
    pub fn skip_oldest(&mut self) -> Option<Waiting> {
        let skipped = self.pop_if(|_| true)?;
        if let Some(head) = self.waiting.front_mut() {
            head.anew = true;
        }
        Some(skipped)
    }
}

/// How many samples directly before a packet it brings back of a gap of `gap`, and whether more is missing.
fn brought_back(gap: i64, data: &[u8]) -> Option<(i64, bool)> {
    let copied = opus::carried(data) as i64;
    // Into a gap that is much smaller it does not belong, and behind one that is much larger a new decoder begins.
    let fits = copied > 0 && (copied / 2..=JUMP).contains(&gap);
    fits.then_some((copied, gap - copied >= copied / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_time_and_number() {
        for (duration, count) in [(u32::MAX, 250), (960, 1_500), (0, PACKETS_MAX)] {
            let (mut queue, mut skipped, mut position) = (Queue::default(), 0, 0);
            for _ in 0..10_000 {
                let over = queue.push(position, &Bytes::new(), duration, false);
                skipped += over.iter().map(|packet| packet.duration).sum::<i64>();
                position += 5_760;
            }
            assert_eq!(queue.iter().count(), count);
            assert_eq!(skipped + queue.held(), 10_000 * i64::from(duration.min(5_760)));
        }
    }
}
